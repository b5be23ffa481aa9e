"""One generator process from readiness to drain. Waits for the others only once: for the common start."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from workloads.load.client import Client, Shot, renew, shots
from workloads.load.control_group import throttled
from workloads.load.diagnosis import Worker
from workloads.load.expect import judge
from workloads.load.generator import Generator
from workloads.load.plan import Plan
from workloads.load.result import LoadResult
from workloads.load.schedule import Schedule, schedule
from workloads.load.tally import Tally

REST = 0.3  # seconds between warm-up and window, for collecting garbage
REPORT = 0.5
RENEWAL = 60.0  # seconds between two looks at token files
RETRY = 0.5


class LoadError(Exception):
    """The generator itself broke."""


class NotReadyError(LoadError):
    """An endpoint gave no right answer within `Plan.ready_seconds`; the message says which, and what came instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run is; counts are of the measured requests."""

    phase: str  # "ready", "warm-up", "measure" or "drain"
    seconds: float  # since the start of the phase
    of_seconds: float
    offered: int  # planned up to now
    ok: int
    failed: int


class Line(Protocol):
    """The connection to whoever started this process."""

    def ready(self) -> float:
        """Say that this process is ready; come back with the common start, on the monotonic clock."""
        ...

    def report(self, progress: Progress) -> None:
        """Say how far this process is."""
        ...


def work(plan: Plan, part: int, line: Line) -> LoadResult:
    """Do the part of one process, and return what it measured."""
    made = shots(plan)
    if plan.ready_seconds:
        line.report(Progress(phase="ready", seconds=0, of_seconds=plan.ready_seconds, offered=0, ok=0, failed=0))
        asyncio.run(_until_ready(plan, made))
    warm = schedule(plan, plan.warm_up, made, part=part, name="warm-up") if plan.warm_up else None
    ours = schedule(plan, plan.arrivals, made, part=part, name="measure")
    start = line.ready()
    tally = Tally(plan, ours.offsets)
    chores = _chores(plan, made, tally, start, line)
    return asyncio.run(
        _send(_Shift(plan=plan, part=part, warm=warm, ours=ours, start=start, tally=tally, chores=chores))
    )


def start_of_window(plan: Plan, start: float) -> float:
    """When the first request that counts may be planned."""
    return start + (plan.warm_up_seconds + REST if plan.warm_up else REST)


def cap_of(plan: Plan, part: int) -> int:
    """The connections of one process: shares that add up to the cap."""
    return plan.connections // plan.processes + (part < plan.connections % plan.processes)


async def _until_ready(plan: Plan, made: list[list[Shot]]) -> None:
    """Ask each endpoint until it gives a right answer."""
    deadline = time.monotonic() + plan.ready_seconds
    async with Client(plan) as client:
        for shot in (group[0] for group in made):
            saw = "no answer"
            while saw:
                try:
                    async with asyncio.timeout_at(deadline):
                        saw = await _answer(client, shot)
                        await asyncio.sleep(RETRY if saw else 0)
                except TimeoutError:
                    said = f"{shot.endpoint}: no right answer within {plan.ready_seconds:g} s; the last one: {saw}"
                    raise NotReadyError(said) from None


async def _answer(client: Client, shot: Shot) -> str:
    """What is wrong with one answer; nothing if it is right."""
    reply = await client.send(shot, fresh=False)
    body = reply.body[:300].decode("utf-8", "replace")
    error = reply.problem or judge(shot.expect, reply.status, reply.body, reply.tally).error
    return f"{error}: {body}" if error else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shift:
    """All that one process has to do after the common start."""

    plan: Plan
    part: int
    warm: Schedule | None
    ours: Schedule
    start: float
    tally: Tally
    chores: Callable[[], None]


async def _send(shift: _Shift) -> LoadResult:
    plan, length = shift.plan, shift.plan.arrivals.seconds
    window, cap = start_of_window(plan, shift.start), cap_of(plan, shift.part)
    async with Client(plan) as client, Generator(plan, client, cap, shift.chores) as generator:
        if shift.warm:
            await generator.play(shift.warm, shift.start, None)
        gc.collect()
        gc.freeze()
        await asyncio.sleep(window - time.monotonic())
        generator.forget_stalls()
        began, used, waits = time.monotonic(), time.process_time(), throttled()
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        await generator.play(shift.ours, window, shift.tally)
        await asyncio.sleep(window + length - time.monotonic())
        seconds, cpu, waits = time.monotonic() - began, time.process_time() - used, throttled() - waits
        await generator.drain(window + length + plan.timeout_seconds)
        gc.unfreeze()
        worker = Worker(
            part=shift.part,
            seconds=seconds,
            cpu_seconds=cpu,
            throttled=waits,
            stalls=generator.stalls,
            longest_stall=generator.longest_stall,
            connections=cap,
            opened=client.opened,
            most_in_flight=generator.most_in_flight,
        )
    return shift.tally.result(started_at, worker)


def _chores(plan: Plan, made: list[list[Shot]], tally: Tally, start: float, line: Line) -> Callable[[], None]:
    """What is done between requests: report twice a second, renew tokens once a minute."""
    window = start_of_window(plan, start)
    phases = (
        ("warm-up", start, window),
        ("measure", window, window + plan.arrivals.seconds),
        ("drain", window + plan.arrivals.seconds, math.inf),
    )
    reported, renewed = 0.0, start

    def chores() -> None:
        nonlocal reported, renewed
        now = time.monotonic()
        if now > renewed + RENEWAL:
            renewed = now
            renew(plan, made)
        if now < reported + REPORT:
            return
        reported = now
        name, began, end = next(phase for phase in phases if now < phase[2])
        whole = plan.timeout_seconds if math.isinf(end) else end - began
        line.report(
            Progress(
                phase=name,
                seconds=max(now - began, 0.0),
                of_seconds=whole,
                offered=tally.planned_until(now - window),
                ok=tally.ok,
                failed=tally.failed,
            )
        )

    return chores
