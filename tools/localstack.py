"""The stack `local` in the file backend of this checkout: its folder, its configuration, and what an interruption left.

The engine writes the salt of the stack's passphrase into the stack file. The committed one must stay as it is, so the
engine is given a copy of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tools.places import Places, ToolsError, write
from tools.run import output

PROJECT = "kubeflow-proof"
STACK = "local"
SUFFIX = ".json.gz"  # the engine compresses the local state: see `environment.LOCAL_ONLY`
_GZIP = b"\x1f\x8b"
_SALT = re.compile(r"^encryptionsalt:.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalStack:
    """What is known of the stack without asking the engine."""

    places: Places

    @property
    def folder(self) -> Path:
        """A project of the same name with nothing in it: creating and removing the stack happens there."""
        return self.places.tools / "stack"

    @property
    def config(self) -> Path:
        """The copy of the stack file that the engine reads and writes."""
        return self.folder / f"Pulumi.{STACK}.yaml"

    @property
    def unsettled(self) -> Path:
        """There while an `up` is under way; found by the next one, it tells that the last was interrupted."""
        return self.places.tools / "unsettled"

    @property
    def state(self) -> Path:
        """The stack's state."""
        return self._backend / "stacks" / PROJECT / f"{STACK}{SUFFIX}"

    @property
    def _backend(self) -> Path:
        return self.places.state / ".pulumi"

    def prepare(self) -> None:
        """Bring the copy up to date; it keeps the salt that the engine wrote."""
        text = (self.places.root / "stacks" / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8")
        kept = _SALT.search(self.config.read_text(encoding="utf-8")) if self.config.exists() else None
        if kept and not _SALT.search(text):
            text = f"{text.rstrip()}\n{kept[0]}\n"
        write(self.folder / "Pulumi.yaml", f"name: {PROJECT}\nruntime: python\n")
        write(self.config, text)

    @property
    def cluster_changed(self) -> bool:
        """Whether the state was written for another local cluster than today's; every new one has new certificates."""
        return not self._applied_to.exists() or self._applied_to.read_text(encoding="ascii") != self._fingerprint()

    def remember_cluster(self) -> None:
        """Note for which cluster the state is written."""
        write(self._applied_to, self._fingerprint())

    @property
    def _applied_to(self) -> Path:
        return self.folder / "cluster.sha256"

    def _fingerprint(self) -> str:
        kubeconfig = self.places.tools / "cluster" / "kubeconfig"
        return hashlib.sha256(kubeconfig.read_bytes()).hexdigest() if kubeconfig.exists() else ""

    def resources(self) -> int:
        """How many resources the state knows."""
        return len(self._latest().get("resources") or ())

    def pending(self) -> int:
        """How many operations were under way when the engine was killed."""
        return len(self._latest().get("pending_operations") or ())

    def left_locked(self) -> bool:
        """Whether a killed engine left its lock; an engine that is still alive is an error."""
        locks = list(self._locks())
        for lock in locks:
            if _alive(lock):
                raise ToolsError(
                    f"the stack {STACK} is in use: process {lock['pid']} since {lock.get('timestamp', '')}: let it end"
                )
        return bool(locks)

    def others(self) -> list[str]:
        """Further stacks that the user keeps in the same backend."""
        stacks = self._backend / "stacks"
        every = {file for pattern in ("**/*.json", f"**/*{SUFFIX}") for file in stacks.glob(pattern)} - {self.state}
        return sorted(str(one.relative_to(stacks)).partition(".json")[0] for one in every)

    def _locks(self) -> Iterator[dict[str, Any]]:
        for file in (self._backend / "locks").glob(f"**/{PROJECT}/{STACK}/*.json"):
            try:
                yield json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                yield {}

    def _latest(self) -> dict[str, Any]:
        try:
            checkpoint = _content(self.state)["checkpoint"]
        except (OSError, EOFError, ValueError, KeyError, zlib.error):
            return {}
        return cast("dict[str, Any]", checkpoint.get("latest") or {})


def restore(state: Path) -> str:
    """Put right a state file that a killed engine wrote by half; says what was done, empty if nothing was wrong."""
    attributes = state.with_name(f"{state.name}.attrs")
    if attributes.exists() and not _readable(attributes):
        attributes.unlink()  # the engine does without, but not with half of it
    if not state.exists() or _readable(state):
        return ""
    backup = state.with_name(f"{state.name}.bak")
    if _readable(backup):
        shutil.copyfile(backup, state)
        return "the killed engine left half a state file: went back to the one before"
    state.unlink()
    return "the killed engine left half a state file, and there is none before it: begins with an empty one"


def _readable(file: Path) -> bool:
    try:
        _content(file)
    except (OSError, EOFError, ValueError, zlib.error):
        return False
    return True


def _content(file: Path) -> dict[str, Any]:
    """What a file of the backend holds, compressed or not."""
    data = file.read_bytes()
    return cast("dict[str, Any]", json.loads(gzip.decompress(data) if data.startswith(_GZIP) else data))


def _alive(lock: dict[str, Any]) -> bool:
    pid = lock.get("pid")
    if not isinstance(pid, int) or lock.get("hostname") != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if shutil.which("ps") is None:
        return True
    state = (output(["ps", "-o", "stat=,comm=", "-p", str(pid)]) or "").strip()
    return "pulumi" in state and not state.startswith("Z")  # after a reboot the number may be another program's
