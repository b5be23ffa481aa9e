"""Where checks look in tests: one cluster's visit, and a bench on which nothing is started."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workloads import runner
from workloads.backends.process.bench import Bench
from workloads.catalog import limits
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.criterion import Backend, Criterion
from workloads.outcome import Result
from workloads.profile import QUICK


def grounds(target: Target, visit: Visit) -> runner.Grounds:
    bench = Bench(target=target, profile=QUICK, folder=Path(), limits=limits(target), say=_silent)
    return runner.Grounds(target=target, visit=visit, bench=bench, allowed=frozenset(Backend))


def judged(
    criteria: Iterable[Criterion], given: runner.Grounds, *, required: frozenset[str] = frozenset()
) -> list[Result]:
    return runner.run(criteria, given, required=required, progress=_silent, keep=_unkept)


def _silent(_: str) -> None:
    pass


def _unkept(_: Result) -> None:
    pass
