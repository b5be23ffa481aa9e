"""Rules of Alibaba Cloud for what a cluster needs; its SDK requires little and closes nothing."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import Like, Machines, OneOf, Rules

_ACK = "Alibaba Cloud ACK API reference 2015-12-15"
_ECS = "Alibaba Cloud ECS API reference 2014-05-26"
_VPC = "Alibaba Cloud VPC API reference 2016-04-28"
_NAS = "Alibaba Cloud NAS API reference 2017-06-26"
_KMS = "KMS API reference 2016-01-20, CreateKey"
_ACCELERATED = """
gn6i-c4g1.xlarge gn6i-c8g1.2xlarge gn6i-c16g1.4xlarge gn6i-c24g1.6xlarge gn6i-c24g1.12xlarge gn6i-c24g1.24xlarge
gn6e-c12g1.3xlarge gn6e-c12g1.6xlarge gn6e-c12g1.12xlarge gn6e-c12g1.24xlarge gn6v-c8g1.2xlarge gn6v-c8g1.4xlarge
gn6v-c8g1.8xlarge gn6v-c8g1.16xlarge gn6v-c10g1.20xlarge gn7-c12g1.3xlarge gn7-c12g1.6xlarge gn7-c12g1.12xlarge
gn7-c12g1.24xlarge gn7-c13g1.13xlarge gn7-c13g1.26xlarge gn7i-c8g1.2xlarge gn7i-c16g1.4xlarge gn7i-c32g1.8xlarge
gn7i-c32g1.16xlarge gn7i-c32g1.32xlarge gn7i-c48g1.12xlarge gn7i-c56g1.14xlarge gn7i-2x.8xlarge gn7i-4x.8xlarge
gn7i-4x.16xlarge gn7e-c16g1.4xlarge gn7e-c16g1.8xlarge gn7e-c16g1.16xlarge gn7e-c16g1.32xlarge gn8is.2xlarge
gn8is.4xlarge gn8is-2x.8xlarge gn8is-4x.16xlarge gn8is-8x.32xlarge gn8v.4xlarge gn8v.6xlarge gn8v-2x.8xlarge
gn8v-2x.12xlarge gn8v-4x.8xlarge gn8v-4x.24xlarge gn8v-8x.16xlarge gn8v-8x.48xlarge ebmgn6e.24xlarge ebmgn6v.24xlarge
ebmgn6i.24xlarge ebmgn7.26xlarge ebmgn7e.32xlarge ebmgn7ex.32xlarge ebmgn7i.32xlarge ebmgn7ix.32xlarge
ebmgn8is.32xlarge ebmgn8v.48xlarge
"""
MACHINES = Machines(
    accelerated=frozenset(f"ecs.{name}" for name in _ACCELERATED.split()),
    family=r"ecs\.(ebm|s|v)?gn",
    pattern=r"ecs\.[a-z][a-z0-9]*(-[a-z0-9]+)*\.(small|medium|large|\d{0,3}xlarge)",
    words="an ECS instance type such as ecs.g8i.2xlarge",
    source="ECS user guide, GPU-accelerated instance families",
)
VERSION = Like(r"1\.3[1-6](\.\d+-aliyun\.\d+)?", "a Kubernetes version of ACK such as 1.35.2-aliyun.1", _ACK)
_DISKS = OneOf(
    (
        "cloud_essd",
        "cloud_auto",
        "cloud_essd_entry",
        "cloud_ssd",
        "cloud_efficiency",
        "cloud",
        "elastic_ephemeral_disk_premium",
    ),
    f"{_ECS}, RunInstances",
)
_LEVELS = OneOf(("PL0", "PL1", "PL2", "PL3"), f"{_ECS}, RunInstances")

RULES = Rules(
    required={
        "alicloud:cs/managedKubernetes:ManagedKubernetes": (
            "vswitchIds|workerVswitchIds|zoneIds",
            "serviceCidr",
            "podCidr|podVswitchIds",
            "addons[].name",
        ),
        "alicloud:cs/nodePool:NodePool": (
            "vswitchIds",
            "instanceTypes|instancePatterns",
            "nodePoolName|name",
            "desiredSize|scalingConfig",
            "systemDiskCategory",
            "scalingConfig.maxSize",
            "scalingConfig.minSize",
            "taints[].key",
        ),
        "alicloud:vpc/network:Network": ("cidrBlock|ipv4IpamPoolId",),
        "alicloud:vpc/switch:Switch": ("cidrBlock", "vpcId", "zoneId|availabilityZone"),
        "alicloud:vpc/natGateway:NatGateway": ("vpcId", "vswitchId", "natType"),
        "alicloud:vpc/snatEntry:SnatEntry": ("sourceVswitchId|sourceCidr", "snatIp", "snatTableId"),
        "alicloud:ecs/eipAssociation:EipAssociation": ("instanceId", "allocationId"),
        "alicloud:ecs/securityGroup:SecurityGroup": ("vpcId",),
        "alicloud:nas/mountTarget:MountTarget": ("fileSystemId", "accessGroupName", "vpcId", "vswitchId"),
        "alicloud:nas/accessRule:AccessRule": ("accessGroupName", "sourceCidrIp|ipv6SourceCidrIp"),
        "alicloud:nas/accessGroup:AccessGroup": ("accessGroupType|type",),
        "alicloud:oss/bucketServerSideEncryption:BucketServerSideEncryption": ("bucket", "sseAlgorithm"),
        "alicloud:oss/bucketVersioning:BucketVersioning": ("bucket", "status"),
        "alicloud:ram/role:Role": ("roleName|name", "assumeRolePolicyDocument|document|services|ramUsers"),
        "alicloud:ram/policy:Policy": ("policyName|name", "policyDocument|document|statements"),
        "alicloud:cs/autoscalingConfig:AutoscalingConfig": ("clusterId",),
        "alicloud:ecs/securityGroupRule:SecurityGroupRule": (
            "cidrIp|ipv6CidrIp|sourceSecurityGroupId|prefixListId",
            "portRange",
        ),
        "alicloud:log/project:Project": ("projectName|name",),
        "alicloud:log/store:Store": ("projectName|project", "logstoreName|name"),
        "alicloud:vpc/ipv4CidrBlock:Ipv4CidrBlock": ("secondaryCidrBlock|ipv4IpamPoolId",),
    },
    needs={
        "alicloud:cs/managedKubernetes:ManagedKubernetes": {"encryptionProviderKey": ("disableEncryption",)},
        "alicloud:cs/nodePool:NodePool": {"systemDiskKmsKey": ("systemDiskEncrypted",)},
    },
    values={
        "alicloud:cs/managedKubernetes:ManagedKubernetes": {
            "version": VERSION,
            "profile": OneOf(("Default", "Edge", "Serverless", "Acs"), f"{_ACK}, CreateCluster"),
            "controlPlaneEndpointsConfig.loadBalancersConfigs[].endpointType": OneOf(
                ("private", "public"), f"{_ACK}, CreateCluster"
            ),
            "clusterSpec": OneOf(
                (
                    "ack.standard",
                    "ack.pro.small",
                    "ack.pro.xlarge",
                    "ack.pro.2xlarge",
                    "ack.pro.4xlarge",
                ),
                f"{_ACK}, CreateCluster",
            ),
            "proxyMode": OneOf(("ipvs", "iptables", "nftables"), f"{_ACK}, CreateCluster"),
            "controlPlaneLogComponents[]": OneOf(
                ("apiserver", "kcm", "scheduler", "ccm", "controlplane-events", "alb", "cpi"), _ACK
            ),
            "deleteOptions[].deleteMode": OneOf(("delete", "retain"), _ACK),
            "deleteOptions[].resourceType": OneOf(
                ("SLB", "ALB", "SLS_Data", "SLS_ControlPlane", "PrivateZone"), f"{_ACK}, DeleteCluster"
            ),
            "operationPolicy.clusterAutoUpgrade.channel": OneOf(("patch", "stable", "rapid"), _ACK),
        },
        "alicloud:cs/nodePool:NodePool": {
            "instanceTypes[]": MACHINES,
            "imageType": OneOf(
                (
                    "AliyunLinux3ContainerOptimized",
                    "AliyunLinux3",
                    "AliyunLinux3Arm64",
                    "AliyunLinux3UEFI",
                    "AliyunLinux",
                    "AliyunLinuxUEFI",
                    "AliyunLinuxSecurity",
                    "AliyunLinux4ContainerOptimized",
                    "AliyunLinux4Arm64",
                    "ContainerOS",
                    "Ubuntu",
                    "RHEL",
                    "CentOS",
                    "Windows",
                    "WindowsCore",
                    "Custom",
                    "AliyunLinux3Security",
                    "RedHat",
                    "AliyunLinux4",
                ),
                f"{_ACK}, CreateClusterNodePool",
            ),
            "runtimeName": OneOf(
                ("containerd", "docker", "Sandboxed-Container.runv"), f"{_ACK}, CreateClusterNodePool"
            ),
            "systemDiskCategory": _DISKS,
            "dataDisks[].category": _DISKS,
            "systemDiskPerformanceLevel": _LEVELS,
            "taints[].effect": OneOf(("NoSchedule", "PreferNoSchedule", "NoExecute"), f"{_ACK}, Taint"),
            "spotStrategy": OneOf(("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"), f"{_ECS}, RunInstances"),
            "multiAzPolicy": OneOf(("PRIORITY", "COST_OPTIMIZED", "BALANCE"), f"{_ACK}, CreateClusterNodePool"),
            "scalingPolicy": OneOf(("release", "recycle"), f"{_ACK}, CreateClusterNodePool"),
            "instanceChargeType": OneOf(("PostPaid", "PrePaid"), f"{_ACK}, CreateClusterNodePool"),
            "cpuPolicy": OneOf(("none", "static"), f"{_ACK}, CreateClusterNodePool"),
            "instanceMetadataOptions.httpTokens": OneOf(("optional", "required"), f"{_ECS}, RunInstances"),
            "desiredSize": Like(r"\d+", "a whole number, written as text", "pulumi-alicloud 4.0"),
        },
        "alicloud:cs/autoscalingConfig:AutoscalingConfig": {
            "scalerType": OneOf(("cluster-autoscaler", "goatscaler"), f"{_ACK}, CreateAutoscalingConfig"),
            "expander": OneOf(("least-waste", "random", "priority", "most-pods"), f"{_ACK}, CreateAutoscalingConfig"),
        },
        "alicloud:cs/kubernetesPermission:KubernetesPermission": {
            "permissions[].roleName": OneOf(("admin", "ops", "dev", "restricted"), f"{_ACK}, UpdateUserPermissions"),
            "permissions[].roleType": OneOf(("cluster", "namespace", "all-clusters"), f"{_ACK}, UpdateUserPermissions"),
        },
        "alicloud:ecs/ecsDeploymentSet:EcsDeploymentSet": {
            "strategy": OneOf(("Availability", "AvailabilityGroup", "LowLatency"), f"{_ECS}, CreateDeploymentSet")
        },
        "alicloud:ecs/eipAssociation:EipAssociation": {
            "instanceType": OneOf(
                ("Nat", "SlbInstance", "EcsInstance", "HaVip", "NetworkInterface", "IpAddress"),
                f"{_VPC}, AssociateEipAddress",
            )
        },
        "alicloud:ecs/securityGroup:SecurityGroup": {
            "securityGroupType": OneOf(("normal", "enterprise"), f"{_ECS}, CreateSecurityGroup")
        },
        "alicloud:ecs/securityGroupRule:SecurityGroupRule": {
            "type": OneOf(("ingress", "egress"), "pulumi-alicloud 4.0"),
            "ipProtocol": OneOf(("tcp", "udp", "icmp", "icmpv6", "gre", "all"), f"{_ECS}, AuthorizeSecurityGroup"),
            "policy": OneOf(("accept", "drop"), f"{_ECS}, AuthorizeSecurityGroup"),
            "portRange": Like(
                r"-1/-1|\d+/\d+", "two ports such as 443/443, or -1/-1", f"{_ECS}, AuthorizeSecurityGroup"
            ),
        },
        "alicloud:kms/key:Key": {
            "keySpec": OneOf(
                (
                    "Aliyun_AES_256",
                    "Aliyun_AES_192",
                    "Aliyun_AES_128",
                    "Aliyun_SM4",
                    "RSA_2048",
                    "RSA_3072",
                    "EC_P256",
                    "EC_P256K",
                    "EC_SM2",
                ),
                _KMS,
            ),
            "automaticRotation": OneOf(("Enabled", "Disabled"), _KMS),
            "deletionProtection": OneOf(("Enabled", "Disabled"), _KMS),
            "dkmsInstanceId": Like(r"kst-[0-9a-z]+", "a KMS instance such as kst-hzz0123456789abcdef", _KMS),
        },
        "alicloud:nlb/loadBalancer:LoadBalancer": {
            "addressType": OneOf(("Internet", "Intranet"), "NLB API reference 2022-04-30, CreateLoadBalancer")
        },
        "alicloud:ram/policy:Policy": {
            "rotateStrategy": OneOf(
                ("None", "DeleteOldestNonDefaultVersionWhenLimitExceeded"), "RAM API reference 2015-05-01, CreatePolicy"
            )
        },
        "alicloud:vpc/flowLog:FlowLog": {
            "resourceType": OneOf(("NetworkInterface", "VSwitch", "VPC"), f"{_VPC}, CreateFlowLog"),
            "trafficType": OneOf(("All", "Allow", "Drop"), f"{_VPC}, CreateFlowLog"),
            "status": OneOf(("Active", "Inactive"), f"{_VPC}, CreateFlowLog"),
        },
        "alicloud:vpc/natGateway:NatGateway": {
            "internetChargeType": OneOf(("PayByLcu", "PayBySpec"), f"{_VPC}, CreateNatGateway"),
            "natType": OneOf(("Enhanced",), f"{_VPC}, CreateNatGateway"),
            "paymentType": OneOf(("PayAsYouGo", "Subscription"), f"{_VPC}, CreateNatGateway"),
            "networkType": OneOf(("internet", "intranet"), f"{_VPC}, CreateNatGateway"),
        },
        "alicloud:ecs/eipAddress:EipAddress": {
            "bandwidth": Like(r"\d+", "a whole number, written as text", f"{_VPC}, AllocateEipAddress"),
            "internetChargeType": OneOf(("PayByTraffic", "PayByBandwidth"), f"{_VPC}, AllocateEipAddress"),
            "paymentType": OneOf(("PayAsYouGo", "Subscription"), f"{_VPC}, AllocateEipAddress"),
        },
        "alicloud:nas/fileSystem:FileSystem": {
            "protocolType": OneOf(("NFS", "SMB", "cpfs"), f"{_NAS}, CreateFileSystem"),
            "storageType": OneOf(
                ("Performance", "Capacity", "Premium", "standard", "advance", "advance_100", "advance_200", "economic"),
                f"{_NAS}, CreateFileSystem",
            ),
            "fileSystemType": OneOf(("standard", "extreme", "cpfs", "cpfsse"), f"{_NAS}, CreateFileSystem"),
        },
        "alicloud:oss/bucketVersioning:BucketVersioning": {
            "status": OneOf(("Enabled", "Suspended"), "OSS API reference")
        },
        "alicloud:oss/bucketServerSideEncryption:BucketServerSideEncryption": {
            "sseAlgorithm": OneOf(("KMS", "AES256", "SM4"), "OSS API reference")
        },
        "alicloud:oss/bucket:Bucket": {
            "storageClass": OneOf(("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"), "OSS API reference"),
            "redundancyType": OneOf(("LRS", "ZRS"), "OSS API reference"),
        },
    },
    invokes={
        "alicloud:index/getZones:getZones": {
            "availableResourceCreation": OneOf(
                ("VSwitch", "Instance", "Disk", "Rds", "Slb", "NAT", "KVStore", "MongoDB", "PolarDB", "ElasticSearch"),
                "alicloud getZones",
            )
        }
    },
)
