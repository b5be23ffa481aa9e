"""The stack's outputs: the only caller of `export`, and the one description of what it writes.

Whoever comes after `up` (validation, dashboards, reports, another stack) starts from `parse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.contract import Capability, Cluster, Pool
from kubeflow.contract import Platform
from workloads import contract as reader

from .settings import ValidationSpec

SIMULATED_NODES = "simulated nodes: pods are scheduled and admitted for real, but run no containers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """Everything the stack promises to its readers. `body` is plain; kubeconfig and logins are secret."""

    body: dict[str, Any]
    kubeconfig: pulumi.Output[str] = field(repr=False)
    logins: Mapping[str, pulumi.Output[str]] = field(repr=False)  # passwords by address

    @classmethod
    def of(cls, cluster: Cluster, platform: Platform, validation: ValidationSpec) -> Outputs:
        """Describe a finished stack."""
        return cls(
            body={
                "schema": reader.SCHEMA,
                "environment": cluster.environment.value,
                "standins": [] if Capability.CONTAINERS in cluster.capabilities else [SIMULATED_NODES],
                "cluster": _cluster(cluster),
                "platform": _platform(platform),
                "monitoring": dict(platform.monitoring),
                "validation": {
                    "disruptive": validation.disruptive,
                    "required": dict(validation.required),
                    "thresholds": dict(validation.thresholds),
                    "images": dict(validation.images),
                    "timeoutSeconds": validation.timeout_seconds,
                },
            },
            kubeconfig=pulumi.Output.secret(cluster.kubeconfig),
            logins=platform.logins,
        )

    def export(self) -> None:
        """Write the outputs."""
        for name, value in self.body.items():
            pulumi.export(name, value)
        pulumi.export("kubeconfig", self.kubeconfig)
        pulumi.export("logins", pulumi.Output.secret(dict(self.logins)))


def parse(outputs: object, *, source: str) -> reader.Target:
    """Read what `export` wrote, from `pulumi stack output --json --show-secrets`; all problems at once."""
    return reader.parse(outputs, source=source)


def _cluster(cluster: Cluster) -> dict[str, Any]:
    accelerator = cluster.accelerator
    return {
        "name": cluster.name,
        "region": cluster.region,
        "version": cluster.version,
        "pools": {name: _pool(pool) for name, pool in cluster.pools.items()},
        "accelerator": None
        if accelerator is None
        else {
            "resource": accelerator.resource,
            "tolerationKey": accelerator.toleration.key,
            "owner": accelerator.driver.value,
        },
        "storage": {
            "block": cluster.storage.block,
            "shared": cluster.storage.shared,
            "scratch": cluster.storage.scratch,
        },
        "capabilities": sorted(capability.value for capability in cluster.capabilities),
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "role": pool.role.value,
        "machine": pool.machine,
        "min": pool.min,
        "max": pool.max,
        "zones": list(pool.zones),
        "gpu": None
        if pool.gpu is None
        else {"product": pool.gpu.product, "count": pool.gpu.count, "memoryMib": pool.gpu.memory_mib},
        "labels": dict(pool.labels),
        "taints": [{"key": t.key, "value": t.value, "effect": t.effect.value} for t in pool.taints],
    }


def _platform(platform: Platform) -> dict[str, Any]:
    return {
        "tenants": {
            name: {
                "namespace": tenant.namespace,
                "gpus": tenant.gpus,
                "serviceAccounts": dict(tenant.service_accounts),
            }
            for name, tenant in platform.tenants.items()
        },
        "priorityClasses": dict(platform.priority_classes),
        "components": list(platform.components),
        "leftOut": list(platform.left_out),
        **platform.described,
    }
