"""Rehearsals on the real engine, of one cloud's stack with few changes and failures. The whole: `make rehearse`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rehearsal import launchers
from rehearsal.changes import CHANGES
from rehearsal.cycle import rehearse
from rehearsal.engine import Engine, EngineError
from rehearsal.life import Plan
from tests.support.cluster import TOOLS
from tests.support.engine import missing, tools

pytestmark = pytest.mark.engine
TENANT = tuple(change for change in CHANGES if change.name == "new tenant")


@pytest.fixture(autouse=True)
def tools_are_there() -> None:
    if reason := missing(*TOOLS):
        pytest.skip(reason)


def test_a_stack_comes_up_through_its_own_kubeconfig_changes_and_goes_without_a_trace(tmp_path: Path) -> None:
    plan = Plan(changes=TENANT, created=1, destroyed=0, second_life=True)
    result = rehearse("ack", plan, tools=tools(), out=tmp_path)
    assert result["problems"] == []
    assert result["second_preview_changes"] == 0
    assert result["leftovers"] == 0
    of_the_change, killed, unreachable = (one["what"] for one in result["faults"])
    assert " during create of alicloud:" in of_the_change
    assert killed.startswith("engine killed during create of alicloud:")
    assert unreachable == "API server killed before an update"
    assert result["faults_survived"] == result["faults_injected"] == 3
    assert "command ack-ram-tool" in result["standins"], "objects went through the generated kubeconfig"
    (change,) = result["changes"]
    assert change["as_expected"]
    assert change["operations"]["create kubernetes:core/v1:Namespace"] == 1
    assert json.loads((tmp_path / "ack.json").read_text(encoding="utf-8")) == result


def test_a_rehearsal_refuses_to_run_with_an_official_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official = tmp_path / "official"
    official.mkdir()
    (official / "pulumi-resource-aws").write_text("#!/bin/sh\n", encoding="utf-8")
    (official / "pulumi-resource-aws").chmod(0o755)
    chosen = {name: value for name, value in launchers.installed_cloud_providers().items() if value != "aws"}
    monkeypatch.setattr(os, "defpath", f"{official}{os.pathsep}{os.defpath}")
    installed = launchers.installed_cloud_providers
    answers = iter([chosen])
    monkeypatch.setattr(launchers, "installed_cloud_providers", lambda: next(answers, installed()))
    with pytest.raises(EngineError, match="pulumi-resource-aws"):
        Engine(tmp_path / "engine", tools(), "eks", {})
