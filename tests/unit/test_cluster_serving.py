"""Models behind the cluster's door: each check passes for services as promised, and fails for each fault.

The gateway is a real Envoy on this machine; API server, KServe, Knative and the models are stand-ins.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import edge, front, pretended
from tests.support.front import Stood, described
from workloads import cluster, load, runner
from workloads.api import Answer, Json
from workloads.backends.cluster import door, services
from workloads.checks import answering, autoscaling, offered, served
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import NotMeasurableError, Outcome, Probes, SkippedError
from workloads.profile import Load

pytestmark = pytest.mark.skipif(bool(edge.missing("envoy")), reason=edge.missing("envoy"))

SHORT = dataclasses.replace(
    edge.PROFILE,
    endpoint=Load(requests=200, seconds=2, warm_up_seconds=0),
    day=Load(requests=120, seconds=5, warm_up_seconds=0),
    batch=Load(requests=100, seconds=2, warm_up_seconds=0),
    golden_rows=10,
    split_requests=200,
)
KINDS = ("sklearn", "xgboost", "pytorch")
LIMITS = {"serving.batch": 10_000.0, **{f"serving.{kind}-latency": 5_000.0 for kind in KINDS}}
CHECKS: dict[str, Callable[[Target, Visit], Probes]] = {
    **{f"answers of {kind}": served.answers(kind) for kind in KINDS},
    **{f"latency of {kind}": served.latency(kind, f"serving.{kind}-latency") for kind in ("sklearn", "pytorch")},
    "batch": served.batch,
    "day": served.day,
    "transformer": served.transformed,
    "explainer": served.explained,
    "canary": served.split,
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_name: str) -> bool:
        return False

    monkeypatch.setattr(offered, "measure", edge.measure)
    monkeypatch.setattr(door, "resolves", nobody)
    monkeypatch.setattr(services, "SETTLE_SECONDS", 1)
    monkeypatch.setattr(answering, "TRICKLE_SECONDS", 1.5)
    monkeypatch.setattr(answering, "BURST_SECONDS", 0.8)
    monkeypatch.setattr(services, "START_SECONDS", 2)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.02)


@pytest.fixture
def stood(tmp_path: Path) -> Iterator[Stood]:
    with edge.bench(tmp_path, None, LIMITS) as bench:
        bench.profile = SHORT
        with front.standing(bench) as made:
            yield made


@pytest.mark.parametrize("name", CHECKS)
def test_services_as_promised_pass_and_leave_nothing_behind(stood: Stood, name: str) -> None:
    with stood.visit.scope():
        outcome, reason = runner.judge(CHECKS[name](described(), stood.visit))
    assert outcome is Outcome.PASS, reason
    assert stood.cluster.objects == {}


def wrong(stood: Stood, **fault: object) -> None:
    for name, value in fault.items():
        setattr(stood.pods, name, value)


@pytest.mark.parametrize(
    ("kind", "protocols"),
    [
        pytest.param(kind, protocols, marks=pytest.mark.fails(f"serving.{kind}-answers", on="cluster"))
        for kind, protocols in (("sklearn", ["V1", "V2"]), ("xgboost", ["V1", "V2"]), ("pytorch", ["V2"]))
    ],
)
def test_another_models_answers_are_found(stood: Stood, kind: str, protocols: list[str]) -> None:
    wrong(stood, wrong=True)
    assert front.broken(served.answers(kind), stood) == [
        *(f"10 known inputs give their known answers over {one}" for one in protocols),
        "all rows in one request give the same answers",
    ]


def test_a_server_that_refuses_nothing_is_found(stood: Stood) -> None:
    wrong(stood, takes_anything=True)
    assert front.broken(served.answers("sklearn"), stood) == [
        "a row with a feature too few is refused",
        "nobody answers for an unknown model",
    ]


@pytest.mark.parametrize(
    "kind", [pytest.param(one, marks=pytest.mark.fails(f"serving.{one}-latency", on="cluster")) for one in KINDS]
)
def test_a_slow_model_is_found(stood: Stood, kind: str) -> None:
    wrong(stood, delay=0.3)
    stood.visit.terms.limits[f"serving.{kind}-latency"] = 100.0  # type: ignore[attr-defined] # a bench has them
    outcome, reason = runner.judge(served.latency(kind, f"serving.{kind}-latency")(described(), stood.visit))
    assert outcome is Outcome.FAIL
    assert "p95 latency" in reason


def test_errors_under_load_are_found(stood: Stood) -> None:
    wrong(stood, errors=10)
    claims = front.broken(served.latency("sklearn", "serving.sklearn-latency"), stood)
    assert "no request fails" in claims


@pytest.mark.fails("serving.batch", on="cluster")
def test_rows_of_a_batch_that_come_back_without_their_ids_are_found(stood: Stood) -> None:
    wrong(stood, loses_ids=True)
    assert front.broken(served.batch, stood) == [
        "10,000 rows an hour are answered",
        "no row is lost, answered wrongly, or answered for another",
        "no second passes without an answer",
    ]


def test_a_pod_that_restarts_during_the_day_is_found(stood: Stood) -> None:
    counts = iter(range(100))
    stood.cluster.restarts = lambda: next(counts)
    assert front.broken(served.day, stood) == ["the server that began is the one that ends"]


@pytest.mark.fails("serving.day", on="cluster")
def test_a_failure_during_the_day_is_found(stood: Stood) -> None:
    wrong(stood, errors=50)
    assert "none of 120 requests fails" in front.broken(served.day, stood)


@pytest.mark.fails("serving.transformer", on="cluster")
def test_a_transformer_that_changes_the_answer_is_found(stood: Stood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretended, "CENTIMETRES", 1.0)
    assert front.broken(served.transformed, stood) == [
        "10 flowers in inches get the answers that are known of them in centimetres"
    ]


@pytest.mark.fails("serving.explainer", on="cluster")
def test_explanations_that_do_not_add_up_are_found(stood: Stood) -> None:
    wrong(stood, wrong=True)
    assert front.broken(served.explained, stood) == ["the parts of each explanation add up to the model's own answer"]


def test_no_explanation_at_all_is_found(stood: Stood) -> None:
    wrong(stood, lost=True)
    claims = front.broken(served.explained, stood)
    assert "the parts of each explanation add up to the model's own answer" in claims


@pytest.mark.fails("serving.canary", on="cluster")
def test_a_canary_with_another_share_than_its_own_is_found(stood: Stood, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(self: pretended.Pods, name: str, value: object) -> None:
        object.__setattr__(self, name, 0.5 if name == "share" and value not in {0.0, 1.0} else value)

    monkeypatch.setattr(pretended.Pods, "__setattr__", half)
    assert front.broken(served.split, stood) == ["20% of the requests reach the canary"]


def test_requests_that_fail_while_a_canary_is_promoted_are_found(stood: Stood) -> None:
    wrong(stood, errors=20)
    claims = front.broken(served.split, stood)
    assert {"no request fails at 20%", "no request fails at 100%", "no request fails at 0%"} <= set(claims)


def test_requests_that_fail_only_at_the_moment_of_a_change_are_found(
    stood: Stood, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Visit.change

    def interrupted(visit: Visit, made: Json, edit: Callable[[Json], None]) -> Answer:
        wrong(stood, lost=True)
        time.sleep(1)
        wrong(stood, lost=False)
        return change(visit, made, edit)

    monkeypatch.setattr(Visit, "change", interrupted)
    assert front.broken(served.split, stood) == [
        f"no request fails while the share becomes {share}" for share in ("20%", "100%", "0%")
    ]


def test_shares_that_the_router_is_never_given_prove_nothing(stood: Stood, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_visit: Visit, _made: Json) -> list[int]:
        return [100]

    monkeypatch.setattr(served, "traffic", never)
    stood.visit.timeout_seconds = 0.1
    with pytest.raises(NotMeasurableError, match=r"the shares never became 20 %: \[100\]"):
        served.split(described(), stood.visit)


@pytest.mark.parametrize("said", ["", "no json", "{}", '{"rows": [[1]], "answers": null}'])
def test_a_maker_that_leaves_no_answers_proves_nothing(stood: Stood, said: str) -> None:
    stood.cluster.said = lambda _rows: said
    with pytest.raises(NotMeasurableError, match="the maker of a sklearn model left no answers"):
        served.answers("sklearn")(described(), stood.visit)


def test_where_no_container_runs_no_model_is_asked(stood: Stood) -> None:
    with pytest.raises(SkippedError, match="models answer inside of containers"):
        served.batch(described(cluster__capabilities=["webhooks"]), stood.visit)


@pytest.fixture
def soon(stood: Stood, monkeypatch: pytest.MonkeyPatch) -> Scaler:
    """An autoscaler that needs tenths of seconds where Knative needs minutes."""
    for name, seconds in {
        "ROUND_SECONDS": 2.0,
        "GROWN_SECONDS": 4.0,
        "SLACK_SECONDS": 2.0,
        "LOOK_SECONDS": 0.1,
    }.items():
        monkeypatch.setattr(autoscaling, name, seconds)
    windows = {"stable-window": "1s", "scale-to-zero-grace-period": "0s"}
    stood.cluster.fixed[autoscaling.SETTINGS] = {"data": windows}
    scaler = Scaler(stood=stood)
    stood.cluster.replicas = scaler.replicas
    return scaler


@dataclasses.dataclass(kw_only=True)
class Scaler:
    """Stands for Knative's autoscaler: one replica for each ten requests of the last second, or what a fault makes."""

    stood: Stood
    most: int = 3
    least: int = 0
    without_load: int = 0
    grown: int = 0

    def replicas(self) -> int:
        wanted = min(round(self.stood.pods.rate() / 10), self.most)
        self.grown = max(self.grown, wanted)
        return max(wanted, self.without_load, self.least if self.grown else 0)


