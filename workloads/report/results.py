"""From what a run found to its report's model, and back, so that a run that was cut off can go on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workloads.outcome import Attachment, Better, Kind, Measurement, Outcome, Probe, Result, Series
from workloads.snapshot import Snapshot

from .hints import hint
from .model import Curve, Document, Figure, File, Node, Run, Seen, Verdict, read

_SECRET = ("kubeconfig", "logins")  # outputs that never enter a report, nor its digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One run, finished or not. `selected` is what `--only` named, `pending` what was not reached."""

    stack: str
    standins: tuple[str, ...]
    started: datetime
    finished: datetime | None
    snapshot: Snapshot
    selected: tuple[str, ...]
    results: tuple[Result, ...]
    run: str = ""
    environment: str = ""
    profile: str = ""
    outputs: str = ""
    machine: Mapping[str, str] = field(default_factory=dict[str, str])
    pending: tuple[str, ...] = ()


def document(record: Record) -> Document:
    """Everything worth keeping, as result.json holds it (see result.schema.json)."""
    return run_of(record).to_json()


def run_of(record: Record) -> Run:
    """The model of one run."""
    return Run(
        run=record.run or record.started.strftime("%Y%m%dT%H%M%S.%fZ"),
        stack=record.stack,
        environment=record.environment,
        profile=record.profile,
        outputs=record.outputs,
        standins=record.standins,
        machine=dict(record.machine),
        server=record.snapshot.server,
        nodes=tuple(
            Node(name=node.name, pool=node.pool, ready=node.ready, gpus=node.gpus, kubelet=node.kubelet,
                 simulated=node.simulated)
            for node in record.snapshot.nodes
        ),
        started=record.started.isoformat(timespec="seconds"),
        finished=record.finished and record.finished.isoformat(timespec="seconds"),
        selected=record.selected,
        pending=record.pending,
        criteria=tuple(_verdict(one) for one in record.results),
    )  # fmt: skip


def attachments(results: Iterable[Result]) -> dict[str, str]:
    """The evidence files of a run: path from its folder -> text."""
    return {_path(one, attached): attached.text for one in results for attached in one.attachments}


def digest(outputs: Mapping[str, Any]) -> str:
    """What tells one state of a stack from another, without its secrets."""
    plain = {name: value for name, value in outputs.items() if name not in _SECRET}
    return "sha256:" + hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def machine() -> dict[str, str]:
    """What measured: figures of the process backend, and of every load, depend on it."""
    kilobytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {
        "processors": str(os.cpu_count()),
        "memory": f"{kilobytes / 1024 / 1024:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "load over the last minute": f"{os.getloadavg()[0]:.1f}",
    }


def restored(folder: Path) -> dict[str, Result]:
    """The results that a run already has, by criterion; raises ReportError where the folder holds no run."""
    return {one.id: _result(one, folder) for one in read(folder).criteria}


def _verdict(result: Result) -> Verdict:
    return Verdict(
        id=result.id,
        title=result.title,
        clause=result.clause,
        level="MUST" if result.required else "SHOULD",
        required=result.required,
        outcome=result.outcome.value,
        reason=result.reason,
        hint=hint(result.id, result.outcome.value, result.reason),
        backend=result.backend,
        place=result.place,
        value=result.value,
        unit=result.unit,
        threshold=result.threshold,
        better=result.better.value,
        started=datetime.fromtimestamp(result.started, tz=UTC).isoformat(timespec="milliseconds"),
        seconds=result.seconds,
        evidence=tuple(
            Seen(probe=one.kind.value, claim=one.claim, held=one.held, saw=one.saw, figure=_figure(one.measurement))
            for one in result.evidence
        ),
        notes=result.notes,
        series=tuple(
            Curve(name=one.name, x=one.x_unit, y=one.y_unit, points=one.points, limit=one.limit)
            for one in result.series
        ),
        files=tuple(_file(result, one) for one in result.attachments),
    )


def _figure(found: Measurement | None) -> Figure | None:
    if found is None:
        return None
    return Figure(
        metric=found.metric, value=found.value, unit=found.unit, n=found.n, method=found.method, limit=found.limit,
        better=found.better.value, low=found.low, high=found.high, confidence=found.confidence,
    )  # fmt: skip


def _path(result: Result, attached: Attachment) -> str:
    """A name that is safe on every system, below the criterion's own folder."""
    name = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in attached.name)
    return f"evidence/{result.id}/{name.lstrip('.') or 'unnamed'}"


def _file(result: Result, attached: Attachment) -> File:
    content = attached.text.encode()
    return File(
        name=attached.name,
        path=_path(result, attached),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def _result(one: Verdict, folder: Path) -> Result:
    return Result(
        id=one.id,
        title=one.title,
        clause=one.clause,
        required=one.required,
        outcome=Outcome(one.outcome),
        reason=one.reason,
        backend=one.backend,
        place=one.place,
        value=one.value,
        unit=one.unit,
        threshold=one.threshold,
        better=Better(one.better),
        evidence=tuple(
            Probe(kind=Kind(seen.probe), claim=seen.claim, held=seen.held, saw=seen.saw,
                  measurement=_measurement(seen.figure))
            for seen in one.evidence
        ),
        notes=one.notes,
        series=tuple(
            Series(name=curve.name, x_unit=curve.x, y_unit=curve.y, points=curve.points, limit=curve.limit)
            for curve in one.series
        ),
        attachments=tuple(
            Attachment(name=file.name, text=(folder / file.path).read_bytes().decode()) for file in one.files
        ),
        started=datetime.fromisoformat(one.started).timestamp(),
        seconds=one.seconds,
    )  # fmt: skip


def _measurement(figure: Figure | None) -> Measurement | None:
    if figure is None:
        return None
    return Measurement(
        metric=figure.metric, value=figure.value, unit=figure.unit, n=figure.n, method=figure.method,
        limit=figure.limit, better=Better(figure.better), low=figure.low, high=figure.high,
        confidence=figure.confidence,
    )  # fmt: skip
