"""Runs criteria one after the other and turns what checks saw into verdicts. No check stops the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from workloads.catalog import Criterion
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import NotMeasurableError, Outcome, Probe, Probes, Result

Progress = Callable[[str], None]


def run(
    criteria: Iterable[Criterion], target: Target, visit: Visit, *, required: frozenset[str], progress: Progress
) -> list[Result]:
    """Judge each criterion; whatever a check created is gone before the next begins."""
    results: list[Result] = []
    for criterion in criteria:
        progress(f"{criterion.id} ...")
        result = _one(criterion, target, visit, required=criterion.id in required)
        progress(f"{criterion.id}: {result.outcome.value} ({result.seconds:.1f} s) {result.reason}")
        results.append(result)
    return results


def _one(criterion: Criterion, target: Target, visit: Visit, *, required: bool) -> Result:
    began = time.monotonic()

    def result(outcome: Outcome, reason: str, value: float | None = None, evidence: tuple[Probe, ...] = ()) -> Result:
        return Result(
            id=criterion.id,
            title=criterion.title,
            required=required,
            outcome=outcome,
            reason=reason,
            value=value,
            unit=criterion.unit,
            threshold=criterion.threshold,
            evidence=evidence,
            seconds=round(time.monotonic() - began, 2),
        )

    if obstacle := criterion.obstacle(target):
        return result(Outcome.SKIP, obstacle)
    try:
        with visit.scope():
            probes = criterion.check(target, visit)
    except NotMeasurableError as doubt:
        return result(Outcome.INVALID, str(doubt))
    except Exception as error:  # noqa: BLE001 - a broken check is a result, and the others still run
        return result(Outcome.ERROR, f"{type(error).__name__}: {error}")
    outcome, reason = judge(probes, criterion.threshold)
    return result(outcome, reason, probes.held_percent, tuple(probes.all))


def judge(probes: Probes, threshold: float) -> tuple[Outcome, str]:
    """The verdict on what a check saw. Without both halves of the proof there is none."""
    if half := probes.missing_half():
        return Outcome.ERROR, f"the check tried no {half.value} probe, so it proves nothing"
    if probes.held_percent < threshold:
        return Outcome.FAIL, "; ".join(f"not so: {one.claim} ({one.saw})" for one in probes.all if not one.held)
    return Outcome.PASS, "; ".join([f"all {len(probes.all)} probes behaved", *probes.notes])


def accepted(results: Iterable[Result]) -> bool:
    """Whether every required criterion passed. A required skip is not a pass."""
    return all(result.outcome is Outcome.PASS for result in results if result.required)
