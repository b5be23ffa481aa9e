"""The verdict on stack files, before any engine runs: readable, well formed, and meaning something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .decode import SettingsError
from .load import load
from .settings import Settings

FINE, WRONG, UNREADABLE = 0, 1, 2


def check(path: Path) -> tuple[int, Iterator[str]]:
    """The exit status that a stack file deserves, and the lines that say why."""
    try:
        return FINE, iter((f"{path}: ok ({_summary(load(path))})",))
    except SettingsError as error:
        return WRONG, (str(problem) for problem in error.problems)
    except OSError as error:
        return UNREADABLE, iter((f"{path}: cannot be read: {error.strerror or error}",))


def _summary(settings: Settings) -> str:
    environment = settings.cluster.environment.value
    pools, tenants = len(settings.cluster.pools), len(settings.platform.tenants)
    return f"environment {environment}, {_counted(pools, 'pool')}, {_counted(tenants, 'tenant')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
