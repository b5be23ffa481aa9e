"""The pods that probes are made of: one harmless container, which every Pod Security Standard admits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workloads.api import Json
from workloads.contract import POOL_LABEL

IMAGE = "registry.k8s.io/pause:3.10"
SMALL: Mapping[str, str] = {"cpu": "10m", "memory": "16Mi"}


def pod(
    *,
    resources: Mapping[str, str] | None = None,
    tolerate: Iterable[str] = (),
    pool: str | None = None,
    node: str | None = None,
    priority_class: str | None = None,
) -> Json:
    """Ask for `resources` as requests and limits alike; for nothing at all where it is empty."""
    amounts = dict(SMALL if resources is None else resources)
    spec: Json = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65535, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": IMAGE,
                "resources": {"requests": amounts, "limits": amounts} if amounts else {},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "tolerations": [{"key": key, "operator": "Exists"} for key in tolerate],
    }
    if terms := _where(pool, node):
        spec["affinity"] = {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [terms]}}
        }
    if priority_class is not None:
        spec["priorityClassName"] = priority_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "proof-"}, "spec": spec}


def _where(pool: str | None, node: str | None) -> dict[str, Any]:
    terms: dict[str, Any] = {}
    if pool is not None:
        terms["matchExpressions"] = [{"key": POOL_LABEL, "operator": "In", "values": [pool]}]
    if node is not None:
        terms["matchFields"] = [{"key": "metadata.name", "operator": "In", "values": [node]}]
    return terms
