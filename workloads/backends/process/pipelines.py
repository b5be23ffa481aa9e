"""Kubeflow pipelines run by `kfp.local`: the same components as in a cluster, each in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.backends.process import python
from workloads.backends.process.bench import Bench

_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A pipeline that ended well."""

    output: Any
    metrics: Mapping[str, Any]
    artifacts: tuple[Path, ...]
    seconds: float
    log: Path


def run(
    bench: Bench, pipeline: str, given: Mapping[str, object], *, name: str = "", folder: Path = python.PIPELINES
) -> Finished:
    """Run one with these parameters; a step that fails is a SoftwareError with the end of its log. Installs nothing."""
    python.require("kfp")
    name = name or pipeline
    out = bench.folder / "pipelines" / name
    words = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    took = python.finish(
        bench, f"pipeline-{name}", [folder, "run", pipeline, "--out", out, *words], seconds=_SECONDS,
        env={"PIP_NO_INDEX": "1"},
    )  # fmt: skip
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return Finished(
        output=result["output"],
        metrics=result["metrics"],
        artifacts=tuple(Path(one) for one in result["artifacts"]),
        seconds=took,
        log=bench.folder / "logs" / f"pipeline-{name}.log",
    )


def compiled(bench: Bench, pipeline: str) -> str:
    """The YAML that a cluster gets."""
    python.require("kfp")
    file = bench.folder / "pipelines" / f"{pipeline}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    python.finish(
        bench, f"compile-{pipeline}", [python.PIPELINES, "compile", pipeline, "--out", file], seconds=_SECONDS
    )
    return file.read_text(encoding="utf-8")
