"""Where a report comes from: commit, configuration and locks by their hashes, and the tools that were used."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workloads.report.evidence import digest

_LOCKS = ("requirements/*.txt", "kubeflow/distribution/*.lock.json", "kubeflow/distribution/*.digests.json")
_TOOLS = (
    ("pulumi", ("pulumi", "version")),
    ("kubectl", ("kubectl", "version", "--client")),
    ("git", ("git", "--version")),
)
_SECONDS = 20


def provenance(root: Path, stack: str) -> dict[str, Any]:
    """Everything by which the same report could be made again. What cannot be told is said to be unknown."""
    return {
        "commit": _said(root, "git", "rev-parse", "HEAD"),
        "changed": _changed(root),
        "configuration": dict(_hashes(root, (f"stacks/Pulumi.{stack}.yaml", "Pulumi.yaml"))),
        "locks": dict(_hashes(root, _LOCKS)),
        "tools": {**{name: _said(root, *command) for name, command in _TOOLS}, "Python": platform.python_version()},
    }


def _hashes(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            yield path.relative_to(root).as_posix(), f"sha256:{digest(path)}"


def _changed(root: Path) -> list[str] | None:
    """Files that differ from the commit; None where nobody can tell."""
    told = _output(root, "git", "status", "--porcelain")
    return None if told is None else [line[3:] for line in told.splitlines()]


def _said(root: Path, *command: str) -> str:
    """The first line of what a program says."""
    told = (_output(root, *command) or "").strip()
    return told.splitlines()[0] if told else "unknown"


def _output(root: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
