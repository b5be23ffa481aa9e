"""On which nodes the platform's pods run, and how many of them a lost node takes. Chooses from plain facts of pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from infra.contract import Accelerator, Effect, Pool, Quirks, Role, Taint
from infra.naming import ROLE_LABEL
from infra.objects import document
from kubeflow.distribution.documents import Body

from . import kinds
from .planned import Planned, own
from .transforms import Context, Step
from .waves import Wave

_HOST = "kubernetes.io/hostname"
_ACCELERATED = (Role.GPU, Role.TPU)
_BLOCKING = (Effect.NO_SCHEDULE, Effect.NO_EXECUTE)
_NO_BUDGET = (0, "0", "0%")  # of a budget that allows to take all pods at once

# Pods that custom resources describe as workloads do: (group, kind) -> where the pod's fields are.
_RUNTIMES = frozenset(
    {("trainer.kubeflow.org", "ClusterTrainingRuntime"), ("serving.kserve.io", "ClusterServingRuntime")}
)
_DESCRIBED = frozenset({("monitoring.coreos.com", "Prometheus"), ("monitoring.coreos.com", "Alertmanager")})

# Services that everybody waits for: one lost node must not stop them. Namespace and name of the Deployment -> why.
CONTROL: Mapping[tuple[str, str], str] = {
    ("auth", "dex"): "nobody logs in without it",
    ("cert-manager", "cert-manager-webhook"): "refuses every certificate while it is gone",
    ("istio-system", "cluster-local-gateway"): "requests between models pass it",
    ("istio-system", "istio-ingressgateway"): "everybody enters here",
    ("istio-system", "istiod"): "no pod starts in a meshed namespace without its injection",
    ("knative-serving", "activator"): "requests to models that are scaled to zero wait in it",
    ("knative-serving", "webhook"): "refuses every model while it is gone",
    ("kubeflow", "admission-webhook-deployment"): "refuses every pod of a tenant while it is gone",
    ("oauth2-proxy", "oauth2-proxy"): "the gateway asks it about every request",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """What the pools say about where pods may run."""

    system: bool  # there are nodes for the platform alone
    reserved: tuple[Taint, ...]  # of these nodes
    spread: bool  # the platform's nodes can be two or more
    taints: tuple[Taint, ...]  # of all pools: whatever runs on every node tolerates them
    training: tuple[Taint, ...]  # of pools with accelerators, markers of cheap capacity included
    serving: tuple[Taint, ...]  # the accelerator's own: a prediction does not wait on a node that may vanish
    nodes: int  # at most, in all pools
    quirks: Quirks = field(default=Quirks())


def placement(pools: Mapping[str, Pool], accelerator: Accelerator | None, quirks: Quirks) -> Placement:
    """The placement that these pools allow. Pools that can have no node count for nothing."""
    usable = [pool for pool in pools.values() if pool.max > 0]
    open_pools = [pool for pool in usable if pool.role in (Role.SYSTEM, Role.CPU) and not _blocked(pool)]
    accelerated = [pool for pool in usable if pool.role in _ACCELERATED]
    own_taint = () if accelerator is None else (accelerator.toleration,)
    return Placement(
        system=any(pool.role is Role.SYSTEM for pool in usable),
        reserved=_unique(taint for pool in usable if pool.role is Role.SYSTEM for taint in pool.taints),
        spread=sum(pool.max for pool in open_pools) > 1,
        taints=_unique(taint for pool in usable for taint in pool.taints),
        training=_unique((*own_taint, *(taint for pool in accelerated for taint in pool.taints))),
        serving=own_taint,
        nodes=sum(pool.max for pool in usable),
        quirks=quirks,
    )


def _blocked(pool: Pool) -> bool:
    return pool.role is not Role.SYSTEM and any(taint.effect in _BLOCKING for taint in pool.taints)


def _unique(taints: Iterable[Taint]) -> tuple[Taint, ...]:
    return tuple(dict.fromkeys(taints))


def steps(where: Placement) -> tuple[Step, ...]:
    """What is changed about upstream's objects so that they run where they should."""

    def bound(change: Callable[[Body, Placement, Context], None]) -> Callable[[Body, Context], Body]:
        def apply(body: Body, context: Context) -> Body:
            change(body, where, context)
            return body

        return apply

    return (
        Step(apply=bound(_keep_off_accelerators), why="a web server on a GPU node is the dearest web server there is"),
        Step(apply=bound(_tolerate_every_pool), why="what looks after each node has to run on tainted ones as well"),
        Step(apply=bound(_runtimes_reach_accelerators), why="pools with accelerators are tainted; jobs are for them"),
        Step(apply=bound(_twice), why="one lost node must not stop what everybody waits for"),
        Step(apply=bound(_label_webhooks), why="an environment edits webhooks that do not carry its labels, for ever"),
    )


def place(item: Planned, where: Placement) -> Planned:
    """An object of the platform's own, whose pods go where upstream's go."""
    _keep_off_accelerators(item.body, where)
    return item


def _keep_off_accelerators(body: Body, where: Placement, _context: Context | None = None) -> None:
    pod = kinds.pod_spec(body) if body["kind"] != "DaemonSet" else None
    if kinds.group_kind(body) in _DESCRIBED:
        pod = body["spec"]
    if pod is None:
        return
    affinity = _nodes(pod)
    required = affinity["requiredDuringSchedulingIgnoredDuringExecution"] = kinds.part(
        affinity, "requiredDuringSchedulingIgnoredDuringExecution"
    )
    # Terms are alternatives: each of them has to say it.
    terms = required["nodeSelectorTerms"] = kinds.parts(required, "nodeSelectorTerms") or [{}]
    for term in terms:
        term["matchExpressions"] = [*kinds.parts(term, "matchExpressions"), _accelerated("NotIn")]
    if where.system:
        expression = {"key": ROLE_LABEL, "operator": "In", "values": [Role.SYSTEM.value]}
        _prefer(pod, expression, weight=100)
        _tolerate(pod, where.reserved)


