"""GPUs that can be given to a virtual machine, as a table. Data only; a product that is not here is refused.

Memory: NVIDIA's data sheets. Products: the names that NVIDIA's driver reports, spaces as dashes.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.pools import Gpu

GPUS: Mapping[str, int] = {  # product -> memory of one in GiB
    "Tesla-T4": 16,
    "NVIDIA-A2": 16,
    "NVIDIA-A10": 24,
    "NVIDIA-A30": 24,
    "NVIDIA-A40": 48,
    "NVIDIA-A100-PCIE-40GB": 40,
    "NVIDIA-A100-80GB-PCIe": 80,
    "NVIDIA-A100-SXM4-80GB": 80,
    "NVIDIA-L4": 24,
    "NVIDIA-L40": 48,
    "NVIDIA-L40S": 48,
    "NVIDIA-H100-PCIe": 80,
    "NVIDIA-H100-NVL": 94,
    "NVIDIA-H100-80GB-HBM3": 80,
    "NVIDIA-H200": 141,
    "NVIDIA-H200-NVL": 141,
    "NVIDIA-B200": 180,
}
_MIB = 1024
_TOLERANCE = 0.1  # the driver keeps a part; some data sheets count in powers of ten


def gpu_problem(gpu: Gpu) -> str | None:
    """Why there are no such GPUs; None if there are."""
    if gpu.product not in GPUS:
        return f"gpu.product: found '{gpu.product}'; allowed: {', '.join(GPUS)}"
    known = GPUS[gpu.product] * _MIB
    if abs(gpu.memory_mib - known) > _TOLERANCE * known:
        return f"gpu.memoryMib: found {gpu.memory_mib}; {gpu.product} has about {known}"
    return None


def window_gib(gpu: Gpu) -> int:
    """Address space for all GPUs of one machine: their memory, rounded up to the next power of two (VMware)."""
    total = max(1, gpu.count * gpu.memory_mib // _MIB)
    return 1 << total.bit_length()
