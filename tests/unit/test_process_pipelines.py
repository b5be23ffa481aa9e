"""The checks of pipelines and of MLflow with the real software, and what makes each of them fail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.model_bench import judged, model_bench, needs, not_so
from workloads.backends.process import mlflow, processes, python
from workloads.backends.process import pipelines as software
from workloads.backends.process.bench import Bench
from workloads.checks import pipelines
from workloads.outcome import Outcome


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs("kfp", "moto", "mlflow")
    with model_bench(tmp_path_factory.mktemp("pipelines")) as made:
        yield made


def changed(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """The pipelines with a change in one file."""
    folder = tmp_path / "pipelines"
    shutil.copytree(python.PIPELINES, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_the_first_pipeline_greets(bench: Bench) -> None:
    assert judged(pipelines.hello, bench)[0] is Outcome.PASS


@pytest.mark.fails("pipelines.hello", on="process")
def test_another_greeting_fails(bench: Bench, tmp_path: Path) -> None:
    folder = changed(tmp_path, "hello.py", "Hello, {name}!", "Hello {name}")
    assert not_so(lambda one: pipelines.hello(one, folder), bench) == ["the output is the greeting"]


def test_a_step_that_fails_fails_its_pipeline(bench: Bench, tmp_path: Path) -> None:
    folder = changed(tmp_path, "hello.py", "print(greeting)", "raise OSError(greeting)")
    with pytest.raises(processes.SoftwareError, match="pipeline-hello ended with exit code 1"):
        pipelines.hello(bench, folder)


@pytest.mark.fails("pipelines.hello", on="process")
def test_a_pipeline_that_installs_packages_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def installing(*_: object) -> str:
        return "command: python3 -m pip install --quiet pandas"

    monkeypatch.setattr(software, "compiled", installing)
    assert not_so(pipelines.hello, bench) == ["no step installs anything when it starts"]


def test_iris_is_trained_evaluated_tracked_and_registered(bench: Bench) -> None:
    outcome, reason = judged(pipelines.iris, bench)
    assert outcome is Outcome.PASS
    assert "accuracy 0.9 of 1" in reason


@pytest.mark.fails("pipelines.iris", on="process")
def test_a_forest_that_learns_nothing_is_noticed(bench: Bench, tmp_path: Path) -> None:
    folder = changed(tmp_path, "iris.py", 'forest.fit(flowers.drop(columns="target").to_numpy(), flowers["target"])',
                     'forest.fit(flowers.drop(columns="target").to_numpy() * 0, flowers["target"])')  # fmt: skip
    claims = not_so(lambda one: pipelines.iris(one, folder), bench)
    assert "accuracy is at least 0.9" in claims
    assert "the model is registered" in claims


def test_mlflow_knows_no_model_that_nobody_registered(bench: Bench) -> None:
    tracking = bench.use(mlflow.tracking)
    assert tracking.versions("nobody") == []
    with pytest.raises(mlflow.TrackingError, match="does not answer experiments/get-by-name"):
        tracking.runs("nothing")