def _accelerated(operator: str) -> Body:
    return {"key": ROLE_LABEL, "operator": operator, "values": [role.value for role in _ACCELERATED]}


def _nodes(pod: Body) -> Body:
    """Node affinity of a pod, to be changed in place."""
    pod["affinity"] = kinds.part(pod, "affinity")
    pod["affinity"]["nodeAffinity"] = kinds.part(pod["affinity"], "nodeAffinity")
    return pod["affinity"]["nodeAffinity"]


def _prefer(pod: Body, expression: Body, *, weight: int) -> None:
    affinity, name = _nodes(pod), "preferredDuringSchedulingIgnoredDuringExecution"
    affinity[name] = [
        *kinds.parts(affinity, name), {"weight": weight, "preference": {"matchExpressions": [expression]}}
    ]  # fmt: skip


def _tolerate(pod: Body, taints: Iterable[Taint]) -> None:
    """Tolerations of these taints, where the pod has none that covers them."""
    there = cast("list[Body]", kinds.parts(pod, "tolerations"))
    for taint in taints:
        if not any(_covers(one, taint) for one in there):
            there = [*there, {"key": taint.key, "operator": "Exists", "effect": taint.effect.value}]
    if there:
        pod["tolerations"] = there


def _covers(toleration: Body, taint: Taint) -> bool:
    effect = toleration.get("effect") in (None, "", taint.effect.value)
    if toleration.get("operator") == "Exists":
        return effect and toleration.get("key") in (None, "", taint.key)
    return effect and toleration.get("key") == taint.key and toleration.get("value", "") == taint.value


def _tolerate_every_pool(body: Body, where: Placement, _context: Context) -> None:
    pod = kinds.pod_spec(body)
    if body["kind"] == "DaemonSet" and pod is not None:
        _tolerate(pod, where.taints)


def _runtimes_reach_accelerators(body: Body, where: Placement, _context: Context) -> None:
    """Those that ask for an accelerator get there; the others would rather not."""
    if kinds.group_kind(body) not in _RUNTIMES:
        return
    training = body["kind"] == "ClusterTrainingRuntime"
    taints = where.training if training else where.serving
    for pod in _runtime_pods(body) if taints else ():
        _tolerate(pod, taints)
        _prefer(pod, _accelerated("NotIn"), weight=1)


def _runtime_pods(body: Body) -> Sequence[Body]:
    if body["kind"] == "ClusterServingRuntime":
        worker = kinds.part(body["spec"], "workerSpec")
        return [body["spec"], worker] if worker else [body["spec"]]
    jobs = cast("list[Body]", body["spec"]["template"]["spec"]["replicatedJobs"])
    return [job["template"]["spec"]["template"]["spec"] for job in jobs]


def _twice(body: Body, where: Placement, context: Context) -> None:
    """Two pods of each control service, on two nodes where there is room."""
    if not where.spread:
        return
    metadata, spec = body["metadata"], kinds.part(body, "spec")
    namespace = metadata.get("namespace", "")
    if body["kind"] == "HorizontalPodAutoscaler" and (namespace, spec["scaleTargetRef"]["name"]) in CONTROL:
        spec["minReplicas"] = max(2, spec.get("minReplicas", 1))
    elif body["kind"] == "PodDisruptionBudget" and spec.get("minAvailable") in _NO_BUDGET:
        del spec["minAvailable"]
        spec["maxUnavailable"] = 1
    elif _is_control(body):
        if (body["kind"], namespace, metadata["name"]) not in context.scaled:
            spec["replicas"] = max(2, spec.get("replicas") or 1)
        pod = spec["template"]["spec"]
        constraint = {
            "maxSkew": 1,
            "topologyKey": _HOST,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(spec["selector"]["matchLabels"])},
        }
        pod["topologySpreadConstraints"] = [*kinds.parts(pod, "topologySpreadConstraints"), constraint]


def _is_control(body: Body) -> bool:
    metadata = body["metadata"]
    return body["kind"] == "Deployment" and (metadata.get("namespace", ""), metadata["name"]) in CONTROL


def _label_webhooks(body: Body, where: Placement, _context: Context) -> None:
    if body["kind"] in kinds.WEBHOOKS and where.quirks.webhook_labels:
        labels = kinds.part(body["metadata"], "labels")
        body["metadata"]["labels"] = {**labels, **where.quirks.webhook_labels}


def budgets(where: Placement, bodies: Iterable[Body]) -> Iterator[Planned]:
    """Disruption budgets of control services that have none, so that a drain takes one pod after the other."""
    if not where.spread:
        return
    bodies = list(bodies)
    guarded = [
        (body["metadata"].get("namespace", ""), body["spec"]["selector"].get("matchLabels"))
        for body in bodies
        if body["kind"] == "PodDisruptionBudget"
    ]
    for body in bodies:
        if not _is_control(body):
            continue
        namespace, selector = body["metadata"]["namespace"], dict(body["spec"]["selector"]["matchLabels"])
        if (namespace, selector) not in guarded:
            spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
            name = body["metadata"]["name"]
            yield own("placement", Wave.BASE, document("policy/v1", "PodDisruptionBudget", name, namespace, spec=spec))