SCALED: list[tuple[dict[str, int], list[str]]] = [
    ({}, []),
    ({"most": 1}, ["100 requests a second bring 3 replicas within 4 s"]),
    (
        {"without_load": 2},
        [
            "without load there is never more than one replica",
            "without requests none is left",
            "once the load is over, none is left within 3 s",
        ],
    ),
    ({"least": 1}, ["without requests none is left", "once the load is over, none is left within 3 s"]),
]


@pytest.mark.parametrize(("fault", "claims"), SCALED)
def test_replicas_follow_the_load_or_it_is_found(
    soon: Scaler, stood: Stood, fault: dict[str, int], claims: list[str]
) -> None:
    for name, value in fault.items():
        setattr(soon, name, value)
    soon.grown = soon.least
    assert front.broken(autoscaling.follows, stood) == claims


@pytest.mark.fails("serving.autoscaling", on="cluster")
def test_a_request_that_nothing_wakes_up_for_is_found(soon: Scaler, stood: Stood) -> None:
    wrong(stood, lost=True)
    claims = front.broken(autoscaling.follows, stood)
    assert soon.stood is stood
    assert "a request to nothing waits for a replica and is answered" in claims
    assert "no request fails while replicas come" in claims


def test_where_models_keep_their_last_replica_it_is_said(soon: Scaler, stood: Stood) -> None:
    soon.without_load = 1
    stood.cluster.fixed[autoscaling.SETTINGS]["data"]["enable-scale-to-zero"] = "false"
    probes = autoscaling.follows(described(), stood.visit)
    assert edge.broken(probes) == []
    assert "keeps one replica" in probes.notes[0]


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("1m30s", 90), ("0s", 0), ("1h0m0s", 3600), ("500ms", 0.5)])
def test_durations_are_read_as_go_writes_them(stood: Stood, text: str, seconds: float) -> None:
    given = {"stable-window": text, "scale-to-zero-grace-period": "0s"}
    stood.cluster.fixed[autoscaling.SETTINGS] = {"data": given}
    assert autoscaling.settings(stood.visit).idle_seconds == seconds


def test_requests_of_the_generator_carry_the_renewed_token(stood: Stood) -> None:
    """A token that the gateway does not take any more would show as 401."""
    asked: list[load.LoadResult] = []
    with served.opened(described(), stood.visit) as site:
        reach = site.reach("proof-sklearn")
        plan = load.Plan(
            arrivals=load.constant(rate=10, seconds=1),
            endpoints=(reach.endpoint("one", "/any", (load.Payload(method="GET"),)),),
            seed=1, ca=reach.ca, warm_up_seconds=0,
        )  # fmt: skip
        asked.append(edge.measure(stood.visit.terms, plan, reach.running()))  # type: ignore[arg-type] # a bench
    assert asked[0].failed == 0
    assert json.dumps(plan.to_json()).find("Bearer") == -1
