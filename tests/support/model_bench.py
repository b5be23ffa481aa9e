"""A bench for tests of model software: short measurements, and servers with a fault built in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.stack_outputs import outputs
from workloads import runner
from workloads.backends.process import python
from workloads.backends.process.bench import Bench
from workloads.contract import parse
from workloads.outcome import NotMeasurableError, Outcome, Probes, SkippedError
from workloads.profile import QUICK, Load

WRONG = """
load = formats.load
def wrong(kind, file):
    model = load(kind, file)
    def classify(rows):
        classes, shares = model.classify(rows)
        return (classes + 1) % 3, shares
    return formats.Loaded(features=model.features, classify=classify)
formats.load = wrong
"""
LIMITS = {"latency": 2_000.0, "serving.batch": 10_000.0, "scaling": 0.1}
SHORT = replace(
    QUICK,
    endpoint=Load(requests=150, seconds=3, warm_up_seconds=0),
    day=Load(requests=600, seconds=12, warm_up_seconds=0),
    batch=Load(requests=300, seconds=6, warm_up_seconds=0),
    golden_rows=20,
    split_requests=200,
    repetitions=2,
    training_steps=40,
)


@contextmanager
def model_bench(folder: Path) -> Generator[Bench]:
    target = parse(outputs(), source="test")
    with Bench(target=target, profile=SHORT, folder=folder, limits=LIMITS, say=lambda _: None) as made:
        yield made


def needs(*modules: str) -> None:
    """Skip where the environment of the models is missing."""
    try:
        python.require(*modules)
    except SkippedError as error:
        pytest.skip(str(error))


def judged(check: Callable[[Bench], Probes], bench: Bench) -> tuple[Outcome, str]:
    """The verdict; a machine too busy to measure on is no reason to fail."""
    try:
        return runner.judge(check(bench))
    except NotMeasurableError as error:
        pytest.skip(str(error))


def not_so(check: Callable[[Bench], Probes], bench: Bench) -> list[str]:
    """The claims that did not hold."""
    try:
        return [one.claim for one in check(bench).all if not one.held]
    except NotMeasurableError as error:
        pytest.skip(str(error))


def faulty(folder: Path, name: str, change: str) -> Path:
    """The model server with a fault: `change` is Python that runs before it starts."""
    file = folder / f"{name}.py"
    start = f"import sys, time\nsys.path.insert(0, {str(python.PROGRAMS)!r})\nimport formats, server\n"
    file.write_text(f"{start}{change}\nserver.main()\n", encoding="utf-8")
    return file
