"""Cases of the rules about resources of the five clouds, each with the inputs that its SDK sends."""

from __future__ import annotations

import json
from typing import Any

from tests.policy.cases import ABSENT, Case, Object

_EKS, _GKE = "aws:eks/cluster:Cluster", "gcp:container/cluster:Cluster"
_AKS, _ACK = "azure-native:containerservice:ManagedCluster", "alicloud:cs/managedKubernetes:ManagedKubernetes"
_GROUP, _POOL = "aws:eks/nodeGroup:NodeGroup", "gcp:container/nodePool:NodePool"
_AGENT, _NODES = "azure-native:containerservice:AgentPool", "alicloud:cs/nodePool:NodePool"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_VM = "vsphere:index/virtualMachine:VirtualMachine"


def _document(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _one(rule: str, kind: str, good: Object, unknown: str, *bad: tuple[str, Any], **more: Any) -> Case:  # noqa: ANN401 - fields of Case
    return Case(rule=rule, type=kind, good=good, unknown=unknown, bad=bad, **more)


_TRUST = {"Principal": {"Federated": "arn:aws:iam::1:oidc-provider/x"}, "Action": "sts:AssumeRoleWithWebIdentity"}
_EXACT = {"StringEquals": {"x:sub": "system:serviceaccount:a:b", "x:aud": "sts.amazonaws.com"}}
_TAINTS = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
_H100: Object = {"instanceTypes": ["p5.48xlarge"], "taints": _TAINTS, "scalingConfig": {"maxSize": 4.0},
                 "tags": {"owner": "a", "expires": "2027-01-01"}}  # fmt: skip
_PARTS = ("BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning", "BucketPolicy")
_GUARDS = [(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", {"bucket": "sample-id"}) for kind in _PARTS]
_EXPIRY = {"enabled": True, "expirations": [{"days": 7}]}
_UNVERSIONED = [
    (f"alicloud:oss/{kind[0].lower()}{kind[1:]}:{kind}", {"bucket": "sample-id"})
    for kind in ("BucketPublicAccessBlock", "BucketServerSideEncryption")
]

CASES = (
    _one("api-endpoint-open", _EKS, {"vpcConfig": {"endpointPublicAccess": False}}, "vpcConfig.endpointPublicAccess",
         ("vpcConfig", {}), ("vpcConfig", {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}),
         ("vpcConfig", {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/1", "128.0.0.0/1"]})),
    _one("api-endpoint-open", _AKS, {"apiServerAccessProfile": {"enablePrivateCluster": True}},
         "apiServerAccessProfile.enablePrivateCluster", ("apiServerAccessProfile", ABSENT),
         ("apiServerAccessProfile", {"authorizedIPRanges": ["0.0.0.0/0"]})),
    _one("api-endpoint-open", _GKE, {"privateClusterConfig": {"enablePrivateEndpoint": True}},
         "privateClusterConfig.enablePrivateEndpoint", ("privateClusterConfig", ABSENT),
         ("controlPlaneEndpointsConfig", {"dnsEndpointConfig": {"allowExternalTraffic": True}})),
    _one("api-endpoint-open", _ACK, {"slbInternetEnabled": False}, "slbInternetEnabled", ("slbInternetEnabled", True)),
    _one("ingress-open", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": "10.0.0.0/8"},
         "cidrIpv4", ("cidrIpv4", "0.0.0.0/0"), ("cidrIpv6", "::/0")),
    _one("ingress-open", "aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": ["10.0.0.0/8"]}]},
         "ingress", ("ingress[0].cidrBlocks", ["10.0.0.0/8", "0.0.0.0/0"])),
    _one("ingress-open", "azure-native:network:NetworkSecurityGroup", {"securityRules": [
        {"access": "Allow", "direction": "Inbound", "sourceAddressPrefix": "10.0.0.0/8"}]},
         "securityRules[0].sourceAddressPrefix", ("securityRules[0].sourceAddressPrefix", "*"),
         ("securityRules[0].sourceAddressPrefix", "Internet")),
    _one("ingress-open", "gcp:compute/firewall:Firewall", {"sourceRanges": ["10.0.0.0/8"], "allows": []},
         "sourceRanges", ("sourceRanges", ["0.0.0.0/0"]), ("sourceRanges", ABSENT)),
    _one("ingress-open", "alicloud:ecs/securityGroupRule:SecurityGroupRule",
         {"type": "ingress", "cidrIp": "10.0.0.0/8"},
         "cidrIp", ("cidrIp", "0.0.0.0/0")),
    _one("nodes-public", _GROUP, {"remoteAccess": {"ec2SshKey": "k", "sourceSecurityGroupIds": ["sg"]}},
         "remoteAccess", ("remoteAccess.sourceSecurityGroupIds", [])),
    _one("nodes-public", _AGENT.replace(":AgentPool", ":ManagedCluster"), {"agentPoolProfiles": [{"name": "a"}]},
         "agentPoolProfiles", ("agentPoolProfiles[0].enableNodePublicIP", True)),
    _one("nodes-public", _GKE, {"privateClusterConfig": {"enablePrivateNodes": True}},
         "privateClusterConfig.enablePrivateNodes", ("privateClusterConfig", {})),
    _one("nodes-public", _NODES, {"internetMaxBandwidthOut": 0}, "internetMaxBandwidthOut",
         ("internetMaxBandwidthOut", 5), ("password", "x")),
    _one("nodes-public", "aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": False}, "mapPublicIpOnLaunch",
         ("mapPublicIpOnLaunch", True)),
    _one("metadata-open-to-pods", _TEMPLATE, {"metadataOptions": {"httpTokens": "required",
         "httpPutResponseHopLimit": 1.0}}, "metadataOptions.httpTokens", ("metadataOptions", ABSENT),
         ("metadataOptions.httpPutResponseHopLimit", 2), ("metadataOptions.httpTokens", "optional")),
    _one("metadata-open-to-pods", _POOL, {"nodeConfig": {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}},
         "nodeConfig.workloadMetadataConfig.mode", ("nodeConfig", {})),
    _one("network-policy-unenforced", _AKS, {"networkProfile": {"networkPolicy": "cilium"}},
         "networkProfile.networkPolicy", ("networkProfile", {}), ("networkProfile.networkPolicy", "none")),
    _one("network-policy-unenforced", _GKE, {"datapathProvider": "ADVANCED_DATAPATH"}, "datapathProvider",
         ("datapathProvider", ABSENT)),
    _one("audit-log-off", _EKS, {"enabledClusterLogTypes": ["audit", "authenticator"]}, "enabledClusterLogTypes",
         ("enabledClusterLogTypes", ["api"])),
    _one("audit-log-off", _ACK, {"controlPlaneLogComponents": ["apiserver"]}, "controlPlaneLogComponents",
         ("controlPlaneLogComponents", [])),
    _one("cluster-secrets-unencrypted", _EKS, {"encryptionConfig": {"provider": {"keyArn": "k"}}},
         "encryptionConfig", ("encryptionConfig", ABSENT), then="passes"),
    _one("cluster-secrets-unencrypted", _AKS, {"securityProfile": {"azureKeyVaultKms": {"enabled": True}}},
         "securityProfile.azureKeyVaultKms.enabled", ("securityProfile", {})),
    _one("cluster-secrets-unencrypted", _GKE, {"databaseEncryption": {"state": "ENCRYPTED"}},
         "databaseEncryption.state", ("databaseEncryption.state", "DECRYPTED")),
    _one("cluster-secrets-unencrypted", _ACK, {"encryptionProviderKey": "k"}, "encryptionProviderKey",
         ("encryptionProviderKey", ABSENT), then="passes"),
    _one("disk-unencrypted", _TEMPLATE, {"blockDeviceMappings": [{"ebs": {"encrypted": "true"}}]},
         "blockDeviceMappings[0].ebs.encrypted", ("blockDeviceMappings[0].ebs.encrypted", "false"),
         ("blockDeviceMappings[0].ebs", {"volumeSize": 1})),
    _one("disk-unencrypted", _AGENT, {"enableEncryptionAtHost": True}, "enableEncryptionAtHost",
         ("enableEncryptionAtHost", ABSENT)),
    _one("disk-unencrypted", _NODES, {"systemDiskEncrypted": True}, "systemDiskEncrypted",
         ("systemDiskEncrypted", False)),
    _one("disk-unencrypted", "aws:efs/fileSystem:FileSystem", {"encrypted": True}, "encrypted", ("encrypted", ABSENT)),
    _one("disk-unencrypted", "alicloud:nas/fileSystem:FileSystem", {"encryptType": 2.0}, "encryptType",
         ("encryptType", "0")),
    _one("disk-unencrypted", "kubernetes:storage.k8s.io/v1:StorageClass",
         {"provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "true"}}, "parameters.encrypted",
         ("parameters", {})),
    _one("public-data", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True),
         "blockPublicAcls", ("restrictPublicBuckets", False)),
    _one("public-data", "aws:s3/bucketPolicy:BucketPolicy", {"policy": _document(Principal={"AWS": "arn:x"})},
         "policy", ("policy", _document(Principal="*", Action="s3:GetObject")),
         ("policy", _document(Principal={"AWS": ["*"]}))),
    _one("public-data", "gcp:storage/bucketIAMMember:BucketIAMMember", {"member": "user:a@example.com"}, "member",
         ("member", "allUsers")),
    _one("public-data", "alicloud:oss/bucketAcl:BucketAcl", {"acl": "private"}, "acl", ("acl", "public-read")),
    _one("public-data", "azure-native:storage:StorageAccount", {"allowBlobPublicAccess": False},
         "allowBlobPublicAccess", ("allowBlobPublicAccess", True)),
    _one("storage-defaults", "azure-native:storage:StorageAccount", {"allowSharedKeyAccess": False,
         "minimumTlsVersion": "TLS1_2", "networkRuleSet": {"defaultAction": "Deny"}}, "allowSharedKeyAccess",
         ("allowSharedKeyAccess", ABSENT), ("minimumTlsVersion", "TLS1_0"), ("networkRuleSet", ABSENT),
         ("enableHttpsTrafficOnly", False)),
    _one("storage-defaults", "gcp:storage/bucket:Bucket", {"uniformBucketLevelAccess": True,
         "publicAccessPrevention": "enforced"}, "uniformBucketLevelAccess", ("uniformBucketLevelAccess", ABSENT),
         ("publicAccessPrevention", "inherited")),
    Case(rule="bucket-unguarded", type="aws:s3/bucket:Bucket", good={}, unknown="bucket", beside=_GUARDS,
         removed=True, then="undecided"),
    Case(rule="bucket-unguarded", type="alicloud:oss/bucket:Bucket", good={"lifecycleRules": [_EXPIRY]},
         unknown="lifecycleRules", bad=(("lifecycleRules", ABSENT), ("lifecycleRules[0].prefix", "tmp/"),
         ("lifecycleRules[0].enabled", False)), beside=_UNVERSIONED),
    _one("key-not-rotated", "aws:kms/key:Key", {"enableKeyRotation": True}, "enableKeyRotation",
         ("enableKeyRotation", ABSENT), ("deletionWindowInDays", 5)),
    _one("registry-tags-mutable", "aws:ecr/repository:Repository", {"imageTagMutability": "IMMUTABLE"},
         "imageTagMutability", ("imageTagMutability", ABSENT)),
    _one("iam-wildcard", "aws:iam/rolePolicy:RolePolicy", {"policy": _document(Action="s3:Get*", Resource="*")},
         "policy", ("policy", _document(Action="*", Resource="*")), ("policy", _document(Action=["a:b", "*:*"],
         Resource=["*"])), ("policy", _document(NotAction="iam:*", Resource="*")),
         ("policy", _document(Action="iam:PassRole", Resource="*"))),
    _one("iam-wildcard", "gcp:projects/iAMMember:IAMMember", {"role": "roles/viewer"}, "role",
         ("role", "roles/editor")),
    _one("iam-wildcard", "azure-native:authorization:RoleDefinition", {"permissions": [{"actions": ["a/read"]}]},
         "permissions", ("permissions[0].actions", ["*"])),
    _one("iam-wildcard", "alicloud:ram/policy:Policy", {"policyDocument": _document(Action="oss:Get*", Resource="*")},
         "policyDocument", ("policyDocument", _document(Action="*", Resource="*"))),
    _one("iam-wildcard", "azure-native:authorization:RoleAssignment", {
        "roleDefinitionId": "/x/b24988ac-6180-42a0-ab88-20f7382dd24c",
        "scope": "/subscriptions/x/resourceGroups/y/providers/z"}, "scope", ("scope", "/subscriptions/x"),
         ("scope", ABSENT)),
    _one("trust-open", "aws:iam/role:Role", {"assumeRolePolicy": _document(**_TRUST, Condition=_EXACT)},
         "assumeRolePolicy", ("assumeRolePolicy", _document(**_TRUST)), ("assumeRolePolicy", _document(Principal="*")),
         ("assumeRolePolicy", _document(**_TRUST, Condition={"StringLike": {"x:sub": "system:*", "x:aud": "a"}}))),
    Case(rule="static-cloud-key", type=_AKS, good={"name": "a"}, unknown="name", then="passes",
         bad=[("servicePrincipalProfile", {"secret": "x"})], bad_type="gcp:serviceaccount/key:Key"),
    _one("workload-identity-off", _GKE, {"workloadIdentityConfig": {"workloadPool": "p"}}, "workloadIdentityConfig",
         ("workloadIdentityConfig", ABSENT), then="passes"),
    _one("workload-identity-off", _AKS, {"oidcIssuerProfile": {"enabled": True},
         "securityProfile": {"workloadIdentity": {"enabled": True}}}, "oidcIssuerProfile.enabled",
         ("oidcIssuerProfile", ABSENT), ("securityProfile", ABSENT)),
    _one("workload-identity-off", _ACK, {"enableRrsa": True}, "enableRrsa", ("enableRrsa", ABSENT)),
    _one("legacy-authentication", _EKS, {"accessConfig": {"authenticationMode": "API"}},
         "accessConfig.authenticationMode", ("accessConfig", ABSENT)),
    _one("legacy-authentication", _AKS, {"disableLocalAccounts": True, "aadProfile": {"enableAzureRBAC": True}},
         "disableLocalAccounts", ("disableLocalAccounts", ABSENT), ("aadProfile", ABSENT)),
    _one("legacy-authentication", _GKE, {"enableLegacyAbac": False}, "enableLegacyAbac", ("enableLegacyAbac", True)),
    _one("cluster-admin-entry", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
         {"policyArn": "arn:x/AmazonEKSClusterAdminPolicy", "principalArn": "p", "accessScope": {"type": "namespace"}},
         "accessScope", ("accessScope.type", "cluster")),
    _one("default-node-account", _POOL, {"nodeConfig": {"serviceAccount": "own@x"}}, "nodeConfig.serviceAccount",
         ("nodeConfig", {}), ("nodeConfig.serviceAccount", "default")),
    _one("gpu-pool-untainted", _GROUP, _H100, "taints", ("taints", []), ("taints[0].effect", "PREFER_NO_SCHEDULE")),
    _one("gpu-pool-untainted", _AGENT, {"vmSize": "Standard_ND96isr_H100_v5", "nodeTaints": ["a=b:NoSchedule"]},
         "nodeTaints", ("nodeTaints", ["a=b:PreferNoSchedule"])),
    _one("gpu-pool-untainted", _POOL, {"nodeConfig": {"machineType": "a3-highgpu-8g", "taints": _TAINTS}},
         "nodeConfig.taints", ("nodeConfig.taints", [])),
    _one("gpu-pool-untainted", _NODES, {"instanceTypes": ["ecs.gn7i-c8g1.2xlarge"], "taints": [
        {"key": "nvidia.com/gpu", "effect": "NoSchedule"}]}, "taints", ("taints", [])),
    _one("gpu-pool-unbounded", _GROUP, _H100, "scalingConfig.maxSize", ("scalingConfig", {}),
         ("scalingConfig.maxSize", 400)),
    _one("gpu-pool-untagged", _GROUP, _H100, "tags", ("tags", {}), ("tags", {"Owner": "a"})),
    _one("cost-ceiling", _GROUP, _H100, "scalingConfig.maxSize", ("scalingConfig.maxSize", 100),
         ("instanceTypes", ["p6.unheard"]), ("instanceTypes", []),
         config={"ceiling": 200_000, "hourly": {"p5.48xlarge": 55.04}}),
    _one("deletion-unprotected", "aws:s3/bucket:Bucket", {"forceDestroy": False}, "forceDestroy",
         ("forceDestroy", True), config={"production": True}, more={"protect": True}),
    _one("deletion-unprotected", _GKE, {"deletionProtection": True}, "deletionProtection",
         ("deletionProtection", False), config={"production": True}),
    _one("secret-in-user-data", _TEMPLATE, {"userData": "aGVsbG8gd29ybGQ="}, "userData",
         ("userData", "cGFzcz1BS0lBQUJDREVGR0hJSktMTU5PUA==")),
    _one("gpu-memory-unreserved", _VM, {"pciDeviceIds": ["a"], "memory": 1024, "memoryReservation": 1024},
         "memoryReservation", ("memoryReservation", 512), ("memoryReservation", ABSENT)),
)  # fmt: skip
