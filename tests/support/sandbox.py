"""One process that sees what a container would: its own file system, mounts and process ids; this machine's network.

Stands in for a container runtime. The file system is this machine's under a layer of its own, so whatever is installed
here is there, too, and nothing that is written outlives the process. Limits, users and capabilities are not enforced.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

STOP_SECONDS = 0.5  # between asking processes to end and ending them
_PROGRAMS = ("setpriv", "unshare", "mount", "chroot")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_OUTSIDE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]


def unavailable() -> str | None:
    """Why processes cannot be put into sandboxes here, if so; it is tried."""
    if os.geteuid() != 0:
        return "containers are stood in for by processes in mount namespaces, which takes root"
    if absent := [one for one in _PROGRAMS if which(one) is None]:
        return f"containers are stood in for with {', '.join(absent)}, not found on PATH"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*_OUTSIDE, "sh", "-c", _script(Path(folder), [], {}, ["true"], "/")], capture_output=True, check=False
        )
    return f"no mount namespace can be made here: {done.stderr.decode().strip()}" if done.returncode else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A file or folder of this machine, and where the process sees it."""

    source: Path
    path: str
    read_only: bool = False


class Sandbox:
    """A running process; it ends with the program that started it, whatever happens."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        mounts: Sequence[Mount],
        environment: Mapping[str, str],
        work: str = "/",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        place = folder / "root"
        place.mkdir(exist_ok=True)
        script = _script(place, mounts, environment, command, work)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_OUTSIDE, "sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The first process inside, as this machine numbers it; 0 once it has ended."""
        outer = self._process.pid
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").strip() or 0)
        return 0

    def exit_code(self) -> int | None:
        """How it ended, as a shell counts signals; None while it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def ask(self) -> None:
        """Ask it to end, which it may ignore like any first process that does not listen."""
        if self._process.poll() is None and (inside := self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(inside, signal.SIGTERM)

    def end(self) -> None:
        """End it with everything that it has started."""
        if self._process.poll() is None:
            self._process.kill()  # and with it what it has forked, by --kill-child
        self._process.wait()


def stop(sandboxes: Sequence[Sandbox], seconds: float = STOP_SECONDS) -> None:
    """Ask all of them to end, then end those that did not."""
    for one in sandboxes:
        one.ask()
    deadline = time.monotonic() + seconds
    while any(one.exit_code() is None for one in sandboxes) and time.monotonic() < deadline:
        time.sleep(0.02)
    for one in sandboxes:
        one.end()


def _script(
    place: Path, mounts: Sequence[Mount], environment: Mapping[str, str], command: Sequence[str], work: str
) -> str:
    """The shell's way into the sandbox; the command takes the shell's place."""
    root = f"{place}/all"
    lines = [
        "set -e",
        f"mount -t tmpfs -o size=1g sandbox {shlex.quote(str(place))}",
        f"cd {shlex.quote(str(place))}",
        "mkdir upper work all",
        "mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work sandbox all",
        "mount -t proc proc all/proc",
        "mount --rbind /sys all/sys",
        "mount -t tmpfs -o mode=755 sandbox all/dev",
        "mkdir all/dev/shm",
        "mount -t tmpfs sandbox all/dev/shm",
    ]
    devices = [Mount(source=Path("/dev", one), path=f"/dev/{one}") for one in _DEVICES if Path("/dev", one).exists()]
    for one in (*devices, *mounts):
        inside = shlex.quote(f"{root}/{one.path.lstrip('/')}")
        source = shlex.quote(str(one.source))
        if one.source.is_dir():
            lines.append(f"mkdir -p {inside}")
        else:
            lines.append(f'mkdir -p "$(dirname {inside})"; test -e {inside} || : > {inside}')
        lines.append(f"mount --rbind {source} {inside}")
        if one.read_only:
            lines.append(f"mount -o remount,bind,ro {inside}")
    values = [f"{name}={value}" for name, value in environment.items()]
    lines.append("exec " + shlex.join(["chroot", root, "env", "-i", f"--chdir={work}", *values, *command]))
    return "\n".join(lines)
