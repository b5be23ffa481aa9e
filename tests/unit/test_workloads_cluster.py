from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from urllib3.exceptions import NewConnectionError

from tests.support.stack_outputs import outputs
from workloads import cluster, runner
from workloads.api import Api, Json, UnreachableError
from workloads.backends.cluster.kinds import UnknownKindError
from workloads.backends.process.bench import Bench
from workloads.catalog import limits
from workloads.cluster import LeftoversError, Visit
from workloads.contract import RUN_LABEL, parse
from workloads.criteria.platform import PLATFORM
from workloads.criterion import Backend
from workloads.outcome import NotMeasurableError, Outcome
from workloads.pods import pod
from workloads.profile import QUICK


class Server:
    """An API server at the HTTP boundary: keeps objects by path, and can refuse or ignore."""

    configuration = SimpleNamespace(host="https://cluster.test")

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.log: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.immortal = False
        self.silent = False

    def param_serialize(self, *, method: str, resource_path: str, **others: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return method, resource_path, others["body"]

    def call_api(self, method: str, path: str, body: Json | None, *, _request_timeout: float) -> SimpleNamespace:
        if self.silent:
            raise NewConnectionError(SimpleNamespace(host="cluster.test"), "refused")  # type: ignore[arg-type]
        self.log.append(f"{method} {path}")
        status, answer = self._answer(method, urlsplit(path).path, parse_qs(urlsplit(path).query), body)
        return SimpleNamespace(status=status, read=lambda: json.dumps(answer).encode())

    def _answer(self, method: str, path: str, query: dict[str, list[str]], body: Json | None) -> tuple[int, Json]:
        if method == "POST" and body is not None:
            if self.refusal:
                return self.refusal[0], {"message": self.refusal[1]}
            name = f"proof-{len(self.log)}"
            namespace = path.split("/")[4]
            made = {**body, "metadata": {**body["metadata"], "name": name, "namespace": namespace, "uid": name}}
            if "dryRun" not in query:
                self.objects[f"{path}/{name}"] = made
            return 201, made
        if method == "DELETE":
            found = self.objects.get(path) if self.immortal else self.objects.pop(path, None)
            return (200, {}) if found else (404, {"message": "not found"})
        if path in self.objects:
            return 200, self.objects[path]
        if re.fullmatch("/api/v1/(pods|secrets)", path):
            kind, (key, _, value) = path.rpartition("/")[2], query["labelSelector"][0].partition("=")
            labelled = [
                one for where, one in self.objects.items()
                if f"/{kind}/" in where and key in one["metadata"].get("labels", {})
            ]  # fmt: skip
            return 200, {"items": [one for one in labelled if value in {"", one["metadata"]["labels"][key]}]}
        return 404, {"message": f"{path} not found"}

    def close(self) -> None:
        self.log.append("close")

    def leave(self, run: str) -> None:
        path = "/api/v1/namespaces/team/pods/left"
        self.objects[path] = {"metadata": {"name": "left", "namespace": "team", "labels": {RUN_LABEL: run}}}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(cluster, "QUOTA_SECONDS", 0.01)
    monkeypatch.setattr(cluster, "GONE_SECONDS", 0.05)


def api_of(server: Server) -> Api:
    return Api(cast("Any", server))


def visit(server: Server) -> Visit:
    return Visit(api_of(server), run="now", timeout_seconds=0.05)


def test_a_visit_removes_what_a_dead_run_left_before_it_makes_anything(server: Server) -> None:
    server.leave("earlier")
    with visit(server) as open_visit:
        assert server.objects == {}
        open_visit.make("team", "pods", pod())
    assert server.objects == {}
    changes = [line.partition(" ")[0] for line in server.log if not line.startswith("GET")]
    assert changes == ["DELETE", "POST", "DELETE"]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_whatever_stops_a_run_its_objects_are_removed(server: Server, interruption: type[BaseException]) -> None:
    def work() -> None:
        with visit(server) as open_visit:
            open_visit.make("team", "pods", pod())
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "proof-"}}
            open_visit.make("team", "secrets", secret)
            raise interruption

    with pytest.raises(interruption):
        work()
    assert server.objects == {}


def test_everything_made_carries_the_runs_label_and_a_dry_run_keeps_nothing(server: Server) -> None:
    with visit(server) as open_visit:
        assert open_visit.make("team", "pods", pod())["metadata"]["labels"] == {RUN_LABEL: "now"}
        assert open_visit.dry("team", "pods", pod()).ok
        assert len(server.objects) == 1


def test_objects_that_will_not_go_are_named(server: Server) -> None:
    server.leave("earlier")
    server.immortal = True
    with pytest.raises(LeftoversError, match="/api/v1/namespaces/team/pods/left"), visit(server):
        pass


def test_no_room_for_a_probe_makes_the_measurement_invalid_not_failed(server: Server) -> None:
    server.refusal = (403, "exceeded quota: tenant, requested: pods=1")
    with visit(server) as open_visit, pytest.raises(NotMeasurableError, match="no room for the probe"):
        open_visit.make("team", "pods", pod())


def test_an_object_of_the_same_name_is_not_taken_for_the_one_that_was_made(server: Server) -> None:
    with visit(server) as open_visit:
        made = open_visit.make("team", "pods", pod())
        assert open_visit.read(made) == made
        assert open_visit.read({**made, "metadata": {**made["metadata"], "uid": "other"}}) is None
        open_visit.remove(made)
        assert open_visit.read(made) is None


def test_silence_is_no_answer(server: Server) -> None:
    server.silent = True
    with pytest.raises(UnreachableError, match=r"https://cluster\.test does not answer"):
        api_of(server).get("/version")


def test_an_unusable_kubeconfig_is_named_as_such() -> None:
    for text in ("", "clusters: [", "clusters: []"):
        with pytest.raises(UnreachableError, match="kubeconfig in the outputs cannot be used"):
            Api.from_kubeconfig(text)


def test_a_kind_that_the_cluster_does_not_know_is_asked_for_once_in_a_visit(server: Server) -> None:
    with visit(server) as open_visit:
        open_visit.clear()
        open_visit.clear()
    asked = [line for line in server.log if "/apis/kubeflow.org/v1/pytorchjobs" in line]
    assert len(asked) == 1


def test_objects_are_removed_with_all_that_was_made_of_them(server: Server) -> None:
    with visit(server) as open_visit:
        open_visit.make("team", "pods", pod())
    (deletion,) = [line for line in server.log if line.startswith("DELETE")]
    assert deletion.endswith("?propagationPolicy=Background")


def test_what_could_not_be_found_again_is_not_made(server: Server) -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generateName": "proof-"}}
    with visit(server) as open_visit, pytest.raises(UnknownKindError):
        open_visit.submit("team", body)
    assert [line for line in server.log if line.startswith("POST")] == []


def test_no_check_passes_on_a_server_that_answers_nothing_useful(server: Server, tmp_path: Path) -> None:
    server.refusal = (403, "no")
    target = parse(outputs(validation__disruptive=True), source="test")
    bench = Bench(target=target, profile=QUICK, folder=tmp_path, limits=limits(target), say=lambda _: None)
    with visit(server) as open_visit:
        grounds = runner.Grounds(target=target, visit=open_visit, bench=bench, allowed=frozenset({Backend.CLUSTER}))
        results = runner.run(PLATFORM, grounds, required=frozenset(), progress=lambda _: None, keep=lambda _: None)
    assert [one.id for one in results if one.outcome in {Outcome.PASS, Outcome.SKIP}] == []
