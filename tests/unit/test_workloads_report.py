from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from workloads import report
from workloads.outcome import Kind, Outcome, Probe, Result
from workloads.snapshot import SIMULATED_NODES, NodeState, Snapshot

SCHEMA = json.loads((Path(report.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
NODE = NodeState(name="n1", pool="general", ready=True, gpus=0, kubelet="v1.35.4", simulated=True)
RESULT = Result(
    id="limits.defaults-are-applied",
    title="A container that asks for nothing gets bounded requests and limits",
    required=True,
    outcome=Outcome.PASS,
    reason="all 2 probes behaved",
    value=100.0,
    unit="% of probes",
    threshold=100.0,
    evidence=(Probe(kind=Kind.NEGATIVE, claim="defaults do not replace", held=True, saw="resources {}"),),
    seconds=0.1,
)
RECORD = report.Record(
    stack="local",
    standins=(SIMULATED_NODES,),
    started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    finished=datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC),
    snapshot=Snapshot(server="v1.35.4", nodes=(NODE,)),
    selected=(),
    results=(RESULT,),
)
SKIPPED = replace(RESULT, outcome=Outcome.SKIP, reason="needs two tenants", value=None, evidence=())


@pytest.mark.parametrize("results", [(RESULT,), (RESULT, SKIPPED)])
@pytest.mark.parametrize("selected", [(), ("limits.defaults-are-applied",)])
def test_every_result_satisfies_the_published_schema(results: tuple[Result, ...], selected: tuple[str, ...]) -> None:
    content = report.document(replace(RECORD, results=results, selected=selected))
    Draft202012Validator.check_schema(SCHEMA)
    errors = [error.message for error in cast("Any", Draft202012Validator(SCHEMA)).iter_errors(content)]
    assert errors == []


@pytest.mark.parametrize(
    ("results", "selected", "verdict"),
    [
        ((RESULT,), (), "accepted"),
        ((RESULT, SKIPPED), (), "refused"),
        ((RESULT, replace(SKIPPED, required=False)), (), "accepted"),
        ((RESULT,), (RESULT.id,), "partial"),
        ((SKIPPED,), (RESULT.id,), "refused"),
    ],
)
def test_the_verdict_is_accepted_only_for_a_whole_run_in_which_all_required_passed(
    results: tuple[Result, ...], selected: tuple[str, ...], verdict: str
) -> None:
    assert report.document(replace(RECORD, results=results, selected=selected))["summary"]["verdict"] == verdict


def test_the_report_says_plainly_what_is_simulated() -> None:
    text = report.markdown(report.document(RECORD))
    assert "**Simulated in this run**" in text
    assert f"- {SIMULATED_NODES}" in text
    assert "Nothing in this run was simulated." in report.markdown(report.document(replace(RECORD, standins=())))


def test_the_report_shows_the_reason_of_a_skip_and_no_measured_value() -> None:
    text = report.markdown(report.document(replace(RECORD, results=(SKIPPED,))))
    assert "| SKIP | limits.defaults-are-applied | yes | - | 100 % of probes |" in text
    assert "needs two tenants." in text


def test_the_terminal_table_shows_server_messages_as_they_are() -> None:
    screen = Console(width=200, record=True, file=io.StringIO())
    odd = replace(SKIPPED, reason="odd [red]text[/]")
    screen.print(report.table(report.document(replace(RECORD, results=(odd,)))))
    assert "odd [red]text[/]" in screen.export_text()


def test_latest_always_points_to_the_newest_run(tmp_path: Path) -> None:
    content = report.document(RECORD)
    report.write(tmp_path, content, name="first")
    folder = report.write(tmp_path, content, name="second")
    latest = tmp_path / "validation/latest"
    assert latest.resolve() == folder
    assert json.loads((latest / "result.json").read_text(encoding="utf-8")) == content
    assert sorted(one.name for one in latest.parent.iterdir()) == ["first", "latest", "second"]


def test_nodes_that_were_not_ready_are_named() -> None:
    broken = replace(NODE, name="n2", ready=False)
    snapshot = Snapshot(server="v1.35.4", nodes=(NODE, broken))
    assert snapshot.unready == ("n2",)
    assert "2 nodes, NOT ready: n2." in report.markdown(report.document(replace(RECORD, snapshot=snapshot)))


def test_simulated_nodes_are_named_once() -> None:
    seen = RECORD.snapshot
    assert seen.standins(()) == (SIMULATED_NODES,)
    assert seen.standins(("simulated nodes: no containers run",)) == ("simulated nodes: no containers run",)
    assert Snapshot(server="v1", nodes=(replace(NODE, simulated=False),)).standins(("a plugin",)) == ("a plugin",)
