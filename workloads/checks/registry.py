"""A tenant's model registry keeps what was registered, knows nothing else, and is no other tenant's."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from workloads.backends.cluster.forward import Forward, Pods
from workloads.backends.cluster.registry import ARCHIVED, Registry, owners
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import Probes, SkippedError

Connect = Callable[[Target, Visit], Pods]

PREFIX = "proof-"
VERSION = "1"
ARTIFACT = {
    "name": "model",
    "uri": "pvc://proof-models/iris",
    "modelFormatName": "sklearn",
    "modelFormatVersion": "1",
}


def through(target: Target, visit: Visit) -> Pods:
    """The way into pods of the platform."""
    return Forward(visit.api, target.kubeconfig)


def model(target: Target, visit: Visit, *, connect: Connect = through) -> Probes:
    """A model, its version and its artifact are found again; a second one of the same name is not taken."""
    first, *others = owners(target, visit) or ("",)
    if not first:
        raise SkippedError("no tenant has a model registry")
    probes, reach = Probes(), connect(target, visit)
    registry, name = Registry(reach, first), f"{PREFIX}{visit.run}"
    registry.archive(PREFIX)  # what a dead run has left
    try:
        _registered(probes, registry, name)
        for other in others[:1]:
            found = Registry(reach, other).find(name)
            saw = "not found" if found is None else f"found {found.get('id')}"
            probes.negative(f"{other} does not find the model of {first}", held=found is None, saw=saw)
    finally:
        registry.archive(PREFIX)
    left = registry.find(name)
    state = None if left is None else left.get("state")
    probes.negative("what was registered is not offered afterwards", held=state == ARCHIVED, saw=f"state {state}")
    probes.note("the registry's API deletes nothing, so the model of this run stays in it as an archived one")
    return probes


def _registered(probes: Probes, registry: Registry, name: str) -> None:
    unknown = registry.find(name)
    saw = "not found" if unknown is None else f"found {unknown.get('id')}"
    probes.negative("a model that nobody has registered is not found", held=unknown is None, saw=saw)
    described = "registered by a validation run"
    model_id, version_id = registry.register(name, VERSION, ARTIFACT, described)
    found = registry.find(name) or {}
    held = found.get("id") == model_id and found.get("description") == described
    saw = f"id {found.get('id')}, {found.get('description')!r}"
    probes.positive("a registered model is found by its name, as it was described", held=held, saw=saw)
    versions = [(one["id"], one["name"]) for one in registry.versions(model_id)]
    probes.positive("it has its version", held=versions == [(version_id, VERSION)], saw=f"{versions}")
    artifacts = registry.artifacts(version_id)
    kept = [one for one in artifacts if all(one.get(key) == value for key, value in ARTIFACT.items())]
    held = len(kept) == len(artifacts) == 1
    saw = ", ".join(f"{one.get('name')} at {one.get('uri')}" for one in artifacts) or "no artifact"
    probes.positive("the version has its artifact, with address and format", held=held, saw=saw)
    again = registry.ask("POST", "registered_models", {"name": name})
    refused = HTTPStatus.BAD_REQUEST <= again.status < HTTPStatus.INTERNAL_SERVER_ERROR
    saw = f"registered again: {again.status}" if again.ok else str(again)
    probes.negative("a second model of the same name is refused", held=refused, saw=saw)
