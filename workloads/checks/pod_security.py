"""Pods that would reach the node beneath them, refused by Pod Security."""

from __future__ import annotations

from collections.abc import Callable

from workloads.api import Json
from workloads.checks.admission import admitted, denied
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import Probes
from workloads.pods import pod


def privileged(target: Target, visit: Visit) -> Probes:
    """A privileged pod, and its two nearest relatives, are refused in a tenant; an unprivileged one is admitted."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        admitted(probes, f"an unprivileged pod is admitted in {space}", visit.dry(space, "pods", pod()))
        for said, spoil in _SPOILT.items():
            body = pod()
            spoil(body["spec"])
            claim = f"a pod with {said} is refused by Pod Security in {space}"
            denied(probes, claim, visit.dry(space, "pods", body), "violates PodSecurity")
    return probes


def _privileged(spec: Json) -> None:
    spec["containers"][0]["securityContext"] = {"privileged": True}


def _host_network(spec: Json) -> None:
    spec["hostNetwork"] = True


def _host_path(spec: Json) -> None:
    spec["volumes"] = [{"name": "node", "hostPath": {"path": "/"}}]


_SPOILT: dict[str, Callable[[Json], None]] = {
    "a privileged container": _privileged,
    "the node's network": _host_network,
    "the node's file system": _host_path,
}
