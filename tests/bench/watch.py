"""What a command of the engine takes: time, memory of all its processes, CPU time of the program. Linux only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.product import Product

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROGRAM = (b"language_host/executor.py", b"pulumi-language-python-exec")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One run."""

    seconds: float
    peak_mib: float  # resident memory of engine, plugins, language host and program at their largest together
    programs: tuple[float, ...]  # CPU time of each process that ran the program

    @property
    def program_seconds(self) -> float:
        """CPU time of the program, imports included. RuntimeError if none was seen."""
        if not self.programs:
            raise RuntimeError("no process was seen that ran the program: its CPU time is not known")
        return max(self.programs)


def operate(product: Product, verb: str, *arguments: str) -> Taken:
    """Run an operation of the engine to its end and watch it; RuntimeError if it fails."""
    confirmed = () if verb == "preview" else ("--yes", "--skip-preview")
    chosen = ("--stack", product.stack, "--config-file", str(product.stack_file))
    begun = time.perf_counter()
    with product.start(verb, *confirmed, *chosen, *arguments) as process:
        watcher = _Watcher(process.pid)
        watcher.start()
        text, _ = process.communicate()
        seconds = time.perf_counter() - begun
        watcher.stop()
    if process.returncode:
        raise RuntimeError(f"pulumi {verb} failed:\n{text}")
    return Taken(seconds=seconds, peak_mib=watcher.peak / 2**20, programs=tuple(watcher.cpu.values()))


class _Watcher(threading.Thread):
    """Looks at the processes of one session ten times a second."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session, self._ended = session, threading.Event()
        self.peak = 0
        self.cpu: dict[int, float] = {}

    def run(self) -> None:
        while not self._ended.wait(0.1):
            total = 0
            for pid, resident, cpu, is_program in self._processes():
                total += resident
                if is_program:
                    self.cpu[pid] = cpu
            self.peak = max(self.peak, total)

    def stop(self) -> None:
        """End the watch."""
        self._ended.set()
        self.join()

    def _processes(self) -> Iterator[tuple[int, int, float, bool]]:
        """Process number, resident bytes, CPU seconds, and whether it runs the program."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                fields = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if int(fields[3]) == self._session:
                cpu = (int(fields[11]) + int(fields[12])) / _TICKS
                yield int(folder.name), int(fields[21]) * _PAGE, cpu, any(word in command for word in _PROGRAM)
