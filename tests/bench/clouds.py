"""First previews of the clouds' stacks on the stand-ins against an empty program, in one run. Reaches no cloud."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import yaml

from rehearsal.changes import PLATFORM, SECRETS, Config, edited
from rehearsal.cycle import stacks
from rehearsal.engine import PROJECT, ROOT, Engine
from tests.support.engine import tools

Measure = dict[str, Any]
RUNS = 3


def measure(folder: Path) -> list[Measure]:
    """Medians of runs that take turns, so that whatever else the machine does hits all of them."""
    empty = _empty(folder / "empty")
    clouds = {name: _cloud(folder / name, name) for name in stacks()}
    found: dict[str, list[float]] = {name: [] for name in clouds}
    nothing: list[float] = []
    for _ in range(RUNS):
        nothing.append(_previewed(empty))
        for name, engine in clouds.items():
            found[name].append(_previewed(engine))
    peer = statistics.median(nothing)
    return [_measured(f"preview of the cloud part: {name}", statistics.median(found[name]), peer) for name in clouds]


def _empty(folder: Path) -> Engine:
    """A program without a resource, under the same engine and stand-ins."""
    program = folder / "program"
    program.mkdir(parents=True)
    (program / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n", encoding="utf-8")
    (program / "__main__.py").write_text("import pulumi\n", encoding="utf-8")
    engine = Engine(folder / "engine", tools(), "empty", {}, program)
    engine.configure({})
    return engine


def _cloud(folder: Path, name: str) -> Engine:
    """This repository's program with a committed stack, without tenants and components of upstream."""
    config: Config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text("utf-8"))["config"]
    engine = Engine(folder / "engine", tools(), name, {})
    alone = edited(config, lambda one: one[PLATFORM].update(tenants={}, components=[]))
    engine.configure(alone, SECRETS.get(name))
    return engine


def _previewed(engine: Engine) -> float:
    ran = engine.preview()
    if ran.code:
        raise RuntimeError(f"preview of {engine.stack} failed:\n{ran.text}")
    return ran.seconds


def _measured(name: str, ours: float, peer: float) -> Measure:
    return {
        "name": name,
        "value": round(ours, 3),
        "unit": "s",
        "peer": "preview of an empty program",
        "peer_value": round(peer, 3),
        "ratio": round(ours / peer, 3),
        "runs": RUNS,
    }
