"""Machine types of Google Cloud with GPUs or TPUs as tables. A type that is not here is refused: nobody checked it.

GPUs, memory and local disks: Compute Engine, accelerator-optimized machine family. Chips and topologies: GKE, TPUs in
GKE. Products of GPUs: the names that NVIDIA's driver reports, spaces as dashes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra.clouds import gpu_difference
from infra.pools import Gpu, Tpu

_ARM = ("a4x", "c4a", "n4a", "t2a")
_NEVER_TOGETHER = ("e2", "f1", "g1", "n1", "t2d")  # no compact placement
_HYPERDISK = ("a3-ultragpu", "a4", "c4", "c4d", "ct6e", "g4", "h4d", "m4", "n4", "n4d", "x4")  # take no other boot disk
_FORM = re.compile(r"(c2|c2d|c3|c3d|c4|c4d|e2|h3|h4d|m1|m2|m3|m4|n1|n2|n2d|n4|n4d|t2d|x4|z3)-[a-z]+-[a-z0-9-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What one GPU machine type has."""

    product: str
    accelerator: str  # the same GPU, as the Compute API calls it
    gpus: int
    memory_mib: int  # of one GPU
    local_disks: int = 0  # of 375 GB, which come with the machine
    rdma: bool = False  # GPUs of several nodes reach each other by RDMA
    interruptible: bool = False  # sold as spot only


def _family(
    product: str, accelerator: str, memory_mib: int, sizes: Mapping[str, tuple[int, int]]
) -> dict[str, Machine]:
    """Machine types by name, from (GPUs, local disks)."""
    return {
        name: Machine(
            product=product,
            accelerator=accelerator,
            gpus=gpus,
            memory_mib=memory_mib,
            local_disks=disks,
            rdma=name in ("a3-ultragpu-8g", "a4-highgpu-8g"),
            interruptible=name in ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"),
        )
        for name, (gpus, disks) in sizes.items()
    }


_G2 = {"4": 1, "8": 1, "12": 1, "16": 1, "24": 2, "32": 1, "48": 4, "96": 8}
_A2 = {"1g": 1, "2g": 2, "4g": 4, "8g": 8}

MACHINES: Mapping[str, Machine] = {
    **_family("NVIDIA-L4", "nvidia-l4", 24576, {f"g2-standard-{size}": (gpus, 0) for size, gpus in _G2.items()}),
    **_family(
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
        "nvidia-rtx-pro-6000",
        98304,
        {f"g4-standard-{48 * gpus}": (gpus, 0) for gpus in (1, 2, 4, 8)},
    ),
    **_family(
        "NVIDIA-A100-SXM4-40GB",
        "nvidia-tesla-a100",
        40960,
        {**{f"a2-highgpu-{size}": (gpus, 0) for size, gpus in _A2.items()}, "a2-megagpu-16g": (16, 0)},
    ),
    **_family(
        "NVIDIA-A100-SXM4-80GB",
        "nvidia-a100-80gb",
        81920,
        {f"a2-ultragpu-{size}": (gpus, gpus) for size, gpus in _A2.items()},
    ),
    **_family(
        "NVIDIA-H100-80GB-HBM3",
        "nvidia-h100-80gb",
        81920,
        {f"a3-highgpu-{size}": (gpus, 2 * gpus) for size, gpus in _A2.items()},
    ),
    **_family("NVIDIA-H100-80GB-HBM3", "nvidia-h100-mega-80gb", 81920, {"a3-megagpu-8g": (8, 16)}),
    **_family("NVIDIA-H200", "nvidia-h200-141gb", 144384, {"a3-ultragpu-8g": (8, 32)}),
    **_family("NVIDIA-B200", "nvidia-b200", 184320, {"a4-highgpu-8g": (8, 32)}),
}


@dataclass(frozen=True, slots=True)
class TpuMachine:
    """What one TPU machine type has."""

    product: str  # as GKE labels it
    chips: int
    dimensions: int  # of a topology
    several: bool  # may be one of several nodes of a slice


TPU_MACHINES: Mapping[str, TpuMachine] = {
    "ct5lp-hightpu-1t": TpuMachine("tpu-v5-lite-podslice", 1, 2, several=False),
    "ct5lp-hightpu-4t": TpuMachine("tpu-v5-lite-podslice", 4, 2, several=True),
    "ct5lp-hightpu-8t": TpuMachine("tpu-v5-lite-podslice", 8, 2, several=False),
    "ct5p-hightpu-4t": TpuMachine("tpu-v5p-slice", 4, 3, several=True),
    "ct6e-standard-1t": TpuMachine("tpu-v6e-slice", 1, 2, several=False),
    "ct6e-standard-4t": TpuMachine("tpu-v6e-slice", 4, 2, several=True),
    "ct6e-standard-8t": TpuMachine("tpu-v6e-slice", 8, 2, several=False),
}


def boot_disk(machine: str) -> str:
    """The type of disk that the machine starts from."""
    return "hyperdisk-balanced" if machine.startswith(tuple(f"{name}-" for name in _HYPERDISK)) else "pd-balanced"


def hosts(tpu: Tpu) -> int:
    """Nodes of one slice."""
    return math.prod(int(side) for side in tpu.topology.split("x")) // tpu.count


def rdma(machine: str) -> bool:
    """Whether GPUs of several such nodes reach each other by RDMA."""
    return machine in MACHINES and MACHINES[machine].rdma


def can_be_together(machine: str) -> bool:
    """Whether such nodes can be placed side by side."""
    return machine.partition("-")[0] not in _NEVER_TOGETHER


def gpu_problem(machine: str, gpu: Gpu) -> str | None:
    """Why a machine type does not have these GPUs; None if it has."""
    known = MACHINES.get(machine)
    if known is None:
        return f"machine: found '{machine}'; allowed for GPUs: {', '.join(sorted(MACHINES))}"
    return gpu_difference(machine, known, gpu)


def tpu_problem(machine: str, tpu: Tpu) -> str | None:
    """Why a machine type cannot be a node of such a slice; None if it can."""
    known = TPU_MACHINES.get(machine)
    if known is None:
        return f"machine: found '{machine}'; allowed for TPUs: {', '.join(sorted(TPU_MACHINES))}"
    if (tpu.product, tpu.count) != (known.product, known.chips):
        return f"tpu: found {tpu.count} x {tpu.product}; {machine} has {known.chips} x {known.product}"
    sides = [int(side) for side in tpu.topology.split("x")]
    chips = math.prod(sides)
    if len(sides) != known.dimensions or chips < known.chips or chips % known.chips:
        return (
            f"tpu.topology: found {tpu.topology}; allowed for {machine}: {known.dimensions} numbers whose product is a "
            f"multiple of {known.chips}"
        )
    if chips != known.chips and not known.several:
        return f"tpu.topology: found {tpu.topology}; {machine} is a slice of its own, of {known.chips} chips"
    return None


def cpu_problem(machine: str) -> str | None:
    """Why a machine type cannot be a pool without accelerators; None if it can."""
    if machine in MACHINES:
        return f"machine: {machine} has GPUs; give the pool the role gpu"
    if machine in TPU_MACHINES:
        return f"machine: {machine} has TPUs; give the pool the role tpu"
    if machine.partition("-")[0] in _ARM:
        return f"machine: {machine} is an Arm machine; the platform's images are for x86-64"
    if not _FORM.fullmatch(machine):
        return f"machine: found '{machine}'; allowed: a machine type such as n2-standard-8"
    return None
