"""A bench whose software can be swapped for software with a fault, and checks that then have to say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from tests.support import stack_outputs
from workloads import contract, load
from workloads.backends.process import envoy, monitoring
from workloads.backends.process.bench import Bench
from workloads.outcome import Probes, SkippedError
from workloads.profile import QUICK, Load

T = TypeVar("T")
Software = Callable[[Bench], AbstractContextManager[T]]

PROFILE = dataclasses.replace(
    QUICK,
    name="small",
    ingress=Load(requests=120, seconds=2, warm_up_seconds=0),
    internal=Load(requests=400, seconds=4, warm_up_seconds=0),
    probe_tries=1,
)
LIMITS = {
    "ingress.rate": 50.0,
    "ingress.latency": 5_000.0,
    "mesh.latency": 5_000.0,
    "encryption.certificate-days": 14.0,
    "alerting.received": 30.0,
}
# These tests are about the verdict, on machines that may be busy: whether the generator was slow is tested elsewhere.
_PATIENT = load.Rules(
    least_sent=0.0, most_lag_seconds=60, most_lag_share=1e3, most_cpu=1e3, most_held=1.0, stall_seconds=60
)


@dataclass(kw_only=True)
class Swapped(Bench):
    """A bench that starts other software in the place of some."""

    swaps: Mapping[object, object] = field(default_factory=dict[object, object])

    def use(self, software: Software[T]) -> T:
        return super().use(cast("Software[T]", self.swaps.get(software, software)))


@contextmanager
def bench(
    folder: Path, swaps: Mapping[object, object] | None = None, limits: Mapping[str, float] | None = None
) -> Generator[Bench]:
    target = contract.parse(stack_outputs.outputs(), source="test")
    with Swapped(
        target=target, profile=PROFILE, folder=folder, limits=LIMITS | dict(limits or {}), say=lambda _: None,
        swaps=swaps or {},
    ) as one:  # fmt: skip
        yield one


def measure(_: Bench, plan: load.Plan, run: Callable[[load.Plan], load.LoadResult] = load.run) -> load.LoadResult:
    """Stands for `offered.measure`: offers the load whatever the generator thinks of itself, and asks nobody before."""
    return run(dataclasses.replace(plan, rules=_PATIENT, ready_seconds=0))


def broken(probes: Probes) -> list[str]:
    """The claims that did not hold."""
    return [one.claim for one in probes.all if not one.held]


def missing(*programs: str) -> str:
    """Why these tests cannot run; empty if they can."""
    try:
        if "envoy" in programs:
            envoy.binary()
        for one in programs:
            if one != "envoy":
                monitoring.program(one)
    except SkippedError as reason:
        return str(reason)
    return ""
