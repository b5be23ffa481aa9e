"""Package `alicloud`: identifiers, outputs and answers in the form that Alibaba Cloud gives them."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import KUBECONFIG, Table

TABLE = Table(
    default_id="${kind}-${h17}",
    defaults={"region": "cn-hangzhou", "account": "1234567890123456"},
    ids={
        "alicloud:cs/managedKubernetes:ManagedKubernetes": "c${h32}",
        "alicloud:cs/nodePool:NodePool": "${clusterId}:np${h17}",
        "alicloud:vpc/network:Network": "vpc-${h17}",
        "alicloud:vpc/switch:Switch": "vsw-${h17}",
        "alicloud:vpc/natGateway:NatGateway": "ngw-${h17}",
        "alicloud:ecs/eipAddress:EipAddress": "eip-${h17}",
        "alicloud:oss/bucket:Bucket": "${bucket}",
        "alicloud:kms/key:Key": "key-${h17}",
        "alicloud:nas/fileSystem:FileSystem": "${h17}",
        "alicloud:ram/role:Role": "${roleName}",
    },
    common={"status": "Available", "regionId": "${region}"},
    outputs={
        "alicloud:cs/managedKubernetes:ManagedKubernetes": {
            "certificateAuthorities": [{"clusterCert": "${ca}", "clientCert": "${ca}", "clientKey": "${h32}"}],
            "connections": [{"apiServerInternet": "${server}", "apiServerIntranet": "${server}"}],
            "rrsaMetadata": {
                "enabled": True,
                "ramOidcProviderArn": "acs:ram::${account}:oidc-provider/ack-rrsa-${h8}",
                "ramOidcProviderName": "ack-rrsa-${h8}",
                "rrsaOidcIssuerUrl": "https://oidc-ack-${region}.oss-${region}.aliyuncs.com/${h8}",
            },
            "securityGroupId": "sg-${h17}",
            "workerRamRoleName": "KubernetesWorkerRole-${h8}",
        },
        "alicloud:cs/nodePool:NodePool": {"nodePoolId": "np${h17}", "scalingGroupId": "asg-${h17}"},
        "alicloud:ecs/eipAddress:EipAddress": {"ipAddress": "203.0.113.${octet}"},
        "alicloud:vpc/network:Network": {"routeTableId": "vtb-${h17}"},
        "alicloud:vpc/natGateway:NatGateway": {"snatTableIds": "stb-${h17}", "forwardTableIds": "ftb-${h17}"},
        "alicloud:oss/bucket:Bucket": {
            "extranetEndpoint": "oss-${region}.aliyuncs.com",
            "intranetEndpoint": "oss-${region}-internal.aliyuncs.com",
        },
        "alicloud:ram/role:Role": {"arn": "acs:ram::${account}:role/${roleName}"},
        "alicloud:nas/mountTarget:MountTarget": {"mountTargetDomain": "${h8}.${region}.nas.aliyuncs.com"},
        "alicloud:kms/key:Key": {"arn": "acs:kms:${region}:${account}:key/key-${h17}"},
    },
    force_new={
        # Schema of aliyun/terraform-provider-alicloud of 2026-08-21. Add-ons and the public endpoint act at creation
        # only; a change of them replaces nothing.
        "alicloud:cs/managedKubernetes:ManagedKubernetes": frozenset(
            {
                "podCidr",
                "serviceCidr",
                "nodeCidrMask",
                "isEnterpriseSecurityGroup",
                "proxyMode",
                "ipStack",
                "profile",
                "clusterDomain",
                "serviceAccountIssuer",
                "apiAudiences",
                "autoMode",
            }
        ),
        "alicloud:cs/nodePool:NodePool": frozenset({"clusterId", "deploymentSetId", "instanceMetadataOptions"}),
        "alicloud:oss/bucket:Bucket": frozenset({"bucket"}),
        "alicloud:nas/fileSystem:FileSystem": frozenset({"protocolType", "storageType", "fileSystemType"}),
        "alicloud:ram/role:Role": frozenset({"roleName"}),
    },
    config_force_new=frozenset({"region"}),
    invokes={
        "alicloud:index/getAccount:getAccount": {"id": "${account}"},
        "alicloud:index/getCallerIdentity:getCallerIdentity": {
            "accountId": "${account}",
            "arn": "acs:ram::${account}:user/stand-in",
            "id": "${account}",
            "identityType": "RAMUser",
        },
        "alicloud:index/getZones:getZones": {
            "zones": [{"id": "${region}-a"}, {"id": "${region}-b"}, {"id": "${region}-c"}],
            "ids": ["${region}-a", "${region}-b", "${region}-c"],
            "id": "stand-in",
        },
        "alicloud:cs/getClusterCredential:getClusterCredential": {
            "kubeConfig": KUBECONFIG,
            "clusterId": "${clusterId}",
            "id": "${clusterId}",
        },
        "alicloud:cs/getKubernetesVersion:getKubernetesVersion": {
            "id": "stand-in",
            "metadatas": [{"version": "1.35.2-aliyun.1", "runtimes": [{"name": "containerd", "version": "2.1.5"}]}],
        },
    },
)
