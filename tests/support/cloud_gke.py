"""What Google Cloud adds to the resources that a program registers, and the sample cluster there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from infra.contract import Environment, Pool, Role, Tpu
from infra.gke.options import GkeOptions
from tests.support.cloud_samples import OWNERSHIP, Outputs, pools

ENVIRONMENT = Environment.GKE
REGION = "europe-west4"
SDK = "pulumi_gcp"
PREFIX = "gcp"
POOLS = {
    **pools(cpu="n2-standard-8", small="g2-standard-48", large="a3-highgpu-8g", zone="europe-west4-b"),
    "tpu": Pool(
        role=Role.TPU,
        machine="ct6e-standard-4t",
        min=0,
        max=4,
        zones=("europe-west4-a",),
        tpu=Tpu(product="tpu-v6e-slice", topology="4x4", count=4),
    ),
}
OPTIONS = GkeOptions(
    ownership=OWNERSHIP,
    project="ml-sample-0042",
    project_number="123456789012",
    admins=("user:admin@example.test", "group:platform@example.test"),
    security_group="gke-security-groups@example.test",
    zones=("europe-west4-a", "europe-west4-b", "europe-west4-c"),
)

_CA = base64.b64encode(b"the certificate authority of the sample cluster").decode()


def common(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What every resource of Google Cloud has."""
    return {"name": inputs.get("name", f"{name}-1a2b3c4"), "project": OPTIONS.project}


OUTPUTS: Mapping[str, Outputs] = {
    "gcp:container/cluster:Cluster": lambda name, _: {
        "endpoint": f"{name}.example.test",
        "masterAuth": {"clusterCaCertificate": _CA},
        "masterVersion": "1.35.5-gke.1000000",
    },
    "gcp:serviceaccount/account:Account": lambda _, inputs: {
        "email": f"{inputs['accountId']}@{OPTIONS.project}.iam.gserviceaccount.com"
    },
}
