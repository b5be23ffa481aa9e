"""The open loop of one process: sends when the schedule says, never more at once than the cap, and always ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from workloads.load.client import Client, Shot
from workloads.load.expect import judge
from workloads.load.plan import Plan
from workloads.load.schedule import Schedule
from workloads.load.tally import Tally

BEAT = 0.02  # seconds between two looks at deadlines
BREATH = 16  # overdue requests that are taken up before the loop may do something else
GRACE = 5.0


@dataclass(slots=True, eq=False)
class Flight:
    """One request on its way. Warm-up requests have no tally."""

    planned: float
    shot: Shot
    fresh: bool
    tally: Tally | None
    zero: float  # start of the window that offsets in the tally count from
    taken: float = 0.0
    waited: float = 0.0
    begun: bool = False  # its task has had its first turn: before that, cancelling it would skip its own clean-up
    expired: bool = False
    task: asyncio.Task[None] | None = None


class Generator:
    """Lives inside one event loop. At most `cap` requests are open; the others queue, and their clock runs on."""

    def __init__(self, plan: Plan, client: Client, cap: int, report: Callable[[], None]) -> None:
        self.stalls, self.longest_stall, self.most_in_flight = 0, 0.0, 0
        self._plan, self._client, self._cap, self._report = plan, client, cap, report
        self._flying: dict[int, Flight] = {}
        self._waiting: deque[Flight] = deque()
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._beat = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [self._beat, *(flight.task for flight in self._flying.values())]
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)

    async def play(self, schedule: Schedule, start: float, tally: Tally | None) -> None:
        """Take up every request of a schedule at its moment, however the earlier ones fare."""
        overdue = 0
        for offset, shot, fresh in schedule:
            planned = start + offset
            delay = planned - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
                overdue = 0
            elif (overdue := overdue + 1) % BREATH == 0:
                await asyncio.sleep(0)
            self._take_up(Flight(planned, shot, fresh, tally, start))

    async def drain(self, deadline: float) -> None:
        """Wait until every request has ended; the deadlines of requests see to it that this ends."""
        while self._flying or self._waiting:
            self._alive()
            if time.monotonic() > deadline + GRACE:
                raise RuntimeError(f"{len(self._flying) + len(self._waiting)} requests did not end at their timeout")
            await asyncio.sleep(BEAT)

    def forget_stalls(self) -> None:
        """Count stalls from here."""
        self.stalls, self.longest_stall = 0, 0.0

    def _alive(self) -> None:
        """Raise what ended the watch: without it no deadline is kept."""
        if self._beat and self._beat.done():
            self._beat.result()

    def _take_up(self, flight: Flight) -> None:
        flight.taken = time.monotonic()
        held = len(self._flying) >= self._cap
        if flight.tally:
            flight.tally.take_up(flight.taken - flight.zero, held=held)
        if held:
            self._waiting.append(flight)
        else:
            self._start(flight)

    def _start(self, flight: Flight) -> None:
        self._flying[id(flight)] = flight
        self.most_in_flight = max(self.most_in_flight, len(self._flying))
        flight.task = asyncio.create_task(self._fly(flight))

    async def _fly(self, flight: Flight) -> None:
        try:
            await self._send(flight)
        finally:
            del self._flying[id(flight)]
            self._next()

    def _next(self) -> None:
        """A connection is free: send what has waited longest, unless its time is over."""
        while self._waiting and len(self._flying) < self._cap:
            flight, now = self._waiting.popleft(), time.monotonic()
            flight.waited = now - flight.taken
            if now >= flight.planned + self._plan.timeout_seconds:
                self._never_sent(flight)
            else:
                self._start(flight)

    def _never_sent(self, flight: Flight) -> None:
        if flight.tally:
            flight.tally.never_sent(flight.planned - flight.zero, flight.taken - flight.planned)

    async def _send(self, flight: Flight) -> None:
        flight.begun = True
        sent, zero, tally = time.monotonic(), flight.zero, flight.tally
        if sent >= flight.planned + self._plan.timeout_seconds:
            self._never_sent(flight)
            return
        if tally:
            tally.went_out(flight.planned - zero, sent - zero, flight.waited)
        try:
            reply = await self._client.send(flight.shot, fresh=flight.fresh)
        except asyncio.CancelledError:
            if not flight.expired:
                raise
            if tally:
                tally.came_back(flight.planned - zero, sent - zero, 0.0, time.monotonic() - zero, "timeout")
            return
        end = time.monotonic() - zero
        if not tally:
            return
        shot, seen = flight.shot, None
        if not reply.problem:
            seen = judge(shot.expect, reply.status, reply.body, reply.tally)
        error = seen.error if seen else reply.problem
        right = tally.came_back(flight.planned - zero, sent - zero, reply.first - zero, end, error)
        if right and seen:
            tally.answered(shot.endpoint, shot.payload, seen.tally)

    async def _watch(self) -> None:
        """Keep deadlines, notice stalls of this very loop, and let others work between requests."""
        now = time.monotonic()
        while True:
            before = now
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            if (late := now - before - BEAT) > self._plan.rules.stall_seconds:
                self.stalls += 1
                self.longest_stall = max(self.longest_stall, late)
            self._expire(now)
            self._report()

    def _expire(self, now: float) -> None:
        """All have the same timeout, so the oldest come first."""
        oldest = now - self._plan.timeout_seconds
        for flight in list(self._flying.values()):
            if flight.planned > oldest:
                break
            if flight.begun and not flight.expired and flight.task:
                flight.expired = True
                flight.task.cancel()
        while self._waiting and self._waiting[0].planned <= oldest:
            self._never_sent(self._waiting.popleft())
