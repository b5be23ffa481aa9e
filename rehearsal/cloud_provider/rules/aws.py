"""Rules of AWS for what a cluster needs."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import Like, Machines, OneOf, Rules

_EKS = "Amazon EKS API reference"
_EC2 = "Amazon EC2 API reference"
_SIZES = {
    "g4ad": "xlarge 2xlarge 4xlarge 8xlarge 16xlarge",
    "g4dn": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal",
    "g5": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g5g": "xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal",
    "g6": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g6e": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "g6f": "large xlarge 2xlarge 4xlarge",
    "gr6": "4xlarge 8xlarge",
    "gr6f": "4xlarge",
    "p3": "2xlarge 8xlarge 16xlarge",
    "p3dn": "24xlarge",
    "p4d": "24xlarge",
    "p4de": "24xlarge",
    "p5": "4xlarge 48xlarge",
    "p5e": "48xlarge",
    "p5en": "48xlarge",
    "p6-b200": "48xlarge",
    "p6-b300": "48xlarge",
    "p6e-gb200": "36xlarge",
}
MACHINES = Machines(
    accelerated=frozenset(f"{family}.{size}" for family, sizes in _SIZES.items() for size in sizes.split()),
    family=r"(g|gr|p)\d",
    pattern=r"[a-z][a-z0-9]*(-[a-z0-9]+)?\.(nano|micro|small|medium|large|\d{0,3}xlarge|metal(-\d+xl)?)",
    words="an EC2 instance type such as m7i.2xlarge",
    source="price table of Karpenter's AWS provider, 2026-01-19; p5e, p6-b300, p6e-gb200: EC2 instance type pages",
)
VERSION = Like(
    r"1\.3[1-6]", "a Kubernetes version of EKS, 1.31 to 1.36", "Amazon EKS Kubernetes release calendar, 2026"
)
_EFFECTS = OneOf(("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"), f"{_EKS}, Taint")
_AMI = OneOf(
    (
        "AL2023_x86_64_STANDARD", "AL2023_ARM_64_STANDARD", "AL2023_x86_64_NVIDIA", "AL2023_ARM_64_NVIDIA",
        "AL2023_x86_64_NEURON", "BOTTLEROCKET_x86_64", "BOTTLEROCKET_ARM_64", "BOTTLEROCKET_x86_64_NVIDIA",
        "BOTTLEROCKET_ARM_64_NVIDIA", "BOTTLEROCKET_x86_64_FIPS", "BOTTLEROCKET_ARM_64_FIPS",
        "BOTTLEROCKET_x86_64_NVIDIA_FIPS", "BOTTLEROCKET_ARM_64_NVIDIA_FIPS", "CUSTOM", "WINDOWS_CORE_2019_x86_64",
        "WINDOWS_FULL_2019_x86_64", "WINDOWS_CORE_2022_x86_64", "WINDOWS_FULL_2022_x86_64",
    ),
    f"{_EKS}, Nodegroup.amiType; AL2 types end with Kubernetes 1.32",
)  # fmt: skip
_RESOLVE = OneOf(("NONE", "OVERWRITE", "PRESERVE"), f"{_EKS}, CreateAddon and UpdateAddon")
_PROTOCOL = Like(r"-1|tcp|udp|icmp|icmpv6|\d{1,3}", "a protocol: -1, tcp, udp, icmp, icmpv6 or a number", _EC2)
_ROUTE_TARGETS = (
    "gatewayId|natGatewayId|egressOnlyGatewayId|transitGatewayId|vpcEndpointId|networkInterfaceId"
    "|vpcPeeringConnectionId|localGatewayId|carrierGatewayId|coreNetworkArn"
)

RULES = Rules(
    required={
        "aws:ec2/vpc:Vpc": ("cidrBlock|ipv4IpamPoolId",),
        "aws:ec2/subnet:Subnet": ("cidrBlock|ipv6CidrBlock|ipv4IpamPoolId",),
        "aws:ec2/natGateway:NatGateway": ("subnetId|vpcId",),
        "aws:ec2/route:Route": (
            "destinationCidrBlock|destinationIpv6CidrBlock|destinationPrefixListId",
            _ROUTE_TARGETS,
        ),
        "aws:ec2/routeTableAssociation:RouteTableAssociation": ("subnetId|gatewayId",),
        "aws:ec2/flowLog:FlowLog": (
            "vpcId|subnetId|eniId|transitGatewayId|transitGatewayAttachmentId",
            "logDestination",
        ),
        "aws:ec2/securityGroupRule:SecurityGroupRule": (
            "cidrBlocks|ipv6CidrBlocks|sourceSecurityGroupId|self|prefixListIds",
        ),
        "aws:ec2/vpcEndpoint:VpcEndpoint": ("serviceName|resourceConfigurationArn|serviceNetworkArn",),
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
            "cidrIpv4|cidrIpv6|referencedSecurityGroupId|prefixListId",
        ),
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
            "cidrIpv4|cidrIpv6|referencedSecurityGroupId|prefixListId",
        ),
        "aws:eks/cluster:Cluster": ("vpcConfig.subnetIds",),
        "aws:eks/nodeGroup:NodeGroup": ("launchTemplate.id|name",),
        "aws:fsx/lustreFileSystem:LustreFileSystem": ("subnetIds", "storageCapacity|backupId"),
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
            "rules[].applyServerSideEncryptionByDefault",
        ),
        "aws:sqs/queuePolicy:QueuePolicy": ("policy",),
        "aws:cloudwatch/eventRule:EventRule": ("eventPattern|scheduleExpression",),
    },
    values={
        "aws:eks/cluster:Cluster": {
            "version": VERSION,
            "accessConfig.authenticationMode": OneOf(("API", "API_AND_CONFIG_MAP", "CONFIG_MAP"), _EKS),
            "enabledClusterLogTypes[]": OneOf(
                ("api", "audit", "authenticator", "controllerManager", "scheduler"), f"{_EKS}, LogSetup"
            ),
            "upgradePolicy.supportType": OneOf(("STANDARD", "EXTENDED"), f"{_EKS}, UpgradePolicyRequest"),
            "encryptionConfig.resources[]": OneOf(("secrets",), f"{_EKS}, EncryptionConfig"),
            "kubernetesNetworkConfig.ipFamily": OneOf(("ipv4", "ipv6"), f"{_EKS}, KubernetesNetworkConfigRequest"),
        },
        "aws:eks/nodeGroup:NodeGroup": {
            "amiType": _AMI,
            "capacityType": OneOf(("ON_DEMAND", "SPOT", "CAPACITY_BLOCK"), f"{_EKS}, Nodegroup.capacityType"),
            "instanceTypes[]": MACHINES,
            "taints[].effect": _EFFECTS,
            "version": VERSION,
            "updateConfig.updateStrategy": OneOf(("DEFAULT", "MINIMAL"), f"{_EKS}, NodegroupUpdateConfig"),
        },
        "aws:eks/addon:Addon": {
            "resolveConflictsOnCreate": _RESOLVE,
            "resolveConflictsOnUpdate": _RESOLVE,
            "addonName": Like(r"[a-z0-9][a-z0-9_-]*", "the name of an add-on", f"{_EKS}, CreateAddon"),
        },
        "aws:eks/accessEntry:AccessEntry": {
            "type": OneOf(
                ("STANDARD", "EC2_LINUX", "EC2_WINDOWS", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"),
                f"{_EKS}, CreateAccessEntry",
            )
        },
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {
            "accessScope.type": OneOf(("cluster", "namespace"), f"{_EKS}, AccessScope"),
            "policyArn": Like(r"arn:aws[\w-]*:eks::aws:cluster-access-policy/\w+", "the ARN of an access policy", _EKS),
        },
        "aws:ec2/launchTemplate:LaunchTemplate": {
            "instanceType": MACHINES,
            "metadataOptions.httpTokens": OneOf(("optional", "required"), _EC2),
            "metadataOptions.httpEndpoint": OneOf(("enabled", "disabled"), _EC2),
            "blockDeviceMappings[].ebs.volumeType": OneOf(
                ("gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"), f"{_EC2}, EbsBlockDevice"
            ),
            "networkInterfaces[].interfaceType": OneOf(("interface", "efa", "efa-only"), _EC2),
            "instanceMarketOptions.marketType": OneOf(("spot", "capacity-block"), _EC2),
        },
        "aws:ec2/natGateway:NatGateway": {
            "connectivityType": OneOf(("public", "private"), _EC2),
            "availabilityMode": OneOf(("zonal", "regional"), _EC2),
        },
        "aws:ec2/eip:Eip": {"domain": OneOf(("vpc",), _EC2)},
        "aws:ec2/flowLog:FlowLog": {
            "trafficType": OneOf(("ACCEPT", "REJECT", "ALL"), _EC2),
            "logDestinationType": OneOf(("cloud-watch-logs", "s3", "kinesis-data-firehose"), _EC2),
        },
        "aws:ec2/vpcEndpoint:VpcEndpoint": {
            "vpcEndpointType": OneOf(
                ("Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork"), _EC2
            )
        },
        "aws:ec2/placementGroup:PlacementGroup": {"strategy": OneOf(("cluster", "spread", "partition"), _EC2)},
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"ipProtocol": _PROTOCOL},
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {"ipProtocol": _PROTOCOL},
        "aws:ec2/securityGroupRule:SecurityGroupRule": {
            "protocol": Like(r"all|-1|tcp|udp|icmp|icmpv6|\d{1,3}", "a protocol", _EC2),
            "type": OneOf(("ingress", "egress"), _EC2),
        },
        "aws:efs/fileSystem:FileSystem": {
            "throughputMode": OneOf(("bursting", "provisioned", "elastic"), "Amazon EFS API reference"),
            "performanceMode": OneOf(("generalPurpose", "maxIO"), "Amazon EFS API reference"),
        },
        "aws:fsx/lustreFileSystem:LustreFileSystem": {
            "deploymentType": OneOf(
                ("SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2"), "Amazon FSx API reference"
            ),
            "dataCompressionType": OneOf(("NONE", "LZ4"), "Amazon FSx API reference"),
            "storageType": OneOf(("SSD", "HDD", "INTELLIGENT_TIERING"), "Amazon FSx API reference"),
        },
        "aws:ecr/repository:Repository": {
            "imageTagMutability": OneOf(
                ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"),
                "Amazon ECR API reference",
            ),
            "encryptionConfigurations[].encryptionType": OneOf(
                ("AES256", "KMS", "KMS_DSSE"), "Amazon ECR API reference"
            ),
        },
        "aws:s3/bucketVersioning:BucketVersioning": {
            "versioningConfiguration.status": OneOf(("Enabled", "Suspended", "Disabled"), "Amazon S3 API reference")
        },
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
            "rules[].applyServerSideEncryptionByDefault.sseAlgorithm": OneOf(
                ("AES256", "aws:kms", "aws:kms:dsse"), "Amazon S3 API reference"
            )
        },
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {
            "rule.objectOwnership": OneOf(
                ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"), "Amazon S3 API reference"
            )
        },
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
            "rules[].status": OneOf(("Enabled", "Disabled"), "Amazon S3 API reference")
        },
    },
    invokes={
        "aws:index/getAvailabilityZones:getAvailabilityZones": {
            "state": OneOf(("available", "information", "impaired", "unavailable"), _EC2)
        },
    },
)
