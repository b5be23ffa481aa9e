"""What a run measured: counts, histograms, seconds. Results of one plan add up exactly. Decides nothing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from workloads.load.codec import decode, encode
from workloads.load.diagnosis import Rules, Signs, Worker, reasons
from workloads.load.histogram import Histogram

SCHEMA = 1
HISTOGRAMS = ("latency", "first_byte", "service", "lag", "own_lag")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A stretch of the window."""

    start: int
    offered: int
    sent: int
    ok: int
    over: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Counts by second of the window. `sent` by the second of sending, all others by the second of the plan."""

    offered: tuple[int, ...]
    sent: tuple[int, ...]
    ok: tuple[int, ...]
    over: tuple[int, ...]
    errors: Mapping[str, tuple[int, ...]]

    def blocks(self, seconds: int) -> tuple[Block, ...]:
        """Sums over stretches of `seconds`; a shorter rest at the end belongs to the last one."""
        starts = range(0, max(len(self.offered) - seconds + 1, 1), seconds)
        ends = [*starts[1:], len(self.offered)]
        return tuple(
            Block(
                start=start,
                offered=sum(self.offered[start:end]),
                sent=sum(self.sent[start:end]),
                ok=sum(self.ok[start:end]),
                over=sum(self.over[start:end]),
            )
            for start, end in zip(starts, ends, strict=True)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """A finished run, or the part of one process.

    `latency` and `first_byte` start at the planned moment, and a request without a right answer enters both with the
    timeout. `service` starts at sending, and tells of sent requests alone, failed ones too. `lag` is from plan to
    sending, `own_lag` the part of it that is not waiting for a free connection. `over`: no right answer within the
    limit (within the timeout, where there is no limit). `answered`: right answers by endpoint and payload.
    """

    plan_hash: str
    seed: int
    started_at: str
    seconds: float
    limit_seconds: float | None
    timeout_seconds: float
    rules: Rules
    offered: int
    started: int
    held: int
    sent: int
    ok: int
    over: int
    errors: Mapping[str, int]
    seen: Mapping[str, int]
    answered: Mapping[str, tuple[int, ...]]
    latency: Histogram
    first_byte: Histogram
    service: Histogram
    lag: Histogram
    own_lag: Histogram
    series: Series
    workers: tuple[Worker, ...]

    @property
    def failed(self) -> int:
        """Requests without a right answer before the timeout."""
        return self.offered - self.ok

    @property
    def rate(self) -> float:
        """Right answers per second of the window."""
        return self.ok / self.seconds

    @property
    def diagnosis(self) -> tuple[str, ...]:
        """Why the run is INVALID; empty when it is valid."""
        signs = Signs(
            rules=self.rules,
            limit_seconds=self.limit_seconds,
            offered=self.offered,
            peak=max(self.series.offered, default=0),
            started=self.started,
            held=self.held,
            own_lag=self.own_lag,
            workers=self.workers,
        )
        return tuple(reasons(signs))

    def blocks(self, seconds: int = 10) -> tuple[Block, ...]:
        """The window in stretches, for verdicts that one bad minute must not escape."""
        return self.series.blocks(seconds)

    def summary(self) -> dict[str, Any]:
        """The numbers that people read, in a few hundred bytes."""
        percents = {f"p{percent:g}_ms": self.latency.percentile(percent) * 1e3 for percent in (50, 95, 99, 99.9)}
        return {
            "offered": self.offered,
            "ok": self.ok,
            "over": self.over,
            "errors": dict(self.errors),
            **{name: round(value, 3) for name, value in percents.items()},
            "max_ms": round(self.latency.max * 1e3, 3),
            "own_lag_p99_ms": round(self.own_lag.percentile(99) * 1e3, 3),
            "cpu": round(sum(worker.cpu for worker in self.workers), 3),
            "stalls": sum(worker.stalls for worker in self.workers),
            "diagnosis": list(self.diagnosis),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values; `summary` and `diagnosis` can be computed again from it."""
        return {"schema": SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LoadResult:
        """Read what `to_json` wrote."""
        plain = dict(value)
        if (schema := plain.pop("schema", None)) != SCHEMA:
            raise ValueError(f"load result: expected schema {SCHEMA}, found {schema!r}")
        problems: list[str] = []
        if (result := decode(cls, plain, "result", problems)) is None:
            raise ValueError("\n".join(["load result:", *problems]))
        return result


def merge(parts: Sequence[LoadResult]) -> LoadResult:
    """The parts of one plan as one result: exact, in whatever order they come."""
    first = parts[0]
    if hashes := {part.plan_hash for part in parts} - {first.plan_hash}:
        raise ValueError(f"results of different plans: {first.plan_hash}, {', '.join(sorted(hashes))}")
    histograms = {name: _added([getattr(part, name) for part in parts]) for name in HISTOGRAMS}
    numbers = {name: sum(getattr(part, name) for part in parts) for name in ("offered", "started", "held", "sent")}
    return dataclasses.replace(
        first,
        **histograms,
        **numbers,
        ok=sum(part.ok for part in parts),
        over=sum(part.over for part in parts),
        started_at=min(part.started_at for part in parts),
        errors=_counted([part.errors for part in parts]),
        seen=_counted([part.seen for part in parts]),
        answered=_columns([part.answered for part in parts]),
        series=Series(
            offered=_sums([part.series.offered for part in parts]),
            sent=_sums([part.series.sent for part in parts]),
            ok=_sums([part.series.ok for part in parts]),
            over=_sums([part.series.over for part in parts]),
            errors=_columns([part.series.errors for part in parts]),
        ),
        workers=tuple(sorted((one for part in parts for one in part.workers), key=lambda one: one.part)),
    )


def _added(histograms: Sequence[Histogram]) -> Histogram:
    whole = Histogram()
    for one in histograms:
        whole.add(one)
    return whole


def _counted(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return dict(sorted(sum((Counter(one) for one in counts), Counter[str]()).items()))


def _sums(columns: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(row) for row in zip_longest(*columns, fillvalue=0))


def _columns(parts: Sequence[Mapping[str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
    names = sorted({name for part in parts for name in part})
    return {name: _sums([part.get(name, ()) for part in parts]) for name in names}
