"""Names, labels and taints: pure functions, the only source of labels and taints (rules C4, C5, C9).

Names: what each cloud accepts, by kind of resource, and how words become such a name. Asks nobody.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from .contract import Accelerator, Owner, Pool, Role, Taint

POOL_LABEL = "proof.kubeflow/pool"
ROLE_LABEL = "proof.kubeflow/role"
CAPACITY_LABEL = "proof.kubeflow/capacity"
GPU_RESOURCE = "nvidia.com/gpu"
GPU_TAINT = Taint(key=GPU_RESOURCE, value="present")  # the taint that device plugins and GPU operators tolerate
TPU_TAINT = Taint(key="google.com/tpu", value="present")


def complete_pool(name: str, pool: Pool) -> Pool:
    """The pool with every label and taint that the platform relies on; what the human added stays."""
    labels = {
        **pool.labels,
        POOL_LABEL: name,
        ROLE_LABEL: pool.role.value,
        CAPACITY_LABEL: pool.capacity.value,
    }
    taints = pool.taints
    if pool.gpu is not None:
        labels |= gpu_labels(pool)
    if pool.role is Role.GPU and GPU_TAINT not in taints:
        taints = (GPU_TAINT, *taints)
    if pool.role is Role.TPU and TPU_TAINT not in taints:
        taints = (TPU_TAINT, *taints)
    return replace(pool, labels=labels, taints=taints)


def accelerator_of(
    pools: Mapping[str, Pool],
    driver: Owner,
    *,
    toolkit: Owner | None = None,
    device_plugin: Owner | None = None,
    driver_root: str | None = None,
) -> Accelerator | None:
    """How pods ask for a GPU; None exactly when no pool has any (rule C9).

    Whoever brings the driver brings the rest, unless it is said.
    """
    if all(pool.gpu is None for pool in pools.values()):
        return None
    return Accelerator(
        resource=GPU_RESOURCE,
        toleration=GPU_TAINT,
        driver=driver,
        toolkit=driver if toolkit is None else toolkit,
        device_plugin=driver if device_plugin is None else device_plugin,
        driver_root=driver_root,
    )


def gpu_labels(pool: Pool) -> dict[str, str]:
    """Labels of GPU feature discovery (NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery), by which pods choose."""
    if pool.gpu is None:
        return {}
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": pool.gpu.product,
        "nvidia.com/gpu.count": str(pool.gpu.count),
        "nvidia.com/gpu.memory": str(pool.gpu.memory_mib),
        "nvidia.com/gpu.machine": pool.machine,
        "nvidia.com/gpu.replicas": "1",
    }


_LOWER = "a-z0-9"
_ANY = "A-Za-z0-9"
_MARK = 12  # characters of a digest, five bits each
_SHORT_MARK = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What a service accepts as a name of one kind of resource."""

    what: str
    most: int
    source: str
    least: int = 1
    letters: str = _LOWER  # as in a character class; a hyphen comes with `joint`
    joint: str = "-"  # what words are joined by; empty where only letters and digits are accepted
    first: str = "a-z"  # how a name may begin
    added: int = 0  # characters that Pulumi adds where the program leaves the name to it

    def problem(self, name: str) -> str | None:
        """Why the service would refuse a name; None if it would not."""
        longest = self.most - self.added
        if not self.least <= len(name) <= longest:
            return f"{self.what} '{name}' has {len(name)} characters; allowed: {self.least} to {longest}"
        if not re.fullmatch(rf"[{self.first}][{self.letters}{re.escape(self.joint)}]*", name):
            return f"{self.what} '{name}': allowed: [{self.first}] first, then [{self.letters}] and '{self.joint}'"
        if self.joint and (name.endswith(self.joint) or self.joint * 2 in name):
            return f"{self.what} '{name}': allowed: no '{self.joint}' at the end, and no two in a row"
        return None


_S3 = "Amazon S3 User Guide, bucket naming rules"
_AZURE = "Azure Resource Manager, naming rules and restrictions for Azure resources"
_GKE = "GKE API reference, projects.locations.clusters and nodePools"
_RAM = "RAM API reference, CreateRole and CreatePolicy"


