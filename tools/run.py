"""Runs programs for the other modules: quietly, into a log, or with a progress line. Decides nothing."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tools.places import ToolsError

PROGRESS_SECONDS = 10.0
_TAIL = 15
_ERRORS = 3
_GRACE_SECONDS = 10.0


def output(
    command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
) -> str | None:
    """What a program prints on its standard output; None if it cannot be started, fails or hangs."""
    try:
        done = subprocess.run(
            command, env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, errors="replace",
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def follow(
    command: Sequence[str],
    log: Path,
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run a program to its end, its output in a log file and line by line in a function; the exit code.

    If this process is interrupted, the program is ended too: it is never left behind.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8", errors="replace") as file,
        subprocess.Popen(
            command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            text=True, errors="replace",
        ) as process,
    ):  # fmt: skip
        try:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                on_line(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)  # a key press in the terminal reached it too: let it finish in order
            process.terminate()
            raise


class Progress:
    """One line when something begins, one every ten seconds, one when it is done."""

    def __init__(self, what: str, counted: str = "") -> None:
        self._what = what
        self._counted = counted
        self._count = 0
        self._begun = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def count(self, _line: str) -> None:
        """Note one more unit of work."""
        self._count += 1

    def _tick(self) -> None:
        while not self._done.wait(PROGRESS_SECONDS):
            units = f", {self._count} {self._counted}" if self._counted else ""
            print(f"  {self._what}: {time.monotonic() - self._begun:.0f} s{units}", flush=True)

    def __enter__(self) -> Self:
        print(f"{self._what} ...", flush=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        self._thread.join()
        word = "done" if kind is None else "not done"
        print(f"  {self._what}: {word} in {time.monotonic() - self._begun:.1f} s", flush=True)


def tail(log: Path, lines: int = _TAIL) -> str:
    """The last lines of a log, indented; above them the first errors, if they are further up."""
    every = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = dict.fromkeys(line for line in every[:-lines] if line.lstrip().startswith("error:"))
    return "\n".join(f"    {line}" for line in [*list(errors)[:_ERRORS], *every[-lines:]])


def failed(what: str, log: Path, advice: str) -> ToolsError:
    """An error that shows the end of the log, says where the rest is, and what to do."""
    return ToolsError(f"{what} failed:\n{tail(log)}\n  whole log: {log}\n  {advice}")
