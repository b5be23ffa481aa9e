"""Model servers, training and the drift service with a fault built in: the criteria of the catalog must end in FAIL."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import edge
from tests.support.model_bench import SHORT, WRONG, faulty, needs, not_so
from tests.support.stack_outputs import outputs
from workloads import load
from workloads.backends.process import drift, models, python
from workloads.backends.process.bench import Bench
from workloads.catalog import BY_ID, limits
from workloads.checks import offered
from workloads.contract import parse

LATE_AND_WRONG = f"""
import asyncio
{WRONG}predict = server.Classifier.predict
async def late(self, payload, headers=None, response_headers=None):
    await asyncio.sleep(0.3)
    return predict(self, payload, headers, response_headers)
server.Classifier.predict = late
"""
DRIFT = python.ROOT / "workloads" / "images" / "drift"
PROFILE = replace(SHORT, golden_rows=5, training_steps=8, feedback_rows=200, drift_rows=500)
PATIENT = load.Rules(
    least_sent=0.01, most_lag_seconds=30, most_lag_share=10, most_cpu=100, most_held=1, stall_seconds=60
)


@contextmanager
def broken(folder: Path, swaps: dict[object, object] | None = None) -> Generator[Bench]:
    """A bench under the catalog's own limits, on which some software is swapped."""
    target = parse(outputs(), source="test")
    with edge.Swapped(
        target=target, profile=PROFILE, folder=folder, limits=limits(target), say=lambda _: None, swaps=swaps or {}
    ) as bench:
        yield bench


def refuted(name: str, bench: Bench) -> list[str]:
    """What that check says is not so."""
    check = BY_ID[name].process
    assert check is not None
    return not_so(check, bench)


SERVED = {
    "sklearn": (models.FOREST, models.TRAINED_FOREST, "kserve"),
    "xgboost": (models.XGBOOST, models.TRAINED_XGBOOST, "xgboost"),
    "pytorch": (models.TORCH, models.TRAINED_TORCH, "torch"),
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(one, marks=pytest.mark.fails(f"serving.{one}-answers", f"serving.{one}-latency", on="process"))
     for one in SERVED],
)  # fmt: skip
def test_a_server_of_late_and_wrong_answers_fails_both_ways(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limit is 200 ms, and each answer comes 300 ms after its question."""
    served, trained, module = SERVED[kind]
    needs("kserve", "moto", module)
    monkeypatch.setattr(offered, "RULES", PATIENT)
    swapped = models.served(trained, program=faulty(tmp_path, f"late-{kind}", LATE_AND_WRONG))
    with broken(tmp_path, {served: swapped}) as bench:
        answers = refuted(f"serving.{kind}-answers", bench)
        latency = refuted(f"serving.{kind}-latency", bench)
    assert [claim for claim in answers if "known inputs" in claim] == [
        f"5 known inputs give their known answers over {protocol}" for protocol in ("V1", "V2")
    ]
    assert "95 % of 50 requests a second are answered within 200 ms" in latency
    assert "no request fails" in latency, "a wrong answer is none"


def changed(folder: Path, copy: Path, file: str, old: str, new: str) -> Path:
    """A folder of programs with one place changed."""
    shutil.copytree(folder, copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    "size",
    [pytest.param(one, marks=pytest.mark.fails(f"training.distributed-{one}", on="process"))
     for one in ("small", "medium")],
)  # fmt: skip
def test_ranks_that_learn_nothing_fail(size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch", "tensorboard", "moto")
    programs = changed(python.PROGRAMS, tmp_path / "programs", "ddp.py", "lr=0.1", "lr=0.0")
    monkeypatch.setattr(python, "PROGRAMS", programs)
    with broken(tmp_path) as bench:
        (claim,) = refuted(f"training.distributed-{size}", bench)
    assert claim.endswith("parameters falls")


@pytest.mark.fails("training.scaling", on="process")
def test_ranks_that_wait_for_each_other_do_not_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch", "tensorboard", "moto")
    step = "        optimizer.step()\n"
    waiting = f"{step}        time.sleep(0.3 * (dist.get_world_size(group) - 1))\n"
    programs = changed(python.PROGRAMS, tmp_path / "programs", "ddp.py", step, waiting)
    monkeypatch.setattr(python, "PROGRAMS", programs)
    with broken(tmp_path) as bench:
        assert refuted("training.scaling", bench) == ["2 ranks do at least 0.8 x 2 times the work of one"]


@pytest.mark.fails("drift.errors-stored", on="process")
def test_a_service_that_loses_every_tenth_label_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = 'self._write(model, {"id": key, "prediction": prediction, "label"'
    forgetful = f'key.endswith("7") or {write}'
    source = changed(DRIFT, tmp_path / "source", "drift/window.py", write, forgetful)
    monkeypatch.setattr(drift, "_SOURCE", source)
    with broken(tmp_path) as bench:
        assert "all 200 labels are stored with their predictions" in refuted("drift.errors-stored", bench)


@pytest.mark.fails("drift.detected", on="process")
def test_a_service_that_calls_nothing_drift_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = '"detected": drift.detected'
    source = changed(DRIFT, tmp_path / "source", "drift/service.py", verdict, '"detected": False')
    monkeypatch.setattr(drift, "_SOURCE", source)
    with broken(tmp_path) as bench:
        assert [claim.split()[-2:] for claim in refuted("drift.detected", bench)] == [["are", "found"]] * 2
