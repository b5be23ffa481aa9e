"""Where a stack's outputs come from: a file, or the engine asked through its command line."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tools import environment, standins
from tools.localstack import STACK
from tools.places import ROOT, Places, ToolsError
from workloads.contract import OutputsError, Target, parse

ENGINE_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """A stack's outputs, as they are and as a validation reads them."""

    body: dict[str, Any]
    target: Target


def from_file(path: Path) -> Outputs:
    """Outputs that were saved with `pulumi stack output --json --show-secrets`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OutputsError(str(path), [error.strerror or str(error)]) from error
    return _parsed(text, str(path))


def from_stack(stack: str) -> Outputs:
    """Ask the engine for the outputs of a stack of this project."""
    source = f"stack {stack}"
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack]
    surroundings = _surroundings(stack, source)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=ENGINE_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise OutputsError(source, ['pulumi is not on PATH: run `eval "$(make env)"` first']) from error
    except subprocess.TimeoutExpired as error:
        raise OutputsError(source, [f"pulumi did not answer within {ENGINE_SECONDS} s"]) from error
    if done.returncode != 0:
        raise OutputsError(source, [f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()}"])
    return _parsed(done.stdout, source)


def engine_standins() -> tuple[str, ...]:
    """What stands in for official parts in the engine of this checkout, which made the stack."""
    return tuple(f"{name}: stand-in, {standins.meaning(name)}" for name in standins.in_use(Places(root=ROOT)))


def _surroundings(stack: str, source: str) -> dict[str, str]:
    """The engine's environment: this process's where it names a backend, else the one of this checkout."""
    if "PULUMI_BACKEND_URL" in os.environ:
        return dict(os.environ)
    try:
        return environment.merged(Places(root=ROOT), local=stack == STACK)
    except ToolsError as error:
        raise OutputsError(source, [str(error)]) from error


def _parsed(text: str, source: str) -> Outputs:
    try:
        outputs: object = json.loads(text)
    except ValueError as error:
        raise OutputsError(source, [f"no JSON: {error}"]) from error
    return Outputs(target=parse(outputs, source=source), body=cast("dict[str, Any]", outputs))
