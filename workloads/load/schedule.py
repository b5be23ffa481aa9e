"""Which request leaves when, and through which process: every n-th of one seeded list. Opens no connection."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from workloads.load.arrivals import Arrivals
from workloads.load.client import Shot
from workloads.load.plan import Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The requests of one process: offsets, what is sent, and whether on a connection of its own."""

    offsets: array[float]
    choices: array[int]
    fresh: array[int]
    shots: tuple[Shot, ...]

    def __iter__(self) -> Iterator[tuple[float, Shot, bool]]:
        for offset, choice, fresh in zip(self.offsets, self.choices, self.fresh, strict=True):
            yield offset, self.shots[choice], fresh == 1


def schedule(plan: Plan, arrivals: Arrivals, shots: list[list[Shot]], *, part: int, name: str) -> Schedule:
    """Draw endpoints by weight; let the payloads of each endpoint take turns; then take every n-th."""
    draw = random.Random(f"{plan.seed} {name}")  # noqa: S311 - a repeatable load, no secret
    count, ours = arrivals.count, slice(part, None, plan.processes)
    weights = [endpoint.weight for endpoint in plan.endpoints]
    endpoints = draw.choices(range(len(weights)), weights, k=count)
    first = [sum(map(len, shots[:index])) for index in range(len(shots))]
    turns = [0] * len(shots)
    choices = array("l", [0]) * count
    for index, endpoint in enumerate(endpoints):
        choices[index] = first[endpoint] + turns[endpoint]
        turns[endpoint] = (turns[endpoint] + 1) % len(shots[endpoint])
    share = plan.new_connections
    fresh = array("b", (int((index + 1) * share) > int(index * share) for index in range(count)))
    return Schedule(
        offsets=arrivals.times(draw.getrandbits(64))[ours],
        choices=choices[ours],
        fresh=fresh[ours],
        shots=tuple(shot for group in shots for shot in group),
    )
