"""How long and how hard a run measures: `quick` for every `up`, `full` for acceptance. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """An offered load: `requests` in all, spread over `seconds` after a warm-up that is not counted."""

    requests: int
    seconds: float
    warm_up_seconds: float

    @property
    def rate(self) -> float:
        """Mean requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Sizes of every measurement of a run."""

    name: str
    endpoint: Load  # one model, at a stated rate below its knee
    ingress: Load  # HTTPS through the gateway
    day: Load  # a day's requests, compressed
    day_burst: float  # how much more than the mean its bursts are
    batch: Load  # an hour's rows, as fast as the endpoint takes them
    internal: Load  # between two sides of the mesh
    golden_rows: int  # inputs whose answer is known, of each model
    split_requests: int  # of a canary or A/B split
    repetitions: int  # of ratios, interleaved
    training_steps: int  # of one repetition
    drift_windows: int  # of each kind: control, shifted numbers, shifted categories
    drift_rows: int  # of one window
    feedback_rows: int  # labelled predictions sent back
    probe_tries: int  # of a functional probe


QUICK = Profile(
    name="quick",
    endpoint=Load(requests=1_000, seconds=10, warm_up_seconds=2),
    ingress=Load(requests=15_000, seconds=15, warm_up_seconds=3),
    day=Load(requests=10_000, seconds=30, warm_up_seconds=2),
    day_burst=2.0,
    batch=Load(requests=10_000, seconds=20, warm_up_seconds=1),
    internal=Load(requests=1_000, seconds=10, warm_up_seconds=1),
    golden_rows=50,
    split_requests=500,
    repetitions=3,
    training_steps=40,
    drift_windows=20,
    drift_rows=1_000,
    feedback_rows=1_000,
    probe_tries=3,
)

FULL = Profile(
    name="full",
    endpoint=Load(requests=30_000, seconds=300, warm_up_seconds=30),
    ingress=Load(requests=600_000, seconds=600, warm_up_seconds=30),
    day=Load(requests=100_000, seconds=1_800, warm_up_seconds=30),
    day_burst=10.0,
    batch=Load(requests=10_000, seconds=3_600, warm_up_seconds=10),
    internal=Load(requests=6_000, seconds=300, warm_up_seconds=10),
    golden_rows=50,
    split_requests=5_000,
    repetitions=5,
    training_steps=200,
    drift_windows=200,
    drift_rows=1_000,
    feedback_rows=10_000,
    probe_tries=5,
)

PROFILES = {one.name: one for one in (QUICK, FULL)}
