"""The CPU of a cluster's gateway while a load is offered, as the metrics API tells it; nothing where there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from workloads import load
from workloads.api import Json, amount
from workloads.backends.cluster import door
from workloads.cluster import Visit

USAGE = f"/apis/metrics.k8s.io/v1beta1/namespaces/{door.SPACE}/pods"
LOOK_SECONDS = 5.0  # between two looks


@dataclass(kw_only=True)
class _Looks:
    """What was read of one pod: usage in cores, at different moments."""

    limit: float
    usage: dict[str, float] = field(default_factory=dict[str, float])  # by time stamp


class Usage:
    """Looks while the load runs."""

    def __init__(self, visit: Visit) -> None:
        self._visit, self._looked = visit, 0.0
        self._pods: dict[str, _Looks] = {}
        self._limits = {
            pod["metadata"]["name"]: sum(
                float(amount(one.get("resources", {}).get("limits", {}).get("cpu", 0)))
                for one in pod["spec"]["containers"]
            )
            for pod in visit.api.items(f"/api/v1/namespaces/{door.SPACE}/pods", **door.PODS)
        }

    def look(self, progress: load.Progress) -> None:
        """Read it every few seconds of the window."""
        if progress.phase != "measure" or time.monotonic() < self._looked + LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        answer = self._visit.api.get(USAGE, **door.PODS)
        pods: list[Json] = answer.body.get("items", []) if answer.ok else []
        for pod in pods:
            name = str(pod["metadata"]["name"])
            if limit := self._limits.get(name):
                used = sum(float(amount(one["usage"]["cpu"])) for one in pod["containers"])
                self._pods.setdefault(name, _Looks(limit=limit)).usage[str(pod["timestamp"])] = used

    def percent(self) -> float | None:
        """The highest that each of its pods used, of their limits together."""
        if not self._pods:
            return None
        most = sum(max(one.usage.values()) for one in self._pods.values())
        return 100 * most / sum(one.limit for one in self._pods.values())