class Kind(Enum):
    """Kinds of resources whose names are limited. `what` differs, or two kinds would be one."""

    EKS_CLUSTER = Limit(what="EKS cluster", most=100, first=_ANY, letters=_ANY, source="EKS API reference")
    EKS_NODE_GROUP = Limit(
        what="EKS node group", most=63, first=_ANY, letters=f"{_ANY}_", added=8, source="EKS API reference"
    )
    AWS_ROLE = Limit(
        what="IAM role", most=64, first=f"{_ANY}_", letters=f"{_ANY}_.", source="IAM API reference, CreateRole"
    )
    AWS_BUCKET = Limit(what="S3 bucket", least=3, most=63, first=_LOWER, source=_S3)
    AWS_KEY_ALIAS = Limit(
        what="KMS alias", most=250, first=_ANY, letters=f"{_ANY}_", source="KMS API reference, CreateAlias; less alias/"
    )
    AKS_CLUSTER = Limit(what="AKS cluster", most=63, first=_ANY, letters=f"{_ANY}_", source=_AZURE)
    AKS_POOL = Limit(what="AKS node pool", most=12, joint="", source=_AZURE)
    AZURE_GROUP = Limit(
        what="resource group", most=80, first=_ANY, letters=f"{_ANY}_", source="AKS: node groups have 80"
    )
    AZURE_ACCOUNT = Limit(what="storage account", least=3, most=24, joint="", first=_LOWER, source=_AZURE)
    AZURE_IDENTITY = Limit(what="managed identity", least=3, most=128, first=_ANY, letters=f"{_ANY}_", source=_AZURE)
    AZURE_VAULT = Limit(what="key vault", least=3, most=24, letters=_ANY, source=_AZURE)
    GKE_CLUSTER = Limit(what="GKE cluster", most=40, source=_GKE)
    GKE_POOL = Limit(what="GKE node pool", most=40, added=8, source=_GKE)
    GCP_ACCOUNT = Limit(what="service account", least=6, most=30, source="IAM API reference, serviceAccounts.create")
    GCP_BUCKET = Limit(what="GCS bucket", least=3, most=63, first=_LOWER, source="Cloud Storage, bucket naming")
    GCP_NETWORK = Limit(what="GCP network", most=63, source="Compute API reference: RFC 1035")
    ACK_CLUSTER = Limit(
        what="ACK cluster", most=63, first=_ANY, letters=_ANY, source="ACK API reference, CreateCluster"
    )
    ACK_POOL = Limit(
        what="ACK node pool", most=63, first=_ANY, letters=f"{_ANY}_", source="ACK API reference, CreateClusterNodePool"
    )
    RAM_ROLE = Limit(what="RAM role", most=64, first=_ANY, letters=_ANY, source=_RAM)
    RAM_POLICY = Limit(what="RAM policy", most=128, first=_ANY, letters=_ANY, source=_RAM)
    OSS_BUCKET = Limit(what="OSS bucket", least=3, most=63, first=_LOWER, source="OSS, bucket naming conventions")
    SLS_PROJECT = Limit(what="SLS project", least=3, most=63, first=_LOWER, source="SLS API reference, CreateProject")
    VSPHERE_MACHINE = Limit(what="virtual machine", most=63, first=_LOWER, source="RFC 1123: it is the host name, too")
    VSPHERE_FOLDER = Limit(what="vSphere folder", most=80, first=_ANY, letters=f"{_ANY}_", source="vSphere API: 80")


def fit(kind: Kind | Limit, *words: str, apart: tuple[str, ...] = ()) -> str:
    """A name that a service accepts: readable as far as it fits, other words another name, the same words the same.

    `apart` makes it another name, too, but is not to be read in it.
    """
    limit = kind.value if isinstance(kind, Kind) else kind
    size = _MARK if limit.most - limit.added > 2 * _MARK else _SHORT_MARK
    digest = hashlib.sha256(json.dumps([words, apart] if apart else words).encode()).digest()
    mark = base64.b32encode(digest).decode().lower()[:size]
    room = limit.most - limit.added - len(mark) - len(limit.joint)
    text = re.sub(rf"[^{limit.letters}]+", limit.joint, limit.joint.join(words).lower()).strip(f"{limit.joint}_.")
    if not re.match(rf"[{limit.first}]", text):
        text = f"x{text}"
    return f"{text[:room].rstrip(f'{limit.joint}_.')}{limit.joint}{mark}"
