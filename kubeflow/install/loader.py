"""From cached components to the exact list of objects that are installed. Pure: nothing is registered here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from infra.objects import document
from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import Rendered
from kubeflow.distribution.documents import Body

from . import kinds
from .transforms import Context, autoscaled, ignored, pod_labels, transform
from .waves import Wave, wave_of

# Namespaces that upstream's charts expect to find, with the Pod Security Standard that their pods can keep.
_EXPECTED: Mapping[str, str] = {
    "feast": "baseline",
    "gpu-operator": "privileged",  # drivers are loaded from the pods
    "mlflow": "baseline",
    "monitoring": "privileged",  # the node exporter reads the host
    "observability": "baseline",
}
_WAITING = frozenset(kinds.WORKLOADS | kinds.WEBHOOKS | {"APIService", "Service"})
_GIVEN = frozenset({"default", "kube-public", "kube-system"})


class InstallError(Exception):
    """Components that cannot be installed as they are; the message names all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One object as it will be registered."""

    component: str
    wave: Wave
    name: str  # logical name of the resource: component/kind/namespace/name
    body: Body = field(repr=False)
    ignore_changes: list[str]

    @property
    def waits(self) -> bool:
        """Whether the object is ready only when pods are."""
        return self.body["kind"] in _WAITING


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that is installed, in waves, and what is left out on purpose."""

    objects: tuple[Planned, ...]
    left_out: tuple[str, ...]  # as component/kind/namespace/name

    def wave(self, wave: Wave) -> list[Planned]:
        """The objects of a wave."""
        return [planned for planned in self.objects if planned.wave is wave]


def plan(distribution: Distribution, *, webhooks: bool, containers: bool) -> Plan:
    """Transform, name and place every object but the CustomResourceDefinitions."""
    components = distribution.components
    scopes = kinds.cluster_scoped(crd for rendered in components.values() for crd in rendered.crds)
    objects: list[Planned] = []
    left_out: list[str] = []
    for component, rendered in components.items():
        context = Context(
            namespace=rendered.namespace,
            webhooks=webhooks,
            containers=containers,
            cluster_scoped=scopes,
            pods=pod_labels((*rendered.core, *rendered.late)),
            scaled=autoscaled((*rendered.core, *rendered.late)),
        )
        for body, late in _phases(rendered):
            made = transform(body, context)
            if made is None:
                left_out.append(_name(component, body))
            else:
                objects.append(_planned(component, made, wave_of(component, body, late=late)))
    objects = sorted([*_namespaces(objects), *objects], key=_order)
    _refuse_homeless(objects, scopes)
    _refuse_twins(objects)
    return Plan(objects=tuple(objects), left_out=tuple(left_out))


def _phases(rendered: Rendered) -> Iterator[tuple[Body, bool]]:
    """Every object that is no definition, and whether it is late."""
    yield from ((body, False) for body in rendered.core)
    yield from ((body, True) for body in rendered.late)


def _order(planned: Planned) -> tuple[int, bool, str, str, bool]:
    """Wave by wave; a Service comes right behind the workload of its name, for whose pods it waits."""
    body = planned.body
    return planned.wave, planned.waits, planned.component, body["metadata"]["name"], body["kind"] == "Service"


def _planned(component: str, body: Body, wave: Wave) -> Planned:
    return Planned(component=component, wave=wave, name=_name(component, body), body=body, ignore_changes=ignored(body))


def _name(component: str, body: Body) -> str:
    metadata = body["metadata"]
    return "/".join(
        part for part in (component, body["kind"], metadata.get("namespace"), metadata["name"]) if part is not None
    )


def _namespaces(objects: Iterable[Planned]) -> Iterator[Planned]:
    """The expected namespaces that are used, each with the first component that uses it."""
    users: dict[str, str] = {}
    declared: set[str] = set()
    for planned in objects:
        if planned.body["kind"] == "Namespace":
            declared.add(planned.body["metadata"]["name"])
        users.setdefault(planned.body["metadata"].get("namespace", "default"), planned.component)
    for name, component in users.items():
        if name in _EXPECTED and name not in declared:
            labels = {"pod-security.kubernetes.io/enforce": _EXPECTED[name]}
            body = document("v1", "Namespace", name, metadata={"labels": labels})
            yield _planned(component, body, Wave.NAMESPACES)


def _refuse_homeless(objects: Iterable[Planned], scopes: frozenset[tuple[str, str]]) -> None:
    """Objects that need a namespace and name none, or one that nobody makes."""
    objects = list(objects)
    made = {planned.body["metadata"]["name"] for planned in objects if planned.body["kind"] == "Namespace"}
    homeless: dict[str, list[str]] = {}
    for planned in objects:
        namespace = planned.body["metadata"].get("namespace")
        if kinds.group_kind(planned.body) in scopes or namespace in made | _GIVEN:
            continue
        homeless.setdefault(planned.component, []).append(f"{planned.name} ({namespace or 'no namespace'})")
    if homeless:
        listed = "\n".join(f"  {component}: {', '.join(names)}" for component, names in homeless.items())
        raise InstallError(
            "these objects have no namespace to live in; install the component that makes it as well, or leave out "
            f"theirs:\n{listed}"
        )


def _refuse_twins(objects: Iterable[Planned]) -> None:
    """The same object in two components: they would overwrite each other for ever."""
    owners: dict[tuple[str, str, str, str], str] = {}
    twins: list[str] = []
    for planned in objects:
        metadata = planned.body["metadata"]
        identity = (*kinds.group_kind(planned.body), metadata.get("namespace", ""), metadata["name"])
        if identity in owners:
            twins.append(f"{planned.name} and {owners[identity]}")
        owners[identity] = planned.name
    if twins:
        raise InstallError(f"declared twice: {'; '.join(twins)}")
