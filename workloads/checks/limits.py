"""What a container gets that asks for nothing: the defaults of the tenant's LimitRange."""

from __future__ import annotations

from workloads.api import Json
from workloads.checks.admission import EXCEEDED
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import NotMeasurableError, Probes
from workloads.pods import pod

_EXPLICIT = {"cpu": "17m", "memory": "19Mi"}  # unlike any default


def defaults(target: Target, visit: Visit) -> Probes:
    """A container that asks for nothing gets requests and limits; one that asks keeps what it asked for."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        silent = visit.dry(space, "pods", pod(resources={}))
        asking = visit.dry(space, "pods", pod(resources=_EXPLICIT))
        for answer in (silent, asking):
            if EXCEEDED in answer.message:
                raise NotMeasurableError(f"{space} has no room for the probe: {answer.message}")
        got: Json = silent.body["spec"]["containers"][0]["resources"] if silent.ok else {}
        probes.positive(
            f"a container that asks for nothing gets requests and limits for CPU and memory in {space}",
            held=all(got.get(part, {}).get(name) for part in ("requests", "limits") for name in ("cpu", "memory")),
            saw=f"resources {got}" if silent.ok else str(silent),
        )
        kept: Json = asking.body["spec"]["containers"][0]["resources"] if asking.ok else {}
        probes.negative(
            f"the defaults do not replace what a container asks for in {space}",
            held=kept == {"requests": _EXPLICIT, "limits": _EXPLICIT},
            saw=f"resources {kept}" if asking.ok else str(asking),
        )
    return probes
