"""From cached components to the exact list of objects that are installed. Pure: nothing is registered here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from infra.objects import document
from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import Rendered
from kubeflow.distribution.documents import Body
from kubeflow.distribution.kinds import cluster_scoped as known_kinds

from . import kinds
from .planned import Planned, address
from .transforms import Context, Step, autoscaled, ignored, pod_labels, transform
from .waves import Wave, wave_of

# Namespaces that upstream's charts expect to find, with the Pod Security Standard that their pods can keep.
_EXPECTED: Mapping[str, str] = {
    "feast": "baseline",
    "gpu-operator": "privileged",  # drivers are loaded from the pods
    "kueue-system": "baseline",
    "mlflow": "baseline",
    "monitoring": "privileged",  # the node exporter reads the host
    "observability": "baseline",
}
_GIVEN = frozenset({"default", "kube-public", "kube-system"})


class InstallError(Exception):
    """Components that cannot be installed as they are; the message names all of them."""


Change = Callable[[Planned, Context], Planned | None]  # what a part of the platform changes; None leaves the object out


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """Upstream's objects as they are installed, and those that this cluster has no use for."""

    objects: tuple[Planned, ...]
    left_out: tuple[str, ...]  # as component/kind/namespace/name
    cluster_scoped: frozenset[tuple[str, str]] = field(repr=False)  # group and kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that is installed, in waves, and what is left out on purpose."""

    objects: tuple[Planned, ...]
    left_out: tuple[str, ...] = ()  # as component/kind/namespace/name

    def wave(self, wave: Wave) -> list[Planned]:
        """The objects of a wave."""
        return [planned for planned in self.objects if planned.wave is wave]


def rendering(
    distribution: Distribution,
    *,
    webhooks: bool,
    containers: bool,
    changes: Sequence[Change] = (),
    homes: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
) -> Rendering:
    """Transform, change, name and place every object but the CustomResourceDefinitions.

    `homes` are the namespaces in which components are installed that upstream means for several.
    """
    components = distribution.components
    scopes = known_kinds() | kinds.cluster_scoped(crd for rendered in components.values() for crd in rendered.crds)
    objects: list[Planned] = []
    left_out: list[str] = []
    for component, rendered in components.items():
        for namespace in homes.get(component, (rendered.namespace,)):
            context = Context(
                namespace=namespace,
                webhooks=webhooks,
                containers=containers,
                cluster_scoped=scopes,
                pods=pod_labels((*rendered.core, *rendered.late)),
                scaled=autoscaled((*rendered.core, *rendered.late)),
            )
            for body, late in _phases(rendered):
                made = transform(body, context)
                if made is None:
                    left_out.append(address(component, body))
                elif (planned := _changed(component, made, late, changes, context)) is not None:
                    objects.append(planned)
    return Rendering(objects=tuple(objects), left_out=tuple(left_out), cluster_scoped=scopes)


def arranged(
    objects: Iterable[Planned], scopes: frozenset[tuple[str, str]], given: frozenset[str] = frozenset()
) -> tuple[Planned, ...]:
    """All objects in order, with the namespaces that upstream expects. `given` are namespaces that exist already."""
    objects = list(objects)
    objects = sorted([*_namespaces(objects, given), *objects], key=_order)
    _refuse_homeless(objects, scopes, given)
    _refuse_twins(objects)
    return tuple(objects)


def stepped(steps: Iterable[Step]) -> Change:
    """Transforms of a part as one change."""
    steps = tuple(steps)

    def change(planned: Planned, context: Context) -> Planned | None:
        body: Body | None = planned.body
        for step in steps:
            body = None if body is None else step.apply(body, context)
        return None if body is None else replace(planned, body=body)

    return change


def _changed(component: str, body: Body, late: bool, changes: Iterable[Change], context: Context) -> Planned | None:  # noqa: FBT001 - as `_phases` pairs it
    planned: Planned | None = _planned(component, body, wave_of(component, body, late=late))
    for change in changes:
        planned = None if planned is None else change(planned, context)
    return planned


def _phases(rendered: Rendered) -> Iterator[tuple[Body, bool]]:
    """Every object that is no definition, and whether it is late."""
    yield from ((body, False) for body in rendered.core)
    yield from ((body, True) for body in rendered.late)


def _order(planned: Planned) -> tuple[int, bool, str, str, bool]:
    """Wave by wave; a Service comes right behind the workload of its name, for whose pods it waits."""
    body = planned.body
    return planned.wave, planned.waits, planned.component, body["metadata"]["name"], body["kind"] == "Service"


def _planned(component: str, body: Body, wave: Wave) -> Planned:
    return Planned(
        component=component, wave=wave, name=address(component, body), body=body, ignore_changes=ignored(body)
    )


def _namespaces(objects: Iterable[Planned], given: frozenset[str]) -> Iterator[Planned]:
    """The expected namespaces that are used, each with the first component that uses it."""
    users: dict[str, str] = {}
    declared: set[str] = set()
    for planned in objects:
        if planned.body["kind"] == "Namespace":
            declared.add(planned.body["metadata"]["name"])
        users.setdefault(planned.body["metadata"].get("namespace", "default"), planned.component)
    for name, component in users.items():
        if name in _EXPECTED and name not in declared | given:
            labels = {"pod-security.kubernetes.io/enforce": _EXPECTED[name]}
            body = document("v1", "Namespace", name, metadata={"labels": labels})
            yield _planned(component, body, Wave.NAMESPACES)


def _refuse_homeless(objects: Iterable[Planned], scopes: frozenset[tuple[str, str]], given: frozenset[str]) -> None:
    """Objects that need a namespace and name none, or one that nobody makes."""
    objects = list(objects)
    made = {planned.body["metadata"]["name"] for planned in objects if planned.body["kind"] == "Namespace"}
    homeless: dict[str, list[str]] = {}
    for planned in objects:
        namespace = planned.body["metadata"].get("namespace")
        if kinds.group_kind(planned.body) in scopes or namespace in made | _GIVEN | given:
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
