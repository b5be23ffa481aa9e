"""Every key of a stack file is explained, in the words of the class that reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.contract import Environment
from stacks.__main__ import main
from stacks.explain import Entry, entries, explain
from stacks.forms import written
from stacks.load import OBJECTS
from stacks.settings import ValidationSpec

ROOT = Path(__file__).resolve().parents[2]
EVERY = list(entries())


def paths(wanted: str) -> list[str]:
    text = explain(wanted, 400)
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")]


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.path)
def test_every_key_has_a_meaning(entry: Entry) -> None:
    assert entry.key.facts.get("help", "").strip(), f"the field of {entry.path} needs metadata `help`"


def test_the_three_objects_are_explained() -> None:
    assert [entry.path for entry in EVERY if "." not in entry.path] == list(OBJECTS)


def test_all_keys_are_printed_without_a_filter() -> None:
    assert len(paths("")) == len(EVERY)


def test_keys_are_explained_through_mappings_lists_and_optional_values() -> None:
    every = {entry.path for entry in EVERY}
    assert {
        "cluster.pools.*.gpu.memoryMib",
        "cluster.pools.*.taints[].effect",
        "platform.tenants.*.quota.configMaps",
        "platform.tenants.*.egress[].cidr",
        "validation.timeoutSeconds",
    } <= every


@pytest.mark.parametrize("environment", Environment, ids=lambda environment: environment.value)
def test_the_options_of_every_available_environment_are_explained(environment: object) -> None:
    value = getattr(environment, "value", "")
    assert [entry for entry in EVERY if entry.only_for == f"environment {value}"]
    assert f"(environment {value} only)" in explain("cluster.options", 100)


def test_a_key_is_explained_with_all_that_is_known_of_it() -> None:
    assert explain("platform.tenants.*.egress[].port", 100) == (
        "platform.tenants.*.egress[].port\n"
        "    destination port\n"
        "    a whole number, from 1 to 65535; required; for example: 443."
    )
    assert explain("cluster.version", 100).endswith(r'text, of the form 1\.\d+; required; for example: "1.35".')
    assert "names of the form [a-z0-9]" in explain("platform.tenants", 100)
    assert explain("validation.timeoutSeconds", 100).endswith("a whole number, from 1 to 3600; default: 60.")


@pytest.mark.parametrize(
    "wanted",
    [
        "platform.tenants.*.quota",
        "platform.tenants.team-a.quota",
        "kubeflow-proof:platform.tenants.team-a.quota",
        'platform.tenants["team.a"].quota',
    ],
)
def test_a_filter_is_a_path_as_a_problem_names_it(wanted: str) -> None:
    found = paths(wanted)
    assert found[0] == "platform.tenants.*.quota"
    assert "platform.tenants.*.quota.gpus" in found
    assert all(path.startswith("platform.tenants.*.quota") for path in found)


@pytest.mark.parametrize("wanted", ["platform.tenants.a.egress[3].cidr", "platform.tenants.a.egress.cidr"])
def test_a_position_in_a_list_may_be_given_or_left_out(wanted: str) -> None:
    assert paths(wanted) == ["platform.tenants.*.egress[].cidr"]


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        ("platform.tenants.team-a.quota.gpuz", "did you mean 'platform.tenants.*.quota.gpus'?"),
        ("clster", "did you mean 'cluster'?"),
        ("memroy", "did you mean 'platform.tenants.*.quota.memory'?"),
        ("timeoutSeconds", "did you mean 'validation.timeoutSeconds'?"),
        ("xyzzy", "keys start with cluster, platform, validation, policies"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(
    wanted: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", wanted]) == 1
    output = capsys.readouterr()
    assert output.err == f"unknown key '{wanted}'; {nearest}\n"
    assert output.out == ""


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_is_wrapped_to_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["explain", "platform.tenants"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    assert all(len(line) <= width or " " not in line.strip() for line in lines)
    assert max(len(line) for line in lines) > 0.5 * width


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (0, "0"), ("ml", "ml"), ("1.35", '"1.35"'), ("true", '"true"'), ("", '""'),
        (("a", "1"), '[a, "1"]'), ({}, "{}"), ({"a": False}, "{a: false}"),
        (ValidationSpec(), "that of each of its keys"),
    ],
)  # fmt: skip
def test_a_default_is_written_as_a_stack_file_would_hold_it(value: object, text: str) -> None:
    assert written(value) == text


def test_an_object_says_that_its_default_is_that_of_its_keys() -> None:
    assert "default: that of each of its keys" in explain("validation", 100)


def test_the_commands_run_as_a_module() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "stacks", "explain", "cluster.name"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.startswith("cluster.name\n    stable logical name")
