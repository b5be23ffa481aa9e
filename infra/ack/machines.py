"""GPU machine types of Alibaba Cloud as a table. Data only; a type that is not here is refused: nobody checked it.

GPUs, memory and elastic RDMA: "GPU-accelerated compute-optimized and vGPU-accelerated instance families" of the ECS
user guide, read 2026-11 in a stored copy. It does not name the GPU of gn8v; its 96 GB make it an H20. Products: the
names that NVIDIA's driver reports, spaces as dashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra import clouds
from infra.pools import Gpu

_ARM = re.compile(r"ecs\.([a-z]+\d+[a-z]*y|[cg]6r)\..+")  # Yitian, as in g8y, and Ampere Altra
_FORM = re.compile(r"ecs\.[a-z][a-z0-9-]*\.(small|medium|large|\d{0,3}xlarge)")
_ACCELERATED = re.compile(r"ecs\.(ebm|scc|s|v)?gn\d")


@dataclass(frozen=True, slots=True)
class Machine:
    """What one GPU machine type has."""

    product: str
    gpus: int
    memory_mib: int  # of one GPU, as advertised
    rdma: bool = False  # elastic RDMA interfaces


def _family(
    product: str, memory_gib: int, sizes: Mapping[int, tuple[str, ...]], *, rdma: bool = False
) -> dict[str, Machine]:
    """Machine types by name, from the names of those with so many GPUs."""
    return {
        f"ecs.{name}": Machine(product, gpus, memory_gib * 1024, rdma)
        for gpus, names in sizes.items()
        for name in names
    }


MACHINES: Mapping[str, Machine] = {
    **_family(
        "Tesla-T4",
        16,
        {
            1: ("gn6i-c4g1.xlarge", "gn6i-c8g1.2xlarge", "gn6i-c16g1.4xlarge", "gn6i-c24g1.6xlarge"),
            2: ("gn6i-c24g1.12xlarge",),
            4: ("gn6i-c24g1.24xlarge",),
        },
    ),
    **_family(
        "NVIDIA-A10",
        24,
        {
            1: (
                "gn7i-c8g1.2xlarge",
                "gn7i-c16g1.4xlarge",
                "gn7i-c32g1.8xlarge",
                "gn7i-c48g1.12xlarge",
                "gn7i-c56g1.14xlarge",
            ),
            2: ("gn7i-c32g1.16xlarge", "gn7i-2x.8xlarge"),
            4: ("gn7i-c32g1.32xlarge", "gn7i-4x.8xlarge", "gn7i-4x.16xlarge"),
        },
    ),
    **_family(
        "NVIDIA-L20",
        48,
        {
            1: ("gn8is.2xlarge", "gn8is.4xlarge"),
            2: ("gn8is-2x.8xlarge",),
            4: ("gn8is-4x.16xlarge",),
            8: ("gn8is-8x.32xlarge", "ebmgn8is.32xlarge"),
        },
        rdma=True,
    ),
    **_family(
        "NVIDIA-A100-SXM4-80GB",
        80,
        {
            1: ("gn7e-c16g1.4xlarge",),
            2: ("gn7e-c16g1.8xlarge",),
            4: ("gn7e-c16g1.16xlarge",),
            8: ("gn7e-c16g1.32xlarge", "ebmgn7e.32xlarge"),
        },
    ),
    **_family("NVIDIA-A100-SXM4-80GB", 80, {8: ("ebmgn7ex.32xlarge",)}, rdma=True),
    **_family(
        "NVIDIA-H20",
        96,
        {
            1: ("gn8v.4xlarge", "gn8v.6xlarge"),
            2: ("gn8v-2x.8xlarge", "gn8v-2x.12xlarge"),
            4: ("gn8v-4x.8xlarge", "gn8v-4x.24xlarge"),
            8: ("gn8v-8x.16xlarge", "gn8v-8x.48xlarge", "ebmgn8v.48xlarge"),
        },
        rdma=True,
    ),
}


def has_rdma(machine: str) -> bool:
    """Whether nodes of a machine type reach each other by RDMA; false for machine types without GPUs."""
    return machine in MACHINES and MACHINES[machine].rdma


def gpu_problem(machine: str, gpu: Gpu) -> str | None:
    """Why a machine type does not have these GPUs; None if it has."""
    return clouds.gpu_problem(MACHINES, machine, gpu)


def cpu_problem(machine: str) -> str | None:
    """Why a machine type cannot be a pool without GPUs; None if it can."""
    if _ACCELERATED.match(machine):
        return f"machine: {machine} has GPUs; give the pool the role gpu"
    if not _FORM.fullmatch(machine):
        return f"machine: found '{machine}'; allowed: an instance type such as ecs.g8i.2xlarge"
    if _ARM.fullmatch(machine):
        return f"machine: {machine} is an Arm machine; the platform's images are for x86-64"
    return None
