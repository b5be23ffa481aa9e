from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

import workloads
from tests.support import results
from workloads import report
from workloads.outcome import Outcome, Result
from workloads.snapshot import SIMULATED_NODES, Snapshot

SCHEMA = json.loads((Path(workloads.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
PASSED, SKIPPED = results.passed(), results.skipped()
UNFINISHED = replace(results.record(PASSED), finished=None, pending=("drift.detected",))


@pytest.mark.parametrize(
    "record",
    [results.record(), results.record(SKIPPED), UNFINISHED, results.hostile(), replace(UNFINISHED, results=())],
)
def test_every_result_satisfies_the_published_schema(record: report.Record) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    errors = [one.message for one in cast("Any", Draft202012Validator(SCHEMA)).iter_errors(report.document(record))]
    assert errors == []


@pytest.mark.parametrize(
    ("found", "selected", "verdict"),
    [
        ((PASSED,), (), "accepted"),
        ((PASSED, SKIPPED), (), "refused"),
        ((PASSED, replace(SKIPPED, required=False)), (), "accepted"),
        ((PASSED,), (PASSED.id,), "partial"),
        ((SKIPPED,), (PASSED.id,), "refused"),
    ],
)
def test_the_verdict_is_accepted_only_for_a_whole_run_in_which_all_required_passed(
    found: tuple[Result, ...], selected: tuple[str, ...], verdict: str
) -> None:
    content = report.document(replace(results.record(*found), selected=selected))
    assert content["summary"]["verdict"] == verdict


@pytest.mark.parametrize("record", [UNFINISHED, replace(UNFINISHED, pending=()), replace(UNFINISHED, results=())])
def test_a_run_that_was_cut_off_is_never_accepted(record: report.Record) -> None:
    assert report.document(record)["summary"]["verdict"] == "unfinished"


def test_the_first_line_says_what_was_measured_where_and_what_is_simulated() -> None:
    said = report.document(results.record())["measured"]
    assert said == (
        "Measured: 1 criterion in the cluster and 4 criteria by real software on the machine that ran the validation; "
        f"3 not measured, each with its reason. Simulated: {SIMULATED_NODES}."
    )
    text = report.as_markdown(report.from_json(report.document(results.record()), source="test"))
    assert text.splitlines()[2] == said


def test_what_is_read_back_is_what_was_written() -> None:
    content = report.document(results.record())
    assert report.from_json(json.loads(json.dumps(content)), source="test").to_json() == content


def test_a_run_that_was_cut_off_goes_on_with_the_results_that_it_has(tmp_path: Path) -> None:
    record = replace(results.record(), finished=None, pending=("batch.rows",))
    folder = report.save(tmp_path, report.document(record), name="cut", attachments=report.attachments(record.results))
    assert report.restored(folder) == {one.id: one for one in record.results}


@pytest.mark.parametrize("content", ["[]", "{}", '{"schema": 1}', '{"schema": 2}', "no JSON"])
def test_what_is_no_result_of_this_version_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content, encoding="utf-8")
    with pytest.raises(report.ReportError, match=r"result\.json"):
        report.read(tmp_path)


def test_the_report_says_plainly_what_is_simulated() -> None:
    def text(record: report.Record) -> str:
        return report.as_markdown(report.from_json(report.document(record), source="test"))

    assert f"- {SIMULATED_NODES}" in text(results.record())
    assert "Nothing in this run was simulated." in text(replace(results.record(), standins=()))


def test_the_report_shows_the_reason_of_a_skip_and_no_measured_value() -> None:
    text = report.as_markdown(report.from_json(report.document(results.record(SKIPPED)), source="test"))
    row = "| SKIP | limits.defaults-are-applied | yes | not measured | at least 100 % of probes | nowhere |"
    assert row in text
    assert "needs two tenants, which this stack does not have." in text


def test_the_terminal_table_shows_server_messages_as_they_are() -> None:
    screen = Console(width=200, record=True, file=io.StringIO())
    odd = replace(SKIPPED, reason="odd [red]text[/]")
    screen.print(report.table(report.document(results.record(odd))))
    assert "odd [red]text[/]" in screen.export_text()


def test_latest_always_points_to_the_newest_run(tmp_path: Path) -> None:
    content = report.document(results.record(PASSED))
    report.write(tmp_path, content, name="first")
    folder = report.write(tmp_path, content, name="second")
    latest = tmp_path / "validation/latest"
    assert latest.resolve() == folder
    assert json.loads((latest / "result.json").read_text(encoding="utf-8")) == content
    assert sorted(one.name for one in latest.parent.iterdir()) == ["first", "latest", "second"]


def test_nodes_that_were_not_ready_are_named() -> None:
    record = results.record(PASSED)
    node = replace(record.snapshot.nodes[0], name="n2", ready=False)
    record = replace(record, snapshot=Snapshot(server="v1.35.4", nodes=(record.snapshot.nodes[0], node)))
    assert record.snapshot.unready == ("n2",)
    assert "2 nodes, NOT ready: n2." in report.as_markdown(report.from_json(report.document(record), source="test"))


def test_simulated_nodes_are_named_once() -> None:
    seen = results.record(PASSED).snapshot
    real = Snapshot(server="v1", nodes=(replace(seen.nodes[0], simulated=False),))
    assert seen.standins(()) == (SIMULATED_NODES,)
    assert seen.standins(("simulated nodes: no containers run",)) == ("simulated nodes: no containers run",)
    assert real.standins(("a plugin",)) == ("a plugin",)


def test_the_digest_of_outputs_knows_no_secret() -> None:
    outputs = {"schema": 2, "kubeconfig": "one", "logins": {"ada": "one"}}
    assert report.digest(outputs) == report.digest({**outputs, "kubeconfig": "two", "logins": {}})
    assert report.digest(outputs) != report.digest({**outputs, "schema": 3})


def test_names_of_evidence_stay_inside_of_the_runs_folder() -> None:
    paths = list(report.attachments(results.hostile().results))
    climbing = replace(results.latency(), attachments=(replace(results.latency().attachments[0], name="../../x"),))
    paths += report.attachments([climbing])
    assert all(path.count("/") == 2 and ".." not in Path(path).parts for path in paths)


def test_what_failed_says_what_to_do_next() -> None:
    found = report.from_json(report.document(results.record()), source="test").criteria
    assert all(one.hint for one in found if one.outcome in {Outcome.FAIL.value, Outcome.INVALID.value})
    assert not any(one.hint for one in found if one.outcome == Outcome.PASS.value)
