"""Which class and size each volume of the platform has, one sentence for each."""

from __future__ import annotations

from typing import Any, cast

import pytest

from infra.contract import Capability, Cluster, Environment, MissingCapabilityError, Storage
from kubeflow import storage
from kubeflow.install import kinds
from kubeflow.install.transforms import Context
from kubeflow.quantity import Quantity
from kubeflow.spec.data import Artifacts, DataSpec, MlflowSpec, Volumes

Object = dict[str, Any]
BOTH = Storage(block="fast", shared="files")
CONTEXT = Context(namespace=None, webhooks=True, containers=True, cluster_scoped=kinds.cluster_scoped(()))


def changed(body: Object, classes: Storage = BOTH, volumes: Volumes | None = None) -> Object:
    for step in storage.steps(classes, volumes or Volumes()):
        made = step.apply(body, CONTEXT)
        assert made is not None
        body = made
    return body


def claim(name: str = "any", mode: str = "ReadWriteOnce") -> Object:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


class Facts:
    """What `require` reads of a cluster, and nothing else."""

    environment = Environment.LOCAL

    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities)

    def require(self, capability: Capability, *, needed_by: str) -> None:
        Cluster.require(cast("Cluster", self), capability, needed_by=needed_by)


def cluster(*capabilities: Capability) -> Cluster:
    return cast("Cluster", Facts(*capabilities))


def test_every_claim_names_its_class() -> None:
    assert changed(claim())["spec"]["storageClassName"] == "fast"
    assert changed(claim())["spec"]["resources"]["requests"]["storage"] == "1Gi"


def test_what_several_nodes_write_to_is_of_the_shared_class() -> None:
    assert changed(claim(mode="ReadWriteMany"))["spec"]["storageClassName"] == "files"


def test_a_shared_volume_without_a_shared_class_is_refused_by_name() -> None:
    with pytest.raises(storage.StorageError, match="PersistentVolumeClaim any"):
        changed(claim(mode="ReadWriteMany"), Storage(block="fast"))
    with pytest.raises(storage.StorageError, match="home/it"):
        storage.claim("it", "home", Quantity("1Gi"), Storage(block="fast"), shared=True)


@pytest.mark.parametrize("name", ["mysql-pv-claim", "seaweedfs-pvc", "katib-mysql", "metadata-mysql"])
def test_the_sizes_of_upstreams_claims_are_settings(name: str) -> None:
    sizes = Volumes(
        pipelines_database=Quantity("7Gi"), pipelines_artifacts=Quantity("7Gi"), katib_database=Quantity("7Gi"),
        registry_database=Quantity("7Gi"),
    )  # fmt: skip
    assert changed(claim(name), volumes=sizes)["spec"]["resources"] == {"requests": {"storage": "7Gi"}}


def test_the_claims_of_a_stateful_set_are_claims() -> None:
    body: Object = {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "loki"},
        "spec": {"volumeClaimTemplates": [claim("storage")]},
    }  # fmt: skip
    (made,) = changed(body, volumes=Volumes(logs=Quantity("70Gi")))["spec"]["volumeClaimTemplates"]
    assert made["spec"]["storageClassName"] == "fast"
    assert made["spec"]["resources"]["requests"]["storage"] == "70Gi"


def test_metrics_outlive_the_pod() -> None:
    body: Object = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "it"},
        "spec": {},
    }
    made = changed(body)["spec"]["storage"]["volumeClaimTemplate"]["spec"]
    assert made["storageClassName"] == "fast"
    assert made["accessModes"] == ["ReadWriteOnce"]


def test_several_servers_on_one_volume_need_shared_storage() -> None:
    several = DataSpec(mlflow=MlflowSpec(replicas=2))
    with pytest.raises(MissingCapabilityError, match=r"platform\.data\.mlflow\.replicas"):
        storage.check(cluster(), several)
    storage.check(cluster(Capability.SHARED_STORAGE), several)
    storage.check(cluster(), DataSpec(mlflow=MlflowSpec(replicas=2, artifacts=Artifacts.BUCKET)))
    storage.check(cluster(), DataSpec())


def test_a_volume_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="logs: found 0"):
        Volumes(logs=Quantity("0"))
