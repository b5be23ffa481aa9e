"""Reading the API server's answer to an object: admitted, or refused by the guard that ought to refuse it."""

from __future__ import annotations

from http import HTTPStatus

from workloads.api import Answer
from workloads.outcome import NotMeasurableError, Probes

EXCEEDED = "exceeded quota"


def admitted(probes: Probes, claim: str, answer: Answer) -> None:
    """Record that an object must be admitted. A tenant that is full cannot be measured."""
    if EXCEEDED in answer.message:
        raise NotMeasurableError(f"no room left to try that {claim}: {answer.message}")
    probes.positive(claim, held=answer.ok, saw="admitted" if answer.ok else str(answer))


def denied(probes: Probes, claim: str, answer: Answer, *words: str, earlier: str = "") -> None:
    """Record that an object must be refused, by the guard whose words these are, or by a named earlier one."""
    known = all(word in answer.message for word in words) or (earlier != "" and earlier in answer.message)
    held = answer.status == HTTPStatus.FORBIDDEN and known
    probes.negative(claim, held=held, saw="admitted" if answer.ok else str(answer))
