"""Options of `aks`, the pools that it can provide, and the plain facts that its files share. Imports no SDK."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from infra.clouds import CloudOptions, groups_at_most, system_problems, zone_problems
from infra.contract import Capacity, ClusterSpec, Pool, Role, Taint, options_of
from infra.naming import complete_pool

from .machines import cpu_problem, gpu_problem

SPOT_MARK = "kubernetes.azure.com/scalesetpriority"
SPOT_TAINT = Taint(key=SPOT_MARK, value="spot")  # AKS puts it on every interruptible node, asked or not

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP = r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+/providers"
_RESERVATION = re.compile(rf"{_GROUP}/Microsoft\.Compute/capacityReservationGroups/[\w.-]+")
_REGISTRY = re.compile(rf"{_GROUP}/Microsoft\.ContainerRegistry/registries/[A-Za-z0-9]+")
_ZONES = ("1", "2", "3")
_PREFIXES = {"nodes": (12, 22), "pods": (8, 20), "services": (12, 24)}  # what `network.plan` and AKS can use
_REFUSED_NETWORKS = ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24")  # Azure CNI overlay
_IPV4, _BITS = 4, 32
_EXAMPLE = "11111111-2222-4333-8444-555555555555"
_LOG_DAYS = (30, 730)  # what Log Analytics keeps
_NODE_PODS = 24  # prefix of the pods of one node, which AKS takes from the pods' network
_KEPT = 5  # addresses of a subnet that Azure keeps
_OTHER_CLOUDS = ("china", "usgov", "usdod")


class Login(Enum):
    """Where kubelogin finds whoever it is that runs Pulumi."""

    CLI = "azurecli"
    WORKLOAD = "workloadidentity"
    SERVICE_PRINCIPAL = "spn"
    MACHINE = "msi"


@dataclass(frozen=True, kw_only=True, slots=True)
class AksOptions(CloudOptions):
    """Options of a cluster on Azure."""

    subscription: str = field(
        metadata={
            "help": "subscription that the cluster is made in",
            "pattern": "[0-9a-f-]{36}",
            "example": _EXAMPLE,
        }
    )
    tenant: str = field(
        metadata={
            "help": "Entra ID tenant of the subscription and of its people",
            "pattern": "[0-9a-f-]{36}",
            "example": "66666666-7777-4888-8999-aaaaaaaaaaaa",
        }
    )
    login: Login = field(default=Login.CLI, metadata={"help": "how kubelogin signs in whoever runs Pulumi"})
    zones: tuple[str, ...] = field(default=_ZONES, metadata={"help": "availability zones to use", "example": "1"})
    zone_redundant: bool = field(
        default=True, metadata={"help": "keep objects and files in three zones; false where the region has not three"}
    )
    host_encryption: bool = field(
        default=True,
        metadata={"help": "encrypt caches and temporary disks; the subscription needs the feature EncryptionAtHost"},
    )
    internet_facing: bool = field(
        default=False, metadata={"help": "give the platform's load balancer a public address"}
    )
    registries: tuple[str, ...] = field(
        default=(), metadata={"help": "container registries, by resource id, that nodes may pull from"}
    )

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse what Azure would refuse later, or would grant and nobody could use."""
        problems = [*self._own_problems(), *self._network_problems(pools)]
        try:
            first_pool(pools)
        except ValueError as error:
            problems.append(str(error))
        for name, pool in pools.items():
            problems += [f"pools.{name}.{problem}" for problem in self._pool_problems(pool)]
        if problems:
            raise ValueError("; ".join(problems))

    def _own_problems(self) -> Iterator[str]:
        for key in ("subscription", "tenant"):
            if not _UUID.fullmatch(getattr(self, key)):
                yield f"options.{key}: found '{getattr(self, key)}'; allowed: an id such as {_EXAMPLE}"
        if not self.admins:
            yield "options.admins: nobody is named; not even who creates the cluster may open it: name a group"
        for admin in self.admins:
            if not _UUID.fullmatch(admin):
                yield f"options.admins: found '{admin}'; allowed: the object id of an Entra ID group"
        for registry in self.registries:
            if not _REGISTRY.fullmatch(registry):
                yield f"options.registries: found '{registry}'; allowed: the resource id of a container registry"
        low, high = _LOG_DAYS
        if not low <= self.log_days <= high:
            yield f"options.logDays: found {self.log_days}; allowed: {low} to {high}"
        if not self.zones or len(set(self.zones)) < len(self.zones) or not set(self.zones) <= set(_ZONES):
            yield f"options.zones: found {', '.join(self.zones) or 'none'}; allowed: different ones of 1, 2, 3"

    def _network_problems(self, pools: Mapping[str, Pool]) -> Iterator[str]:
        prefixes: dict[str, int] = {}
        for key, (shortest, longest) in _PREFIXES.items():
            found = ipaddress.ip_network(getattr(self.network, key))
            prefixes[key] = found.prefixlen
            if found.version != _IPV4 or not shortest <= found.prefixlen <= longest:
                yield f"options.network.{key}: found {found}; allowed: IPv4 from /{shortest} to /{longest}"
                return
            if reserved := [one for one in _REFUSED_NETWORKS if found.overlaps(ipaddress.ip_network(one))]:
                yield f"options.network.{key}: {found} overlaps {reserved[0]}, which AKS keeps for itself"
        groups = groups_at_most(pools)
        room = {
            "nodes": 2 ** (_BITS - prefixes["nodes"]) // 4 - _KEPT,  # a quarter of it: see `network.plan`
            "pods": 2 ** max(_NODE_PODS - prefixes["pods"], 0),
        }
        for key, nodes in room.items():
            if groups > nodes:
                yield f"options.network.{key}: {getattr(self.network, key)} is enough for {nodes} nodes; found {groups}"

    def _pool_problems(self, pool: Pool) -> Iterator[str]:
        if pool.role is Role.TPU:
            yield "role: Azure has no TPUs; allowed: system, cpu, gpu"
            return
        problem = cpu_problem(pool.machine) if pool.gpu is None else gpu_problem(pool.machine, pool.gpu)
        if problem:
            yield problem
        if unknown := sorted(set(pool.zones) - set(self.zones)):
            yield f"zones: found {', '.join(unknown)}; allowed: {', '.join(self.zones)}"
        yield from zone_problems(pool)
        yield from system_problems(pool)
        if pool.reservation is not None and not _RESERVATION.fullmatch(pool.reservation):
            yield f"reservation: found '{pool.reservation}'; allowed: the resource id of a capacity reservation group"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Plain facts about one cluster that all of its parts share."""

    name: str
    region: str
    version: str
    zones: tuple[str, ...]
    pools: Mapping[str, Pool]
    first: str  # the pool that AKS makes together with the control plane
    options: AksOptions

    @classmethod
    def of(cls, spec: ClusterSpec) -> Site:
        """The facts that follow from a spec; ValueError where Azure has no such place or takes no such name."""
        options = options_of(spec, AksOptions)
        if spec.region.startswith(_OTHER_CLOUDS):
            raise ValueError(f"region: {spec.region} has services of other names and another operator; not supported")
        if spec.name.endswith("-"):
            raise ValueError(f"name: found '{spec.name}'; allowed: a letter or digit at its end")
        first = first_pool(spec.pools)
        return cls(
            name=spec.name,
            region=spec.region,
            version=spec.version,
            zones=options.zones,
            pools={name: site_pool(name, pool, first=name == first) for name, pool in spec.pools.items()},
            first=first,
            options=options,
        )

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that can carry any."""
        return self.options.ownership.tags(self.name, "aks")

    @property
    def group(self) -> str:
        """The resource group that holds everything but what AKS makes itself."""
        return f"{self.name}-cluster"

    @property
    def node_group(self) -> str:
        """The resource group of AKS; named, because the name that AKS would form can be longer than Azure allows."""
        return f"{self.name}-nodes"

    @property
    def group_id(self) -> str:
        """The id of the resource group."""
        return f"/subscriptions/{self.options.subscription}/resourceGroups/{self.group}"

    @property
    def cluster_id(self) -> str:
        """What the cluster is called for as long as it lives."""
        return f"{self.group_id}/providers/Microsoft.ContainerService/managedClusters/{self.name}"

    def role(self, guid: str) -> str:
        """The id of a role definition."""
        where = f"/subscriptions/{self.options.subscription}/providers/Microsoft.Authorization"
        return f"{where}/roleDefinitions/{guid}"


def first_pool(pools: Mapping[str, Pool]) -> str:
    """The pool for AKS's own pods: the first of role system, or of role cpu where there is none."""
    for role in (Role.SYSTEM, Role.CPU):
        for name, pool in pools.items():
            if pool.role is role and pool.max > 0 and pool.capacity in (Capacity.ON_DEMAND, Capacity.RESERVED):
                return name
    raise ValueError("pools: AKS needs one of role system or cpu with max > 0 that may not be interrupted")


def site_pool(name: str, pool: Pool, *, first: bool) -> Pool:
    """A pool as it will be: AKS marks interruptible nodes itself, and keeps a node for its own pods."""
    if pool.capacity in (Capacity.SPOT, Capacity.SPOT_OR_ON_DEMAND) and SPOT_TAINT not in pool.taints:
        pool = replace(pool, taints=(SPOT_TAINT, *pool.taints))
    if pool.capacity is Capacity.SPOT:
        pool = replace(pool, labels={**pool.labels, SPOT_MARK: "spot"})
    if first:
        pool = replace(pool, min=max(pool.min, 1))
    return complete_pool(name, pool)
