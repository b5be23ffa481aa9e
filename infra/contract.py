"""The one contract between clouds and platform: `ClusterSpec` in, `Cluster` out. Imports no cloud SDK.

Plain fields may shape the graph; Output fields only flow. The numbered rules are in CONTRACT.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

from .pools import Capacity, Effect, Gpu, Pool, Role, Taint, Tpu

__all__ = [
    "CONTRACT_VERSION", "CREDENTIALS_FILE", "IDENTITY_FOLDER", "METADATA_ADDRESSES", "TOKEN_FILE", "Accelerator",
    "AddressKind", "Bind", "Binding", "Bucket", "Capability", "Capacity", "Cluster", "ClusterSpec", "Effect",
    "Environment", "EnvironmentOptions", "Gpu", "Grant", "Identity", "Ingress", "MissingCapabilityError", "Network",
    "Owner", "Pool", "Quirks", "Role", "Secrets", "Storage", "Store", "Taint", "Tpu", "options_of",
]  # fmt: skip

CONTRACT_VERSION = 2

# Instance metadata of the large clouds (and of EKS Pod Identity): credentials for whoever reaches them.
METADATA_ADDRESSES = ("169.254.169.254", "169.254.170.23", "100.100.100.200", "fd00:ec2::254")

# Where a pod finds the token and the configuration of a binding that has them.
IDENTITY_FOLDER = "/var/run/secrets/workload-identity"
TOKEN_FILE = f"{IDENTITY_FOLDER}/token"
CREDENTIALS_FILE = f"{IDENTITY_FOLDER}/credentials.json"


class Environment(Enum):
    """Where a cluster comes from. Chosen by the configuration key `cluster.environment`, never by a stack's name."""

    EKS = "eks"
    AKS = "aks"
    GKE = "gke"
    ACK = "ack"
    VSPHERE = "vsphere"
    EXISTING = "existing"
    LOCAL = "local"


class Owner(Enum):
    """Who installs a part of the GPU software: the environment (node image or service), or this platform."""

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
        if not any(pool.role in (Role.SYSTEM, Role.CPU) and pool.max > 0 for pool in self.pools.values()):
            raise ValueError("at least one pool of role system or cpu with max > 0 is needed: GPU pools are tainted")
        self.options.check(self.pools)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """How pods ask for a GPU, and who installs what it needs: exactly one owner of each part."""

    resource: str  # extended resource, for example nvidia.com/gpu
    toleration: Taint
    driver: Owner
    toolkit: Owner
    device_plugin: Owner
    driver_root: str | None = None  # where an environment's driver lies on a node; None: the usual place


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
    load_balancer_class: str | None = None
    address: AddressKind = AddressKind.IP
    domain: str = "example.test"


def _nowhere() -> pulumi.Output[list[str]]:
    none: list[str] = []
    return pulumi.Output.from_input(none)


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """Addresses that network policies are made from. A network that is not named stays closed."""

    pod_cidr: str
    service_cidr: str
    metadata_addresses: tuple[str, ...]  # instance metadata: no pod may ever reach these
    api_server_cidrs: pulumi.Output[list[str]]
    node_cidrs: tuple[str, ...] = ()
    resolver: str | None = None  # address of a DNS cache on each node
    object_store_cidrs: pulumi.Output[list[str]] = field(default_factory=_nowhere)  # and of the token exchange


class Store(Enum):
    """The two buckets of a cluster."""

    ARTIFACTS = "artifacts"  # versioned
    SCRATCH = "scratch"  # fast, and emptied by age


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A right of one workload: objects below a prefix of a bucket."""

    store: Store
    prefix: str  # empty: the whole bucket; otherwise it ends in /
    write: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """What has to be written on a workload's objects so that it is the principal that got the grants."""

    annotations: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])
    pod_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    namespace_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    credentials: pulumi.Output[str] | None = None  # text of CREDENTIALS_FILE, which names TOKEN_FILE; holds no secret
    audience: str | None = None  # of the token in TOKEN_FILE
    variable: str | None = None  # by which libraries find CREDENTIALS_FILE
    ready: tuple[pulumi.Resource, ...] = field(default=(), repr=False)


# Namespace, service account, grants, options of the resources that this takes.
Bind = Callable[[str, str, Sequence[Grant], pulumi.ResourceOptions], Binding]


def _unbound(
    _namespace: str, _account: str, _grants: Sequence[Grant], _opts: pulumi.ResourceOptions
) -> Binding:  # a cluster without workload identity
    return Binding()


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes a service account a principal of the cloud, without any key (capability `workload_identity`)."""

    bind: Bind = _unbound
    issuer: pulumi.Output[str] | None = None  # of service accounts' tokens, as in `iss`; publishes its keys


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """One object store of the environment."""

    scheme: str  # s3, abfs, gs, oss
    name: pulumi.Output[str]
    uri: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    region: str
    # Secret JSON {"accessKey": …, "secretKey": …}; None with workload identity.
    credential: pulumi.Output[str] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quirks:
    """What an environment asks of everybody's objects."""

    webhook_labels: Mapping[str, str] = field(default_factory=dict[str, str])  # or it edits webhook configurations
    critical_pods_quota: bool = False  # pods of system priority need a quota outside kube-system


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What every environment gives back. Without `artifacts` the platform must bring its own object store."""

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
    scratch: Bucket | None = None
    quirks: Quirks = Quirks()
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
