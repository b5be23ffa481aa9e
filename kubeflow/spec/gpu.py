"""What a human decides about GPUs: how pools share them, and what is measured. Refuses what no GPU can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Sharing(Enum):
    """How one GPU serves several pods."""

    NONE = "none"
    TIME_SLICING = "time-slicing"  # turns; no memory isolation: one pod can take the memory of all
    MPS = "mps"  # at once, memory and compute in equal parts; experimental, and never together with MIG
    MIG = "mig"  # partitions in hardware


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSharing:
    """How the GPUs of one pool are shared. Every GPU of a pool is shared in the same way."""

    mode: Sharing = field(
        metadata={"help": "time-slicing: no memory isolation; mps: equal parts; mig: hardware partitions"}
    )
    replicas: int | None = field(
        default=None,
        metadata={"help": "pods that share one GPU; for time-slicing and mps", "min": 2, "max": 48, "example": 4},
    )
    profiles: Mapping[str, int] = field(
        default_factory=dict[str, int],
        metadata={
            "help": "partitions of each GPU by MIG profile; for mig",
            "keys": r"[1-7]g\.[0-9]+gb",
            "example": "1g.10gb: 7",
        },
    )

    def __post_init__(self) -> None:
        """Refuse options of another mode, and a mode without its own."""
        turns = self.mode in (Sharing.TIME_SLICING, Sharing.MPS)
        if turns and self.replicas is None:
            raise ValueError(f"replicas is missing: {self.mode.value} needs the number of pods that share one GPU")
        if not turns and self.replicas is not None:
            raise ValueError(f"replicas belongs to time-slicing and mps, not to {self.mode.value}")
        if (self.mode is Sharing.MIG) != bool(self.profiles):
            raise ValueError("profiles are given exactly when mode is mig; MPS and time-slicing never share partitions")
        if wrong := [name for name, count in self.profiles.items() if count < 1]:
            raise ValueError(f"profiles.{wrong[0]}: found {self.profiles[wrong[0]]}; allowed: 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuSpec:
    """What a human decides about GPUs. Who installs driver and device plugin is the cluster's business."""

    sharing: Mapping[str, PoolSharing] = field(
        default_factory=dict[str, PoolSharing],
        metadata={"help": "pools whose GPUs are shared, by name; all others give whole GPUs"},
    )
    exporter: bool = field(default=True, metadata={"help": "measure GPUs with the DCGM exporter"})
    metrics: tuple[str, ...] = field(
        default=(),
        metadata={"help": "DCGM fields to export; empty: the exporter's own list", "example": "DCGM_FI_DEV_GPU_UTIL"},
    )
    interval: str = field(
        default="15s", metadata={"help": "time between two scrapes of the exporter", "pattern": r"[1-9]\d*s"}
    )
    runtime_class: str = field(
        default="nvidia",
        metadata={"help": "RuntimeClass of pods with GPUs", "pattern": "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"},
    )

    def __post_init__(self) -> None:
        """Refuse metrics that nobody exports, and those that the exporter could not describe."""
        if self.metrics and not self.exporter:
            raise ValueError("metrics are listed, but exporter is false")
        if unknown := [name for name in self.metrics if name not in METRICS]:
            raise ValueError(f"metrics: found {', '.join(unknown)}; allowed: {', '.join(METRICS)}")


# NVIDIA/dcgm-exporter, etc/default-counters.csv: type and help that the exporter writes beside the value.
METRICS: Mapping[str, tuple[str, str]] = {
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "GPU utilization (in %)."),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("gauge", "Memory utilization (in %)."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Framebuffer memory used (in MiB)."),
    "DCGM_FI_DEV_FB_FREE": ("gauge", "Framebuffer memory free (in MiB)."),
    "DCGM_FI_DEV_FB_RESERVED": ("gauge", "Framebuffer memory reserved (in MiB)."),
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
    "DCGM_FI_DEV_MEMORY_TEMP": ("gauge", "Memory temperature (in C)."),
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power draw (in W)."),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "Total energy consumption since boot (in mJ)."),
    "DCGM_FI_DEV_SM_CLOCK": ("gauge", "SM clock frequency (in MHz)."),
    "DCGM_FI_DEV_MEM_CLOCK": ("gauge", "Memory clock frequency (in MHz)."),
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Value of the last XID error encountered."),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("counter", "Total number of PCIe retries."),
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": ("counter", "Total number of NVLink bandwidth counters for all lanes."),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": ("counter", "Number of remapped rows for correctable errors."),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": ("counter", "Number of remapped rows for uncorrectable errors."),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("gauge", "Whether remapping of rows has failed."),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("gauge", "Ratio of time the graphics engine is active."),
    "DCGM_FI_PROF_SM_ACTIVE": ("gauge", "Ratio of cycles an SM has at least one warp assigned."),
    "DCGM_FI_PROF_SM_OCCUPANCY": ("gauge", "Ratio of warps resident on an SM."),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("gauge", "Ratio of cycles the tensor pipe is active."),
    "DCGM_FI_PROF_DRAM_ACTIVE": ("gauge", "Ratio of cycles the memory interface is active."),
    "DCGM_FI_PROF_PCIE_TX_BYTES": ("gauge", "Rate of data transmitted over PCIe (in bytes per second)."),
    "DCGM_FI_PROF_PCIE_RX_BYTES": ("gauge", "Rate of data received over PCIe (in bytes per second)."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """One MIG profile of a product: what it takes of a GPU's slices, and how many fit when there is nothing else."""

    compute: int
    memory: int
    most: int


def _seven(small: str, double: str, half: str, whole: str) -> dict[str, Partition]:
    """The profiles of a GPU with seven compute and eight memory slices, by the memory that upstream names."""
    return {
        f"1g.{small}gb": Partition(compute=1, memory=1, most=7),
        f"1g.{double}gb": Partition(compute=1, memory=2, most=4),
        f"2g.{double}gb": Partition(compute=2, memory=2, most=3),
        f"3g.{half}gb": Partition(compute=3, memory=4, most=2),
        f"4g.{half}gb": Partition(compute=4, memory=4, most=1),
        f"7g.{whole}gb": Partition(compute=7, memory=8, most=1),
    }


_SMALL, _LARGE = _seven("5", "10", "20", "40"), _seven("10", "20", "40", "80")

# NVIDIA Multi-Instance GPU User Guide, "Supported MIG Profiles"; products as GPU feature discovery labels them.
PARTITIONS: Mapping[str, Mapping[str, Partition]] = {
    "NVIDIA-A30": {
        "1g.6gb": Partition(compute=1, memory=1, most=4),
        "2g.12gb": Partition(compute=2, memory=2, most=2),
        "4g.24gb": Partition(compute=4, memory=4, most=1),
    },
    "NVIDIA-A100-PCIE-40GB": _SMALL,
    "NVIDIA-A100-SXM4-40GB": _SMALL,
    "NVIDIA-A100-80GB-PCIe": _LARGE,
    "NVIDIA-A100-SXM4-80GB": _LARGE,
    "NVIDIA-H100-PCIe": _LARGE,
    "NVIDIA-H100-80GB-HBM3": _LARGE,
    "NVIDIA-H200": _seven("18", "35", "71", "141"),
    "NVIDIA-B200": _seven("23", "45", "90", "180"),
}
