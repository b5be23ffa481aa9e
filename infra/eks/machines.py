"""GPU machine types of AWS as a table. Data only; a type that is not here is refused, because nobody checked it.

GPUs, memory, network interfaces and instance store: aws/karpenter-provider-aws, docs/reference/instance-types.md of
2026-08-21, which is generated from the EC2 API. Products: the names that NVIDIA's driver reports, spaces as dashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra import clouds
from infra.pools import Gpu

_ARM = re.compile(r"[a-z]+\d+[a-z]*g[a-z]*(-[a-z0-9]+)?\..+")  # m7g, c7gn, g5g: the letter g after the generation
_FORM = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Machine:
    """What one GPU machine type has."""

    product: str
    gpus: int
    memory_mib: int  # of one GPU, as the EC2 API advertises it
    efa: int = 0  # network cards with EFA
    nvme_gb: int = 0


def _family(product: str, memory_mib: int, sizes: Mapping[str, tuple[int, int, int]]) -> dict[str, Machine]:
    """Machine types by name, from (GPUs, EFA cards, instance store in GB)."""
    return {name: Machine(product, gpus, memory_mib, efa, nvme) for name, (gpus, efa, nvme) in sizes.items()}


MACHINES: Mapping[str, Machine] = {
    **_family(
        "Tesla-T4",
        16384,
        {
            "g4dn.xlarge": (1, 0, 125),
            "g4dn.2xlarge": (1, 0, 225),
            "g4dn.4xlarge": (1, 0, 225),
            "g4dn.8xlarge": (1, 1, 900),
            "g4dn.12xlarge": (4, 1, 900),
        },
    ),
    **_family(
        "NVIDIA-A10G",
        22888,
        {
            "g5.xlarge": (1, 0, 250),
            "g5.2xlarge": (1, 0, 450),
            "g5.4xlarge": (1, 0, 600),
            "g5.8xlarge": (1, 1, 900),
            "g5.12xlarge": (4, 1, 3800),
            "g5.24xlarge": (4, 1, 3800),
            "g5.48xlarge": (8, 1, 7600),
        },
    ),
    **_family(
        "NVIDIA-L4",
        22888,
        {
            "g6.xlarge": (1, 0, 250),
            "g6.2xlarge": (1, 0, 450),
            "g6.4xlarge": (1, 0, 600),
            "g6.8xlarge": (1, 1, 900),
            "g6.12xlarge": (4, 1, 3760),
            "g6.24xlarge": (4, 1, 3760),
            "g6.48xlarge": (8, 1, 7520),
        },
    ),
    **_family(
        "NVIDIA-L40S",
        45776,
        {
            "g6e.xlarge": (1, 0, 250),
            "g6e.2xlarge": (1, 0, 450),
            "g6e.4xlarge": (1, 0, 600),
            "g6e.8xlarge": (1, 1, 900),
            "g6e.12xlarge": (4, 1, 3800),
            "g6e.24xlarge": (4, 2, 3800),
            "g6e.48xlarge": (8, 4, 7600),
        },
    ),
    **_family("NVIDIA-A100-SXM4-40GB", 40960, {"p4d.24xlarge": (8, 4, 8000)}),
    **_family("NVIDIA-A100-SXM4-80GB", 81920, {"p4de.24xlarge": (8, 4, 8000)}),
    **_family("NVIDIA-H100-80GB-HBM3", 81920, {"p5.4xlarge": (1, 1, 3800), "p5.48xlarge": (8, 32, 30400)}),
    **_family("NVIDIA-H200", 144384, {"p5e.48xlarge": (8, 32, 30400), "p5en.48xlarge": (8, 16, 30400)}),
    **_family("NVIDIA-B200", 183359, {"p6-b200.48xlarge": (8, 8, 30400)}),
}


def efa_cards(machine: str) -> int:
    """Network cards with EFA; 0 for machine types without GPUs."""
    return MACHINES[machine].efa if machine in MACHINES else 0


def gpu_problem(machine: str, gpu: Gpu) -> str | None:
    """Why a machine type does not have these GPUs; None if it has."""
    return clouds.gpu_problem(MACHINES, machine, gpu)


def cpu_problem(machine: str) -> str | None:
    """Why a machine type cannot be a pool without GPUs; None if it can."""
    if machine in MACHINES:
        return f"machine: {machine} has GPUs; give the pool the role gpu"
    if not _FORM.fullmatch(machine):
        return f"machine: found '{machine}'; allowed: an instance type such as m7i.2xlarge"
    if _ARM.fullmatch(machine):
        return f"machine: {machine} is an Arm machine; the platform's images are for x86-64"
    return None
