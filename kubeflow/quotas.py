"""Quotas and limits of the platform's own namespaces, sized by what is installed in them. Tenants' are in `tenancy`.

Whoever gets hold of a controller could otherwise start any number of pods beside it. The size is a pure function of the
planned objects: what all of them request at their largest, twice, since a rolling update runs old pods beside new ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.objects import Document, document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.quantity import Quantity

PART = "quotas"
MARGIN = 2  # how often everything may be there at once: the old and the new pods of an update
_SPARE_PODS = 4  # in each namespace: certificate solvers, one-off jobs, a person's debugging pod
_GIVEN = frozenset({"default", "kube-public", "kube-system"})  # the cluster's own pods are in them

# What containers get that ask for nothing: those that operators make and webhooks inject. No limit is set for them.
_DEFAULT = {"cpu": "20m", "memory": "64Mi"}
_SIDECAR = {"cpu": "10m", "memory": "40Mi"}  # ConfigMap istio-sidecar-injector: global.proxy.resources.requests

# Pods that operators make on every node: one for each operand in the definition of ClusterPolicy, at most.
_OPERANDS = {"gpu-operator": 16}
# Custom resources whose operator runs them as pods, with the containers that it adds to each.
_OPERATED = {("monitoring.coreos.com", "Alertmanager"): 1, ("monitoring.coreos.com", "Prometheus"): 2}
_CRITICAL = ("system-cluster-critical", "system-node-critical")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Need:
    """Pods and what they request."""

    pods: int
    cpu: Decimal
    memory: Decimal


def objects(planned: Iterable[Planned], nodes: int, *, critical: bool) -> Iterator[Planned]:
    """A ResourceQuota and a LimitRange for each of the platform's namespaces that has pods.

    `nodes` is how many there can be; `critical` whether the environment lets pods of the system's priorities run only
    where a quota allows them.
    """
    bodies = [one.body for one in planned]
    largest = _largest(bodies)
    needs: dict[str, list[_Need]] = defaultdict(list)
    vital: set[str] = set()
    for body in bodies:
        space = body["metadata"].get("namespace", "")
        need = _need(body, largest, nodes)
        if need is not None and space not in _GIVEN:
            needs[space].append(need)
            pod = kinds.pod_spec(body)
            if pod is not None and pod.get("priorityClassName") in _CRITICAL:
                vital.add(space)
    for space in sorted(needs):
        operands = _OPERANDS.get(space, 0) * nodes
        if operands:
            needs[space].append(_times(operands, [_DEFAULT]))
        for body in _fence(space, needs[space], vital if critical else ()):
            yield own(PART, Wave.BASE, body)


def _fence(space: str, needs: Collection[_Need], vital: Collection[str]) -> Iterator[Document]:
    pods = MARGIN * sum(need.pods for need in needs) + _SPARE_PODS
    cpu = MARGIN * sum((need.cpu for need in needs), start=_SPARE_PODS * Quantity(_DEFAULT["cpu"]).value)
    memory = MARGIN * sum((need.memory for need in needs), start=_SPARE_PODS * Quantity(_DEFAULT["memory"]).value)
    hard = {
        "pods": str(pods),
        "requests.cpu": str(math.ceil(cpu)),
        "requests.memory": f"{math.ceil(memory / 2**30)}Gi",
    }
    yield document("v1", "ResourceQuota", "platform", space, spec={"hard": hard})
    limit = {"type": "Container", "defaultRequest": dict(_DEFAULT)}
    yield document("v1", "LimitRange", "defaults", space, spec={"limits": [limit]})
    if space in vital:
        scope = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": list(_CRITICAL)}]}
        yield document(
            "v1", "ResourceQuota", "critical-pods", space, spec={"hard": {"pods": str(pods)}, "scopeSelector": scope}
        )


def _largest(bodies: Iterable[Body]) -> Mapping[tuple[str, str, str], int]:
    """How many copies autoscalers may make, by kind, namespace and name of what they scale."""
    return {
        (target["kind"], body["metadata"]["namespace"], target["name"]): body["spec"]["maxReplicas"]
        for body in bodies
        if body["kind"] == "HorizontalPodAutoscaler"
        for target in [body["spec"]["scaleTargetRef"]]
    }


def _need(body: Body, largest: Mapping[tuple[str, str, str], int], nodes: int) -> _Need | None:
    """What a workload requests at its largest; None for whatever has no pods."""
    spec: Body = body.get("spec") or {}
    metadata = body["metadata"]
    extra = _OPERATED.get(kinds.group_kind(body))
    if extra is not None:
        copies = int(spec.get("replicas") or 1) * int(spec.get("shards") or 1)
        return _times(copies, [_requests(spec), *([_DEFAULT] * extra)])
    pod = kinds.pod_spec(body)
    if pod is None:
        return None
    if body["kind"] == "DaemonSet":
        copies = nodes
    else:
        replicas = int(spec.get("replicas", 1))
        copies = max(replicas, largest.get((body["kind"], metadata["namespace"], metadata["name"]), 0))
    # The sum over all containers is never less than what the scheduler counts, which takes some of them in turn.
    return _times(copies, [*(_requests(container) for container in kinds.containers(pod)), _SIDECAR])


def _requests(container: Mapping[str, Any]) -> Mapping[str, str]:
    resources: Mapping[str, Any] = container.get("resources") or {}
    return {**_DEFAULT, **(resources.get("limits") or {}), **(resources.get("requests") or {})}


def _times(copies: int, containers: Collection[Mapping[str, str]]) -> _Need:
    return _Need(
        pods=copies,
        cpu=copies * sum((Quantity(str(one["cpu"])).value for one in containers), start=Decimal(0)),
        memory=copies * sum((Quantity(str(one["memory"])).value for one in containers), start=Decimal(0)),
    )
