"""Workloads as principals of the environment: the platform's own service accounts, their rights, and what pods carry.

What some environments want mounted travels as an annotation of the pod: it holds no secret, and a pod whose
configuration changes is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from infra.contract import CREDENTIALS_FILE, IDENTITY_FOLDER, TOKEN_FILE, Binding, Bucket, Grant
from infra.objects import Document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step

from . import mlflow
from .object_store import PipelineStore, platform_grants

Account = tuple[str, str]  # namespace and name of a service account

_ANNOTATION = "proof.kubeflow/credentials"
_VOLUME = "workload-identity"
_LIFETIME = 3600  # seconds; kubelet renews a token in time


def carried(binding: Binding) -> Document:
    """Annotations, volumes, mounts and variables of a principal's pods, by the names that PodDefaults have for them."""
    if binding.credentials is None:
        return {}
    text = {
        "path": PurePosixPath(CREDENTIALS_FILE).name,
        "fieldRef": {"fieldPath": f"metadata.annotations['{_ANNOTATION}']"},
    }
    token = {"path": PurePosixPath(TOKEN_FILE).name, "audience": binding.audience, "expirationSeconds": _LIFETIME}
    sources = [{"downwardAPI": {"items": [text]}}, {"serviceAccountToken": token}]
    return {
        "annotations": {_ANNOTATION: binding.credentials},
        "volumes": [{"name": _VOLUME, "projected": {"sources": sources}}],
        "volumeMounts": [{"name": _VOLUME, "mountPath": IDENTITY_FOLDER, "readOnly": True}],
        "env": [{"name": binding.variable, "value": CREDENTIALS_FILE}],
    }


def accounts(pipelines: PipelineStore | None, tracking: Bucket | None) -> Mapping[Account, Sequence[Grant]]:
    """Every service account of the platform that needs rights to a bucket."""
    return {**platform_grants(pipelines), **mlflow.grants(tracking)}


def steps(bindings: Mapping[Account, Binding]) -> tuple[Step, ...]:
    """What is written on upstream's objects so that these service accounts are the principals that got the grants."""
    if not bindings:
        return ()

    def bound(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "")
        if body["kind"] == "ServiceAccount" and (namespace, metadata["name"]) in bindings:
            binding = bindings[namespace, metadata["name"]]
            metadata["annotations"] = {**kinds.part(metadata, "annotations"), **binding.annotations}
        if body["kind"] == "Namespace":
            asked = (binding.namespace_labels for (space, _), binding in bindings.items() if space == metadata["name"])
            for labels in asked:
                metadata["labels"] = {**kinds.part(metadata, "labels"), **labels}
        pod = kinds.pod_spec(body)
        binding = bindings.get((namespace, pod.get("serviceAccountName", "default"))) if pod is not None else None
        if pod is not None and binding is not None:
            _carry(_template(body), pod, binding)
        return body

    return (Step(apply=bound, why="they reach the bucket as themselves, without any key"),)


def _template(body: Body) -> Body:
    """Metadata of the pods that a workload makes."""
    spec = body["spec"]["jobTemplate"]["spec"] if body["kind"] == "CronJob" else body["spec"]
    metadata = spec["template"]["metadata"] = kinds.part(spec["template"], "metadata")
    return metadata


def _carry(metadata: Body, pod: Body, binding: Binding) -> None:
    """Make the pods of a template a principal's."""
    if binding.pod_labels:
        metadata["labels"] = {**kinds.part(metadata, "labels"), **binding.pod_labels}
    parts = carried(binding)
    if not parts:
        return
    metadata["annotations"] = {**kinds.part(metadata, "annotations"), **parts["annotations"]}
    pod["volumes"] = [*kinds.parts(pod, "volumes"), *parts["volumes"]]
    for container in kinds.containers(pod):
        for name in ("env", "volumeMounts"):
            container[name] = [*kinds.parts(container, name), *parts[name]]
