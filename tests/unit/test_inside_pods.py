"""Probes as objects, and what becomes of their pods: placed one by one, read out, and named where they say nothing."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from tests.support.stack_outputs import GPU_TAINT, outputs
from workloads.api import Answer, Api, Json
from workloads.backends.cluster import inside, kinds
from workloads.backends.cluster.inside import SilentError
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, Target, parse
from workloads.jobs import probing, surroundings
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError

PROBE = Probe(name="proof-x", script="probe_reach.py", plan={"targets": []}, seconds=0.0)
TWO = Probe(name="proof-x", script="probe_reach.py", plan={}, seconds=0.0, nodes=("b", "a"))


class Cluster:
    """The API server at its own boundary: objects are taken, and pods are as a test says."""

    def __init__(self, pods: Sequence[Json] = (), nodes: Sequence[Json] = (), events: Sequence[Json] = ()) -> None:
        self.lists = {"pods": list(pods), "nodes": list(nodes), "events": list(events)}
        self.made: list[Json] = []

    def request(self, method: str, path: str, *, body: Json | None = None, **_: object) -> Answer:
        if method == "POST" and body is not None:
            namespace = path.split("namespaces/")[1].partition("/")[0]
            about = {"namespace": namespace, "uid": body["metadata"]["name"], "creationTimestamp": "2026-01-01"}
            self.made.append({**body, "metadata": {**body["metadata"], **about}})
            return Answer(status=201, body=self.made[-1])
        return Answer(status=200, body={})

    def get(self, path: str, **_: str) -> Answer:
        return Answer(status=404, body={"message": path})

    def items(self, path: str, **_: str) -> list[Json]:
        return self.lists[path.rpartition("/")[2]]


def described(**changes: Any) -> Target:  # noqa: ANN401 - any JSON
    return parse(outputs(**changes), source="test")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "START_SECONDS", 0.01)


@pytest.fixture
def here() -> Surroundings:
    return home(described())


def visit(cluster: Cluster) -> Visit:
    return Visit(cast("Api", cluster), run="now", timeout_seconds=0.01)


def pod(state: Json, *, name: str = "proof-x-0", node: str = "a", **status: Any) -> Json:  # noqa: ANN401 - any JSON
    containers: list[Json] = [{"name": "istio-proxy", "state": {"running": {}}}, {"name": "probe", "state": state}]
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"nodeName": node, "containers": [{"name": "probe"}], "initContainers": [{"name": "istio-proxy"}]},
        "status": {"phase": "Running", "podIP": "10.1.0.1", "containerStatuses": containers, **status},
    }


def ended(message: str, code: int = 0) -> Json:
    return {"terminated": {"exitCode": code, "message": message, "reason": "Error" if code else "Completed"}}


def test_a_pod_has_said_what_its_container_left_though_its_sidecar_goes_on(here: Surroundings) -> None:
    (word,) = inside.ask(visit(Cluster([pod(ended('{"a": 1}'))])), here, PROBE)
    assert (word.pod, word.node, word.said) == ("proof-x-0", "a", {"a": 1})


def test_a_long_result_comes_packed(here: Surroundings) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps({"a": ["x"] * 9_000}).encode())).decode()
    (word,) = inside.ask(visit(Cluster([pod(ended(json.dumps({"zlib": packed})))])), here, PROBE)
    assert len(word.said["a"]) == 9_000


UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are free"}
SILENT: dict[str, tuple[list[Json], str]] = {
    "never placed": ([pod({"waiting": {}}, phase="Pending", conditions=[UNPLACED])], "0/3 nodes are free"),
    "never made": ([], "some were never made, or were removed; FailedCreate: forbidden by somebody"),
    "without image": ([pod({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})], "no such image"),
    "crashed": ([pod(ended("NameError: x", 1))], "ended with exit code 1 Error (NameError: x)"),
    "mute": ([pod(ended(""), phase="Succeeded")], "ended well and left no result that can be read ('')"),
    "babbling": ([pod(ended("[1]"), phase="Succeeded")], "left no result that can be read ('[1]')"),
    "unending": ([pod({"running": {}})], "proof-x-0: still Running"),
}


@pytest.mark.parametrize("case", SILENT)
def test_pods_that_say_nothing_are_named_with_the_reason(case: str, here: Surroundings) -> None:
    pods, said = SILENT[case]
    about = {"involvedObject": {"uid": "proof-x"}, "reason": "FailedCreate", "message": "forbidden by somebody"}
    with pytest.raises(SilentError, match="not all of 1 pods did their work") as caught:
        inside.ask(visit(Cluster(pods, events=[about])), here, PROBE)
    assert said in str(caught.value)


def test_pods_that_wait_in_their_queue_are_told_apart_from_those_that_nobody_made(here: Surroundings) -> None:
    class Queued(Cluster):
        def get(self, path: str, **_: str) -> Answer:
            return Answer(status=200, body={"metadata": {"uid": "proof-x"}, "spec": {"suspend": "/jobs/" in path}})

    with pytest.raises(SilentError, match="their job waits in its queue"):
        inside.ask(visit(Queued()), here, PROBE)


def test_one_silent_pod_among_others_is_no_result(here: Surroundings) -> None:
    pods = [pod(ended("{}")), pod(ended("boom", 2), name="proof-x-1", node="b")]
    with pytest.raises(SilentError, match=r"proof-x-1: container probe ended with exit code 2 Error \(boom\)"):
        inside.ask(visit(Cluster(pods)), here, TWO)


def test_servers_are_known_by_address_and_node_and_missed_when_they_are_gone(here: Surroundings) -> None:
    cluster = Cluster([pod({"running": {}})])
    servers = inside.serve(visit(cluster), here, PROBE)
    assert [(one.address, one.node, one.sidecar) for one in servers] == [("10.1.0.1", "a", True)]
    inside.still(visit(cluster), here, PROBE, servers)
    cluster.lists["pods"] = [pod(ended("killed", 137))]
    with pytest.raises(NotMeasurableError, match="servers went away while they were called: proof-x-0"):
        inside.still(visit(cluster), here, PROBE, servers)
    with pytest.raises(SilentError, match="exit code 137"):
        inside.serve(visit(cluster), here, PROBE)


def node(name: str, pool: str, **annotations: str) -> Json:
    labels = {POOL_LABEL: pool}
    conditions = [{"type": "Ready", "status": "True"}]
    addresses = [{"type": "InternalIP", "address": f"10.0.0.{len(name)}"}]
    status = {"conditions": conditions, "addresses": addresses}
    return {"metadata": {"name": name, "labels": labels, "annotations": annotations}, "spec": {}, "status": status}


def test_every_pool_is_looked_from_before_any_is_looked_from_twice() -> None:
    nodes = [node(f"cpu-{number}", "general") for number in range(20)] + [node("gpu-0", "accelerated")]
    found = inside.nodes(described(), visit(Cluster(nodes=nodes)))
    assert [one.name for one in found][:3] == ["gpu-0", "cpu-0", "cpu-1"]
    assert len(found) == inside.MOST_NODES


def test_nodes_that_run_nothing_are_passed_by() -> None:
    closed = node("closed", "general")
    closed["spec"]["unschedulable"] = True
    nodes = [node("fake", "general", **{"kwok.x-k8s.io/node": "fake"}), node("elsewhere", "nobody's"), closed]
    with pytest.raises(NotMeasurableError, match="no node of any pool takes pods"):
        inside.nodes(described(), visit(Cluster(nodes=nodes)))


def spec(body: Json) -> Json:
    return body["spec"]["template"]["spec"]


def test_one_pod_goes_to_each_node_that_is_looked_at_gpu_nodes_included(here: Surroundings) -> None:
    body = probing.job(here, TWO)
    assert (body["spec"]["parallelism"], body["spec"]["completions"]) == (2, 2)
    assert body["spec"]["backoffLimitPerIndex"] == 0  # or one pod that fails would end all others
    terms = spec(body)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    wanted = [term["matchFields"][0]["values"] for term in terms["nodeSelectorTerms"]]
    assert wanted == [["a"], ["b"]]
    assert spec(body)["tolerations"] == [{"key": GPU_TAINT, "operator": "Exists"}]
    (spread,) = spec(body)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= body["spec"]["template"]["metadata"]["labels"].items()


def test_a_probe_without_nodes_stays_away_from_gpus(here: Surroundings) -> None:
    made = spec(probing.job(here, PROBE))
    assert "tolerations" not in made
    assert "NotIn" in json.dumps(made["affinity"])


def meshed(body: Json) -> str:
    return body["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"]


def test_only_a_probe_of_the_mesh_carries_a_sidecar(here: Surroundings) -> None:
    inner = probing.server("proof-x", seconds=1, meshed=True, account="default-editor")
    assert meshed(probing.job(here, inner)) == "true"
    assert spec(probing.job(here, inner))["serviceAccountName"] == "default-editor"
    assert meshed(probing.job(here, PROBE)) == "false"


def test_where_time_is_measured_no_limit_below_a_core_stops_the_pod(here: Surroundings) -> None:
    probe = Probe(name="x", script="probe_dns.py", plan={}, seconds=1, amounts=probing.MEASURING, burst=probing.BURST)
    resources = spec(probing.job(here, probe))["containers"][0]["resources"]
    assert resources["requests"]["cpu"] == "250m"
    assert resources["limits"] == {"cpu": "2", "memory": "512Mi"}


def test_jobs_wait_for_their_turn_where_tenants_do_and_nowhere_else() -> None:
    there = home(described(platform__components=["kueue"]))
    assert probing.job(there, PROBE)["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "default"}
    outside = Probe(name="x", script="probe_reach.py", plan={}, seconds=1, queued=False)
    assert probing.job(inside.outsider(described(platform__components=["kueue"])), outside)["metadata"]["labels"] == {}


SCRIPTS = (
    "probe_serve.py", "probe_pairs.py", "probe_reach.py", "probe_dns.py", "probe_latency.py", "probe_volume.py",
)  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_arrives_with_what_it_imports(script: str) -> None:
    delivered = probing.scripts(Probe(name="x", script=script, plan={}, seconds=1))["data"]
    imported = {line.split()[1] for line in delivered[script].splitlines() if line.startswith("from probe_")}
    assert {f"{one}.py" for one in imported} <= set(delivered)


MAKERS: list[Callable[[], Json]] = [
    lambda: probing.scripts(PROBE),
    lambda: probing.service(PROBE),
    lambda: probing.service(PROBE, headless=True, name="each"),
    lambda: surroundings.claim("x", "standard", shared=True, size="1Gi"),
]


@pytest.mark.parametrize("make", MAKERS)
def test_whatever_a_probe_needs_can_be_found_again_by_its_run(make: Callable[[], Json]) -> None:
    body = make()
    assert kinds.of(body).kind == body["kind"]
    assert kinds.marked(body, "now")["metadata"]["labels"]["proof.kubeflow/run"] == "now"


def test_a_headless_service_has_no_address_of_its_own() -> None:
    assert probing.service(PROBE, headless=True)["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in probing.service(PROBE)["spec"]
    assert probing.service(PROBE)["spec"]["ports"][0]["name"] == "http"


def test_a_shared_volume_may_be_written_by_many_nodes() -> None:
    modes = [surroundings.claim("x", "c", shared=one, size="1Gi")["spec"]["accessModes"] for one in (False, True)]
    assert modes == [["ReadWriteOnce"], ["ReadWriteMany"]]
