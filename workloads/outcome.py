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
    """What was measured means nothing, for the reason in the message: INVALID."""


class SkippedError(Exception):
    """A check found out that it cannot be made here, for the reason in the message: SKIP."""


class Better(Enum):
    """Which side of its limit a figure should be on."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One figure with everything needed to doubt it. Interval and confidence are None where no statistic gives them."""

    metric: str
    value: float
    unit: str
    n: int  # samples behind it
    method: str
    limit: float | None = None  # recorded only, if None
    better: Better = Better.LOWER
    low: float | None = None
    high: float | None = None
    confidence: float | None = None

    def __str__(self) -> str:
        """As people read it in a verdict."""
        bound = "" if self.limit is None else f", at {_MOST[self.better]} {self.limit:g}"
        spread = "" if self.low is None or self.high is None else f", {self.low:.4g} to {self.high:.4g}"
        return f"{self.metric} {self.value:.4g} {self.unit}{bound}{spread}, n = {self.n:,}"


_MOST = {Better.LOWER: "most", Better.HIGHER: "least"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Points of one plot, for example requests answered in each second."""

    name: str
    x_unit: str
    y_unit: str
    points: tuple[tuple[float, float], ...]
    limit: float | None = None  # a line across the plot


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """Evidence that is kept beside the result, in a file of its own."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One claim that was tried, and what was seen."""

    kind: Kind
    claim: str
    held: bool
    saw: str
    measurement: Measurement | None = None


class Probes:
    """The claims of one check, in the order they were tried, and what was collected on the way."""

    def __init__(self) -> None:
        self.all: list[Probe] = []
        self.notes: list[str] = []
        self.series: list[Series] = []
        self.attachments: list[Attachment] = []

    def positive(self, claim: str, *, held: bool, saw: str) -> None:
        """Record a claim that something works."""
        self.all.append(Probe(kind=Kind.POSITIVE, claim=claim, held=held, saw=saw))

    def negative(self, claim: str, *, held: bool, saw: str) -> None:
        """Record a claim that something does not happen."""
        self.all.append(Probe(kind=Kind.NEGATIVE, claim=claim, held=held, saw=saw))

    def measured(self, claim: str, measurement: Measurement, *, held: bool, kind: Kind = Kind.POSITIVE) -> None:
        """Record a claim about a figure; whether it held is the statistic's word, not a comparison made here."""
        self.all.append(Probe(kind=kind, claim=claim, held=held, saw=str(measurement), measurement=measurement))

    def note(self, text: str) -> None:
        """Add what a reader of the verdict must know, for example what was not measured."""
        self.notes.append(text)

    @property
    def held_percent(self) -> float:
        """Share of the claims that held."""
        return round(100 * sum(probe.held for probe in self.all) / len(self.all), 1) if self.all else 0.0

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Every figure that a claim was about."""
        return tuple(probe.measurement for probe in self.all if probe.measurement is not None)

    def missing_half(self) -> Kind | None:
        """The half of the proof that no probe tried, if any."""
        return next((kind for kind in Kind if not any(probe.kind is kind for probe in self.all)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of one criterion. `backend` and `value` are None where nothing was measured."""

    id: str
    title: str
    clause: str  # of the requirement document
    required: bool
    outcome: Outcome
    reason: str
    backend: str | None
    place: str  # what was looked at
    value: float | None
    unit: str
    threshold: float
    better: Better
    evidence: tuple[Probe, ...]
    notes: tuple[str, ...]
    series: tuple[Series, ...]
    attachments: tuple[Attachment, ...]
    started: float  # seconds since 1970
    seconds: float
