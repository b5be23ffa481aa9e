"""What the clouds' options have in common: who pays, which networks, who may reach the API server. Names no cloud."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol

from .contract import Capacity, Gpu, Pool, Role

_WORLD = ("0.0.0.0/0", "::/0")
_TOLERANCE = 0.1  # drivers keep a part of the memory that clouds advertise
_IPV4 = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """Whose cluster it is: on every resource that can carry tags."""

    owner: str = field(metadata={"help": "who answers for it", "pattern": "[a-z0-9][a-z0-9._-]{0,62}"})
    cost_centre: str = field(metadata={"help": "who pays for it", "pattern": "[a-z0-9][a-z0-9._-]{0,62}"})
    expires: str = field(
        default="never", metadata={"help": "day after which it may be destroyed, or never", "example": "2027-03-31"}
    )

    def __post_init__(self) -> None:
        """Refuse what is no day."""
        if self.expires != "never":
            dt.date.fromisoformat(self.expires)

    def tags(self, cluster: str, environment: str) -> dict[str, str]:
        """Tags of a resource. Keys can be labels everywhere; values may have dots, which not all labels can."""
        return {
            "cluster": cluster,
            "environment": environment,
            "owner": self.owner,
            "cost-centre": self.cost_centre,
            "expires": self.expires,
            "managed-by": "kubeflow-proof",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudNetwork:
    """Networks of a cluster; they must not overlap each other, nor any that they will be connected with."""

    nodes: str = field(default="10.40.0.0/16", metadata={"help": "network of the nodes and load balancers"})
    pods: str = field(
        default="100.64.0.0/14", metadata={"help": "network of the pods, where pods have one of their own"}
    )
    services: str = field(default="172.20.0.0/16", metadata={"help": "network of the Services"})
    api_access: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "networks that may reach the public endpoint of the API server; empty: it has none",
            "example": "198.51.100.0/24",
        },
    )
    flow_logs: bool = field(default=True, metadata={"help": "keep a log of connections"})

    def __post_init__(self) -> None:
        """Refuse networks that overlap, and an API server that is open to the world."""
        named = {name: ipaddress.ip_network(cidr) for name, cidr in self.cidrs.items()}
        for (one, first), (other, second) in combinations(named.items(), 2):
            if first.overlaps(second):
                raise ValueError(f"{one} ({first}) and {other} ({second}) overlap")
        for cidr in self.api_access:
            ipaddress.ip_network(cidr)
            if cidr in _WORLD:
                raise ValueError(f"apiAccess: {cidr} is the whole internet; name the networks of your people")

    @property
    def cidrs(self) -> dict[str, str]:
        """The three networks by their keys."""
        return {"nodes": self.nodes, "pods": self.pods, "services": self.services}

    def size_problems(self, prefixes: Mapping[str, tuple[int, int]]) -> Iterator[str]:
        """Networks that a cloud cannot use, given the shortest and longest prefix of each."""
        for key, (shortest, longest) in prefixes.items():
            found = ipaddress.ip_network(self.cidrs[key])
            if found.version != _IPV4 or not shortest <= found.prefixlen <= longest:
                yield f"options.network.{key}: found {found}; allowed: IPv4 from /{shortest} to /{longest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudOptions:
    """Options that every cloud has, under the same names."""

    ownership: Ownership = field(metadata={"help": "whose it is and who pays"})
    network: CloudNetwork = field(
        default=CloudNetwork(), metadata={"help": "networks, and who may reach the API server"}
    )
    admins: tuple[str, ...] = field(
        default=(), metadata={"help": "principals with all rights in the cluster, in the environment's own words"}
    )
    domain: str = field(default="example.test", metadata={"help": "DNS suffix of the platform's endpoints"})
    deletion_protection: bool = field(
        default=True, metadata={"help": "refuse to destroy the cluster, its keys and its buckets"}
    )
    log_days: int = field(default=90, metadata={"help": "days that logs are kept", "min": 1, "max": 3650})
    scratch_days: int = field(default=7, metadata={"help": "days that objects of the scratch bucket live", "min": 1})

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse TPU pools: the environments that have them say so."""
        if tpus := [name for name, pool in pools.items() if pool.role is Role.TPU]:
            raise ValueError(f"pools.{tpus[0]}.role: this environment has no TPUs; allowed: system, cpu, gpu")


class GpuMachine(Protocol):
    """What a cloud's table of GPU machine types knows of each, at least."""

    @property
    def product(self) -> str:
        """As GPU feature discovery labels it."""
        ...

    @property
    def gpus(self) -> int:
        """GPUs of one machine."""
        ...

    @property
    def memory_mib(self) -> int:
        """Of one GPU, as the cloud advertises it."""
        ...


def gpu_problem(machines: Mapping[str, GpuMachine], machine: str, gpu: Gpu) -> str | None:
    """Why a machine type of a table does not have these GPUs; None if it has."""
    if machine in machines:
        return gpu_difference(machine, machines[machine], gpu)
    fitting = [name for name, item in machines.items() if item.product == gpu.product]
    if fitting:
        return f"machine: found '{machine}'; allowed for {gpu.product}: {', '.join(fitting)}"
    products = dict.fromkeys(item.product for item in machines.values())
    return f"machine: found '{machine}'; allowed: machines with {', '.join(products)}"


def gpu_difference(machine: str, known: GpuMachine, gpu: Gpu) -> str | None:
    """What a known machine type has instead of these GPUs; None if it has them."""
    close = abs(gpu.memory_mib - known.memory_mib) <= _TOLERANCE * known.memory_mib
    if (gpu.product, gpu.count) == (known.product, known.gpus) and close:
        return None
    return (
        f"gpu: found {gpu.count} x {gpu.product} of {gpu.memory_mib} MiB; "
        f"{machine} has {known.gpus} x {known.product} of about {known.memory_mib} MiB"
    )


def interruptible(pool: Pool) -> bool:
    """Whether nodes of a pool may be taken away."""
    return pool.capacity in (Capacity.SPOT, Capacity.SPOT_OR_ON_DEMAND)


def system_problems(pool: Pool) -> Iterator[str]:
    """What no cloud's system pool may be."""
    if pool.role is Role.SYSTEM and interruptible(pool):
        yield f"capacity: found {pool.capacity.value}; the system may not be interrupted"


def zone_problems(pool: Pool) -> Iterator[str]:
    """Nodes that stand together, or are reserved, are in one zone."""
    if len(pool.zones) != 1 and (pool.together or pool.capacity is Capacity.RESERVED):
        yield f"zones: found {len(pool.zones)}; placed together, or reserved, means exactly one"


def groups_at_most(pools: Mapping[str, Pool]) -> int:
    """The most nodes of all groups: a pool that falls back has two of them."""
    return sum(pool.max * (2 if pool.capacity is Capacity.SPOT_OR_ON_DEMAND else 1) for pool in pools.values())
