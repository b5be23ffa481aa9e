"""The one contract between clouds and platform: `ClusterSpec` in, `Cluster` out. Imports no cloud SDK.

Plain fields may shape the graph; Output fields only flow. The numbered rules are in CONTRACT.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

CONTRACT_VERSION = 1

# Instance metadata of the large clouds (and of EKS Pod Identity): credentials for whoever reaches them.
METADATA_ADDRESSES = ("169.254.169.254", "169.254.170.23", "100.100.100.200", "fd00:ec2::254")


class Environment(Enum):
    """Where a cluster comes from. Chosen by the configuration key `cluster.environment`, never by a stack's name."""

    EKS = "eks"
    AKS = "aks"
    GKE = "gke"
    ACK = "ack"
    VSPHERE = "vsphere"
    EXISTING = "existing"
    LOCAL = "local"


class Role(Enum):
    """What a pool of nodes is for."""

    SYSTEM = "system"
    CPU = "cpu"
    GPU = "gpu"


class Effect(Enum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Owner(Enum):
    """Who installs the GPU driver and the device plugin: the cloud's node image, or this platform."""

    CLOUD = "cloud"
    PLATFORM = "platform"


class Capability(Enum):
    """What an environment may lack. Whatever every environment has is a field of `Cluster` instead."""

    AUTOSCALING = "autoscaling"
    CONTAINERS = "containers"  # pods run real containers; simulated nodes only pretend to
    LOAD_BALANCER = "load_balancer"
    MANAGED_DRIVER = "managed_driver"
    NETWORK_POLICY = "network_policy"  # policies are enforced, not only stored
    RDMA = "rdma"
    SHARED_STORAGE = "shared_storage"
    SPOT = "spot"
    WEBHOOKS = "webhooks"  # the API server can reach admission webhooks that run in pods
    WORKLOAD_IDENTITY = "workload_identity"


class MissingCapabilityError(Exception):
    """A part of the platform needs what this environment lacks."""

    def __init__(self, environment: Environment, capability: Capability, needed_by: str) -> None:
        super().__init__(
            f"{needed_by} needs the capability '{capability.value}', which this cluster (environment "
            f"'{environment.value}') does not have: change {needed_by}, or choose an environment that has it"
        )
        self.capability = capability
        self.needed_by = needed_by


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """A mark on a node that keeps away pods which do not tolerate it."""

    key: str = field(metadata={"help": "taint key", "example": "team"})
    value: str = field(default="", metadata={"help": "taint value"})
    effect: Effect = field(default=Effect.NO_SCHEDULE, metadata={"help": "what happens to pods without a toleration"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """The accelerators of one node."""

    product: str = field(
        metadata={"help": "GPU product as GPU feature discovery labels it", "example": "NVIDIA-H100-80GB-HBM3"}
    )
    count: int = field(metadata={"help": "GPUs per node", "min": 1, "max": 16, "example": 8})
    memory_mib: int = field(metadata={"help": "memory of one GPU in MiB", "min": 1, "example": 81559})


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A group of equal nodes. In `Cluster.pools` labels and taints are complete (`naming.complete_pool`)."""

    role: Role = field(metadata={"help": "what the nodes are for"})
    machine: str = field(metadata={"help": "machine type, in the environment's own words", "example": "p5.48xlarge"})
    min: int = field(metadata={"help": "fewest nodes; 0 is legal", "min": 0, "max": 10_000})
    max: int = field(metadata={"help": "most nodes", "min": 0, "max": 10_000})
    zones: tuple[str, ...] = field(
        default=(), metadata={"help": "zones to spread over; empty lets the environment choose"}
    )
    gpu: Gpu | None = field(default=None, metadata={"help": "accelerators of each node; required for role gpu"})
    labels: Mapping[str, str] = field(default_factory=dict[str, str], metadata={"help": "further node labels"})
    taints: tuple[Taint, ...] = field(default=(), metadata={"help": "further taints"})

    def __post_init__(self) -> None:
        """Refuse a pool that could not exist."""
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        if (self.role is Role.GPU) != (self.gpu is not None):
            raise ValueError("a pool has `gpu` exactly when its role is gpu")


class EnvironmentOptions(Protocol):
    """What each environment's options dataclass can do besides holding values."""

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Raise ValueError, naming the pool, for pools that this environment cannot provide."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSpec:
    """What a human decides about a cluster. Wholly plain: known before the first resource."""

    environment: Environment = field(metadata={"help": "where the cluster comes from"})
    name: str = field(
        metadata={"help": "stable logical name of the cluster", "pattern": "[a-z][a-z0-9-]{0,30}", "example": "ml"}
    )
    region: str = field(
        metadata={"help": "region or datacenter; any word for existing and local", "example": "eu-west-1"}
    )
    version: str = field(metadata={"help": "Kubernetes minor version", "pattern": r"1\.\d+", "example": "1.35"})
    pools: Mapping[str, Pool] = field(metadata={"help": "node pools by name", "keys": "[a-z][a-z0-9-]{0,30}"})
    options: EnvironmentOptions = field(
        metadata={"help": "options that only this environment knows; their keys depend on `environment`"}
    )

    def __post_init__(self) -> None:
        """Refuse a cluster that could not hold the platform (rule C3)."""
        if not any(pool.role is not Role.GPU and pool.max > 0 for pool in self.pools.values()):
            raise ValueError("at least one pool of role system or cpu with max > 0 is needed: GPU pools are tainted")
        self.options.check(self.pools)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """How pods ask for a GPU."""

    resource: str  # extended resource, for example nvidia.com/gpu
    toleration: Taint
    owner: Owner


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Names of storage classes; `None` where the environment has none of the kind."""

    block: str  # ReadWriteOnce, the default class
    shared: str | None = None  # ReadWriteMany
    scratch: str | None = None  # fast and lost with the node


class AddressKind(Enum):
    """What a load balancer's status holds."""

    HOSTNAME = "hostname"
    IP = "ip"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingress:
    """How the platform's one gateway Service is exposed."""

    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    address: AddressKind = AddressKind.IP
    domain: str = "example.test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """Addresses that network policies are made from."""

    pod_cidr: str
    service_cidr: str
    metadata_addresses: tuple[str, ...]  # instance metadata: no pod may ever reach these
    api_server_cidrs: pulumi.Output[list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes a pod a principal of the cloud. Data only; empty where there is no cloud."""

    service_account_annotations: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])
    pod_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    namespace_labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where artifacts go."""

    scheme: str  # s3, abfs, gs, oss
    uri: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    region: str
    credential: pulumi.Output[str] | None = field(default=None, repr=False)  # secret; None with workload identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What every environment gives back. `artifacts` is None where the platform must bring its own object store."""

    environment: Environment
    name: str
    region: str
    version: str
    pools: Mapping[str, Pool]
    accelerator: Accelerator | None
    storage: Storage
    ingress: Ingress
    network: Network
    identity: Identity
    artifacts: Bucket | None
    capabilities: frozenset[Capability]
    provider: kubernetes.Provider = field(repr=False)
    kubeconfig: pulumi.Output[str] = field(repr=False)
    ready: tuple[pulumi.Resource, ...] = field(repr=False)

    def require(self, capability: Capability, *, needed_by: str) -> None:
        """Fail at plan time, naming the configuration key `needed_by`, if the cluster lacks a capability."""
        if capability not in self.capabilities:
            raise MissingCapabilityError(self.environment, capability, needed_by)


Secrets = Callable[[str], pulumi.Output[str]]  # name of a secret configuration key -> its value, a secret Output

_Options = TypeVar("_Options")


def options_of(spec: ClusterSpec, kind: type[_Options]) -> _Options:
    """The environment's options, as the type that its folder declares."""
    if not isinstance(spec.options, kind):
        raise TypeError(f"options of {spec.environment.value} are {kind.__name__}, not {type(spec.options).__name__}")
    return spec.options
