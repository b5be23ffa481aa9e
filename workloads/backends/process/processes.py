"""Programs of the process backend: start one, wait until it is ready, end it for sure. Knows no program by name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
# Below the ports that the kernel gives to connections by itself, and below those of local control planes.
_PORTS = range(15_000, 23_000)
# Byte N of this file stands for port N: whoever has locked it was given the port, until its process ends.
_GIVEN = Path(tempfile.gettempdir()) / f"kubeflow-proof-ports-{os.getuid()}"
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 5.0
_TAIL_LINES = 20
# Ends the program when this process is gone, however it went: then nobody holds the other end of its input any more.
_GUARD = 'read -r _; kill -TERM -"$1"; sleep 3; kill -KILL -"$1"'
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

_given = set[int]()


class SoftwareError(Exception):
    """A program did not start, or ended on its own; the message shows the end of its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program under way."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its number, and that of its process group."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it is still running."""
        return self.process.poll() is None

    def cpu_seconds(self) -> float | None:
        """CPU time that it has used so far; None where the system does not tell."""
        try:
            words = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return None
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def check(self) -> None:
        """Raise if it has ended on its own."""
        if not self.alive:
            raise SoftwareError(f"{self.name} ended with exit code {self.process.returncode}:\n{tail(self.log)}")


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    within: float = 60.0,
) -> Generator[Program]:
    """Run a program as long as the context lasts, from the moment `ready` says so; its output goes to NAME.log.

    `env` is added to this process's variables, without proxies: all traffic stays on the loopback interface.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    inherited = {key: value for key, value in os.environ.items() if key.lower() not in _PROXIES}
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [str(word) for word in command], env=inherited | dict(env or {}), cwd=cwd or folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SoftwareError(f"{name} cannot be started: {error}") from error
    program = Program(name=name, log=log, process=process)
    with _guarded(process):
        _wait(program, ready, within)
        yield program


def wait_until(held: Callable[[], bool], within: float, every: float = _POLL_SECONDS) -> bool:
    """Whether something becomes true in time; a connection that is refused only means not yet."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError):
            if held():
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on, each given out once among all processes of this user."""
    found = list[int]()
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        if port not in _given and _claimed(port) and _free(port):
            found.append(port)
            _given.add(port)
    if len(found) < count:
        raise SoftwareError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop}")
    return found


def free_port() -> int:
    """One free port."""
    return free_ports(1)[0]


def listens(port: int) -> Callable[[], bool]:
    """Whether a port accepts connections: for `ready`."""

    def ready() -> bool:
        socket.create_connection((HOST, port), timeout=1).close()
        return True

    return ready


def answers(url: str, context: ssl.SSLContext | None = None) -> Callable[[], bool]:
    """Whether an address answers with success: for `ready`."""
    handlers = [urllib.request.ProxyHandler({})]
    opener = urllib.request.build_opener(
        *handlers, *([urllib.request.HTTPSHandler(context=context)] if context is not None else [])
    )

    def ready() -> bool:
        try:
            with opener.open(url, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False

    return ready


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log."""
    every = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in every[-lines:]) or "    (it wrote nothing)"


def _wait(program: Program, ready: Callable[[], bool], within: float) -> None:
    def settled() -> bool:
        program.check()
        return ready()

    if not wait_until(settled, within):
        raise SoftwareError(f"{program.name} is not ready after {within:.0f} s:\n{tail(program.log)}")


@contextlib.contextmanager
def _guarded(process: subprocess.Popen[bytes]) -> Generator[None]:
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", str(process.pid)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        try:
            _end(process)
        finally:
            guard.kill()
            guard.communicate()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and whatever it has started itself."""
    try:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    finally:  # also where a second key press ends the patience
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _signal(group: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, what)


@cache
def _register() -> int:
    """The open file; to close it would give up every lock of this process."""
    return os.open(_GIVEN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _claimed(port: int) -> bool:
    try:
        fcntl.lockf(_register(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
