"""Volumes of the platform: which class, which size, and who needs storage that several nodes write to at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from infra.contract import Capability, Cluster, Storage
from infra.objects import Document, document

from .distribution.documents import Body
from .install import kinds
from .install.transforms import Context, Step
from .quantity import Quantity
from .spec.data import Artifacts, DataSpec, Volumes

# Upstream's claims -> their size. Kind, name of the object; a StatefulSet's claims are templates.
_SIZES: Mapping[tuple[str, str], Callable[[Volumes], Quantity]] = {
    ("PersistentVolumeClaim", "mysql-pv-claim"): lambda volumes: volumes.pipelines_database,
    ("PersistentVolumeClaim", "seaweedfs-pvc"): lambda volumes: volumes.pipelines_artifacts,
    ("PersistentVolumeClaim", "katib-mysql"): lambda volumes: volumes.katib_database,
    ("PersistentVolumeClaim", "metadata-mysql"): lambda volumes: volumes.registry_database,
    ("StatefulSet", "loki"): lambda volumes: volumes.logs,
    ("StatefulSet", "tempo"): lambda volumes: volumes.traces,
}
_ONE_WRITER, _MANY_WRITERS = "ReadWriteOnce", "ReadWriteMany"


class StorageError(ValueError):
    """A volume that no class of the cluster can hold; the message names it."""


def check(cluster: Cluster, spec: DataSpec) -> None:
    """Fail at plan time, naming the key, where the cluster lacks storage that the data services need."""
    if shares_artifacts(spec):
        cluster.require(Capability.SHARED_STORAGE, needed_by="platform.data.mlflow.replicas")


def shares_artifacts(spec: DataSpec) -> bool:
    """Whether several MLflow servers write to one volume."""
    return spec.mlflow.replicas > 1 and spec.mlflow.artifacts is Artifacts.IN_CLUSTER


def steps(storage: Storage, volumes: Volumes) -> tuple[Step, ...]:
    """What is changed about upstream's volumes."""

    def claims(body: Body, _context: Context) -> Body:
        if kinds.group_kind(body) == ("", "PersistentVolumeClaim"):
            _complete(body, body, storage, volumes)
        for template in kinds.parts(kinds.part(body, "spec"), "volumeClaimTemplates"):
            _complete(template, body, storage, volumes)
        return body

    def metrics(body: Body, _context: Context) -> Body:
        if kinds.group_kind(body) == ("monitoring.coreos.com", "Prometheus"):
            body["spec"]["storage"] = {"volumeClaimTemplate": {"spec": _claim(volumes.metrics, storage.block)}}
        return body

    return (
        Step(apply=claims, why="a cluster's default class may be slow, absent, or somebody else's choice"),
        Step(apply=metrics, why="upstream keeps metrics in memory of the pod: they are gone with it"),
    )


def _complete(claim: Body, owner: Body, storage: Storage, volumes: Volumes) -> None:
    spec = cast("Body", claim["spec"])
    spec["storageClassName"] = _class_of(spec, f"{owner['kind']} {owner['metadata']['name']}", storage)
    size = _SIZES.get((owner["kind"], owner["metadata"]["name"]))
    if size is not None:
        spec["resources"] = {"requests": {"storage": str(size(volumes))}}


def _class_of(spec: Body, where: str, storage: Storage) -> str:
    if _MANY_WRITERS not in cast("list[str]", kinds.parts(spec, "accessModes")):
        return storage.block
    if storage.shared is None:
        raise StorageError(f"{where} is written by several nodes, and this cluster has no class for shared storage")
    return storage.shared


def claim(name: str, namespace: str, size: Quantity, storage: Storage, *, shared: bool = False) -> Document:
    """A claim of the platform's own."""
    if shared and storage.shared is None:
        raise StorageError(f"{namespace}/{name} is written by several nodes; this cluster has no class for that")
    chosen = storage.shared if shared and storage.shared is not None else storage.block
    mode = _MANY_WRITERS if shared else _ONE_WRITER
    return document("v1", "PersistentVolumeClaim", name, namespace, spec=_claim(size, chosen, mode))


def _claim(size: Quantity, storage_class: str, mode: str = _ONE_WRITER) -> dict[str, Any]:
    return {
        "accessModes": [mode],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": str(size)}},
    }
