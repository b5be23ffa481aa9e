"""What a human decides about a tenant: people, quota, openings. Refuses names that belong to somebody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from infra.contract import METADATA_ADDRESSES
from kubeflow.quantity import Quantity


class PodSecurity(Enum):
    """Pod Security Standard that a namespace enforces. `privileged` is deliberately not offered to tenants."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"


class Protocol(Enum):
    """Transport protocol of an opening."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """One declared way out of a tenant, with the reason it exists."""

    cidr: str = field(
        metadata={"help": "destination network; never one that holds a metadata address", "example": "10.20.0.0/16"}
    )
    port: int = field(metadata={"help": "destination port", "min": 1, "max": 65535, "example": 443})
    reason: str = field(metadata={"help": "why the tenant needs it, for the reviewer", "example": "feature store"})
    protocol: Protocol = field(default=Protocol.TCP, metadata={"help": "transport protocol"})

    def __post_init__(self) -> None:
        """Refuse what is no network, and any that reaches an instance metadata address."""
        network = ipaddress.ip_network(self.cidr)
        reached = [text for text in METADATA_ADDRESSES if ipaddress.ip_address(text) in network]
        if reached:
            raise ValueError(f"cidr {self.cidr} holds the instance metadata address {', '.join(reached)}")
        if not self.reason.strip():
            raise ValueError("reason must not be empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """What a tenant may hold in all, enforced by a ResourceQuota."""

    cpu: Quantity = field(default=Quantity("16"), metadata={"help": "sum of CPU requests"})
    memory: Quantity = field(default=Quantity("64Gi"), metadata={"help": "sum of memory requests"})
    gpus: int = field(default=0, metadata={"help": "GPUs, all products together", "min": 0, "max": 100_000})
    gpu_parts: int = field(
        default=0,
        metadata={"help": "shares or partitions of GPUs, of each kind that the cluster offers", "min": 0},
    )
    storage: Quantity = field(default=Quantity("500Gi"), metadata={"help": "sum of volume requests"})
    pods: int = field(default=100, metadata={"help": "pods", "min": 1, "max": 100_000})
    services: int = field(
        default=50, metadata={"help": "Services; those of type LoadBalancer and NodePort are never allowed", "min": 0}
    )
    volumes: int = field(default=50, metadata={"help": "PersistentVolumeClaims", "min": 0})
    secrets: int = field(default=200, metadata={"help": "Secrets", "min": 1})
    config_maps: int = field(default=200, metadata={"help": "ConfigMaps", "min": 1})


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerDefaults:
    """What a container gets that asks for nothing, enforced by a LimitRange."""

    cpu_request: Quantity = field(default=Quantity("100m"), metadata={"help": "CPU request"})
    memory_request: Quantity = field(default=Quantity("256Mi"), metadata={"help": "memory request"})
    cpu_limit: Quantity = field(default=Quantity("1"), metadata={"help": "CPU limit"})
    memory_limit: Quantity = field(default=Quantity("1Gi"), metadata={"help": "memory limit"})

    def __post_init__(self) -> None:
        """A request above its limit is refused by the API server for every pod: refuse it here once."""
        for name, request, limit in (
            ("cpu", self.cpu_request, self.cpu_limit),
            ("memory", self.memory_request, self.memory_limit),
        ):
            if request.value > limit.value:
                raise ValueError(f"{name}Request ({request}) is greater than {name}Limit ({limit})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one purpose may take of a tenant's quota: a ResourceQuota for the pods of its priority class."""

    cpu: Quantity = field(metadata={"help": "sum of CPU requests", "example": "8"})
    memory: Quantity = field(metadata={"help": "sum of memory requests", "example": "32Gi"})
    pods: int = field(metadata={"help": "pods", "min": 0, "max": 100_000, "example": 20})
    gpus: int = field(default=0, metadata={"help": "GPUs, all products together", "min": 0, "max": 100_000})


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """Parts of a tenant's quota by purpose. A purpose without one is bounded by the quota alone."""

    training: Share | None = field(default=None, metadata={"help": "pods of priority class kubeflow-training"})
    serving: Share | None = field(default=None, metadata={"help": "pods of priority class kubeflow-serving"})
    batch: Share | None = field(default=None, metadata={"help": "pods of priority class kubeflow-batch"})

    def named(self) -> dict[str, Share]:
        """The shares that there are, by purpose."""
        every = {"training": self.training, "serving": self.serving, "batch": self.batch}
        return {purpose: share for purpose, share in every.items() if share is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class TenantSpec:
    """A team and what it may use. Its namespace has the key's name."""

    owner: str = field(
        metadata={
            "help": "user who owns the namespace, as the identity provider names them",
            "example": "ada@example.com",
        }
    )
    contributors: tuple[str, ...] = field(default=(), metadata={"help": "users who may create and change workloads"})
    viewers: tuple[str, ...] = field(default=(), metadata={"help": "users who may look, but not at Secrets"})
    quota: Quota = field(default=Quota(), metadata={"help": "what the team may hold in all"})
    shares: Shares = field(
        default=Shares(), metadata={"help": "what training, serving and batch may take of the quota"}
    )
    defaults: ContainerDefaults = field(
        default=ContainerDefaults(), metadata={"help": "what a container gets that asks for nothing"}
    )
    pod_security: PodSecurity = field(
        default=PodSecurity.BASELINE, metadata={"help": "Pod Security Standard that is enforced"}
    )
    egress: tuple[Opening, ...] = field(
        default=(), metadata={"help": "declared ways out; everything else but DNS is closed"}
    )

    def __post_init__(self) -> None:
        """Refuse a tenant without an owner, and shares that its quota could never give."""
        if not self.owner.strip():
            raise ValueError("owner must not be empty")
        quota = self.quota
        wrong = [
            f"shares.{purpose}.{name} ({given}) is greater than quota.{name} ({allowed})"
            for purpose, share in self.shares.named().items()
            for name, given, allowed, more in (
                ("cpu", share.cpu, quota.cpu, share.cpu.value > quota.cpu.value),
                ("memory", share.memory, quota.memory, share.memory.value > quota.memory.value),
                ("gpus", share.gpus, quota.gpus, share.gpus > quota.gpus),
                ("pods", share.pods, quota.pods, share.pods > quota.pods),
            )
            if more
        ]
        if wrong:
            raise ValueError("; ".join(wrong))


# Namespaces of Kubernetes and of the platform's own components: a tenant of that name would be given their powers.
RESERVED_NAMESPACES = (
    "auth", "cert-manager", "default", "feast", "feast-operator-system", "gpu-operator", "istio-system",
    "knative-eventing", "knative-serving", "kubeflow", "kubeflow-system", "kueue-system", "mlflow", "monitoring",
    "oauth2-proxy", "observability",
)  # fmt: skip
RESERVED_PREFIX = "kube-"


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError, naming all of them, for tenants whose namespace belongs to somebody else."""
    taken = [name for name in names if name in RESERVED_NAMESPACES or name.startswith(RESERVED_PREFIX)]
    if taken:
        raise ValueError(
            f"tenants {', '.join(taken)}: reserved names; a tenant must not be called {RESERVED_PREFIX}* "
            f"or {', '.join(RESERVED_NAMESPACES)}"
        )
