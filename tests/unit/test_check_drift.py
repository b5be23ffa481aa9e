"""The checks of drift against the real service, and what makes each of them fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.stack_outputs import outputs
from workloads import runner
from workloads.backends.process.bench import Bench
from workloads.backends.process.drift import rows
from workloads.backends.process.processes import SoftwareError
from workloads.checks import drift
from workloads.contract import parse
from workloads.outcome import Outcome, Probes
from workloads.profile import QUICK


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(
        target=parse(outputs(), source="test"),
        profile=replace(QUICK, drift_windows=5, drift_rows=500, feedback_rows=200),
        folder=tmp_path_factory.mktemp("bench"),
        limits={"drift.detected": 95.0},
        say=lambda _: None,
    ) as made:
        yield made


def failed(probes: Probes) -> list[str]:
    return [one.claim for one in probes.all if not one.held]


def test_drift_is_found_and_its_absence_is_silent(bench: Bench) -> None:
    probes = drift.detected(bench)
    assert runner.judge(probes)[0] is Outcome.PASS
    assert {one.n for one in probes.measurements} == {5}


@pytest.mark.fails("drift.detected", on="process")
def test_drift_that_is_not_found_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def unchanged(count: int, random: np.random.Generator, **_: Any) -> list[list[float | str]]:  # noqa: ANN401
        return rows(count, random)

    monkeypatch.setattr(drift, "rows", unchanged)
    assert [claim.split()[-2:] for claim in failed(drift.detected(bench))] == [["are", "found"]] * 2


@pytest.mark.fails("drift.detected", on="process")
def test_alarms_without_drift_fail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(count: int, random: np.random.Generator, **_: Any) -> list[list[float | str]]:  # noqa: ANN401
        return rows(count, random, shift=1.0, shifted=3)

    monkeypatch.setattr(drift, "rows", shifted)
    assert failed(drift.detected(bench)) == ["windows without drift raise no alarm"]


def test_errors_come_back_as_they_were_sent(bench: Bench) -> None:
    assert runner.judge(drift.errors_stored(bench))[0] is Outcome.PASS


def test_a_log_that_loses_labels_fails(bench: Bench) -> None:
    service = bench.use(drift.drift_service)
    (service.log / "invented.jsonl").unlink()
    (service.log / "invented.jsonl").mkdir()
    try:
        with pytest.raises(SoftwareError, match="500"):
            drift.errors_stored(bench)
    finally:
        (service.log / "invented.jsonl").rmdir()
