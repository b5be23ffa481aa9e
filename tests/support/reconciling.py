"""A control plane with upstream's own controllers of training and serving beside it, and simulated nodes: pods are
placed and become Ready, but nothing runs in them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import pytest

from infra.local.control_plane import ControlPlane
from kubeflow.distribution import CacheMissingError
from tests.support import controllers
from tests.support.cluster import Api as Plain
from tests.support.cluster import Object, standing
from tests.support.controllers import Cluster, rendered
from tests.support.stack_outputs import outputs
from workloads.contract import POOL_LABEL

SPACE, STRICT = "check-vision", "check-nlp"
NODES = 3
QUOTA = {"requests.cpu": "24", "requests.memory": "96Gi", "pods": "40"}
DEFINED = ("katib", "pipelines", "notebook-controller", "tensorboard-controller")  # whose controllers do not run here


@contextlib.contextmanager
def plane(folder: Path) -> Generator[ControlPlane]:
    """A control plane that no other test knows; skips where it cannot be, or the controllers cannot."""
    if reason := controllers.missing():
        pytest.skip(reason)
    with standing(folder) as plane:
        yield plane


@contextlib.contextmanager
def upstream(plane: ControlPlane, folder: Path, quota: Mapping[str, str] = QUOTA) -> Generator[Cluster]:
    """Upstream's objects and controllers of training, serving and the trainer, as the platform installs them."""
    cluster = Cluster(Plain(plane.kubeconfig))
    components = dict.fromkeys(one.component for one in controllers.MANAGERS)
    try:
        for component in components:
            cluster.define(component)
            cluster.prepare(component, _standard_mode)
        for component in DEFINED:
            cluster.define(component)
    except CacheMissingError as error:
        pytest.skip(str(error))
    _furnish(cluster, quota)
    with _running(cluster, folder):
        yield cluster


@contextlib.contextmanager
def cordoned(cluster: Cluster) -> Generator[None]:
    """No node takes pods."""
    _close(cluster, shut=True)
    try:
        yield
    finally:
        _close(cluster, shut=False)


def _close(cluster: Cluster, *, shut: bool) -> None:
    for number in range(NODES):
        cluster.api.merge(f"/api/v1/nodes/machine-{number}", {"spec": {"unschedulable": shut}})


def _standard_mode(body: Object) -> Object:
    """KServe without Knative, and without an ingress that nothing would answer for."""
    if body["metadata"]["name"] != "inferenceservice-config" or "data" not in body:
        return body
    ingress = json.loads(body["data"]["ingress"]) | {"disableIngressCreation": True}
    data = body["data"] | {"deploy": json.dumps({"defaultDeploymentMode": "Standard"}), "ingress": json.dumps(ingress)}
    return {**body, "data": data}


def _node(number: int) -> Object:
    """All but the first have GPUs."""
    size = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "500Gi"}
    if number:
        size["nvidia.com/gpu"] = "4"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"machine-{number}",
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {POOL_LABEL: "accelerated" if number else "general"},
        },
        "spec": {"podCIDR": f"198.18.{number}.0/24"},
        "status": {
            "allocatable": size,
            "capacity": size,
            "addresses": [{"type": "InternalIP", "address": f"127.202.{number}.1"}],
        },
    }


def _tenant(name: str, standard: str, quota: Mapping[str, str]) -> Iterator[Object]:
    """A namespace with Pod Security and a quota as the platform gives to tenants."""
    labels = {"pod-security.kubernetes.io/enforce": standard}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    account = {"name": "default-editor", "namespace": name}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}
    metadata = {"name": "tenant", "namespace": name}
    yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": dict(quota)}}
    default = {"cpu": "100m", "memory": "128Mi"}
    limit = {"type": "Container", "default": default, "defaultRequest": default}
    metadata = {"name": "defaults", "namespace": name}
    yield {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}


def _furnish(cluster: Cluster, quota: Mapping[str, str]) -> None:
    """Nodes, priorities and two tenants: one as the platform makes them, one stricter."""
    for number in range(NODES):
        cluster.apply(_node(number))
    for name, value in outputs()["platform"]["priorityClasses"].items():
        head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
        cluster.apply({**head, "value": value})
    for name, standard in ((SPACE, "baseline"), (STRICT, "restricted")):
        for body in _tenant(name, standard, quota):
            cluster.apply(body)


@contextlib.contextmanager
def _running(cluster: Cluster, folder: Path) -> Generator[None]:
    """All managers, and then what only their webhooks let in."""
    with contextlib.ExitStack() as stack:
        for manager in controllers.MANAGERS:
            stack.enter_context(controllers.running(cluster, manager, folder))
        for component in dict.fromkeys(one.component for one in controllers.MANAGERS):
            for body in rendered(component, "late"):
                cluster.apply(body)
        yield
