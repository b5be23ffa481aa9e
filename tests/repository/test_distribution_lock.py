"""The committed lock covers the table, holds no upstream text, and matches the rendered data where that is at hand."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from kubeflow.distribution import cache, images, load, lock, table
from kubeflow.distribution.documents import LATE, Document, Identity, is_crd
from kubeflow.distribution.source import Chart, Component, CrdsOf, Overlay, Pin
from kubeflow.distribution.sync import Outcome, Request, sync

ROOT = cache.ROOT
DATA = ROOT.parent / "shared" / "manifests"
COMPONENTS = table.components(table.CURRENT)

with_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="compares the lock with rendered upstream data, which is not beside this checkout"
)


def pins_of(component: Component) -> tuple[Pin, ...]:
    source = component.source
    if isinstance(source, CrdsOf):
        return ()
    return (source.pin, *(part.pin for part in source.subcharts)) if isinstance(source, Chart) else (source.pin,)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Outcome, ...]]:
    """Every component from the rendered data in a fresh cache."""
    folder = tmp_path_factory.mktemp("distribution")
    nowhere = folder / "nowhere"
    request = Request(release=table.CURRENT, data=DATA, folder=folder, workspace=nowhere, tools=nowhere)
    outcomes = sync(request, report=lambda _line: None)
    return folder, outcomes


@pytest.fixture(scope="module")
def documents(synced: tuple[Path, tuple[Outcome, ...]]) -> dict[str, tuple[Document, ...]]:
    return {component.name: cache.read(synced[0], component.name) for component in COMPONENTS}


def test_the_lock_covers_exactly_the_components_of_the_table() -> None:
    assert set(lock.read(table.CURRENT).components) == {component.name for component in COMPONENTS}


def test_every_lock_entry_is_well_formed() -> None:
    for name, entry in lock.read(table.CURRENT).components.items():
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256), name
        assert entry.count == len(entry.objects), name
        assert all(re.fullmatch(r"[0-9a-f]{16}", digest) for digest in entry.objects.values()), name


def test_every_source_is_pinned_to_a_tag_a_commit_and_a_licence() -> None:
    for component in COMPONENTS:
        for pin in pins_of(component):
            assert re.fullmatch(r"[0-9a-f]{40}", pin.commit), component.name
            assert pin.tag not in ("", "main", "master", "latest"), component.name
            assert pin.licence, component.name


def test_one_component_of_each_family_is_the_default() -> None:
    families = {component.family for component in COMPONENTS if component.family}
    for family in families:
        assert [one.family for one in COMPONENTS if one.family == family and one.default] == [family]


def test_names_of_components_are_unique() -> None:
    assert len({component.name for component in COMPONENTS}) == len(COMPONENTS)


def test_no_overlay_names_a_cloud() -> None:
    paths = [component.source.path for component in COMPONENTS if isinstance(component.source, Overlay)]
    assert not [path for path in paths if re.search(r"\b(eks|aks|gke|ack|vsphere)\b", path)]


def test_no_upstream_object_is_committed_with_the_distribution() -> None:
    for path in (ROOT / "kubeflow" / "distribution").rglob("*.y*ml"):
        assert not re.search(r"(?m)^apiVersion:", path.read_text()), path


def test_the_distribution_imports_only_the_standard_library_and_yaml() -> None:
    for path in (ROOT / "kubeflow" / "distribution").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
            assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "yaml"}, path


@with_data
def test_rendered_data_is_what_the_lock_says(synced: tuple[Path, tuple[Outcome, ...]]) -> None:
    _, outcomes = synced
    assert {outcome.component: outcome.error for outcome in outcomes if outcome.error} == {}
    assert [outcome.state for outcome in outcomes] == ["synced"] * len(COMPONENTS)


@with_data
def test_the_default_platform_has_the_size_that_is_known(synced: tuple[Path, tuple[Outcome, ...]]) -> None:
    names = [component.name for component in COMPONENTS if component.default]
    found = load(table.CURRENT, names, folder=synced[0]).components.values()
    assert sum(len(one.crds) for one in found) == 104
    assert sum(len(one.core) + len(one.late) for one in found) >= 700


@with_data
def test_no_object_belongs_to_two_default_components(documents: dict[str, tuple[Document, ...]]) -> None:
    owners: dict[tuple[str, str, str, str], list[str]] = {}
    for component in COMPONENTS:
        for document in documents[component.name] if component.default else ():
            identity = document.identity
            place = identity.namespace or component.namespace or ""
            owners.setdefault((identity.group, identity.kind, place, identity.name), []).append(component.name)
    assert {key: names for key, names in owners.items() if len(names) > 1} == {}


@with_data
def test_what_its_own_component_must_validate_is_late(documents: dict[str, tuple[Document, ...]]) -> None:
    """Webhook configurations say which kinds a component validates itself; each such object has a row in the table."""
    plurals = {
        (body["spec"]["group"], body["spec"]["names"]["kind"]): body["spec"]["names"]["plural"]
        for members in documents.values()
        for body in (document.body for document in members if is_crd(document.identity))
    }
    late = {(row.group, row.kind) for row in LATE}
    forgotten: set[tuple[str, Identity]] = set()
    for name, members in documents.items():
        rules = [
            rule
            for document in members
            if document.identity.kind.endswith("WebhookConfiguration")
            for webhook in document.body["webhooks"]
            for rule in webhook.get("rules", [])
        ]
        for identity in (document.identity for document in members):
            plural = plurals.get((identity.group, identity.kind))
            validated = any(identity.group in rule["apiGroups"] and plural in rule["resources"] for rule in rules)
            if plural and validated and (identity.group, identity.kind) not in late:
                forgotten.add((name, identity))
    assert forgotten == set()


@with_data
@pytest.mark.parametrize("name", [component.name for component in COMPONENTS if component.namespace])
def test_images_of_an_addon_are_those_its_publisher_lists(
    name: str, documents: dict[str, tuple[Document, ...]]
) -> None:
    _, _, section = (DATA / "addons" / "README.md").read_text().partition(f"\n### {name}\n")
    listed = re.search(r"- Images:\n((?:  - .*\n)+)", section.partition("\n### ")[0])
    assert listed is not None
    expected = set(re.findall(r"  - (\S+)", listed[1]))
    assert {item.image for item in images.find(name, documents[name])} == expected


@with_data
@pytest.mark.parametrize(
    ("component", "image", "place"),
    [
        ("istio", "proxyv2:1.29.0", "ConfigMap istio-system/istio-sidecar-injector: data[values].global.proxy.image"),
        ("knative-serving", "serving/cmd/queue@sha256:", "ConfigMap knative-serving/config-deployment: data"),
        (
            "pipelines",
            "argoexec:v3.7.3",
            "Deployment kubeflow/workflow-controller: spec.template.spec.containers[0].args",
        ),
        ("pipelines", "kfp-driver:2.16.0", "Deployment kubeflow/ml-pipeline: spec.template.spec.containers[0].env"),
        ("pipelines", "kfp-launcher:2.16.0", "Deployment kubeflow/ml-pipeline: spec.template.spec.containers[0].env"),
        ("pipelines", "kfp-frontend", "ConfigMap kubeflow/kubeflow-pipelines-profile-controller-code"),
        (
            "kserve",
            "kserve/storage-initializer:v0.16.0",
            "ConfigMap kubeflow/inferenceservice-config: data[storageInit",
        ),
        (
            "kserve",
            "kserve/sklearnserver:v0.16.0",
            "ClusterServingRuntime kserve-sklearnserver: spec.containers[0].image",
        ),
        ("trainer", "torchtune-trainer:v2.1.0", "ClusterTrainingRuntime kubeflow-system/torchtune-"),
        ("jupyter-web-app", "jupyter-scipy:v1.10.0", "data[spawner_ui_config.yaml].spawnerFormDefaults.image.value"),
        ("katib", "suggestion-hyperopt:v0.19.0", "ConfigMap kubeflow/katib-config: data[katib-config.yaml]"),
        ("katib", "file-metrics-collector:v0.19.0", "ConfigMap kubeflow/katib-config: data[katib-config.yaml]"),
        ("tensorboard-controller", "tensorflow/tensorflow:2.5.1", "data[TENSORBOARD_IMAGE]"),
        ("volumes-web-app", "filebrowser/filebrowser:v2.25.0", "containers[0].env"),
        ("cert-manager", "cert-manager-acmesolver:v1.19.4", "containers[0].args"),
    ],
)
def test_hidden_image_is_found(
    component: str, image: str, place: str, documents: dict[str, tuple[Document, ...]]
) -> None:
    found = [f"{item.image} {item.identity}: {item.path}" for item in images.find(component, documents[component])]
    assert [text for text in found if image in text and place in text], "\n".join(found)


@with_data
def test_every_container_of_the_release_names_its_image(documents: dict[str, tuple[Document, ...]]) -> None:
    """What a plain search for `image:` in pod templates sees is the least that must be found."""
    for name, members in documents.items():
        found = {item.image for item in images.find(name, members)}
        for document in members:
            if document.identity.kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
                pod = document.body["spec"]["template"]["spec"]
                expected = {one["image"] for one in [*pod["containers"], *pod.get("initContainers", [])]}
                assert expected <= found, str(document.identity)
