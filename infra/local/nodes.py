"""Simulated nodes, as the real device plugin and feature discovery would label them. They run no container."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from infra.contract import Pool
from infra.naming import GPU_RESOURCE
from infra.objects import Document, KubernetesObject, document

from .options import Machine

# Pods get addresses of the range for benchmarks (RFC 2544), which is routed nowhere, because the API server refuses
# loopback addresses in EndpointSlices. Nobody dials pods: webhooks are not installed here, nothing runs in them.
POD_NETWORK = "198.18"


def nodes(
    pools: Mapping[str, Pool], machines: Mapping[str, Machine], region: str, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """One Node object for each of a pool's `min` nodes; counted over all pools, so that each has a /24 of its own."""
    own = pulumi.ResourceOptions(
        # Capacity is status, which an update cannot change: another shape is another node of the same name.
        replace_on_changes=["status.allocatable", "status.capacity"],
        delete_before_replace=True,
        ignore_changes=["status.addresses"],  # the simulated kubelet adds its own
    )
    options = pulumi.ResourceOptions.merge(opts, own)
    counted = [(name, pool, number) for name, pool in pools.items() for number in range(pool.min)]
    return tuple(
        KubernetesObject(
            f"{name}-{number}",
            node(f"{name}-{number}", pool, machines[pool.machine], _zone(pool, region, number), index),
            options,
        )
        for index, (name, pool, number) in enumerate(counted)
    )


def node(name: str, pool: Pool, machine: Machine, zone: str, index: int) -> Document:
    """The Node object that a kubelet on such a machine would have registered."""
    capacity = {
        "cpu": str(machine.cpu),
        "memory": f"{machine.memory_gib}Gi",
        "ephemeral-storage": f"{machine.storage_gib}Gi",
        "pods": str(machine.pods),
    }
    if pool.gpu is not None:
        capacity[GPU_RESOURCE] = str(pool.gpu.count)
    taints = [{"key": t.key, "value": t.value, "effect": t.effect.value} for t in pool.taints]
    pods = f"{POD_NETWORK}.{index}.0/24"
    spec: Document = {"podCIDR": pods, "podCIDRs": [pods]}
    return document(
        "v1",
        "Node",
        name,
        metadata={
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": pool.machine,
                "topology.kubernetes.io/region": zone.rpartition("-")[0],
                "topology.kubernetes.io/zone": zone,
                **pool.labels,
            },
        },
        spec=spec | ({"taints": taints} if taints else {}),
        status={
            # On the loopback: the API server dials nodes for logs and exec.
            "addresses": [{"type": "InternalIP", "address": f"127.201.{index}.1"}],
            "allocatable": capacity,
            "capacity": capacity,
        },
    )


def _zone(pool: Pool, region: str, number: int) -> str:
    zones = pool.zones or (f"{region}-a",)
    return zones[number % len(zones)]
