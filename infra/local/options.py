"""Options of `local`: what its simulated machines pretend to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.contract import Capacity, Pool, Role

_MOST_NODES = 256  # each has a /24 of the pods' network


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What a simulated machine type offers to pods."""

    cpu: int = field(metadata={"help": "CPU cores", "min": 1, "max": 1024, "example": 16})
    memory_gib: int = field(metadata={"help": "memory in GiB", "min": 1, "max": 32768, "example": 64})
    storage_gib: int = field(default=200, metadata={"help": "ephemeral storage in GiB", "min": 1})
    pods: int = field(default=110, metadata={"help": "most pods on one node", "min": 1, "max": 1000})


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalOptions:
    """Options of the control plane on this machine."""

    machines: Mapping[str, Machine] = field(
        metadata={"help": "simulated machine types by name; pools choose from these"}
    )
    kubeconfig: str = field(
        default=".tools/cluster/kubeconfig",
        metadata={"help": "where `make cluster` leaves the kubeconfig, relative to the repository"},
    )
    volumes: int = field(
        default=16,
        metadata={"help": "simulated volumes of 100Gi that claims of the block class can bind", "min": 0, "max": 1000},
    )

    def check(self, pools: Mapping[str, Pool]) -> None:
        """A pool's machine is one of `machines`; nothing scales, nothing is bought, and nobody simulates TPUs."""
        allowed = ", ".join(sorted(self.machines))
        problems = [
            f"pools.{name}.machine: found '{pool.machine}'; allowed: {allowed} (cluster.options.machines)"
            for name, pool in pools.items()
            if pool.machine not in self.machines
        ]
        problems += [
            f"pools.{name}: min {pool.min} and max {pool.max} differ; simulated pools do not scale"
            for name, pool in pools.items()
            if pool.min != pool.max
        ]
        problems += [
            f"pools.{name}: simulated pools are of role system, cpu or gpu and of capacity on-demand"
            for name, pool in pools.items()
            if pool.role is Role.TPU or pool.capacity is not Capacity.ON_DEMAND
        ]
        if (total := sum(pool.min for pool in pools.values())) > _MOST_NODES:
            problems.append(f"pools: {total} nodes in all; at most {_MOST_NODES} can be simulated")
        if problems:
            raise ValueError("; ".join(problems))
