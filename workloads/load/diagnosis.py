"""Whether a run can be trusted: the reasons why the generator, not the server, spoiled it. Judges no server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workloads.load.histogram import Histogram


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """When a run is INVALID. `lag_share` is a share of the latency limit, where there is one."""

    least_sent: float = 0.99
    most_lag_seconds: float = 0.010
    most_lag_share: float = 0.05
    most_cpu: float = 0.80
    most_held: float = 0.01
    stall_seconds: float = 0.050


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """What one generator process did while it measured."""

    part: int
    seconds: float
    cpu_seconds: float
    throttled: int  # periods in which its control group was throttled
    stalls: int  # times its event loop came back late, by more than `Rules.stall_seconds`
    longest_stall: float
    connections: int  # its share of the cap
    opened: int  # connections opened, also before it measured
    most_in_flight: int

    @property
    def cpu(self) -> float:
        """Share of the one core that an event loop can use."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What the reasons are found in."""

    rules: Rules
    limit_seconds: float | None
    offered: int
    peak: int  # requests planned in the busiest second
    started: int  # requests that the generator took up while the window was open
    held: int  # requests that found every connection busy
    own_lag: Histogram
    workers: Sequence[Worker]


def reasons(signs: Signs) -> Iterator[str]:
    """Why the run is INVALID; nothing when it is valid."""
    rules = signs.rules
    if signs.started < rules.least_sent * signs.offered:
        yield (
            f"the generator took up {signs.started:,} of {signs.offered:,} planned requests in time"
            f" (at least {rules.least_sent:.0%}): it was too slow"
        )
    allowed = rules.most_lag_seconds
    if signs.limit_seconds is not None:
        allowed = min(allowed, rules.most_lag_share * signs.limit_seconds)
    if (lag := signs.own_lag.percentile(99)) > allowed:
        yield f"the generator was {lag * 1e3:.1f} ms late at p99 (at most {allowed * 1e3:.1f} ms)"
    for worker in signs.workers:
        if worker.cpu > rules.most_cpu:
            yield f"process {worker.part} used {worker.cpu:.0%} of its core (at most {rules.most_cpu:.0%})"
        if worker.throttled:
            yield f"process {worker.part} was throttled by its CPU limit in {worker.throttled} periods"
    yield from _cap(signs)


def _cap(signs: Signs) -> Iterator[str]:
    """A busy cap proves a slow server only where a server that keeps the limit would leave connections free."""
    if signs.held <= signs.rules.most_held * signs.offered:
        return
    cap = sum(worker.connections for worker in signs.workers)
    said = f"{signs.held:,} of {signs.offered:,} requests found all {cap} connections busy"
    if signs.limit_seconds is None:
        yield f"{said}: without a latency limit nobody can tell whether the server is slow or the cap too low"
    elif cap < (wanted := math.ceil(signs.peak * signs.limit_seconds)):
        busiest = f"{signs.peak:,} requests in a second, {signs.limit_seconds * 1e3:g} ms each, need {wanted}"
        yield f"{said}, and {busiest}: allow more connections"
