"""Runs checks one after the other. Decides nothing about them, but that a look that fails is no pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .checks import CannotLookError, Check, Finding, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A check and what it came to."""

    check: Check
    finding: Finding


def run(
    checks: Iterable[Check], tell: Callable[[Result], None] = lambda _: None, *, offline: bool = False
) -> tuple[Result, ...]:
    """The results in their order; each is told as soon as it is there."""
    results: list[Result] = []
    for check in checks:
        result = Result(check=check, finding=_judged(check, offline=offline))
        tell(result)
        results.append(result)
    return tuple(results)


def fine(results: Iterable[Result]) -> bool:
    """Whether nothing stands against `pulumi up`. What could not be seen does not; it is told."""
    return all(result.finding.outcome is not Outcome.FAIL for result in results)


def _judged(check: Check, *, offline: bool) -> Finding:
    if offline and check.looks:
        return Finding(outcome=Outcome.SKIP, reason="not looked at: --offline")
    try:
        return check.judge()
    except CannotLookError as error:
        return Finding(outcome=Outcome.SKIP, reason=str(error), remedy=error.remedy)
    except Exception as error:  # noqa: BLE001 - a check that breaks must neither pass nor hide the others
        reason = f"the check itself broke: {type(error).__name__}: {error}"
        return Finding(outcome=Outcome.FAIL, reason=reason, remedy="report it as a bug; --offline leaves it out")
