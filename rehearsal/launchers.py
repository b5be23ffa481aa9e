"""Writes and removes the small scripts by which the engine finds the stand-ins. Touches no other file."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

MARK = "# stand-in written by `python -m rehearsal install`; `python -m rehearsal remove` deletes it"
LANGUAGE_HOST = {"pulumi-language-python": "language-host", "pulumi-resource-pulumi-python": "dynamic"}
KUBERNETES_PROVIDER = {"pulumi-resource-kubernetes": "kubernetes"}
CLOUD_PACKAGES = ("alicloud", "aws", "azure-native", "gcp", "random", "tls", "vsphere")
CLOUD_PROVIDERS = {f"pulumi-resource-{name}": name for name in CLOUD_PACKAGES}
_HEAD = 4096  # the mark is looked for in as many bytes of a file


class ForeignFileError(Exception):
    """A launcher would replace a file that is not ours."""


def is_ours(file: Path) -> bool:
    """Whether a file was written by `install`."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return MARK.encode() in opened.read(_HEAD)


def installed_cloud_providers() -> dict[str, str]:
    """The cloud providers whose SDK this interpreter has: the engine wants a plugin for each, used or not."""
    found = (name for name in CLOUD_PACKAGES if importlib.util.find_spec(f"pulumi_{name.replace('-', '_')}"))
    return {f"pulumi-resource-{name}": name for name in found}


def script(python: str, stand_in: str) -> str:
    """A launcher: it becomes the stand-in, so that the engine's signals reach it."""
    launch = Path(__file__).resolve().with_name("launch.py")
    command = shlex.join([python, "-P", str(launch), stand_in])
    return f'#!/bin/sh\n{MARK}\nexec {command} "$@"\n'


def install(folder: Path, names: dict[str, str], python: str) -> list[Path]:
    """Write one launcher per name; refuses all of them if one would replace a file that is not ours."""
    files = {folder / name: stand_in for name, stand_in in names.items()}
    foreign = [str(file) for file in files if file.exists() and not is_ours(file)]
    if foreign:
        raise ForeignFileError(f"not written by this command, and therefore not replaced: {', '.join(foreign)}")
    folder.mkdir(parents=True, exist_ok=True)
    for file, stand_in in files.items():
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(script(python, stand_in), encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(file)  # a run that is under way keeps reading the old script
    return list(files)


def remove(folder: Path) -> list[Path]:
    """Delete the launchers that `install` wrote into a folder."""
    every = LANGUAGE_HOST | KUBERNETES_PROVIDER | CLOUD_PROVIDERS
    found = [file for file in (folder / name for name in every) if is_ours(file)]
    for file in found:
        file.unlink()
    return found
