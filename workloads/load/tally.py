"""Counts what becomes of each measured request, exactly once. Knows no network and no clock."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from workloads.load.diagnosis import Worker
from workloads.load.histogram import Histogram
from workloads.load.plan import Plan
from workloads.load.result import LoadResult, Series

MOST_SEEN = 64  # different values that are counted one by one
OTHER = "other"


class Tally:
    """The part of one process. All moments are seconds since the start of the window."""

    def __init__(self, plan: Plan, offsets: Sequence[float]) -> None:
        self.latency, self.first_byte, self.service = Histogram(), Histogram(), Histogram()
        self.lag, self.own_lag = Histogram(), Histogram()
        self.offered, self.started, self.held, self.sent = len(offsets), 0, 0, 0
        self.ok, self.failed, self.over = 0, 0, 0
        self._plan, self._window, self._offsets = plan, plan.arrivals.seconds, offsets
        self._limit = plan.timeout_seconds if plan.limit_seconds is None else plan.limit_seconds
        self._seconds = max(1, math.ceil(self._window))
        self._planned = _by_second(offsets, self._seconds)
        self._sent = array("q", [0]) * (self._seconds + math.ceil(plan.timeout_seconds) + 1)
        self._ok, self._over = array("q", [0]) * self._seconds, array("q", [0]) * self._seconds
        self._errors: dict[str, array[int]] = {}
        self._seen = Counter[str]()
        self._answered = {one.name: array("q", [0]) * len(one.payloads) for one in plan.endpoints}

    def planned_until(self, moment: float) -> int:
        """Requests planned up to a moment."""
        return bisect_left(self._offsets, moment)

    def take_up(self, moment: float, *, held: bool) -> None:
        """The generator came to a request at this moment; `held` if it found every connection busy."""
        self.started += moment <= self._window
        self.held += held

    def never_sent(self, planned: float, own_lag: float) -> None:
        """No connection was free, or the generator did not come to it, before its timeout."""
        self.own_lag.record(own_lag)
        self._fail(planned, "unsent")

    def went_out(self, planned: float, sent: float, waited: float) -> None:
        """A request was handed to its connection after waiting for a free one."""
        self.sent += 1
        self._sent[min(max(int(sent), 0), len(self._sent) - 1)] += 1
        self.lag.record(sent - planned)
        self.own_lag.record(sent - planned - waited)

    def came_back(self, planned: float, sent: float, first: float, end: float, error: str) -> bool:
        """A sent request ended. Returns whether its answer was right and in time."""
        self.service.record(end - sent)
        latency = end - planned
        if latency >= self._plan.timeout_seconds:
            error = "timeout"
        if error:
            self._fail(planned, error)
            return False
        second = int(planned)
        self.ok += 1
        self._ok[second] += 1
        self.latency.record(latency)
        self.first_byte.record(first - planned)
        if latency > self._limit:
            self.over += 1
            self._over[second] += 1
        return True

    def answered(self, endpoint: str, payload: int, value: str) -> None:
        """A right answer: to which request, and the value that is counted, if any."""
        self._answered[endpoint][payload] += 1
        if value:
            self._seen[value if value in self._seen or len(self._seen) < MOST_SEEN else OTHER] += 1

    def _fail(self, planned: float, error: str) -> None:
        second = int(planned)
        self.failed += 1
        self.over += 1
        self._over[second] += 1
        self.latency.record(self._plan.timeout_seconds)
        self.first_byte.record(self._plan.timeout_seconds)
        if error not in self._errors:
            self._errors[error] = array("q", [0]) * self._seconds
        self._errors[error][second] += 1

    def result(self, started_at: str, worker: Worker) -> LoadResult:
        """The finished part."""
        if self.ok + self.failed != self.offered:
            raise RuntimeError(f"{self.offered} requests planned, {self.ok + self.failed} counted")
        errors = dict(sorted(self._errors.items()))
        return LoadResult(
            plan_hash=self._plan.hash,
            seed=self._plan.seed,
            started_at=started_at,
            seconds=self._window,
            limit_seconds=self._plan.limit_seconds,
            timeout_seconds=self._plan.timeout_seconds,
            rules=self._plan.rules,
            offered=self.offered,
            started=self.started,
            held=self.held,
            sent=self.sent,
            ok=self.ok,
            over=self.over,
            errors={name: sum(column) for name, column in errors.items()},
            seen=dict(sorted(self._seen.items())),
            answered=_columns(self._answered),
            latency=self.latency,
            first_byte=self.first_byte,
            service=self.service,
            lag=self.lag,
            own_lag=self.own_lag,
            series=Series(
                offered=tuple(self._planned),
                sent=tuple(_trimmed(self._sent, self._seconds)),
                ok=tuple(self._ok),
                over=tuple(self._over),
                errors=_columns(errors),
            ),
            workers=(worker,),
        )


def _by_second(offsets: Iterable[float], seconds: int) -> array[int]:
    counts = array("q", [0]) * seconds
    for offset in offsets:
        counts[int(offset)] += 1
    return counts


def _trimmed(counts: array[int], least: int) -> array[int]:
    """Without the zeros at the end, but with the whole window."""
    end = len(counts)
    while end > least and counts[end - 1] == 0:
        end -= 1
    return counts[:end]


def _columns(columns: Mapping[str, array[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(column) for name, column in columns.items()}
