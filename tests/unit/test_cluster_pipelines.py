"""What a cluster gets of a pipeline is what its source says, and services are looked for where upstream puts them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubeflow.distribution import CacheMissingError, table
from tests.support.controllers import rendered
from tests.support.model_bench import needs
from workloads.backends.cluster import mlflow, pipelines, registry
from workloads.backends.cluster.forward import Spot
from workloads.backends.process import python
from workloads.checks import features


@pytest.mark.parametrize("pipeline", ["hello", "iris"])
def test_the_compiled_pipeline_is_that_of_its_source(pipeline: str, tmp_path: Path) -> None:
    needs("kfp")
    file = tmp_path / f"{pipeline}.yaml"
    subprocess.run([python.PYTHON, python.PIPELINES, "compile", pipeline, "--out", file], check=True)
    again = f"python workloads/jobs/pipelines compile {pipeline} --out workloads/jobs/pipelines/compiled/{file.name}"
    assert pipelines.package(pipeline) == file.read_text(encoding="utf-8"), f"compile it again: {again}"


@pytest.mark.parametrize("pipeline", ["hello", "iris"])
def test_every_step_runs_in_an_image_that_has_kfp(pipeline: str) -> None:
    """Its executor is kfp's own, and no step installs anything."""
    image = "registry.test/models@sha256:1"
    executors = pipelines.specification(pipeline, image)["deploymentSpec"]["executors"].values()
    assert {one["container"]["image"] for one in executors} == {image}


@pytest.mark.parametrize("pipeline", ["hello", "iris"])
def test_no_step_is_answered_from_the_cache(pipeline: str) -> None:
    tasks = pipelines.specification(pipeline, "models")["root"]["dag"]["tasks"].values()
    assert [one["cachingOptions"] for one in tasks] == [{}] * len(tasks)


@pytest.mark.parametrize(
    ("component", "spot"),
    [
        (pipelines.COMPONENT, pipelines.SERVER),
        (registry.COMPONENT, registry.server("team-a")),
        (mlflow.COMPONENT, mlflow.SERVER),
        (features.COMPONENT, features.SERVER),
    ],
)
def test_a_service_is_looked_for_where_upstream_puts_it(component: str, spot: Spot) -> None:
    try:
        objects = rendered(component, "core")
    except CacheMissingError as error:
        pytest.skip(str(error))
    (place,) = {one.namespace for one in table.components(table.CURRENT) if one.name == component}
    place = spot.namespace if component == registry.COMPONENT else place  # one for each tenant that asks for it
    wanted = dict(pair.split("=") for pair in spot.selector.split(","))
    found = [
        port["containerPort"]
        for body in objects
        if body["kind"] == "Deployment" and body["metadata"].get("namespace", place) == spot.namespace
        if wanted.items() <= body["spec"]["template"]["metadata"]["labels"].items()
        for container in body["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", [])
    ]
    assert spot.port in found, f"{component} listens on {found or 'nothing'}"


def test_a_tenants_registry_is_known_by_upstreams_name_for_it() -> None:
    try:
        objects = rendered(registry.COMPONENT, "core")
    except CacheMissingError as error:
        pytest.skip(str(error))
    assert registry.DEPLOYMENT in {one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"}


def test_the_feature_servers_own_settings_are_where_our_script_reads_them() -> None:
    try:
        objects = rendered(features.COMPONENT, "core")
    except CacheMissingError as error:
        pytest.skip(str(error))
    (server,) = [one for one in objects if one["kind"] == "Deployment"]
    (container,) = server["spec"]["template"]["spec"]["containers"]
    names: set[Any] = {one["name"] for one in container["env"]}
    assert server["metadata"]["name"] in features.DEPLOYMENT
    assert "FEATURE_STORE_YAML_BASE64" in names
