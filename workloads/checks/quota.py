"""What a tenant may hold in all: amounts, exposed Services and reserved priorities, all refused by ResourceQuota."""

from __future__ import annotations

import math

from workloads.api import Json, amount
from workloads.checks.admission import EXCEEDED, admitted, denied
from workloads.cluster import Visit
from workloads.contract import RESERVED_PRIORITY_CLASSES, Target
from workloads.outcome import Probes
from workloads.pods import SMALL, pod

_BEYOND = {"cpu": 1, "memory": 1024**3}  # how much more than the whole quota a refused pod asks for
# Rules that the API server keeps answer before a quota does.
_TOO_MANY, _OPEN = "guardrails-gpu-too-many", "guardrails-service-open"
_NO_QUOTA = {"cpu": "1000", "memory": "1Ti"}  # asked for where no quota says how much is allowed


def over_quota(target: Target, visit: Visit) -> Probes:
    """A pod that asks for more than the tenant's whole quota is refused; a small one is admitted."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        admitted(probes, f"a small pod is admitted in {space}", visit.dry(space, "pods", pod()))
        quotas = visit.api.items(f"/api/v1/namespaces/{space}/resourcequotas")
        for resource in _BEYOND:
            asked = _more_than_all(quotas, resource)
            claim = f"a pod asking for {resource}: {asked} is refused by the quota of {space}"
            answer = visit.dry(space, "pods", pod(resources={**SMALL, resource: asked}))
            denied(probes, claim, answer, EXCEEDED, f"{resource}=")
        if target.accelerator is not None:
            name, asked = target.accelerator.resource, str(tenant.gpus + 1)
            claim = f"a pod asking for {name}: {asked} is refused by the quota of {space}"
            answer = visit.dry(space, "pods", pod(resources={**SMALL, name: asked}))
            denied(probes, claim, answer, EXCEEDED, f"requests.{name}=", earlier=_TOO_MANY)
            _limited(probes, space, quotas, f"requests.{name}")
    return probes


def _limited(probes: Probes, space: str, quotas: list[Json], resource: str) -> None:
    """The quota itself is there, whoever answered first."""
    found = [quota["spec"]["hard"][resource] for quota in quotas if resource in quota["spec"].get("hard", {})]
    probes.positive(f"a quota of {space} limits {resource}", held=bool(found), saw=", ".join(map(str, found)) or "none")


def _more_than_all(quotas: list[Json], resource: str) -> str:
    limits = [
        amount(quota["spec"]["hard"][key])
        for quota in quotas
        for key in (resource, f"requests.{resource}")
        if key in quota["spec"].get("hard", {})
    ]
    return str(math.ceil(min(limits)) + _BEYOND[resource]) if limits else _NO_QUOTA[resource]


def exposed_services(target: Target, visit: Visit) -> Probes:
    """A tenant cannot open a load balancer or a node port past the platform's gateway; it can have a plain Service."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        claim = f"a Service of type ClusterIP is admitted in {space}"
        admitted(probes, claim, visit.dry(space, "services", _service("ClusterIP")))
        quotas = visit.api.items(f"/api/v1/namespaces/{space}/resourcequotas")
        for kind in ("LoadBalancer", "NodePort"):
            claim = f"a Service of type {kind} is refused in {space}"
            denied(probes, claim, visit.dry(space, "services", _service(kind)), EXCEEDED, "services.", earlier=_OPEN)
            _limited(probes, space, quotas, f"services.{kind.lower()}s")
    return probes


def _service(kind: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"generateName": "proof-"},
        "spec": {"type": kind, "ports": [{"port": 80}]},
    }


def reserved_priority(target: Target, visit: Visit) -> Probes:
    """A tenant cannot take a priority that is kept for the platform; it can take those made for tenants."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        for name in target.usable_priorities:
            claim = f"a pod of priority class {name} is admitted in {space}"
            admitted(probes, claim, visit.dry(space, "pods", pod(priority_class=name)))
        for name in RESERVED_PRIORITY_CLASSES:
            claim = f"a pod of priority class {name} is refused by the quota of {space}"
            denied(probes, claim, visit.dry(space, "pods", pod(priority_class=name)), EXCEEDED)
    return probes
