"""What pods reach, judged by the words of real scripts: a fenced tenant passes, and each hole makes its check fail."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.probe_ground import SCRIPTS, Ground, ground, target, visit
from workloads import runner
from workloads.api import Json
from workloads.checks import egress, inside
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import probing
from workloads.outcome import NotMeasurableError, Outcome, Probes, SkippedError
from workloads.profile import QUICK

TENANT, OTHER = "check-vision", "check-nlp"
KUBERNETES = "/api/v1/namespaces/default/services/kubernetes"
REPOSITORIES = f"/api/v1/namespaces/{TENANT}/configmaps/artifact-repositories"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{TENANT}/networkpolicies"
API, METADATA, INTERNET = "127.0.200.1", "127.0.200.2", "127.0.200.3"
RANKS = ["127.0.3.2", "127.0.4.3"]
PROFILE = dataclasses.replace(QUICK, probe_tries=2)

Check = Callable[[Target, Visit], Probes]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(inside, "ROUNDS", (0.1, 0.2))
    monkeypatch.setattr(egress, "ROUNDS", (0.1, 0.2))
    monkeypatch.setattr(inside, "LOOKUPS", 40)
    monkeypatch.setattr(inside, "PATIENCE", 1.0)
    monkeypatch.setattr(inside, "MOST_LATE_SECONDS", 10.0)  # of a machine that may be busy
    monkeypatch.setattr(inside, "LOOKUP_SECONDS", 10.0)
    with ground(tmp_path, monkeypatch) as made:
        made.objects[KUBERNETES] = {"spec": {"clusterIP": API, "clusterIPs": [API]}}
        yield made


def judged(check: Check, made: Ground, **changes: Any) -> tuple[Outcome, str]:  # noqa: ANN401 - any JSON
    return runner.judge(check(target(**changes), visit(made, PROFILE)))


def ranks_are_fenced(made: Ground) -> None:
    made.fenced |= {"default": RANKS, OTHER: RANKS}


def test_pods_of_a_tenant_reach_each_other_and_nobody_else_does(made: Ground) -> None:
    ranks_are_fenced(made)
    outcome, reason = judged(inside.pods_reach_each_other, made)
    assert outcome is Outcome.PASS, reason


@pytest.mark.fails("network.pods-reach-each-other", on="cluster")
def test_a_rank_that_a_stranger_reaches_is_found(made: Ground) -> None:
    ranks_are_fenced(made)
    made.fenced["default"] = RANKS[:1]
    assert judged(inside.pods_reach_each_other, made) == (
        Outcome.FAIL,
        "not so: a pod in default reaches none of them (reaches the pod on node-b)",
    )


def test_a_rank_that_another_tenant_reaches_is_found(made: Ground) -> None:
    made.fenced["default"] = RANKS
    outcome, reason = judged(inside.pods_reach_each_other, made)
    assert outcome is Outcome.FAIL
    assert f"a pod in {OTHER} reaches none of them (reaches the pod on node-a, the pod on node-b)" in reason


def test_ranks_that_do_not_reach_each_other_are_found(made: Ground) -> None:
    ranks_are_fenced(made)
    made.fenced[TENANT] = RANKS[1:]
    outcome, reason = judged(inside.pods_reach_each_other, made)
    assert outcome is Outcome.FAIL
    assert "node-a to node-b: 0 of 2 (TimeoutError: timed out)" in reason


def test_a_payload_that_is_changed_on_the_way_is_found(made: Ground) -> None:
    ranks_are_fenced(made)
    honest = (SCRIPTS / "probe_serve.py").read_text(encoding="utf-8")
    read = 'self.rfile.read(int(self.headers.get("Content-Length", "0")))'
    assert read in honest
    made.changed["probe_serve.py"] = honest.replace(read, f'{read}.replace(b"a", b"b")')
    outcome, reason = judged(inside.pods_reach_each_other, made)
    assert outcome is Outcome.FAIL
    assert "it received other bytes than were sent" in reason


def test_a_stranger_that_reaches_nobody_proves_nothing(made: Ground) -> None:
    made.fenced |= {"default": [*RANKS, "127.0.7.2"]}
    with pytest.raises(NotMeasurableError, match="a pod in default reaches nobody at all: TimeoutError"):
        judged(inside.pods_reach_each_other, made)


def names(**others: Any) -> dict[str, Any]:  # noqa: ANN401 - what the table of names takes
    end = f"{TENANT}.svc.cluster.local"
    found = {name: ["10.0.0.7"] for name in ("proof-names", f"proof-names.{end}")}
    known = {**found, f"proof-names-each.{end}": RANKS, "kubernetes.default.svc": [API]}
    return {"of": known, **others}


def test_names_are_resolved_rightly_from_every_node(made: Ground) -> None:
    made.names = names()
    outcome, reason = judged(inside.dns, made)
    assert outcome is Outcome.PASS, reason


WRONG_NAMES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda known: known["of"].update({"proof-names": ["10.0.0.8"]}), "proof-names 0 of 40 times right, otherwise 10"),
    (
        lambda known: known["of"].update({f"proof-names-each.{TENANT}.svc.cluster.local": RANKS[:1]}),
        f"proof-names-each.{TENANT}.svc.cluster.local 0 of 40 times right, otherwise 127.0.3.2",
    ),
    (
        lambda known: known["of"].update({"proof-nobody": ["10.9.9.9"]}),
        "not so: a name that nobody has is said not to exist, from every node (node-a: proof-nobody 0 of 40",
    ),
    (
        lambda known: known.update(error=socket.EAI_AGAIN),
        f"proof-nobody.{TENANT}.svc.cluster.local 0 of 40 times right, otherwise [Errno -3] no such name here",
    ),
]


@pytest.mark.fails("network.dns", on="cluster")
@pytest.mark.parametrize(("change", "said"), WRONG_NAMES, ids=["other address", "pod missing", "wildcard", "dead"])
def test_a_resolver_that_is_wrong_is_found(made: Ground, change: Callable[[dict[str, Any]], object], said: str) -> None:
    made.names = names()
    change(made.names)
    outcome, reason = judged(inside.dns, made)
    assert outcome is Outcome.FAIL
    assert said in reason


def test_a_resolver_that_is_slow_is_found(made: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "LOOKUP_SECONDS", 0.1)
    made.names = names(delay=0.2)
    outcome, reason = judged(inside.dns, made)
    assert outcome is Outcome.FAIL
    assert "not so: 95% of the lookups from node-a take 100 ms at most" in reason


def test_a_prober_that_was_late_itself_measures_nothing(made: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "MOST_LATE_SECONDS", 0.0)
    made.names = names()
    with pytest.raises(NotMeasurableError, match="the prober on node-a could not keep its own pace"):
        judged(inside.dns, made)


class Outside:
    """Listeners on this machine, in the place of what stands outside of a cluster."""

    def __init__(self, *places: tuple[str, int]) -> None:
        self._sockets = [socket.create_server(place) for place in places]
        for one in self._sockets:
            threading.Thread(target=self._answer, args=(one,), daemon=True).start()

    def _answer(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    continue

    def close(self) -> None:
        for one in self._sockets:
            one.shutdown(socket.SHUT_RDWR)
            one.close()


STORE = "127.0.200.9"


@pytest.fixture
def world(made: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A tenant that is closed but for its object store, in a world where everything is there."""
    port = probing.PORT
    for name, value in (("API_SERVER", port), ("WEB", port), ("METADATA_ADDRESSES", (METADATA,))):
        monkeypatch.setattr(egress, name, value)
    monkeypatch.setattr(egress, "INTERNET", {INTERNET: port})
    told = {"s3": {"endpoint": f"{STORE}:{port}", "insecure": True, "bucket": "artifacts"}}
    made.objects[REPOSITORIES] = {"data": {"default-namespaced": json.dumps(told)}}
    made.fenced[TENANT] = [API, METADATA, INTERNET, "127.0.3.2"]  # the last one is the pod in default
    outside = Outside(*((host, port) for host in (API, METADATA, INTERNET, STORE)))
    yield made
    outside.close()


