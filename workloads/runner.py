"""Runs criteria one after the other and turns what checks saw into verdicts. No check stops the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workloads.backends.process.bench import Bench
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.criterion import Backend, Criterion
from workloads.outcome import NotMeasurableError, Outcome, Probes, Result, SkippedError

TRIES = 3  # of a measurement that says of itself that it means nothing

Progress = Callable[[str], None]
Keep = Callable[[Result], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grounds:
    """Where checks may look: a visit to the cluster and the software on this machine."""

    target: Target
    visit: Visit
    bench: Bench
    allowed: frozenset[Backend]


def run(
    criteria: Iterable[Criterion],
    grounds: Grounds,
    *,
    required: frozenset[str],
    progress: Progress,
    keep: Keep,
) -> list[Result]:
    """Judge each criterion; what a check created is gone before the next begins. `keep` gets each result at once."""
    results: list[Result] = []
    for criterion in criteria:
        progress(f"{criterion.id} ...")
        result = _one(criterion, grounds, required=criterion.id in required)
        where = f" on {result.backend}" if result.backend else ""
        progress(f"{criterion.id}: {result.outcome.value}{where} ({result.seconds:.1f} s) {result.reason}")
        results.append(result)
        keep(result)
    return results


def _one(criterion: Criterion, grounds: Grounds, *, required: bool) -> Result:
    began, started = time.monotonic(), time.time()
    backend, place = criterion.backend(grounds.target, grounds.allowed)

    def result(outcome: Outcome, reason: str, probes: Probes | None = None) -> Result:
        seen = probes or Probes()
        return Result(
            id=criterion.id,
            title=criterion.title,
            clause=criterion.clause,
            required=required,
            outcome=outcome,
            reason=reason,
            backend=backend and backend.value,
            place=place if backend else "",
            value=_headline(criterion, seen) if probes else None,
            unit=criterion.unit,
            threshold=grounds.bench.limits[criterion.id],
            better=criterion.better,
            evidence=tuple(seen.all),
            notes=tuple(seen.notes),
            series=tuple(seen.series),
            attachments=tuple(seen.attachments),
            started=started,
            seconds=round(time.monotonic() - began, 2),
        )

    if backend is None:
        return result(Outcome.SKIP, place)
    tries = TRIES if backend is Backend.PROCESS else 1
    doubts: list[str] = []
    while len(doubts) < tries:
        try:
            probes = _look(criterion, grounds, backend)
        except NotMeasurableError as doubt:
            doubts.append(str(doubt))
        except SkippedError as reason:
            return result(Outcome.SKIP, str(reason))
        except Exception as error:  # noqa: BLE001 - a broken check is a result, and the others still run
            return result(Outcome.ERROR, f"{type(error).__name__}: {error}")
        else:
            outcome, reason = judge(probes)
            if doubts:
                probes.note(f"tried {len(doubts) + 1} times; not valid before: {'; '.join(doubts)}")
            return result(outcome, reason, probes)
    return result(Outcome.INVALID, "; ".join(dict.fromkeys(doubts)))


def _look(criterion: Criterion, grounds: Grounds, backend: Backend) -> Probes:
    if backend is Backend.PROCESS and criterion.process is not None:
        return criterion.process(grounds.bench)
    if criterion.cluster is None:
        raise SkippedError(criterion.unmeasured)
    with grounds.visit.scope():
        return criterion.cluster(grounds.target, grounds.visit)


def _headline(criterion: Criterion, probes: Probes) -> float:
    """The figure that stands beside the threshold: one of its unit, else the share of the claims that held."""
    return next((one.value for one in probes.measurements if one.unit == criterion.unit), probes.held_percent)


def judge(probes: Probes) -> tuple[Outcome, str]:
    """The verdict on what a check saw. Without both halves of the proof nothing passes."""
    if failed := [one for one in probes.all if not one.held]:
        return Outcome.FAIL, "; ".join(f"not so: {one.claim} ({one.saw})" for one in failed)
    if half := probes.missing_half():
        return Outcome.ERROR, f"the check tried no {half.value} probe, so it proves nothing"
    figures = [str(one) for one in probes.measurements]
    return Outcome.PASS, "; ".join([*(figures or [f"all {len(probes.all)} probes behaved"]), *probes.notes])


def accepted(results: Iterable[Result]) -> bool:
    """Whether every required criterion passed. A required skip is not a pass."""
    return all(result.outcome is Outcome.PASS for result in results if result.required)
