"""`PlatformSpec` in, `Platform` out: what a human decides about the platform and what later parts may rely on."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pulumi

from infra.contract import METADATA_ADDRESSES

from .distribution import table
from .quantity import Quantity


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
        """Refuse a tenant without an owner."""
        if not self.owner.strip():
            raise ValueError("owner must not be empty")


# Namespaces of Kubernetes and of the platform's own components: a tenant of that name would be given their powers.
_RESERVED_NAMESPACES = (
    "auth", "cert-manager", "default", "feast", "feast-operator-system", "gpu-operator", "istio-system",
    "knative-eventing", "knative-serving", "kubeflow", "kubeflow-system", "kueue-system", "mlflow", "monitoring",
    "oauth2-proxy", "observability",
)  # fmt: skip
_RESERVED_PREFIX = "kube-"
DEFAULT_COMPONENTS = "default"  # stands for upstream's example installation and the first choice of each add-on


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformSpec:
    """What a human decides about the platform. Wholly plain."""

    tenants: Mapping[str, TenantSpec] = field(
        metadata={"help": "teams by namespace name", "keys": "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"}
    )
    components: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": f"upstream components to install (`python -m kubeflow.distribution list`); '{DEFAULT_COMPONENTS}' "
            "stands for all of the usual installation",
            "example": DEFAULT_COMPONENTS,
        },
    )

    def __post_init__(self) -> None:
        """Refuse tenants whose namespace belongs to somebody else, and components that no release has."""
        known = [component.name for component in table.components(table.CURRENT)]
        unknown = [name for name in self.components if name not in (DEFAULT_COMPONENTS, *known)]
        if unknown:
            near = {match for name in unknown for match in difflib.get_close_matches(name, known)}
            meant = f"; did you mean {', '.join(sorted(near))}?" if near else ""
            raise ValueError(f"components: {table.CURRENT} has no {', '.join(unknown)}{meant}")
        taken = [name for name in self.tenants if name in _RESERVED_NAMESPACES or name.startswith(_RESERVED_PREFIX)]
        if taken:
            raise ValueError(
                f"tenants {', '.join(taken)}: reserved names; a tenant must not be called {_RESERVED_PREFIX}* "
                f"or {', '.join(_RESERVED_NAMESPACES)}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """What a finished tenant gives back."""

    namespace: str
    gpus: int
    service_accounts: Mapping[str, str]  # role (contributor, viewer) -> name
    ready: tuple[pulumi.Resource, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """What the platform gives back to outputs, validation and dashboards."""

    tenants: Mapping[str, Tenant]
    priority_classes: Mapping[str, int]
    components: tuple[str, ...]  # of upstream that are installed
    left_out: tuple[str, ...]  # objects of these components that this cluster cannot use, as component/kind/name
    ready: tuple[pulumi.Resource, ...] = field(repr=False)
