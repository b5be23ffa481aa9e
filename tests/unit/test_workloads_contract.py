from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeflow.contract import METADATA_ADDRESSES
from tests.support.stack_outputs import outputs
from workloads import source
from workloads.checks import network
from workloads.contract import OutputsError, parse


def test_outputs_become_a_target() -> None:
    target = parse(outputs(kubeconfig="secret text"), source="test")
    assert target.gpu_pools == {"accelerated"}
    assert target.tenants["check-vision"].gpus == 4
    assert target.accelerator is not None
    assert target.accelerator.toleration_key == "nvidia.com/gpu"
    assert "secret text" not in repr(target)


def test_a_cluster_without_accelerator_is_a_target_too() -> None:
    target = parse(outputs(cluster__accelerator=None, cluster__pools__accelerated__gpu=None), source="test")
    assert target.accelerator is None
    assert target.gpu_pools == frozenset()


def test_tenants_may_use_the_priority_classes_that_are_not_reserved_lowest_first() -> None:
    target = parse(outputs(), source="test")
    assert list(target.usable_priorities) == ["kubeflow-batch", "kubeflow-training", "kubeflow-serving"]


def test_another_schema_number_is_refused_before_anything_else_is_read() -> None:
    with pytest.raises(OutputsError) as refused:
        parse({"schema": 9}, source="stack prod")
    assert str(refused.value).splitlines() == [
        "stack prod: not usable as stack outputs",
        "  - schema: expected 2, found 9: use the validation of that version",
    ]


def test_all_problems_are_named_at_once_with_their_paths() -> None:
    broken = outputs(
        environment=7, cluster__pools__general__min=True, platform__tenants__check_nlp={}, cluster__capabilities=[1]
    )
    del broken["kubeconfig"]
    with pytest.raises(OutputsError) as refused:
        parse(broken, source="outputs.json")
    text = str(refused.value)
    for line in (
        "environment: expected a text, found 7",
        "cluster.pools.general.min: expected a whole number, found True",
        "platform.tenants.check_nlp.namespace: missing",
        "cluster.capabilities: expected texts, found 1",
        "kubeconfig: missing",
    ):
        assert f"  - {line}" in text


@pytest.mark.parametrize("value", [[], "text", None, {}])
def test_what_are_no_outputs_is_refused(value: Any) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(OutputsError, match="not usable as stack outputs"):
        parse(value, source="test")


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.json", tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(OutputsError, match=r"absent\.json: not usable.*\n.*No such file"):
        source.from_file(absent)
    with pytest.raises(OutputsError, match=r"broken\.json: not usable.*\n.*no JSON"):
        source.from_file(broken)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program named pulumi on PATH that runs a line of shell."""

    def install(script: str) -> None:
        program = tmp_path / "pulumi"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere")
    return install


def test_the_engine_is_asked_for_the_outputs_of_the_named_stack(tmp_path: Path, engine: Callable[[str], None]) -> None:
    (tmp_path / "outputs.json").write_text(json.dumps(outputs(environment="existing")), encoding="utf-8")
    engine(f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/outputs.json')
    assert source.from_stack("prod").target.environment == "existing"
    asked = (tmp_path / "asked").read_text(encoding="utf-8").split()
    assert asked == ["stack", "output", "--json", "--show-secrets", "--stack", "prod"]


def test_the_engines_own_words_are_shown_when_it_refuses(engine: Callable[[str], None]) -> None:
    engine("echo 'no stack named prod' >&2; exit 255")
    with pytest.raises(OutputsError, match="ended with 255: no stack named prod"):
        source.from_stack("prod")


def test_a_machine_without_the_engine_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere")
    with pytest.raises(OutputsError, match="pulumi is not on PATH"):
        source.from_stack("prod")


def test_metadata_addresses_are_those_that_the_platform_closes() -> None:
    assert network.METADATA_ADDRESSES == METADATA_ADDRESSES
