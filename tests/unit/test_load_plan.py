"""A plan is data: it survives JSON, has a hash of what it does, and is refused as a whole where it cannot be kept."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from workloads import load

ENDPOINT = load.Endpoint(
    name="iris",
    url="https://127.0.0.1:8443/v2/models/iris/infer",
    host="iris.example.com",
    headers={"x-team": "a"},
    token="secret-token",
    payloads=(
        load.v2("iris", [{"name": "x", "data": [1.0]}], golden={"y": [0.5]}, tolerance=0.1, version="v1"),
        load.Payload(body=b"\x00\xff", content_type="application/octet-stream"),
    ),
)
PLAN = load.Plan(arrivals=load.day(requests=100, compress=864), endpoints=(ENDPOINT,), seed=7, limit_seconds=0.2)


def _through_json(plan: load.Plan) -> Any:  # noqa: ANN401 - a JSON value
    return json.loads(json.dumps(plan.to_json()))


def test_a_plan_survives_json() -> None:
    again = load.Plan.from_json(_through_json(PLAN))
    assert again == PLAN
    assert again.hash == PLAN.hash


def test_the_hash_tells_loads_apart_and_knows_no_token() -> None:
    others = [
        dataclasses.replace(PLAN, seed=8),
        dataclasses.replace(PLAN, arrivals=load.constant(rate=1, seconds=100)),
        dataclasses.replace(PLAN, connections=255),
        dataclasses.replace(PLAN, endpoints=(dataclasses.replace(ENDPOINT, payloads=ENDPOINT.payloads[:1]),)),
    ]
    assert len({plan.hash for plan in [PLAN, *others]}) == 5
    renewed = dataclasses.replace(PLAN, endpoints=(dataclasses.replace(ENDPOINT, token="another"),))
    assert renewed.hash == PLAN.hash
    assert "secret-token" not in repr(PLAN)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("seeds",), 1, "plan.seeds: unknown; allowed: arrivals, endpoints, seed"),
        (("seed",), "1", "plan.seed: expected a whole number, found '1'"),
        (("seed",), True, "plan.seed: expected a whole number, found True"),
        (("limit_seconds",), "fast", "plan.limit_seconds: expected a number or nothing, found 'fast'"),
        (("endpoints",), {}, "plan.endpoints: expected a list, found {}"),
        (("endpoints", 0, "headers"), [], r"plan.endpoints\[0\].headers: expected a mapping, found \[\]"),
        (("endpoints", 0, "payloads", 1, "body"), "?", r"plan.endpoints\[0\].payloads\[1\].body: expected base64 text"),
        (("endpoints", 0, "payloads", 0), 5, r"plan.endpoints\[0\].payloads\[0\]: expected a mapping, found 5"),
        (("schema",), 2, "plan.schema: expected 1, found 2"),
        (("arrivals", "pieces", 0, "rate"), None, r"plan.arrivals.pieces\[0\].rate: expected a number, found None"),
    ],
)
def test_a_wrong_key_is_named_by_its_path(path: tuple[str | int, ...], value: object, said: str) -> None:
    plain = _through_json(PLAN)
    inner = plain
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(load.PlanError, match=said):
        load.Plan.from_json(plain)


def test_all_problems_of_a_plan_are_said_at_once() -> None:
    wrong = load.Endpoint(name="iris", url="iris", payloads=(), weight=0, token="a", token_file="b")
    with pytest.raises(load.PlanError) as caught:
        dataclasses.replace(
            PLAN,
            endpoints=(ENDPOINT, wrong),
            connections=2,
            processes=3,
            new_connections=1.5,
            timeout_seconds=0.1,
        )
    lines = str(caught.value).splitlines()[1:]
    words = ("limit_seconds", "connections", "new_connections", "different names", ".url", ".payloads", ".weight")
    assert [word for word, line in zip([*words, "one of token"], lines, strict=True) if word not in line] == []


def test_a_missing_key_is_named() -> None:
    plain = _through_json(PLAN)
    del plain["seed"], plain["endpoints"][0]["url"]
    with pytest.raises(load.PlanError) as caught:
        load.Plan.from_json(plain)
    assert str(caught.value).splitlines()[1:] == ["  - plan.endpoints[0].url: missing", "  - plan.seed: missing"]


@pytest.mark.parametrize(
    "arrivals",
    [
        load.constant(rate=0, seconds=10),
        load.constant(rate=-1, seconds=10),
        load.steps(rates=(5, -1), seconds=10),
        load.gamma(rate=1, seconds=10, burstiness=-1),
        load.constant(rate=1e9, seconds=10),
        load.constant(rate=1, seconds=1e9),
        load.steps(rates=(), seconds=10),
    ],
)
def test_a_load_without_end_or_beginning_is_refused(arrivals: load.Arrivals) -> None:
    with pytest.raises(load.PlanError):
        dataclasses.replace(PLAN, arrivals=arrivals)


def test_inference_requests_are_those_of_the_protocols() -> None:
    first = load.v1("iris", [[5.1, 3.5]], golden=[0])
    assert json.loads(first.body) == {"instances": [[5.1, 3.5]]}
    assert first.expect.checks == (load.Check(path=("predictions",), equals=[0]),)
    second = ENDPOINT.payloads[0]
    assert json.loads(second.body) == {"inputs": [{"name": "x", "data": [1.0]}]}
    assert (second.expect.model, second.expect.version) == ("iris", "v1")
    with pytest.raises(load.PlanError, match="V1 request to iris: expected at least one instance"):
        load.v1("iris", [])
