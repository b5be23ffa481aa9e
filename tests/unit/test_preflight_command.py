"""`python -m infra preflight`: its exit status, its JSON, and what it says where it cannot look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import __main__ as command
from infra.contract import Environment
from tests.support.samples import KUBECONFIG


@pytest.mark.parametrize("stack", [item.value for item in Environment])
def test_nothing_in_the_examples_themselves_stands_against_them(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["preflight", "--stack", stack, "--offline"]) == 0
    assert "nothing found that stands against it" in capsys.readouterr().out


def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["preflight", "--stack", "eks", "--offline", "--json"]) == 0
    out, err = capsys.readouterr()
    body = json.loads(out)
    assert (body["stack"], body["environment"], body["passed"]) == ("eks", "eks", True)
    assert {item["outcome"] for item in body["checks"]} == {"pass", "skip"}
    assert all(item["reason"] and item["needs"] for item in body["checks"])
    assert err.count("SKIP") == sum(item["outcome"] == "skip" for item in body["checks"])


def test_a_stack_without_a_file_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["preflight", "--stack", "nobody"]) == 1
    assert "Pulumi.nobody.yaml" in capsys.readouterr().err


def test_a_kubeconfig_that_is_a_secret_is_a_skip_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["preflight", "--stack", "existing"]) == 0
    out = capsys.readouterr().out
    assert "SKIP  existing.conflicts" in out
    assert "pulumi config get kubeconfig > FILE, then --kubeconfig FILE" in " ".join(out.split())


def test_a_cluster_that_does_not_answer_stands_against_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG, encoding="utf-8")  # of a server at 127.0.0.1:1
    arguments = ["preflight", "--stack", "existing", "--kubeconfig", str(kubeconfig)]
    assert command.main(arguments) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "FAIL existing.credentials the API server https://127.0.0.1:1 does not answer" in out
    assert "SKIP existing.nodes the API server https://127.0.0.1:1 does not answer" in out
    assert out.endswith("`pulumi up` would fail")


def test_the_table_is_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = {"local": command.examples()["local"]}
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "TABLE", tmp_path / "README.md")
    monkeypatch.setattr(command, "examples", lambda: only)
    assert command.main(["table"]) == 0
    printed = capsys.readouterr().out
    assert command.main(["table", "--write"]) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == printed
    assert "[local](local.md)" in printed
