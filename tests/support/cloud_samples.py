"""What the sample clusters of all clouds have in common: whose they are, and one pool of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.clouds import Ownership
from infra.contract import Capacity, Gpu, Pool, Role

# Name and inputs of a resource -> what the cloud adds. Only what a program reads of it has to be there.
Outputs = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]

OWNERSHIP = Ownership(owner="platform-team", cost_centre="ml-0042", expires="2027-03-31")
L4 = Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)
H100 = Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559)


def pools(*, cpu: str, small: str, large: str, zone: str, few: Gpu = L4, many: Gpu = H100) -> dict[str, Pool]:
    """System, cpu, GPUs of spot with a fallback, and GPUs for training over several nodes, empty at first."""
    return {
        "system": Pool(role=Role.SYSTEM, machine=cpu, min=3, max=6, disk_gib=100),
        "cpu": Pool(role=Role.CPU, machine=cpu, min=0, max=10),
        "l4": Pool(role=Role.GPU, machine=small, min=0, max=4, gpu=few, capacity=Capacity.SPOT_OR_ON_DEMAND),
        "h100": Pool(role=Role.GPU, machine=large, min=0, max=8, gpu=many, zones=(zone,), together=True),
    }
