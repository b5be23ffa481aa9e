"""Where things are in a checkout, and how files are written so that an interruption breaks nothing. Runs no program."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class ToolsError(Exception):
    """Something cannot be done; the message says what, and what the reader can do about it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """The folders and files of one checkout."""

    root: Path

    @property
    def tools(self) -> Path:
        """Everything that is made here and not committed, environments apart."""
        return self.root / ".tools"

    @property
    def bin(self) -> Path:
        """Programs: first on PATH."""
        return self.tools / "bin"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self.tools / "cache"

    @property
    def logs(self) -> Path:
        """One file per step."""
        return self.tools / "logs"

    @property
    def pulumi_home(self) -> Path:
        """The engine's own folder: plugins, workspaces."""
        return self.tools / "pulumi"

    @property
    def state(self) -> Path:
        """The file backend of stacks on this machine."""
        return self.tools / "state"

    @property
    def passphrase(self) -> Path:
        """Encrypts the secrets in `state`."""
        return self.tools / "passphrase"

    @property
    def venv(self) -> Path:
        """The environment of the program; of the tests too when they were asked for."""
        return self.root / ".venv"

    @property
    def validation_venv(self) -> Path:
        """The environment of the workloads runner."""
        return self.root / ".venv-validation"

    @property
    def models_venv(self) -> Path:
        """What the validation trains and serves models with on this machine."""
        return self.root / ".venv-models"

    @property
    def envoy_venv(self) -> Path:
        """The gateway that the validation measures on this machine."""
        return self.root / ".venv-envoy"

    def relative(self, path: Path) -> str:
        """A path as a person in the checkout would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def write(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


@contextlib.contextmanager
def exclusive(file: Path, doing: str) -> Generator[None]:
    """Let one process at a time do something in this checkout; the kernel frees the lock when its holder dies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            print(f"waiting: {held.read().strip() or 'another process'} is at it", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        held.truncate()
        held.write(f"{doing} (process {os.getpid()})\n")
        held.flush()
        yield
