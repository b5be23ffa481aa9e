"""Runs a plan in processes of its own and joins what they measured. Retries nothing: that is the caller's decision."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias

from workloads.load.plan import Plan
from workloads.load.result import LoadResult, merge
from workloads.load.worker import REST, LoadError, NotReadyError, Progress, work

Wire: TypeAlias = "Connection[Any, Any]"
ROOT = Path(__file__).resolve().parents[2]
BOOT = 60.0  # seconds that starting the processes may take, on a busy machine
AHEAD = 0.2  # seconds between the last "ready" and the common start
MARGIN = 30.0


def run(plan: Plan, progress: Callable[[Progress], None] | None = None) -> LoadResult:
    """Send everything once. `progress` is called about twice a second; what it raises ends the run."""
    with _workers(plan) as lines:
        return _Joined(plan, lines, progress).result()


def run_here(plan: Plan, progress: Callable[[Progress], None] | None = None) -> LoadResult:
    """The same in this very process, for a plan of one process in a program that does nothing else."""
    if plan.processes != 1:
        raise LoadError(f"processes: expected 1, found {plan.processes}")
    return work(plan, 0, _Here(progress))


@dataclass(frozen=True, slots=True)
class _Here:
    """The line of a process to itself."""

    progress: Callable[[Progress], None] | None

    def ready(self) -> float:
        return time.monotonic() + AHEAD

    def report(self, progress: Progress) -> None:
        if self.progress:
            self.progress(progress)


@contextmanager
def _workers(plan: Plan) -> Generator[dict[Wire, subprocess.Popen[bytes]]]:
    """Start the processes; end them whatever happens."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    lines: dict[Wire, subprocess.Popen[bytes]] = {}
    try:
        for part in range(plan.processes):
            ours, theirs = multiprocessing.Pipe()
            # A bare interpreter: it imports the generator, and nothing of the program that started it.
            lines[ours] = subprocess.Popen(
                [sys.executable, "-P", "-m", "workloads.load.part", str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": path},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            theirs.close()
            ours.send((plan.to_json(), part))
        yield lines
    finally:
        for line, process in lines.items():
            line.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class _Joined:
    """The parent's view of a run."""

    def __init__(
        self,
        plan: Plan,
        lines: dict[Wire, subprocess.Popen[bytes]],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._plan, self._lines, self._progress = plan, lines, progress
        self._ready: set[Wire] = set()
        self._last: dict[Wire, Progress] = {}
        self._parts: list[LoadResult] = []

    def result(self) -> LoadResult:
        """Listen to all lines until every process has sent its part."""
        deadline = time.monotonic() + BOOT + self._plan.ready_seconds
        open_lines = dict(self._lines)
        while open_lines:
            if time.monotonic() > deadline:
                raise LoadError(f"{len(open_lines)} of {len(self._lines)} processes did not end in time")
            for line in wait(list(open_lines), timeout=0.5):
                if isinstance(line, Connection) and self._heard(line, open_lines[line]):
                    del open_lines[line]
            if len(self._ready) == len(self._lines):
                deadline = self._go()
        return merge(sorted(self._parts, key=lambda part: part.workers[0].part))

    def _go(self) -> float:
        """Give everybody the same start; return when all must have ended."""
        start = time.monotonic() + AHEAD
        for line in self._ready:
            line.send(start)
        self._ready.clear()
        plan = self._plan
        return start + plan.warm_up_seconds + REST + plan.arrivals.seconds + plan.timeout_seconds + MARGIN

    def _heard(self, line: Wire, process: subprocess.Popen[bytes]) -> bool:
        """Take in one message; whether it was the last one of this line."""
        try:
            kind, value = line.recv()
        except (EOFError, ConnectionResetError):
            raise LoadError(f"a generator process ended with code {process.wait(10)} and no result") from None
        if kind == "not ready":
            raise NotReadyError(value)
        if kind == "broken":
            raise LoadError(value)
        if kind == "ready":
            self._ready.add(line)
        elif kind == "progress":
            self._tell(line, value)
        else:
            self._parts.append(LoadResult.from_json(value))
        return kind == "result"

    def _tell(self, line: Wire, told: Progress) -> None:
        """One report for all processes, at the pace of the first."""
        self._last[line] = told
        if self._progress and line is next(iter(self._lines)):
            everyone = list(self._last.values())
            counts = {name: sum(getattr(one, name) for one in everyone) for name in ("offered", "ok", "failed")}
            self._progress(replace(told, **counts))
