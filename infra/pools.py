"""Pools of nodes as a human describes them: role, machine, size, capacity, accelerators. Wholly plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    """What a pool of nodes is for."""

    SYSTEM = "system"
    CPU = "cpu"
    GPU = "gpu"
    TPU = "tpu"


class Capacity(Enum):
    """How the environment is asked for nodes."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    SPOT_OR_ON_DEMAND = "spot-or-on-demand"  # dear nodes where there are no cheap ones
    RESERVED = "reserved"


class Effect(Enum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


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
class Tpu:
    """The tensor processors of one node."""

    product: str = field(metadata={"help": "accelerator as the environment labels it", "example": "tpu-v6e-slice"})
    topology: str = field(metadata={"help": "how the chips of a slice are wired", "pattern": r"\d+(x\d+){1,2}"})
    count: int = field(metadata={"help": "chips per node", "min": 1, "max": 8, "example": 4})


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
    tpu: Tpu | None = field(default=None, metadata={"help": "tensor processors of each node; required for role tpu"})
    capacity: Capacity = field(default=Capacity.ON_DEMAND, metadata={"help": "how nodes are asked for"})
    reservation: str | None = field(
        default=None, metadata={"help": "reserved capacity to use, in the environment's words; for `reserved`"}
    )
    together: bool = field(
        default=False,
        metadata={"help": "place the nodes close together, on the machine's fastest network, to train over several"},
    )
    disk_gib: int = field(default=200, metadata={"help": "system disk of a node in GiB", "min": 50, "max": 16_384})
    labels: Mapping[str, str] = field(default_factory=dict[str, str], metadata={"help": "further node labels"})
    taints: tuple[Taint, ...] = field(default=(), metadata={"help": "further taints"})

    def __post_init__(self) -> None:
        """Refuse a pool that could not exist."""
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is greater than max ({self.max})")
        if (self.role is Role.GPU) != (self.gpu is not None):
            raise ValueError("a pool has `gpu` exactly when its role is gpu")
        if (self.role is Role.TPU) != (self.tpu is not None):
            raise ValueError("a pool has `tpu` exactly when its role is tpu")
        if (self.capacity is Capacity.RESERVED) != (self.reservation is not None):
            raise ValueError("a pool has `reservation` exactly when its capacity is reserved")
