"""The result of one run as typed data, written to result.json and read back. Everything else is rendered from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

SCHEMA = 2
OUTCOMES = ("PASS", "FAIL", "SKIP", "INVALID", "ERROR")
MEASURED = ("PASS", "FAIL")  # outcomes that say something about the stack

Document = dict[str, Any]

T = TypeVar("T")

PLACES: Mapping[str, str] = {
    "cluster": "in the cluster",
    "process": "by real software on the machine that ran the validation",
}


class ReportError(Exception):
    """A result, or the outputs of a stack, cannot be read; the message says which and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured value beside its limit."""

    metric: str
    value: float
    unit: str
    n: int
    method: str
    limit: float | None
    better: str  # lower, higher
    low: float | None
    high: float | None
    confidence: float | None

    @property
    def inside(self) -> bool | None:
        """Whether the value is on the right side of its limit; None where there is no limit."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.better == "lower" else self.value >= self.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One claim that was tried."""

    probe: str  # positive, negative
    claim: str
    held: bool
    saw: str
    figure: Figure | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """The points of one line of a plot. Those whose names agree up to a slash belong to one plot."""

    name: str
    x: str  # unit
    y: str  # unit
    points: tuple[tuple[float, float], ...]
    limit: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """Evidence beside the result, by its path from the run's folder."""

    name: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one criterion."""

    id: str
    title: str  # the requirement's sentence
    clause: str  # where the requirement documents say so
    level: str  # MUST, SHOULD
    required: bool  # for this stack
    outcome: str
    reason: str
    hint: str  # what to do next; empty where nothing is to be done
    backend: str | None  # None: measured nowhere
    place: str  # what was looked at
    value: float | None
    unit: str
    threshold: float
    better: str  # higher, lower
    started: str
    seconds: float
    evidence: tuple[Seen, ...]
    notes: tuple[str, ...]
    series: tuple[Curve, ...]
    files: tuple[File, ...]

    @property
    def area(self) -> str:
        """The first part of the criterion's name."""
        return self.id.split(".", 1)[0]

    @property
    def where(self) -> str:
        """The backend and what it looked at."""
        return f"{self.backend}: {self.place}" if self.backend else "nowhere"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure that a claim was about."""
        return tuple(seen.figure for seen in self.evidence if seen.figure is not None)

    @property
    def main(self) -> Figure | None:
        """The figure that stands beside the threshold: the first of its unit, else of those with a limit."""
        same = (one for one in self.figures if one.unit == self.unit and one.value == self.value)
        return next(same, next((one for one in self.figures if one.limit is not None), None))


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of the cluster when it was judged."""

    name: str
    pool: str
    ready: bool
    gpus: int
    kubelet: str
    simulated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run. `finished` is None while it goes on or after it was cut off; `pending` is what was not reached."""

    run: str
    stack: str
    environment: str
    profile: str
    outputs: str  # digest of the stack outputs without their secrets
    standins: tuple[str, ...]
    machine: Mapping[str, str]  # that ran the validation: processor, cores, memory, kernel, load
    server: str
    nodes: tuple[Node, ...]
    started: str
    finished: str | None
    selected: tuple[str, ...]
    pending: tuple[str, ...]
    criteria: tuple[Verdict, ...]

    @property
    def verdict(self) -> str:
        """The one word: accepted only for a whole run in which every required criterion passed."""
        if self.finished is None or self.pending:
            return "unfinished"
        if any(one.required and one.outcome != "PASS" for one in self.criteria):
            return "refused"
        return "partial" if self.selected else "accepted"

    @property
    def counts(self) -> dict[str, int]:
        """How many criteria came to each end."""
        return {outcome: sum(one.outcome == outcome for one in self.criteria) for outcome in OUTCOMES}

    @property
    def required(self) -> tuple[Verdict, ...]:
        """The criteria that decide."""
        return tuple(one for one in self.criteria if one.required)

    def to_json(self) -> Document:
        """As result.json holds it."""
        summary = {
            "verdict": self.verdict,
            "counts": self.counts,
            "required": len(self.required),
            "requiredPassed": sum(one.outcome == "PASS" for one in self.required),
            "selected": list(self.selected),
            "pending": list(self.pending),
        }
        return {
            "schema": SCHEMA,
            "run": self.run,
            "stack": self.stack,
            "environment": self.environment,
            "profile": self.profile,
            "outputs": self.outputs,
            "measured": measured(self),
            "standins": list(self.standins),
            "started": self.started,
            "finished": self.finished,
            "summary": summary,
            "snapshot": {
                "server": self.server,
                "machine": dict(self.machine),
                "nodes": [asdict(node) for node in self.nodes],
            },
            "criteria": [_listed(asdict(one)) for one in self.criteria],
        }


def measured(run: Run) -> str:
    """The first line of every report: what was measured where, and what in it is not real."""
    told: list[str] = []
    for backend in dict.fromkeys(one.backend for one in run.criteria if one.backend):
        count = sum(one.backend == backend and one.outcome in MEASURED for one in run.criteria)
        if count:
            told.append(f"{count} {'criterion' if count == 1 else 'criteria'} {PLACES.get(backend, backend)}")
    without = sum(one.outcome not in MEASURED for one in run.criteria)
    rest = [f"{without} not measured, each with its reason"] if without else []
    rest += [f"{len(run.pending)} not reached"] if run.pending else []
    parts = "; ".join(["Measured: " + (" and ".join(told) or "nothing"), *rest])
    return f"{parts}. Simulated: {'; '.join(run.standins) or 'nothing'}."


def read(path: Path) -> Run:
    """A run from its folder or its result.json."""
    file = path / "result.json" if path.is_dir() else path
    try:
        content = cast("object", json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReportError(f"{file}: no result can be read: {error}") from error
    return from_json(content, source=str(file))


def from_json(content: object, *, source: str) -> Run:
    """A run as `to_json` wrote it. Another version's result is refused: its fields may mean something else."""
    body = cast("Document", content) if isinstance(content, dict) else {}
    if body.get("schema") != SCHEMA:
        raise ReportError(f"{source}: expected a result of schema {SCHEMA}, found {body.get('schema')!r}")
    try:
        summary, snapshot = body["summary"], body["snapshot"]
        return Run(
            **{name: body[name] for name in _PLAIN},
            standins=tuple(body["standins"]),
            machine=snapshot["machine"],
            server=snapshot["server"],
            nodes=tuple(_made(Node, node) for node in snapshot["nodes"]),
            selected=tuple(summary["selected"]),
            pending=tuple(summary["pending"]),
            criteria=tuple(_verdict(one) for one in body["criteria"]),
        )
    except (KeyError, TypeError) as error:
        raise ReportError(f"{source}: not a whole result: {type(error).__name__}: {error}") from error


_PLAIN = ("run", "stack", "environment", "profile", "outputs", "started", "finished")


def _verdict(one: Document) -> Verdict:
    parts = {
        "evidence": tuple(_made(Seen, {**seen, "figure": _figure(seen["figure"])}) for seen in one["evidence"]),
        "notes": tuple(one["notes"]),
        "series": tuple(
            _made(Curve, {**curve, "points": tuple((float(x), float(y)) for x, y in curve["points"])})
            for curve in one["series"]
        ),
        "files": tuple(_made(File, file) for file in one["files"]),
    }
    return _made(Verdict, {**one, **parts})


def _figure(body: Document | None) -> Figure | None:
    return None if body is None else _made(Figure, body)


def _made(kind: type[T], body: Document) -> T:
    return kind(**body)


def _listed(value: object) -> Any:  # noqa: ANN401 - any JSON
    """Tuples as JSON's lists."""
    if isinstance(value, dict):
        return {name: _listed(part) for name, part in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_listed(part) for part in cast("Iterable[object]", value)]
    return value
