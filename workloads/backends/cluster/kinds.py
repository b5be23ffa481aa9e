"""The kinds of objects that a run may create, how each is found again, and how its run is marked on it.

Nothing else may be created: an object that is not in this table would be left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from workloads.contract import RUN_LABEL

Json = dict[str, Any]


class UnknownKindError(Exception):
    """A check wants to create what no run could find and remove again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of namespaced object."""

    version: str  # group and version, as in `apiVersion`
    kind: str
    plural: str

    @property
    def root(self) -> str:
        """Where the API server serves it."""
        return f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"

    @property
    def everywhere(self) -> str:
        """The list of all namespaces."""
        return f"{self.root}/{self.plural}"

    def inside(self, namespace: str) -> str:
        """The list of one namespace."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}"


def _kind(version: str, kind: str, plural: str = "") -> Kind:
    return Kind(version=version, kind=kind, plural=plural or f"{kind.lower()}s")


# In this order they are removed: what makes other objects before what is made, or it would make them again.
KINDS: tuple[Kind, ...] = (
    _kind("kubeflow.org/v1beta1", "Experiment"),
    _kind("argoproj.io/v1alpha1", "Workflow"),
    _kind("kubeflow.org/v1", "PyTorchJob"),
    _kind("kubeflow.org/v1", "TFJob"),
    _kind("kubeflow.org/v1", "MPIJob"),
    _kind("trainer.kubeflow.org/v1alpha1", "TrainJob"),
    _kind("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"),
    _kind("serving.kserve.io/v1alpha1", "InferenceGraph"),
    _kind("serving.kserve.io/v1beta1", "InferenceService"),
    _kind("tensorboard.kubeflow.org/v1alpha1", "Tensorboard"),
    _kind("kubeflow.org/v1", "Notebook"),
    _kind("batch/v1", "Job"),
    _kind("v1", "Service"),
    _kind("v1", "PersistentVolumeClaim"),
    _kind("v1", "ConfigMap"),
    _kind("v1", "Secret"),
    _kind("v1", "Pod"),
)

_BY_KIND: Mapping[tuple[str, str], Kind] = {(one.version, one.kind): one for one in KINDS}


def of(body: Json) -> Kind:
    """The kind of an object as it is sent or as the API server gives it."""
    found = _BY_KIND.get((body["apiVersion"], body["kind"]))
    if found is None:
        raise UnknownKindError(f"{body['apiVersion']} {body['kind']} is not in workloads/backends/cluster/kinds.py")
    return found


def path(made: Json) -> str:
    """Where an object is, from its kind and its metadata."""
    return f"{of(made).inside(made['metadata']['namespace'])}/{made['metadata']['name']}"


def marked(body: Json, run: str) -> Json:
    """The object with the run's label on it and on every pod template in it: pods of a run are found like the rest."""
    inner = {key: _templates(value, run) for key, value in body.items() if key != "metadata"}
    return {**inner, "metadata": _labelled(body.get("metadata", {}), run)}


def _labelled(metadata: Json, run: str) -> Json:
    return {**metadata, "labels": {**metadata.get("labels", {}), RUN_LABEL: run}}


def _templates(value: object, run: str) -> object:
    if isinstance(value, list):
        return [_templates(one, run) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    return {key: _inside(key, one, run) for key, one in cast("Json", value).items()}


def _inside(key: str, value: object, run: str) -> object:
    if isinstance(value, dict):
        content = cast("Json", value)
        if key in {"template", "trialSpec"} and "spec" in content:
            return marked(content, run)
        if key == "podMetadata":  # of a workflow
            return _labelled(content, run)
    return _templates(cast("object", value), run)
