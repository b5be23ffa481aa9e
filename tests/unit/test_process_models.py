"""The checks of serving against real model servers, and what makes each of them fail."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.model_bench import WRONG, faulty, judged, model_bench, needs, not_so
from workloads import load
from workloads.backends.process import models, processes, python, storage
from workloads.backends.process.bench import Bench
from workloads.backends.process.models import Front, Split
from workloads.checks import offered, serving
from workloads.outcome import NotMeasurableError, Outcome, SkippedError

SLOW = """
import asyncio
predict = server.Classifier.predict
async def slow(self, payload, headers=None, response_headers=None):
    await asyncio.sleep(4)
    return predict(self, payload, headers, response_headers)
server.Classifier.predict = slow
"""
MIXED_UP = """
predict = server.Classifier.predict
def mixed_up(self, payload, headers=None, response_headers=None):
    if isinstance(payload, dict) and payload.get("id") == "row-7":
        payload = {**payload, "id": "row-8"}
    return predict(self, payload, headers, response_headers)
server.Classifier.predict = mixed_up
"""
LENIENT = load.Rules(
    least_sent=0.01, most_lag_seconds=30, most_lag_share=10, most_cpu=100, most_held=1, stall_seconds=60
)
DIES = """
import os
predict = server.Classifier.predict
seen = []
def dies(self, payload, headers=None, response_headers=None):
    seen.append(1)
    if len(seen) > 150:
        os._exit(3)
    return predict(self, payload, headers, response_headers)
server.Classifier.predict = dies
"""


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faults of servers are tried here, not the generator, which shares its cores with other tests."""
    monkeypatch.setattr(offered, "RULES", LENIENT)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs("kserve", "moto")
    with model_bench(tmp_path_factory.mktemp("models")) as made:
        yield made


def with_fault(tmp_path: Path, change: str) -> models.Served:
    file = faulty(tmp_path, tmp_path.name.replace("_", "-"), change)
    return models.served(models.TRAINED_SVC, version=f"1-{tmp_path.name}", program=file)


@pytest.mark.parametrize(
    ("served", "module"), [(models.SVC, "kserve"), (models.XGBOOST, "xgboost"), (models.TORCH, "torch")]
)
def test_a_served_model_answers_as_its_library_did_when_it_was_trained(
    bench: Bench, served: models.Served, module: str
) -> None:
    needs(module)
    assert judged(serving.answers(served), bench)[0] is Outcome.PASS


def test_a_server_with_another_model_fails(bench: Bench, tmp_path: Path) -> None:
    claims = not_so(serving.answers(with_fault(tmp_path, WRONG)), bench)
    assert [one for one in claims if "known inputs" in one] == [
        "20 known inputs give their known answers over V1",
        "20 known inputs give their known answers over V2",
    ]


def test_a_quick_server_is_within_its_limit(bench: Bench) -> None:
    assert judged(serving.latency(models.SVC, "latency"), bench)[0] is Outcome.PASS


def test_a_slow_server_fails(bench: Bench, tmp_path: Path) -> None:
    claims = not_so(serving.latency(with_fault(tmp_path, SLOW), "latency"), bench)
    assert "95 % of 50 requests a second are answered within 2000 ms" in claims


def test_wrong_answers_fail_the_latency_check_too(bench: Bench, tmp_path: Path) -> None:
    assert "no request fails" in not_so(serving.latency(with_fault(tmp_path, WRONG), "latency"), bench)


def test_a_compressed_day_passes_without_a_failure(bench: Bench) -> None:
    outcome, reason = judged(serving.day, bench)
    assert outcome is Outcome.PASS
    assert "failed requests 0 %" in reason


@pytest.mark.fails("serving.day", on="process")
def test_a_server_that_dies_fails_the_day(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "SVC", with_fault(tmp_path, DIES))
    assert not_so(serving.day, bench) == ["none of 600 requests fails", "the server that began is the one that ends"]


def test_every_row_of_a_batch_is_answered_once(bench: Bench) -> None:
    assert judged(serving.batch, bench)[0] is Outcome.PASS


@pytest.mark.fails("serving.batch", on="process")
def test_a_row_that_is_answered_for_another_fails(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SVC", with_fault(tmp_path, MIXED_UP))
    assert not_so(serving.batch, bench) == ["no row is lost, answered wrongly, or answered for another"]


def test_a_transformer_changes_the_form_and_not_the_answer(bench: Bench) -> None:
    assert judged(serving.transformed, bench)[0] is Outcome.PASS


@pytest.mark.fails("serving.transformer", on="process")
def test_a_transformer_before_another_model_fails(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = bench.use(models.transformer), bench.use(with_fault(tmp_path, WRONG))
    monkeypatch.setattr(models, "transformer", _always(Front(url=right.url, predictor=wrong)))
    assert "20 flowers get the same answers with and without the transformer" in not_so(serving.transformed, bench)


def test_an_explanation_adds_up_to_the_answer(bench: Bench) -> None:
    assert judged(serving.explained, bench)[0] is Outcome.PASS


@pytest.mark.fails("serving.explainer", on="process")
def test_an_explanation_of_another_model_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    right, other = bench.use(models.explainer), bench.use(models.SVC)
    monkeypatch.setattr(models, "explainer", _always(Front(url=right.url, predictor=other)))
    assert not_so(serving.explained, bench) == ["the parts of each explanation add up to the model's own answer"]


def test_a_model_that_the_store_has_changed_is_not_served(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object) -> bytes:
        return b"not what was stored"

    monkeypatch.setattr(storage.Bucket, "get", changed)
    with pytest.raises(processes.SoftwareError, match="came back from the store with hash"):
        bench.use(models.served(models.TRAINED_SVC, version="changed"))


@pytest.mark.fails("serving.canary", on="process")
def test_a_gateway_that_does_not_split_fails(bench: Bench) -> None:
    needs("xgboost")
    first = bench.use(models.REVISIONS[0])
    claims = not_so(serving.split(_always(Split(url=first.v1, shift=lambda _: None))), bench)
    assert claims == ["20% of the requests reach the canary", "once promoted, all do"]


def test_a_generator_that_cannot_keep_up_is_no_verdict(tmp_path: Path) -> None:
    plan = load.Plan(
        arrivals=load.constant(rate=1, seconds=1),
        endpoints=(load.Endpoint(name="x", url="http://127.0.0.1:9/", payloads=(load.Payload(),)),),
        seed=1,
    )
    tried: list[int] = []

    class Spoilt:
        diagnosis = ("the generator was late",)

    def run(one: load.Plan) -> load.LoadResult:
        tried.append(one.seed)
        return cast("load.LoadResult", Spoilt())

    with pytest.raises(NotMeasurableError, match="the generator was late"), model_bench(tmp_path) as bench:
        offered.measure(bench, plan, run)
    assert tried == [1, 2, 3]


def test_without_the_environment_a_model_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(SkippedError, match=r"needs the environment \.venv-models"):
        python.require("kserve", venv=tmp_path / ".venv-models")


def _always(value: Any) -> Callable[[Bench], AbstractContextManager[Any]]:  # noqa: ANN401 - of any software
    @contextmanager
    def software(_: Bench) -> Generator[Any]:
        yield value

    return software
