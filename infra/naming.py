"""Names, labels and taints of pools: pure functions, the only source of either (rules C4, C5, C9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .contract import Accelerator, Owner, Pool, Role, Taint

POOL_LABEL = "proof.kubeflow/pool"
ROLE_LABEL = "proof.kubeflow/role"
GPU_RESOURCE = "nvidia.com/gpu"
GPU_TAINT = Taint(key=GPU_RESOURCE, value="present")  # the taint that device plugins and GPU operators tolerate


def complete_pool(name: str, pool: Pool) -> Pool:
    """The pool with every label and taint that the platform relies on; what the human added stays."""
    labels = {**pool.labels, POOL_LABEL: name, ROLE_LABEL: pool.role.value}
    taints = pool.taints
    if pool.gpu is not None:
        labels |= gpu_labels(pool)
    if pool.role is Role.GPU and GPU_TAINT not in taints:
        taints = (GPU_TAINT, *taints)
    return replace(pool, labels=labels, taints=taints)


def accelerator_of(pools: Mapping[str, Pool], owner: Owner) -> Accelerator | None:
    """How pods ask for a GPU; None exactly when no pool has any (rule C9)."""
    if all(pool.gpu is None for pool in pools.values()):
        return None
    return Accelerator(resource=GPU_RESOURCE, toleration=GPU_TAINT, owner=owner)


def gpu_labels(pool: Pool) -> dict[str, str]:
    """Labels of GPU feature discovery (NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery), by which pods choose."""
    if pool.gpu is None:
        return {}
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": pool.gpu.product,
        "nvidia.com/gpu.count": str(pool.gpu.count),
        "nvidia.com/gpu.memory": str(pool.gpu.memory_mib),
        "nvidia.com/gpu.machine": pool.machine,
        "nvidia.com/gpu.replicas": "1",
    }
