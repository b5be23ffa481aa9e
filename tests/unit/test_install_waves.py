"""Waves and names: every component has its place, and every object a name that stays."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import Rendered
from kubeflow.distribution.documents import parse, split
from kubeflow.distribution.table import CURRENT, components
from kubeflow.install import kinds
from kubeflow.install.loader import InstallError, Plan
from kubeflow.install.waves import PLACES, REASONS, Wave, wave_of
from tests.support.upstream import plan

DATA = Path(__file__).resolve().parents[3] / "shared" / "manifests"
Object = dict[str, Any]


def rendered(*core: Object, late: tuple[Object, ...] = (), namespace: str | None = None) -> Rendered:
    return Rendered(crds=(), core=core, late=late, namespace=namespace, sha256="")


def distribution(**parts: Rendered) -> Distribution:
    return Distribution(release=CURRENT, components={name.replace("_", "-"): part for name, part in parts.items()})


def thing(kind: str, name: str, namespace: str | None = None, version: str = "v1", **body: object) -> Object:
    place = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **body}


def workload(name: str, namespace: str) -> Object:
    pod = {"containers": [{"name": "main", "image": "image"}]}
    spec = {"template": {"metadata": {"labels": {"app": name}}, "spec": pod}}
    return thing("Deployment", name, namespace, "apps/v1", spec=spec)


@functools.cache
def upstream() -> Distribution:
    """The whole default installation, as upstream renders it."""
    if not DATA.is_dir():
        pytest.skip(f"no rendered upstream data in {DATA}")
    files = {file.stem: file for file in DATA.glob("*/*.yaml")}
    found: dict[str, Rendered] = {}
    for component in components(CURRENT):
        if component.default:
            documents = parse(files[component.name].read_text(encoding="utf-8"), origin=component.name)
            crds, core, late = (
                tuple(document.body for document in phase) for phase in split(documents, component=component.name)
            )
            found[component.name] = Rendered(crds=crds, core=core, late=late, namespace=component.namespace, sha256="")
    return Distribution(release=CURRENT, components=found)


def real(*, webhooks: bool = False) -> tuple[Distribution, Plan]:
    """Upstream's default installation and what becomes of it."""
    return upstream(), plan(upstream(), webhooks=webhooks, containers=webhooks)


def test_every_component_of_the_release_has_a_place() -> None:
    assert set(PLACES) == {component.name for component in components(CURRENT)}


def test_every_wave_has_a_reason() -> None:
    assert set(REASONS) == set(Wave)


def test_late_objects_never_come_before_the_others() -> None:
    assert all(place.core <= place.late for name, place in PLACES.items() if name != "kube-prometheus-stack-crds")


def test_namespaces_come_first_whoever_brings_them() -> None:
    assert wave_of("kserve", thing("Namespace", "a"), late=False) is Wave.NAMESPACES


def test_databases_and_what_pods_mount_come_before_the_controllers() -> None:
    assert wave_of("pipelines", workload("mysql", "kubeflow"), late=False) is Wave.DATA
    assert wave_of("pipelines", thing("Service", "mysql", "kubeflow"), late=False) is Wave.DATA
    assert wave_of("pipelines", thing("Secret", "anything", "kubeflow"), late=False) is Wave.DATA
    assert wave_of("pipelines", workload("ml-pipeline", "kubeflow"), late=False) is Wave.CONTROLLERS


def test_a_name_says_component_kind_namespace_and_name() -> None:
    made = plan(
        distribution(
            dex=rendered(thing("Namespace", "auth"), thing("ConfigMap", "dex", "auth"), workload("dex", "auth"))
        ),
        webhooks=False,
        containers=True,
    )
    assert [item.name for item in made.objects] == [
        "dex/Namespace/auth", "dex/ConfigMap/auth/dex", "dex/Deployment/auth/dex",
    ]  # fmt: skip


def test_a_namespace_that_a_chart_expects_is_made_with_its_pod_security() -> None:
    made = plan(distribution(mlflow=rendered(workload("mlflow", "mlflow"))), webhooks=False, containers=True)
    (namespace,) = made.wave(Wave.NAMESPACES)
    assert namespace.name == "mlflow/Namespace/mlflow"
    assert namespace.body["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "baseline"}


def test_objects_without_a_namespace_to_live_in_are_refused_together() -> None:
    parts = distribution(model_registry=rendered(thing("Secret", "db")), dex=rendered(workload("dex", "auth")))
    with pytest.raises(InstallError) as refused:
        plan(parts, webhooks=False, containers=True)
    assert "model-registry: model-registry/Secret/db (no namespace)" in str(refused.value)
    assert "dex: dex/Deployment/auth/dex (auth)" in str(refused.value)


def test_an_object_that_two_components_declare_is_refused() -> None:
    role = thing("ClusterRole", "same", version="rbac.authorization.k8s.io/v1")
    with pytest.raises(InstallError, match="declared twice: oauth2-proxy/ClusterRole/same and dex/ClusterRole/same"):
        plan(distribution(oauth2_proxy=rendered(role), dex=rendered(role)), webhooks=False, containers=True)


def test_names_of_the_whole_release_are_unique_and_the_same_in_every_run() -> None:
    _, first = real()
    _, second = real()
    names = [item.name for item in first.objects]
    assert len(names) == len(set(names)) > 800
    assert names == [item.name for item in second.objects]


def test_every_container_of_the_release_has_requests_and_a_priority() -> None:
    _, made = real()
    pods = [pod for item in made.objects if (pod := kinds.pod_spec(item.body)) is not None]
    assert len(pods) > 60
    assert all(pod["priorityClassName"] for pod in pods)
    for container in (container for pod in pods for container in kinds.containers(pod)):
        asked = (
            kinds.part(container["resources"], "requests").keys() | kinds.part(container["resources"], "limits").keys()
        )
        assert {"cpu", "memory"} <= asked


def test_without_webhooks_exactly_their_configurations_and_hooks_are_left_out() -> None:
    _, without = real()
    _, complete = real(webhooks=True)
    missing = set(without.left_out) - set(complete.left_out)
    assert len(missing) == 34
    assert {name.split("/")[1] for name in missing} == kinds.WEBHOOKS | {"APIService"}
    assert len(without.objects) + len(missing) == len(complete.objects)
    assert {name.split("/")[0] for name in complete.left_out} == {"gpu-operator-onprem"}


def test_every_namespaced_object_of_the_release_names_its_namespace() -> None:
    whole, made = real()
    scopes = kinds.cluster_scoped(crd for part in whole.components.values() for crd in part.crds)
    wrong = [
        item.name
        for item in made.objects
        if (kinds.group_kind(item.body) in scopes) == ("namespace" in item.body["metadata"])
    ]
    assert wrong == []
