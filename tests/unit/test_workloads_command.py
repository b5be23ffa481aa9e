from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.stack_outputs import outputs
from workloads.__main__ import main
from workloads.catalog import CATALOG

UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "https://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {token: none}}]
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(outputs(kubeconfig=UNREACHABLE)), encoding="utf-8")
    return path


def run(saved: Path, *more: str) -> int:
    return main(["run", "--stack", "local", "--outputs", str(saved), "--out", str(saved.parent / "out"), *more])


def test_the_list_names_every_criterion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert [one.id for one in CATALOG if one.id not in shown] == []


def test_a_run_that_cannot_reach_the_cluster_has_not_started(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(saved) == 2
    assert "https://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert not (saved.parent / "out").exists()


def test_an_unknown_criterion_is_a_usage_error(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(saved, "--only", "limits.default") == 2
    assert "did you mean 'limits.defaults-are-applied'" in capsys.readouterr().err


def test_outputs_that_are_no_outputs_are_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "outputs.json"
    path.write_text("{}", encoding="utf-8")
    assert run(path) == 2
    assert "schema: missing" in capsys.readouterr().err
