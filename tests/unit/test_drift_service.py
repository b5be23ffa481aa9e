from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from workloads.images.drift.drift.core import Kind, Limits, Reference
from workloads.images.drift.drift.reference import UnusableReferenceError, load
from workloads.images.drift.drift.service import Service
from workloads.images.drift.drift.window import PayloadError, PredictionLog

REFERENCE = Reference(
    kinds={"x": Kind.NUMBER, "y": Kind.CATEGORY},
    columns={"x": [float(number % 10) for number in range(100)], "y": ["a", "b"] * 50},
)
REQUEST, RESPONSE = "org.kubeflow.serving.inference.request", "org.kubeflow.serving.inference.response"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(references={"m": REFERENCE}, limits=Limits(), window=100, log=PredictionLog(folder=tmp_path))


def series(service: Service, name: str) -> list[str]:
    text = generate_latest(service.metrics.registry).decode()
    return [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]


def batch(count: int = 100, start: float = 0.0) -> dict[str, Any]:
    return {"instances": [[start + number % 10, "a" if number % 2 else "b"] for number in range(count)]}


def test_series_exist_before_the_first_window(service: Service) -> None:
    assert series(service, "drift_share") == ['drift_share{model="m"} 0.0']
    assert series(service, "prediction_errors_total") == ['prediction_errors_total{model="m"} 0.0']
    assert series(service, "drift_last_evaluation_timestamp_seconds") == []  # no look yet: nothing to be fresh about


def test_a_window_is_judged_when_it_is_full_and_not_before(service: Service) -> None:
    service.take("m", REQUEST, "1", batch(99))
    assert "m" not in service.last
    service.take("m", REQUEST, "2", batch(1))
    assert not service.last["m"].detected
    service.take("m", REQUEST, "3", batch(100, start=5))
    assert service.last["m"].detected
    assert series(service, "drift_detected") == [
        'drift_detected{feature="x",model="m"} 1.0',
        'drift_detected{feature="y",model="m"} 0.0',
    ]
    assert series(service, "drift_windows_total") == ['drift_windows_total{model="m"} 2.0']


def test_both_protocols_are_read(service: Service) -> None:
    tensor = {"inputs": [{"shape": [100, 2], "data": [value for row in batch()["instances"] for value in row]}]}
    service.take("m", REQUEST, "1", tensor)
    assert service.last["m"].rows == 100


@pytest.mark.parametrize("payload", [{}, [], {"instances": [[1.0]]}, {"outputs": []}], ids=repr)
def test_a_payload_that_is_none_is_refused(service: Service, payload: object) -> None:
    with pytest.raises(PayloadError):
        service.take("m", REQUEST, "1", payload)


def test_answers_join_their_request_in_the_log(service: Service, tmp_path: Path) -> None:
    service.take("m", REQUEST, "k", batch(2))
    service.take("m", RESPONSE, "k", {"predictions": [1, 0]})
    assert service.log.labelled("m", "k/0", 1) is False
    assert service.log.labelled("m", "k/1", 1) is True
    assert service.log.labelled("m", "k/1", 1) is None  # each label counts once
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["id"], one.get("error")) for one in lines] == [
        ("k/0", None), ("k/1", None), ("k/0", False), ("k/1", True),
    ]  # fmt: skip
    assert lines[0]["row"] == [0.0, "b"]


def test_the_log_never_grows_beyond_two_files(tmp_path: Path) -> None:
    log = PredictionLog(folder=tmp_path, most_bytes=1_000)
    for number in range(100):
        log.predicted("m", str(number), [0.0], 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.jsonl", "m.jsonl.1"]
    assert all(path.stat().st_size < 1_200 for path in tmp_path.iterdir())


def written(folder: Path, content: str, digest: str | None = None) -> Path:
    (folder / "m.json").write_text(content, encoding="utf-8")
    if digest is not None:
        (folder / "m.sha256").write_text(digest, encoding="utf-8")
    return folder


def test_a_reference_is_used_only_with_its_own_digest(tmp_path: Path) -> None:
    content = json.dumps({"features": [{"name": "x", "kind": "number", "values": [1, 2]}]})
    with pytest.raises(UnusableReferenceError, match=r"m\.sha256 is missing"):
        load(written(tmp_path, content))
    with pytest.raises(UnusableReferenceError, match="says"):
        load(written(tmp_path, content, "0" * 64))
    digest = hashlib.sha256(content.encode()).hexdigest()
    assert load(written(tmp_path, content, f"{digest}  m.json"))["m"].columns == {"x": [1, 2]}


def test_a_reference_with_gaps_is_refused(tmp_path: Path) -> None:
    features: list[dict[str, object]] = [
        {"name": "x", "kind": "number", "values": [1]},
        {"name": "y", "kind": "number", "values": []},
    ]
    content = json.dumps({"features": features})
    with pytest.raises(UnusableReferenceError, match="different numbers of values"):
        load(written(tmp_path, content, hashlib.sha256(content.encode()).hexdigest()))
