"""Processes that the host starts: how their output is read and how they are ended."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

Child = subprocess.Popen[bytes]
GRACE_SECONDS = 4.0  # between SIGINT and SIGKILL; the engine allows 5 s in all


def in_background(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function without waiting for it."""
    threading.Thread(target=function, args=arguments, daemon=True).start()


def stop(*children: Child) -> None:
    """Ask children to end, and insist after a while; harmless when they have ended."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for child in running:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def output(child: Child) -> Iterator[tuple[str, bytes]]:
    """Yield ("stdout" or "stderr", line) as a child writes, until it has closed both."""
    lines: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def pump(name: str, pipe: IO[bytes]) -> None:
        for line in pipe:
            lines.put((name, line))
        lines.put((name, b""))

    pipes = {name: pipe for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr)) if pipe is not None}
    for name, pipe in pipes.items():
        in_background(pump, name, pipe)
    while pipes:
        name, line = lines.get()
        if line:
            yield name, line
        else:
            del pipes[name]
