"""What a check can come to. Five outcomes; nothing here turns a skip or a doubt into a pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """The five ends of a check."""

    PASS = "PASS"  # noqa: S105 - an outcome, no password
    FAIL = "FAIL"
    SKIP = "SKIP"  # not tried, for a stated reason
    INVALID = "INVALID"  # tried, but the cluster's state made the measurement meaningless
    ERROR = "ERROR"  # the check itself broke


class Kind(Enum):
    """The two halves of every proof."""

    POSITIVE = "positive"  # what must work does work
    NEGATIVE = "negative"  # its twin: what must not happen does not


class NotMeasurableError(Exception):
    """The cluster's state makes the measurement meaningless; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One claim that was tried, and what was seen."""

    kind: Kind
    claim: str
    held: bool
    saw: str


class Probes:
    """The claims of one check, in the order they were tried."""

    def __init__(self) -> None:
        self.all: list[Probe] = []
        self.notes: list[str] = []

    def positive(self, claim: str, *, held: bool, saw: str) -> None:
        """Record a claim that something works."""
        self.all.append(Probe(kind=Kind.POSITIVE, claim=claim, held=held, saw=saw))

    def negative(self, claim: str, *, held: bool, saw: str) -> None:
        """Record a claim that something does not happen."""
        self.all.append(Probe(kind=Kind.NEGATIVE, claim=claim, held=held, saw=saw))

    def note(self, text: str) -> None:
        """Add what a reader of the verdict must know, for example what was not measured."""
        self.notes.append(text)

    @property
    def held_percent(self) -> float:
        """Share of the claims that held."""
        return round(100 * sum(probe.held for probe in self.all) / len(self.all), 1) if self.all else 0.0

    def missing_half(self) -> Kind | None:
        """The half of the proof that no probe tried, if any."""
        return next((kind for kind in Kind if not any(probe.kind is kind for probe in self.all)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of one criterion. `value` is None where nothing was measured."""

    id: str
    title: str
    required: bool
    outcome: Outcome
    reason: str
    value: float | None
    unit: str
    threshold: float
    evidence: tuple[Probe, ...]
    seconds: float
