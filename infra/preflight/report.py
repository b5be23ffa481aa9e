"""Results as lines for people and as JSON for programs. Prints nothing."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from .checks import Outcome
from .runner import Result, fine

SCHEMA = 1
_LABEL = 26  # columns of the outcome and of a check's id


def lines(result: Result, width: int) -> Iterator[str]:
    """One result: outcome, id and reason, then what to do, and what it would have needed."""
    finding = result.finding
    head = f"{finding.outcome.value.upper():<5} {result.check.id}".ljust(_LABEL)
    notes = [finding.remedy] if finding.remedy else []
    if finding.outcome is Outcome.SKIP:
        notes.append(f"needs {result.check.needs}")
    text = _wrapped(finding.reason, width - _LABEL) or [""]
    yield f"{head} {text[0]}"
    for line in text[1:]:
        yield f"{'':{_LABEL}} {line}"
    for note in notes:
        for index, line in enumerate(_wrapped(note, width - _LABEL - 3)):
            yield f"{'':{_LABEL}} {'-> ' if index == 0 else '   '}{line}"


def summary(results: Sequence[Result]) -> str:
    """The last line."""
    counts = Counter(result.finding.outcome for result in results)
    told = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    verdict = "nothing found that stands against it" if fine(results) else "`pulumi up` would fail"
    return f"{len(results)} checks: {told}: {verdict}"


def document(stack: str, environment: str, results: Sequence[Result]) -> str:
    """The same as JSON."""
    checks: list[dict[str, Any]] = [
        {
            "id": result.check.id,
            "outcome": result.finding.outcome.value,
            "reason": result.finding.reason,
            "remedy": result.finding.remedy,
            "needs": result.check.needs,
        }
        for result in results
    ]
    body = {"schema": SCHEMA, "stack": stack, "environment": environment, "passed": fine(results), "checks": checks}
    return json.dumps(body, indent=2)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 40), break_long_words=False, break_on_hyphens=False)
