"""From results to result.json, and from that alone to Markdown and the terminal."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from workloads.outcome import Outcome, Result
from workloads.runner import accepted
from workloads.snapshot import Snapshot

SCHEMA = 1
_COLOURS = {"PASS": "green", "FAIL": "bold red", "SKIP": "yellow", "INVALID": "magenta", "ERROR": "bold red"}

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One finished run. `selected` is what `--only` named; empty for a whole run."""

    stack: str
    standins: tuple[str, ...]
    started: datetime
    finished: datetime
    snapshot: Snapshot
    selected: tuple[str, ...]
    results: tuple[Result, ...]


def document(record: Record) -> Document:
    """Everything worth keeping, as result.json holds it (see result.schema.json)."""
    passed = accepted(record.results)
    verdict = "refused" if not passed else "partial" if record.selected else "accepted"
    counts = {outcome.value: sum(one.outcome is outcome for one in record.results) for outcome in Outcome}
    return {
        "schema": SCHEMA,
        "stack": record.stack,
        "backend": "cluster",
        "standins": list(record.standins),
        "started": record.started.isoformat(timespec="seconds"),
        "finished": record.finished.isoformat(timespec="seconds"),
        "summary": {
            "verdict": verdict,
            "counts": counts,
            "required": sum(one.required for one in record.results),
            "requiredPassed": sum(one.required and one.outcome is Outcome.PASS for one in record.results),
            "selected": list(record.selected),
        },
        "snapshot": {"server": record.snapshot.server, "nodes": [asdict(node) for node in record.snapshot.nodes]},
        "criteria": [_criterion(one) for one in record.results],
    }


def _criterion(result: Result) -> Document:
    evidence = [
        {"probe": one.kind.value, "claim": one.claim, "held": one.held, "saw": one.saw} for one in result.evidence
    ]
    return {**asdict(result), "outcome": result.outcome.value, "evidence": evidence}


def write(out: Path, content: Document, *, name: str) -> Path:
    """Store one run under its own name and let `latest` point to it; give back its folder."""
    folder = out / "validation" / name
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(content), encoding="utf-8")
    link, fresh = folder.parent / "latest", folder.parent / f".latest-{name}"
    fresh.symlink_to(folder.name)
    os.replace(fresh, link)  # noqa: PTH105 - Path.replace follows neither, and os.replace says that it is atomic
    return folder


def markdown(content: Document) -> str:
    """The report for people."""
    summary = content["summary"]
    lines = [
        f"# Validation of stack {content['stack']}: {summary['verdict']}",
        "",
        f"{summary['requiredPassed']} of {summary['required']} required criteria passed.",
        f"{content['started']} to {content['finished']}, Kubernetes {content['snapshot']['server']},",
        f"{len(content['snapshot']['nodes'])} nodes, {_unready(content['snapshot']['nodes'])}.",
        "",
        *_partial(summary["selected"]),
        *_simulated(content["standins"]),
        "| Outcome | Criterion | Required | Measured | Threshold | Seconds |",
        "|---|---|---|---|---|---|",
        *(_row(one) for one in content["criteria"]),
        "",
    ]
    for one in content["criteria"]:
        lines += [f"## {one['id']}: {one['outcome']}", "", f"{one['title']}.", "", f"{one['reason'].rstrip('.')}.", ""]
        lines += [_evidence(probe) for probe in one["evidence"]]
        lines += [""] if one["evidence"] else []
    return "\n".join(lines).rstrip() + "\n"


def _unready(nodes: list[Document]) -> str:
    names = [node["name"] for node in nodes if not node["ready"]]
    return f"NOT ready: {', '.join(names)}" if names else "all ready"


def _partial(selected: list[str]) -> list[str]:
    return [f"Partial run, no acceptance: only {', '.join(selected)}.", ""] if selected else []


def _simulated(standins: list[str]) -> list[str]:
    if not standins:
        return ["Nothing in this run was simulated.", ""]
    listed = [f"- {one}" for one in standins]
    return [
        "**Simulated in this run**, so that it proves nothing about the real parts in their place:",
        "",
        *listed,
        "",
    ]


def _row(one: Document) -> str:
    required = "yes" if one["required"] else "no"
    threshold = f"{one['threshold']:g} {one['unit']}"
    return f"| {one['outcome']} | {one['id']} | {required} | {_measured(one)} | {threshold} | {one['seconds']} |"


def _measured(one: Document) -> str:
    return "-" if one["value"] is None else f"{one['value']:g} {one['unit']}"


def _evidence(probe: Document) -> str:
    mark = "held" if probe["held"] else "**NOT SO**"
    return f"- {mark} ({probe['probe']}): {probe['claim']}. Saw: {probe['saw']}"


def table(content: Document) -> Table:
    """The same for a terminal."""
    made = Table(title=f"Validation of stack {content['stack']}: {content['summary']['verdict']}", title_justify="left")
    for heading in ("outcome", "criterion", "required", "measured", "seconds"):
        made.add_column(heading, no_wrap=heading != "measured")
    made.add_column("reason", overflow="fold")
    for one in cast("list[Document]", content["criteria"]):
        made.add_row(
            Text(one["outcome"], style=_COLOURS[one["outcome"]]),
            one["id"],
            "yes" if one["required"] else "no",
            _measured(one),
            f"{one['seconds']:.1f}",
            Text(one["reason"]),
        )
    return made
