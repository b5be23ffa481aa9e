"""What Alibaba Cloud adds to the resources that a program registers, and the sample cluster there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from infra.ack.options import AckOptions
from infra.contract import Environment, Gpu
from tests.support.cloud_samples import OWNERSHIP, Outputs, pools

ENVIRONMENT = Environment.ACK
REGION = "eu-central-1"
SDK = "pulumi_alicloud"
PREFIX = "alicloud"
POOLS = pools(
    cpu="ecs.g8i.2xlarge",
    small="ecs.gn7i-c32g1.32xlarge",
    large="ecs.ebmgn7ex.32xlarge",
    zone="eu-central-1b",
    few=Gpu(product="NVIDIA-A10", count=4, memory_mib=23028),
    many=Gpu(product="NVIDIA-A100-SXM4-80GB", count=8, memory_mib=81920),
)
OPTIONS = AckOptions(
    ownership=OWNERSHIP,
    account="1234567890123456",
    admins=("role/300123456789012345",),
    zones=("eu-central-1a", "eu-central-1b", "eu-central-1c"),
    kms_instance="kst-hzz0123456789abcdef",
)

_CA = base64.b64encode(b"the certificate authority of the sample cluster").decode()
_SERVER = "https://{}.example.test:6443"


def common(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What every resource of Alibaba Cloud has: nothing, not even an ARN."""
    del name, inputs
    return {}


OUTPUTS: Mapping[str, Outputs] = {
    "alicloud:cs/managedKubernetes:ManagedKubernetes": lambda name, _: {
        "connections": [
            {
                "apiServerInternet": _SERVER.format(f"{name}.public"),
                "apiServerIntranet": _SERVER.format(f"{name}.private"),
            }
        ],
        "certificateAuthorities": [{"clusterCert": _CA, "clientCert": "Y2VydA==", "clientKey": "a2V5"}],
        "rrsaMetadata": {
            "ramOidcProviderArn": "acs:ram::1234567890123456:oidc-provider/ack-rrsa-sample",
            "rrsaOidcIssuerUrl": "https://oidc.example.test/sample",
        },
    },
    "alicloud:cs/nodePool:NodePool": lambda name, _: {"scalingGroupId": f"asg-{name}"},
    "alicloud:ecs/eipAddress:EipAddress": lambda _name, _: {"ipAddress": "203.0.113.10"},
    "alicloud:kms/key:Key": lambda name, _: {"arn": f"acs:kms:{REGION}:1234567890123456:key/{name}-id"},
    "alicloud:nas/mountTarget:MountTarget": lambda name, _: {"mountTargetDomain": f"{name}.nas.example.test"},
    "alicloud:vpc/natGateway:NatGateway": lambda name, _: {"snatTableIds": f"stb-{name}"},
    "alicloud:vpc/network:Network": lambda name, _: {"routeTableId": f"vtb-{name}"},
}
