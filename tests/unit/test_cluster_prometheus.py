"""Answers of Prometheus and Alertmanager are as documented or none; ports are forwarded, or not with a reason."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import edge, meters
from tests.support.listening import Quiet, listening
from tests.support.pretend import Pretend, pretend
from workloads.api import Api, UnexpectedAnswerError, UnreachableError
from workloads.backends.cluster.forward import Forward, Pods, Reply, Spot
from workloads.backends.cluster.prometheus import Monitor, Sample, matcher, seconds

SPOT = Spot(namespace="monitoring", selector="app=web", port=8080)


class Says:
    """Stands for a pod that gives one answer."""

    def __init__(self, body: object, status: int = 200) -> None:
        self._reply = Reply(status=status, body=json.dumps(body).encode())

    def call(self, *_: Any, **__: Any) -> Reply:  # noqa: ANN401 - whatever is asked
        return self._reply


def saying(body: object, status: int = 200) -> Monitor:
    return Monitor(cast("Pods", Says(body, status)))


def vector(*result: Any) -> meters.Json:  # noqa: ANN401 - any JSON
    return {"status": "success", "data": {"resultType": "vector", "result": list(result)}}


def test_a_sample_has_its_labels_its_value_and_its_time() -> None:
    told = saying(vector({"metric": {"pod": "a"}, "value": [12.5, "0.75"]}))
    assert told.query("x") == (Sample(labels={"pod": "a"}, value=0.75, at=12.5),)
    assert told.value("x") == 0.75
    assert saying(vector()).value("x") is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, "bad_data: parse error"),
        ({"status": "success"}, "does not answer x"),
        ([], "does not answer x"),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": []}},
            "expected a vector of x, found 'matrix'",
        ),
        (vector("text"), "expected a list of objects"),
        (vector({"metric": {"pod": 1}, "value": [1, "1"]}), "expected labels"),
        (vector({"metric": {}, "histogram": [1, "1"]}), "expected a time and a value, found None"),
        (vector({"metric": {}, "value": [1, 1]}), "expected a time and a value"),
        (vector({"metric": {}, "value": [1, "one"]}), "expected a time and a value"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_no_answer(body: object, said: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=said):
        saying(body).query("x")


def test_several_values_are_not_one() -> None:
    one: meters.Json = {"metric": {}, "value": [1, "1"]}
    with pytest.raises(UnexpectedAnswerError, match="expected one value of x, found 2"):
        saying(vector(one, one)).value("x")


def alert(**changes: object) -> meters.Json:
    return {
        "labels": {"alertname": "A"}, "status": {"state": "active"}, "receivers": [{"name": "ops"}], **changes,
    }  # fmt: skip


def test_an_alert_has_its_state_and_those_whom_it_is_told() -> None:
    (found,) = saying([alert()]).alerts()
    assert (found.name, found.state, found.receivers) == ("A", "active", ("ops",))


@pytest.mark.parametrize("broken", [{"labels": {}}, {"status": {}}, {"receivers": None}, {"labels": None}])
def test_an_alert_that_lacks_something_is_no_alert(broken: meters.Json) -> None:
    with pytest.raises(UnexpectedAnswerError):
        saying([alert(**broken)]).alerts()


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3_600)])
def test_durations_are_read_as_prometheus_writes_them(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "30", "s", "1m x", "1.s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="expected a duration"):
        seconds(text)


def test_names_of_pods_are_no_patterns() -> None:
    assert matcher("pod", ["b.c", "a"]) == r'pod=~"a|b\\.c"'


@pytest.mark.skipif(bool(reason := edge.missing("prometheus", "alertmanager")), reason=reason)
def test_a_pattern_of_names_finds_exactly_them(tmp_path: Path) -> None:
    def lines(_: Pretend) -> Iterator[str]:
        for pod in ("a.b", "aXb", "a.bc"):
            yield meters.line("held", 1, {"pod": pod})

    with meters.place(tmp_path) as there, meters.monitored(there, lines):
        api = Api.from_kubeconfig(there.cluster.kubeconfig)
        one = Monitor(Forward(api, there.cluster.kubeconfig))
        assert [each.labels["pod"] for each in one.query(f"held{{{matcher('pod', ['a.b'])}}}")] == ["a.b"]
        began = one.now()
        (track,) = one.between('held{pod="aXb"}', began - 60, began)
        assert {value for _, value in track.points} == {1.0}
        assert [each.labels["job"] for each in one.targets() if each.healthy] == ["exporter"]
        with pytest.raises(UnexpectedAnswerError, match="bad_data"):
            one.query("sum by (")
        api.close()


@contextmanager
def web() -> Generator[int]:
    """A server that says what it was asked."""

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - named by the base class
            self._say(self.path.encode())

        def do_POST(self) -> None:  # noqa: N802 - named by the base class
            self._say(self.rfile.read(int(self.headers["Content-Length"])))

        def _say(self, data: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

    with listening(Handler) as port:
        yield port


def test_a_port_of_a_pod_answers_through_the_api_server() -> None:
    with pretend() as cluster, web() as port:
        api, far = (
            Api.from_kubeconfig(cluster.kubeconfig),
            Forward(Api.from_kubeconfig(cluster.kubeconfig), cluster.kubeconfig),
        )
        with pytest.raises(UnexpectedAnswerError, match=r"nobody is ready at port 8080 .* \(0 pods\)"):
            far.call(SPOT, "/")
        cluster.pod("monitoring", "web-0", {"app": "web"}, status={"phase": "Pending"})
        with pytest.raises(UnexpectedAnswerError, match=r"\(1 pods\)"):
            far.call(SPOT, "/")
        cluster.pod("monitoring", "web-1", {"app": "web"})
        with pytest.raises(UnexpectedAnswerError, match=r"web-1 of monitoring does not answer on 8080: .*refused"):
            far.call(SPOT, "/")
        cluster.ports["monitoring", "web-1", 8080] = port
        assert far.call(SPOT, "/x?y=1").body == b"/x?y=1"
        large = ["x" * 200_000]
        assert far.call(SPOT, "/", method="POST", body=large).json == large
        api.close()


def test_a_kubeconfig_that_leads_nowhere_is_told() -> None:
    with pretend() as cluster:
        api = Api.from_kubeconfig(cluster.kubeconfig)
        with pytest.raises(UnreachableError, match="the kubeconfig in the outputs cannot be used"):
            Forward(api, "current-context: [")
        api.close()
