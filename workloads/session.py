"""One run from its stack's outputs to its folder: resumable after each criterion, interrupted without leftovers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workloads import catalog, report, runner, snapshot
from workloads.api import Api
from workloads.backends.process.bench import Bench
from workloads.cluster import Visit
from workloads.contract import CONTAINERS, Target
from workloads.criterion import Backend, Criterion
from workloads.outcome import Result
from workloads.profile import Profile

NAME = "%Y%m%dT%H%M%S.%fZ"


class ResumeError(Exception):
    """There is no run that could go on; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What somebody asked for."""

    stack: str
    target: Target
    outputs: dict[str, Any]
    criteria: tuple[Criterion, ...]
    selected: tuple[str, ...]  # by name; empty for all
    profile: Profile
    backends: frozenset[Backend]
    out: Path
    standins: tuple[str, ...]
    resume: bool
    say: Callable[[str], None]


def backends(target: Target) -> frozenset[Backend]:
    """Where a stack is judged by default: only in its cluster, unless that runs no containers."""
    return frozenset({Backend.CLUSTER} if CONTAINERS in target.capabilities else Backend)


def run(wanted: Wanted, api: Api) -> tuple[Path, report.Document, list[Result]]:
    """Judge what is not judged yet; give back the run's folder, its document and all its results."""
    target = wanted.target
    limits = catalog.limits(target)
    required = catalog.required_ids(target) | set(wanted.selected)
    started, done = _begun(wanted)
    name = started.strftime(NAME)
    left = tuple(one for one in wanted.criteria if one.id not in done)
    found = dict(done)
    with ExitStack() as stack:
        folder = wanted.out.resolve() / "validation" / name
        bench = Bench(target=target, profile=wanted.profile, folder=folder / "software", limits=limits, say=wanted.say)
        visit = Visit(api, run=name, timeout_seconds=target.rules.timeout_seconds, terms=bench)
        seen = snapshot.Snapshot(server="", nodes=())
        if Backend.CLUSTER in wanted.backends:
            stack.enter_context(visit)
            seen = visit.watch(lambda: snapshot.take(api, target), lambda now: not now.unready)
            if seen.unready:
                wanted.say(f"not ready after {target.rules.timeout_seconds} s: {', '.join(seen.unready)}")
        stack.enter_context(bench)

        def written(finished: datetime | None) -> report.Document:
            results = [found[one.id] for one in wanted.criteria if one.id in found]
            document = report.document(
                report.Record(
                    run=name,
                    stack=wanted.stack,
                    environment=target.environment,
                    profile=wanted.profile.name,
                    outputs=report.digest(wanted.outputs),
                    machine=report.machine(),
                    standins=seen.standins(wanted.standins),
                    started=started,
                    finished=finished,
                    snapshot=seen,
                    selected=wanted.selected,
                    results=tuple(results),
                    pending=tuple(one.id for one in wanted.criteria if one.id not in found),
                )
            )
            write = report.save if finished is None else report.write
            write(wanted.out, document, name=name, attachments=report.attachments(results))
            return document

        def keep(result: Result) -> None:
            found[result.id] = result
            written(None)

        grounds = runner.Grounds(target=target, visit=visit, bench=bench, allowed=wanted.backends)
        runner.run(left, grounds, required=required, progress=wanted.say, keep=keep)
    results = [found[one.id] for one in wanted.criteria]
    return folder, written(datetime.now(tz=UTC)), results


def _begun(wanted: Wanted) -> tuple[datetime, dict[str, Result]]:
    """When the run began, and what it has: nothing, unless one is to go on."""
    if not wanted.resume:
        return datetime.now(tz=UTC), {}
    latest = wanted.out / "validation" / "latest"
    try:
        earlier = report.read(latest)
    except report.ReportError as error:
        raise ResumeError(f"--resume: {error}") from error
    same = {
        "stack": (earlier.stack, wanted.stack),
        "profile": (earlier.profile, wanted.profile.name),
        "stack outputs": (earlier.outputs, report.digest(wanted.outputs)),
    }
    if earlier.finished is not None:
        raise ResumeError(f"--resume: the latest run ({earlier.run}) is finished; start a new one")
    if differences := [f"{what}: found {had}, now {now}" for what, (had, now) in same.items() if had != now]:
        raise ResumeError("\n".join(f"--resume: the unfinished run had another {line}" for line in differences))
    began = datetime.strptime(earlier.run, NAME).replace(tzinfo=UTC)
    kept = report.restored(latest)
    return began, {one.id: kept[one.id] for one in wanted.criteria if one.id in kept}
