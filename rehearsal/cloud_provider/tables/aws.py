"""Package `aws`: identifiers, outputs and answers in the form that AWS gives them."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import Table

_EC2 = {
    "vpc:Vpc": "vpc", "subnet:Subnet": "subnet", "routeTable:RouteTable": "rtb",
    "internetGateway:InternetGateway": "igw",
    "securityGroup:SecurityGroup": "sg", "defaultSecurityGroup:DefaultSecurityGroup": "sg", "eip:Eip": "eipalloc",
    "launchTemplate:LaunchTemplate": "lt", "natGateway:NatGateway": "nat", "vpcEndpoint:VpcEndpoint": "vpce",
    "flowLog:FlowLog": "fl", "capacityReservation:CapacityReservation": "cr",
    "vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation": "vpc-cidr-assoc",
}  # fmt: skip
_IDS_BY_NAME = (
    "iam/role:Role", "iam/instanceProfile:InstanceProfile", "eks/cluster:Cluster", "s3/bucket:Bucket",
    "ec2/placementGroup:PlacementGroup", "cloudwatch/logGroup:LogGroup", "ecr/repository:Repository",
)  # fmt: skip

TABLE = Table(
    default_id="${kind}-${h17}",
    defaults={"region": "us-east-1", "account": "123456789012"},
    ids={
        **{f"aws:ec2/{end}": f"{prefix}-${{h17}}" for end, prefix in _EC2.items()},
        **{f"aws:{end}": "${name}" for end in _IDS_BY_NAME},
        "aws:eks/nodeGroup:NodeGroup": "${clusterName}:${name}",
        "aws:eks/addon:Addon": "${clusterName}:${addonName}",
        "aws:eks/accessEntry:AccessEntry": "${clusterName}:${principalArn}",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation": "a-${h17}",
        "aws:iam/policy:Policy": "arn:aws:iam::${account}:policy/${name}",
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider": "arn:aws:iam::${account}:oidc-provider/oidc/${h32}",
        "aws:kms/key:Key": "${h8}-0000-4000-8000-${h17}",
        "aws:efs/fileSystem:FileSystem": "fs-${h17}",
        "aws:efs/accessPoint:AccessPoint": "fsap-${h17}",
        "aws:efs/mountTarget:MountTarget": "fsmt-${h17}",
        "aws:fsx/lustreFileSystem:LustreFileSystem": "fs-${h17}",
        "aws:sqs/queue:Queue": "https://sqs.${region}.amazonaws.com/${account}/${name}",
    },
    common={
        "arn": "arn:aws:${module}:${region}:${account}:${kind}/${name}",
        "region": "${region}",
        "ownerId": "${account}",
        "state": "available",
    },
    outputs={
        "aws:iam/role:Role": {"arn": "arn:aws:iam::${account}:role/${name}", "uniqueId": "AROA${h17}"},
        "aws:iam/policy:Policy": {"arn": "arn:aws:iam::${account}:policy/${name}", "policyId": "ANPA${h17}"},
        "aws:iam/instanceProfile:InstanceProfile": {"arn": "arn:aws:iam::${account}:instance-profile/${name}"},
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {
            "arn": "arn:aws:iam::${account}:oidc-provider/oidc/${h32}"
        },
        "aws:eks/cluster:Cluster": {
            "arn": "arn:aws:eks:${region}:${account}:cluster/${name}",
            "endpoint": "${server}",
            "status": "ACTIVE",
            "certificateAuthority": {"data": "${ca}"},
            "platformVersion": "eks.1",
            "identities": [{"oidcs": [{"issuer": "https://oidc.eks.${region}.amazonaws.com/id/${h32}"}]}],
            "vpcConfig": {"clusterSecurityGroupId": "sg-${h17}", "vpcId": "vpc-${h17}"},
        },
        "aws:eks/nodeGroup:NodeGroup": {
            "arn": "arn:aws:eks:${region}:${account}:nodegroup/${clusterName}/${name}/${h8}",
            "status": "ACTIVE",
            "resources": [{"autoscalingGroups": [{"name": "eks-${name}-${h8}"}]}],
        },
        "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1, "defaultVersion": 1},
        "aws:ec2/vpc:Vpc": {"defaultSecurityGroupId": "sg-${h17}", "mainRouteTableId": "rtb-${h17}"},
        "aws:ec2/eip:Eip": {"publicIp": "203.0.113.${octet}", "allocationId": "${id}"},
        "aws:s3/bucket:Bucket": {
            "arn": "arn:aws:s3:::${name}",
            "bucketDomainName": "${name}.s3.amazonaws.com",
            "bucketRegionalDomainName": "${name}.s3.${region}.amazonaws.com",
            "bucket": "${name}",
        },
        "aws:kms/key:Key": {"arn": "arn:aws:kms:${region}:${account}:key/${id}", "keyId": "${id}"},
        "aws:cloudwatch/logGroup:LogGroup": {"arn": "arn:aws:logs:${region}:${account}:log-group:${name}"},
        "aws:efs/fileSystem:FileSystem": {
            "arn": "arn:aws:elasticfilesystem:${region}:${account}:file-system/${id}",
            "dnsName": "${id}.efs.${region}.amazonaws.com",
        },
        "aws:fsx/lustreFileSystem:LustreFileSystem": {
            "dnsName": "${id}.fsx.${region}.amazonaws.com",
            "mountName": "${h8}",
        },
        "aws:ecr/repository:Repository": {
            "repositoryUrl": "${account}.dkr.ecr.${region}.amazonaws.com/${name}",
            "registryId": "${account}",
        },
        "aws:sqs/queue:Queue": {"arn": "arn:aws:sqs:${region}:${account}:${name}", "url": "${id}"},
    },
    force_new={
        "aws:eks/cluster:Cluster": frozenset({"roleArn", "encryptionConfig", "kubernetesNetworkConfig"}),
        "aws:eks/nodeGroup:NodeGroup": frozenset(
            {
                "instanceTypes",
                "amiType",
                "diskSize",
                "nodeRoleArn",
                "subnetIds",
                "capacityType",
                "nodeGroupName",
                "launchTemplate.id",
                "launchTemplate.name",
            }
        ),
        "aws:eks/podIdentityAssociation:PodIdentityAssociation": frozenset({"namespace", "serviceAccount"}),
        "aws:s3/bucket:Bucket": frozenset({"bucket"}),
    },
    config_force_new=frozenset({"region"}),
    invokes={
        "aws:index/getCallerIdentity:getCallerIdentity": {
            "accountId": "${account}",
            "arn": "arn:aws:iam::${account}:user/stand-in",
            "id": "${account}",
            "userId": "AIDA${h17}",
        },
        "aws:index/getRegion:getRegion": {
            "name": "${region}",
            "region": "${region}",
            "id": "${region}",
            "description": "stand-in",
            "endpoint": "ec2.${region}.amazonaws.com",
        },
        "aws:index/getAvailabilityZones:getAvailabilityZones": {
            "names": ["${region}a", "${region}b", "${region}c"],
            "zoneIds": ["az1", "az2", "az3"],
            "groupNames": ["${region}"],
            "id": "${region}",
            "region": "${region}",
        },
        "aws:index/getPartition:getPartition": {
            "partition": "aws",
            "dnsSuffix": "amazonaws.com",
            "id": "aws",
            "reverseDnsPrefix": "com.amazonaws",
        },
        "aws:eks/getAddonVersion:getAddonVersion": {"version": "v1.0.0-eksbuild.1", "id": "${addonName}"},
        "aws:eks/getClusterAuth:getClusterAuth": {"token": "k8s-aws-v1.${h32}", "id": "${name}"},
        "aws:ssm/getParameter:getParameter": {
            "arn": "arn:aws:ssm:${region}:${account}:parameter${name}",
            "id": "${name}",
            "type": "String",
            "value": "ami-${h17}",
            "insecureValue": "ami-${h17}",
            "version": 1,
        },
        "aws:ec2/getManagedPrefixList:getManagedPrefixList": {
            "id": "pl-${h17}",
            "name": "${name}",
            "arn": "arn:aws:ec2:${region}:aws:prefix-list/pl-${h17}",
            "addressFamily": "IPv4",
            "entries": [],
            "maxEntries": 0,
            "ownerId": "AWS",
            "tags": {},
            "version": 1,
        },
    },
)