def test_a_tenant_that_reaches_its_object_store_and_nothing_else_passes(world: Ground) -> None:
    outcome, reason = judged(egress.egress, world)
    assert outcome is Outcome.PASS, reason


@pytest.mark.fails("network.egress", on="cluster")
@pytest.mark.parametrize(
    ("host", "said"),
    [
        (API, "the API server is not reached (reached from node-a, node-b)"),
        (METADATA, f"instance metadata at {METADATA} is not reached (reached from node-a, node-b)"),
        (INTERNET, f"the internet at {INTERNET} is not reached (reached from node-a, node-b)"),
        ("127.0.3.2", "a pod in default is not reached (reached from node-a, node-b)"),
    ],
)
def test_every_way_out_that_is_open_is_found(world: Ground, host: str, said: str) -> None:
    world.fenced[TENANT].remove(host)
    outcome, reason = judged(egress.egress, world)
    assert outcome is Outcome.FAIL
    assert said in reason


def test_an_object_store_that_is_not_reached_is_found(world: Ground) -> None:
    world.fenced[TENANT].append(STORE)
    outcome, reason = judged(egress.egress, world)
    assert outcome is Outcome.FAIL
    assert "the object store of the tenant answers from every node" in reason
    assert "timed out" in reason


def test_what_a_policy_of_the_tenant_opens_is_no_hole(world: Ground) -> None:
    world.fenced[TENANT].remove(INTERNET)
    way = {"to": [{"ipBlock": {"cidr": f"{INTERNET}/32"}}], "ports": [{"protocol": "TCP", "port": probing.PORT}]}
    world.objects[POLICIES] = {"items": [{"spec": {"podSelector": {}, "egress": [way]}}]}
    outcome, reason = judged(egress.egress, world)
    assert outcome is Outcome.PASS, reason
    assert f"so not tried: the internet at {INTERNET}" in reason


