"""What AWS adds to the resources that a program registers, and the sample cluster there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from infra.contract import Environment
from infra.eks.options import EksOptions
from tests.support.cloud_samples import OWNERSHIP, Outputs, pools

ENVIRONMENT = Environment.EKS
REGION = "eu-west-1"
SDK = "pulumi_aws"
PREFIX = "aws"
POOLS = pools(cpu="m7i.2xlarge", small="g6.12xlarge", large="p5.48xlarge", zone="eu-west-1b")
OPTIONS = EksOptions(
    ownership=OWNERSHIP,
    account="111122223333",
    admins=("arn:aws:iam::111122223333:role/platform-admin",),
    zones=("eu-west-1a", "eu-west-1b", "eu-west-1c"),
)

_CA = base64.b64encode(b"the certificate authority of the sample cluster").decode()


def common(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What every resource of AWS has."""
    return {"arn": f"arn:aws:mock:::{name}", "name": inputs.get("name", f"{name}-1a2b3c4")}


OUTPUTS: Mapping[str, Outputs] = {
    "aws:eks/cluster:Cluster": lambda name, inputs: {
        "endpoint": f"https://{name}.example.test",
        "certificateAuthority": {"data": _CA},
        "identities": [{"oidcs": [{"issuer": "https://oidc.example.test/id/SAMPLE"}]}],
        "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-cluster"},
    },
    "aws:eks/nodeGroup:NodeGroup": lambda name, _: {"resources": [{"autoscalingGroups": [{"name": f"eks-{name}"}]}]},
    "aws:ec2/launchTemplate:LaunchTemplate": lambda _name, _: {"latestVersion": 1},
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda _name, inputs: (
        {"cidrBlocks": ["192.0.2.0/24"]} if inputs["vpcEndpointType"] == "Gateway" else {}
    ),
    "aws:kms/key:Key": lambda name, _: {"keyId": f"{name}-key"},
    "aws:s3/bucket:Bucket": lambda name, _: {"bucket": f"{name}-1a2b3c4", "arn": f"arn:aws:s3:::{name}-1a2b3c4"},
}
