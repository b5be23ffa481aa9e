"""What is changed about upstream's objects, as one ordered list of pure functions, each with its reason.

A function takes an object that it may change and returns it, or None where the object is left out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from kubeflow.distribution.documents import Body
from kubeflow.priorities import PLATFORM

from . import kinds

Target = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a transform may know besides the object."""

    namespace: str | None  # of objects that name none
    webhooks: bool  # the API server can reach webhooks that run in pods
    containers: bool  # pods run, so that operators make the pods which they are for
    cluster_scoped: frozenset[tuple[str, str]] = field(repr=False)
    pods: tuple[Mapping[str, str], ...] = field(default=(), repr=False)  # labels of the pods that workloads make
    scaled: frozenset[Target] = field(default=frozenset(), repr=False)  # workloads whose replicas an autoscaler owns


Transform = Callable[[Body, Context], Body | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One transform and why it is there."""

    apply: Transform
    why: str


def transform(body: Body, context: Context) -> Body | None:
    """The object as it is installed; None where it is left out. The given one stays as it is."""
    changed: Body | None = copy.deepcopy(body)
    for step in STEPS:
        if changed is None:
            return None
        changed = step.apply(changed, context)
    return changed


def autoscaled(bodies: Iterable[Body]) -> frozenset[Target]:
    """The workloads that autoscalers among these objects scale."""
    return frozenset(
        (body["spec"]["scaleTargetRef"]["kind"], body["metadata"]["namespace"], body["spec"]["scaleTargetRef"]["name"])
        for body in bodies
        if body["kind"] == "HorizontalPodAutoscaler"
    )


def ignored(body: Body) -> list[str]:
    """Declared fields that a controller changes after us: differences in them are none."""
    group, kind = kinds.group_kind(body)
    if kind == "ClusterRole" and "aggregationRule" in body and "rules" in body:
        return ["rules"]  # the controller manager collects them
    if group == "admissionregistration.k8s.io" and kind in kinds.WEBHOOKS:
        # istiod turns its own webhook from Ignore to Fail once it answers; others fill in their CA.
        owned = ("clientConfig.caBundle", "failurePolicy")
        return [f"webhooks[{index}].{name}" for index in range(len(body["webhooks"])) for name in owned]
    return []


def pod_labels(bodies: Iterable[Body]) -> tuple[Mapping[str, str], ...]:
    """The labels of the pods that workloads among these objects make, of those with an address of their own."""
    own = [body for body in bodies if (pod := kinds.pod_spec(body)) is not None and not pod.get("hostNetwork")]
    return tuple(labels for body in own for part in _templates(body) if (labels := part.get("labels")))


def _metadata(body: Body, name: str) -> Body:
    """Labels or annotations, to be changed in place."""
    metadata = body["metadata"]
    metadata[name] = kinds.part(metadata, name)
    return metadata[name]


_HOOK = "helm.sh/hook"
_INSTALL = ("pre-install", "post-install")


def _without_hooks(body: Body, _context: Context) -> Body | None:
    annotations: Mapping[str, str] = kinds.part(body["metadata"], "annotations")
    if _HOOK not in annotations:
        return body
    if not any(phase.strip() in _INSTALL for phase in annotations[_HOOK].split(",")):
        return None
    body["metadata"]["annotations"] = {key: value for key, value in annotations.items() if not key.startswith(_HOOK)}
    return body


def _without_unreachable_webhooks(body: Body, context: Context) -> Body | None:
    unreachable = body["kind"] in kinds.WEBHOOKS or kinds.group_kind(body) == ("apiregistration.k8s.io", "APIService")
    return None if unreachable and not context.webhooks else body


def _without_nulls(body: Body, _context: Context) -> Body:
    return cast("Body", _dense(body))


def _dense(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        known = cast("Body", value)
        return {name: _dense(part) for name, part in known.items() if part is not None}
    if isinstance(value, list):
        return [_dense(part) for part in cast("list[Any]", value)]
    return value


def _without_server_fields(body: Body, _context: Context) -> Body:
    body.pop("status", None)
    for part in (body["metadata"], *_templates(body)):
        part.pop("creationTimestamp", None)
    return body


def _templates(body: Body) -> list[Body]:
    """Metadata of the templates inside a workload."""
    template = kinds.part(body["spec"], "template") if kinds.pod_spec(body) is not None else {}
    return [template["metadata"]] if "metadata" in template else []


def _without_empty_content(body: Body, _context: Context) -> Body:
    for name in ("rules", "data"):
        if name in body and not body[name] and (name == "data" or body["kind"] in ("ClusterRole", "Role")):
            del body[name]
    return body


def _without_ca_placeholders(body: Body, _context: Context) -> Body:
    if body["kind"] in kinds.WEBHOOKS:
        for webhook in kinds.parts(body, "webhooks"):
            webhook["clientConfig"].pop("caBundle", None)
    return body


def _without_owned_replicas(body: Body, context: Context) -> Body:
    metadata = body["metadata"]
    if (body["kind"], metadata.get("namespace", ""), metadata["name"]) in context.scaled:
        body["spec"].pop("replicas", None)
    return body


def _in_its_namespace(body: Body, context: Context) -> Body:
    metadata = body["metadata"]
    if kinds.group_kind(body) in context.cluster_scoped:
        metadata.pop("namespace", None)
    elif context.namespace is not None:
        metadata.setdefault("namespace", context.namespace)
    return body


BINDINGS = frozenset({"ClusterRoleBinding", "RoleBinding"})
EVERY_ACCOUNT = "system:serviceaccounts"
_ANYBODY = frozenset({"system:anonymous", "system:authenticated", "system:unauthenticated"})


def _without_strangers(body: Body, _context: Context) -> Body:
    if body["kind"] in BINDINGS:
        everybody = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": EVERY_ACCOUNT}
        named = [subject for subject in kinds.parts(body, "subjects") if subject["name"] not in _ANYBODY]
        if len(named) < len(kinds.parts(body, "subjects")):
            body["subjects"] = [*named, everybody]
    return body


_REQUESTS = {"cpu": "20m", "memory": "64Mi"}


def _with_requests(body: Body, _context: Context) -> Body:
    pod = kinds.pod_spec(body)
    for container in kinds.containers(pod) if pod is not None else ():
        resources = container["resources"] = kinds.part(container, "resources")
        limits = kinds.part(resources, "limits")
        missing = {name: amount for name, amount in _REQUESTS.items() if name not in limits}
        resources["requests"] = missing | kinds.part(resources, "requests")
        if not resources["requests"]:
            del resources["requests"]
    return body


def _with_priority(body: Body, _context: Context) -> Body:
    pod = kinds.pod_spec(body)
    if pod is not None:
        pod.setdefault("priorityClassName", PLATFORM)
    return body


_DEPENDENTS = kinds.WORKLOADS | {"Namespace"}  # kinds whose deletion has to take others along


def _with_quick_deletion(body: Body, _context: Context) -> Body:
    if kinds.group_kind(body)[0] in ("", "rbac.authorization.k8s.io") and body["kind"] not in _DEPENDENTS:
        _metadata(body, "annotations")["pulumi.com/deletionPropagationPolicy"] = "background"
    return body


def _without_expiry(body: Body, _context: Context) -> Body:
    if body["kind"] == "Job":
        body["spec"].pop("ttlSecondsAfterFinished", None)
    return body


def _without_wait_for_absent_pods(body: Body, context: Context) -> Body:
    selector: Mapping[str, str] = kinds.part(body["spec"], "selector") if body["kind"] == "Service" else {}
    if selector and not context.containers and not any(selector.items() <= labels.items() for labels in context.pods):
        _metadata(body, "annotations")["pulumi.com/skipAwait"] = "true"
    return body


STEPS = (
    Step(apply=_without_hooks, why="Helm alone runs hooks; those of an installation become ordinary objects"),
    Step(apply=_without_unreachable_webhooks, why="a webhook without an answer refuses every object that it guards"),
    Step(apply=_without_nulls, why="null is how YAML says nothing, but a difference for ever"),
    Step(apply=_without_server_fields, why="the server owns them"),
    Step(
        apply=_without_empty_content, why="controllers fill them; an empty one is a difference for ever, or a deletion"
    ),
    Step(apply=_without_ca_placeholders, why="whoever minted the certificate writes its CA there"),
    Step(apply=_in_its_namespace, why="upstream leaves it to the command line, or writes it where it does not belong"),
    Step(
        apply=_without_strangers,
        why="on some clusters anybody with an account somewhere is authenticated; those who need it are pods",
    ),
    Step(apply=_without_owned_replicas, why="the autoscaler decides; declaring a number would fight it"),
    Step(apply=_with_requests, why="the scheduler and quotas count requests; half of upstream's containers have none"),
    Step(apply=_with_priority, why="tenants' pods must not push out the platform's"),
    Step(apply=_with_quick_deletion, why="waiting for a garbage collector that has nothing to collect takes a minute"),
    Step(apply=_without_expiry, why="an object that deletes itself would be made again by every refresh"),
    Step(
        apply=_without_wait_for_absent_pods,
        why="where nothing runs, pods made by operators never come, and those of the host have no address",
    ),
)