def test_a_network_that_closes_a_new_pod_only_after_a_while_is_told(
    world: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "ROUNDS", (4.0, 4.1))
    monkeypatch.setattr(egress, "ROUNDS", (4.0, 4.1))
    world.environment["FENCED_AFTER"] = "3"
    outcome, reason = judged(egress.egress, world)
    assert outcome is Outcome.PASS, reason
    assert "before the network had settled, new pods reached a pod in default (on node-a), a pod in" in reason


def test_a_world_in_which_nobody_reaches_anything_proves_nothing(world: Ground) -> None:
    world.fenced["default"] = world.fenced[TENANT]
    with pytest.raises(NotMeasurableError, match="which nobody fences, reaches nothing either"):
        judged(egress.egress, world)


def test_without_a_known_object_store_the_half_that_must_work_cannot_be_looked_at(world: Ground) -> None:
    del world.objects[REPOSITORIES]
    with pytest.raises(SkippedError, match="nothing in check-vision says where its object storage is"):
        judged(egress.egress, world)


@pytest.mark.parametrize(
    ("repository", "found"),
    [
        ({"s3": {"endpoint": "store.kubeflow:9000", "insecure": True}}, ("http", "store.kubeflow", 9000)),
        ({"s3": {"endpoint": "objects.example.com", "insecure": False}}, ("https", "objects.example.com", 443)),
        ({"gcs": {"bucket": "b"}}, ("https", "storage.googleapis.com", 443)),
    ],
)
def test_the_object_store_is_the_one_that_workflows_are_told(
    made: Ground, repository: dict[str, Any], found: tuple[str, str, int]
) -> None:
    made.objects[REPOSITORIES] = {"data": {"default-namespaced": json.dumps(repository)}}
    told = egress.artifact_store(visit(made, PROFILE), home(target()))
    assert told is not None
    assert (told["how"], told["host"], told["port"]) == found


RULES: list[tuple[Json, bool]] = [
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, True),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}, False),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 443}]}, True),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 400, "endPort": 450}]}, True),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53, "protocol": "UDP"}]}, False),
    ({"to": [{"podSelector": {}}]}, False),
]


@pytest.mark.parametrize(("rule", "is_open"), RULES)
def test_a_policy_opens_an_address_only_with_its_port(rule: Json, *, is_open: bool) -> None:
    assert egress.opened([{"spec": {"podSelector": {}, "egress": [rule]}}], "10.1.2.3", 443) is is_open
    assert not egress.opened(
        [{"spec": {"podSelector": {"matchLabels": {"a": "b"}}, "egress": [rule]}}], "10.1.2.3", 443
    )
