"""The checks of training: with real ranks over gloo, and with results that must not pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.model_bench import judged, model_bench, needs, not_so
from workloads.backends.process import models, training
from workloads.backends.process.bench import Bench
from workloads.checks import training as checks
from workloads.outcome import NotMeasurableError, Outcome


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs("kserve", "moto", "tensorboard")
    with model_bench(tmp_path_factory.mktemp("training")) as made:
        yield made


def turn(ranks: int, speed: float, *, waited: float = 0.0, weights: tuple[str, ...] = ("a", "a")) -> training.Turn:
    return training.Turn(
        ranks=ranks,
        samples_per_second=speed,
        losses=(2.3, 1.0),
        waited_shares=(waited,) * ranks,
        sums_of_ranks=(ranks * (ranks + 1) / 2,) * ranks,
        weights=weights[:ranks],
    )


def done(*turns: training.Turn) -> training.Training:
    return training.Training(
        size="compact", parameters=1, batch=1, turns=turns, seconds=1.0, key="k", stored_version="1", sha256="",
        folder=Path(),
    )  # fmt: skip


def scaled(tmp_path: Path, result: training.Training) -> list[str]:
    with model_bench(tmp_path) as made:
        made.limits = {"scaling": 0.8}
        return not_so(checks.scaling("scaling", lambda *_, **__: result), made)


def test_two_ranks_that_do_nearly_twice_the_work_pass(tmp_path: Path) -> None:
    turns = [
        turn(ranks, speed)
        for speeds in ((100, 185), (104, 190), (98, 183))
        for ranks, speed in zip((1, 2), speeds, strict=True)
    ]
    assert scaled(tmp_path, done(*turns)) == []


@pytest.mark.fails("training.scaling", on="process")
def test_two_ranks_that_do_the_work_of_one_fail(tmp_path: Path) -> None:
    turns = [
        turn(ranks, speed)
        for speeds in ((100, 101), (104, 108), (98, 99))
        for ranks, speed in zip((1, 2), speeds, strict=True)
    ]
    assert scaled(tmp_path, done(*turns)) == ["2 ranks do at least 0.8 x 2 times the work of one"]


def test_an_efficiency_that_only_chance_lifts_over_the_limit_fails(tmp_path: Path) -> None:
    turns = [
        turn(ranks, speed)
        for speeds in ((100, 120), (60, 185), (98, 140))
        for ranks, speed in zip((1, 2), speeds, strict=True)
    ]
    assert scaled(tmp_path, done(*turns)) == ["2 ranks do at least 0.8 x 2 times the work of one"]


def test_ranks_that_end_apart_fail(tmp_path: Path) -> None:
    turns = [turn(1, 100), turn(2, 195, weights=("a", "b")), turn(1, 101), turn(2, 196)]
    assert scaled(tmp_path, done(*turns)) == ["no rank ends with other weights than the others"]


def test_a_wrong_sum_over_the_ranks_fails(tmp_path: Path) -> None:
    turns = [turn(1, 100), replace(turn(2, 195), sums_of_ranks=(3.0, 1.0)), turn(1, 101), turn(2, 196)]
    assert scaled(tmp_path, done(*turns)) == ["a sum over all ranks is right on every rank"]


def test_a_disturbed_machine_gives_no_verdict(tmp_path: Path) -> None:
    with model_bench(tmp_path) as made, pytest.raises(NotMeasurableError, match="waited for a core 40% of the time"):
        checks.scaling("scaling", lambda *_, **__: done(turn(1, 1), turn(2, 2, waited=0.4)))(made)


def test_a_small_job_learns_and_its_ranks_agree(bench: Bench) -> None:
    needs("torch")
    assert judged(checks.trains("small"), bench)[0] is Outcome.PASS


def test_a_job_that_learns_nothing_fails(bench: Bench) -> None:
    needs("torch")
    real = training.train(bench, "small", ranks=(2,), repetitions=1, steps=3)
    flat = replace(real, turns=tuple(replace(one, losses=(2.3, 2.3)) for one in real.turns))
    claims = not_so(checks.trains("small", lambda *_, **__: flat), bench)
    assert claims == [f"the loss of {real.parameters:,} parameters falls"]
    lost = replace(real, sha256="of something else")
    assert "ddp-small comes back from the store as it was written" in not_so(
        checks.trains("small", lambda *_, **__: lost), bench
    )


def test_models_an_hour_are_counted_from_programs_that_reach_their_target(bench: Bench) -> None:
    assert judged(checks.speed, bench)[0] is Outcome.PASS


@pytest.mark.fails("training.speed", on="process")
def test_a_model_that_misses_its_target_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    good = bench.use(models.TRAINED_FOREST)
    speeds = iter((1.0, 1.1))

    def worse(*_: object, **__: object) -> models.Trained:
        return replace(good, accuracy=0.5, seconds=next(speeds))

    monkeypatch.setattr(models, "train", worse)
    assert not_so(checks.speed, bench) == ["every model reaches its target"]


def test_tensorboard_shows_the_curve_of_training(bench: Bench) -> None:
    assert judged(checks.curves, bench)[0] is Outcome.PASS


@pytest.mark.fails("monitoring.tensorboard", on="process")
def test_a_curve_with_a_gap_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TRAINED_FOREST", models.TRAINED_SVC)
    assert not_so(checks.curves, bench) == ["TensorBoard shows the loss of every step"]
