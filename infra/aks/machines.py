"""GPU sizes of Azure as a table. Data only; a size that is not here is refused.

GPUs, memory and InfiniBand: Azure's pages of the ND A100 v4 and ND H100 v5 series, read 2026-11 in stored copies. The
other sizes are as several public tables agree on them; Azure's own pages of those were not at hand.
Products: the names that NVIDIA's driver reports, spaces as dashes.
Left out on purpose: NV sizes (they need a licensed guest driver) and Grace machines (Arm, and another way to ask).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra import clouds
from infra.pools import Gpu

_FORM = re.compile(r"Standard_[A-Z]+(?P<first>\d+)(-\d+)?(?P<letters>[a-z]*)(_[A-Za-z0-9]+)*")
_ACCELERATED = re.compile(r"Standard_N[A-Z]")


@dataclass(frozen=True, slots=True)
class Machine:
    """What one GPU size has."""

    product: str
    gpus: int
    memory_mib: int  # of one GPU
    infiniband: int = 0  # network cards


def _family(product: str, memory_mib: int, sizes: Mapping[str, int], infiniband: int = 0) -> dict[str, Machine]:
    """Sizes by name, from GPUs of each."""
    return {name: Machine(product, gpus, memory_mib, infiniband) for name, gpus in sizes.items()}


MACHINES: Mapping[str, Machine] = {
    **_family(
        "Tesla-T4",
        16384,
        {
            "Standard_NC4as_T4_v3": 1,
            "Standard_NC8as_T4_v3": 1,
            "Standard_NC16as_T4_v3": 1,
            "Standard_NC64as_T4_v3": 4,
        },
    ),
    **_family(
        "NVIDIA-A100-80GB-PCIe",
        81920,
        {"Standard_NC24ads_A100_v4": 1, "Standard_NC48ads_A100_v4": 2, "Standard_NC96ads_A100_v4": 4},
    ),
    **_family("NVIDIA-H100-NVL", 96256, {"Standard_NC40ads_H100_v5": 1, "Standard_NC80adis_H100_v5": 2}),
    **_family("NVIDIA-A100-SXM4-40GB", 40960, {"Standard_ND96asr_v4": 8}, infiniband=8),
    **_family("NVIDIA-A100-SXM4-80GB", 81920, {"Standard_ND96amsr_A100_v4": 8}, infiniband=8),
    **_family("NVIDIA-H100-80GB-HBM3", 81920, {"Standard_ND96isr_H100_v5": 8}, infiniband=8),
    **_family("NVIDIA-H200", 144384, {"Standard_ND96isr_H200_v5": 8}, infiniband=8),
}


def infiniband_cards(machine: str) -> int:
    """Network cards with InfiniBand; 0 for sizes without GPUs."""
    return MACHINES[machine].infiniband if machine in MACHINES else 0


def gpu_problem(machine: str, gpu: Gpu) -> str | None:
    """Why a size does not have these GPUs; None if it has."""
    return clouds.gpu_problem(MACHINES, machine, gpu)


def cpu_problem(machine: str) -> str | None:
    """Why a size cannot be a pool without GPUs; None if it can."""
    if _ACCELERATED.match(machine):
        return f"machine: {machine} has GPUs; give the pool the role gpu"
    form = _FORM.fullmatch(machine)
    if form is None:
        return f"machine: found '{machine}'; allowed: a VM size such as Standard_D8ds_v5"
    if "p" in form["letters"]:  # D8pds_v5: the letter p stands for Arm
        return f"machine: {machine} is an Arm machine; the platform's images are for x86-64"
    if "s" not in form["letters"]:
        return f"machine: {machine} takes no premium disks; allowed: sizes with an s, such as Standard_D8ds_v5"
    return None
