"""Every check on a real API server and scheduler: it passes on a guarded tenant, and fails when its guard is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import grounds
from tests.support.cluster import standing
from tests.support.stack_outputs import GPU_TAINT, outputs
from workloads.__main__ import main
from workloads.api import Api, Json
from workloads.catalog import BY_ID
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, RUN_LABEL, Target, parse
from workloads.criteria.platform import PLATFORM
from workloads.outcome import Outcome, Result
from workloads.pods import SMALL, pod

pytestmark = pytest.mark.engine

TENANTS = ("check-vision", "check-nlp")
GPUS = {"check-vision": 4, "check-nlp": 0}
RESERVED = ["kubeflow-platform", "system-cluster-critical", "system-node-critical"]
NAMESPACES = "/api/v1/namespaces"
NODES = "/api/v1/nodes"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def send(api: Api, method: str, path: str, body: Json | None = None) -> Json:
    return api.request(method, path, body=body).expect(f"{method} {path}")


def wait(api: Api, path: str, done: Callable[[Json], Any], what: str) -> Json:
    visit = Visit(api, run="setup", timeout_seconds=30)
    seen = visit.watch(lambda: api.get(path).body, lambda body: bool(done(body)))
    assert done(seen), f"{what} did not happen within 30 s: {seen}"
    return seen


def quota(name: str, hard: dict[str, str], **spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard, **spec}}


def priority_class(name: str, value: int, policy: str = "PreemptLowerPriority") -> Json:
    return {
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
        "value": value, "preemptionPolicy": policy,
    }  # fmt: skip


def node(name: str, pool: str, address: str, gpus: int = 0) -> Json:
    amounts = {"cpu": "16", "memory": "64Gi", "pods": "110", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    labels = {POOL_LABEL: pool, "kubernetes.io/hostname": name}
    metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    taints = [{"key": GPU_TAINT, "value": "present", "effect": "NoSchedule"}] if gpus else []
    addresses = [{"type": "InternalIP", "address": f"127.210.0.{address}"}]
    status = {"allocatable": amounts, "capacity": amounts, "addresses": addresses}
    spec = {"taints": taints, "podCIDR": f"127.211.{address}.0/24"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}


def policies() -> list[Json]:
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    resolver = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    specs: dict[str, Json] = {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "dns": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [resolver], "ports": ports}]},
    }
    return [
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    ]


def role(name: str, resources: list[str]) -> Json:
    rules = [{"apiGroups": [""], "resources": resources, "verbs": ["get", "list"]}]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}


def binding(name: str, subject: Json, kind: str = "RoleBinding", of: str = "Role") -> Json:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": of, "name": name}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "subjects": [subject], "roleRef": reference,
    }  # fmt: skip


def make_tenant(api: Api, name: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    send(
        api, "POST", NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    core, rbac = f"{NAMESPACES}/{name}", f"{RBAC}/namespaces/{name}"
    amounts = {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": str(GPUS[name])}
    hard = {f"requests.{key}": value for key, value in amounts.items()}
    closed = {"services.loadbalancers": "0", "services.nodeports": "0"}
    scope = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": RESERVED}]}
    send(api, "POST", f"{core}/resourcequotas", quota("tenant", {**hard, **closed, "pods": "20"}))
    send(api, "POST", f"{core}/resourcequotas", quota("reserved", {"pods": "0"}, scopeSelector=scope))
    limit = {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": SMALL}
    ranges: Json = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "tenant"},
        "spec": {"limits": [limit]},
    }
    send(api, "POST", f"{core}/limitranges", ranges)
    for policy in policies():
        send(api, "POST", f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies", policy)
    for account, resources in (("default-editor", ["pods", "secrets"]), ("default-viewer", ["pods"])):
        subject = {"kind": "ServiceAccount", "name": account, "namespace": name}
        send(
            api,
            "POST",
            f"{core}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}},
        )
        send(api, "POST", f"{rbac}/roles", role(account, resources))
        send(api, "POST", f"{rbac}/rolebindings", binding(account, subject))
    wait(
        api, f"{core}/serviceaccounts/default", lambda body: body.get("kind") == "ServiceAccount", "the default account"
    )
    for one in ("tenant", "reserved"):
        wait(api, f"{core}/resourcequotas/{one}", lambda body: body.get("status", {}).get("hard"), "the first count")


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A control plane apart: these tests close nodes, remove taints and open Secrets to everyone."""
    with standing(tmp_path_factory.mktemp("judged")) as plane:
        yield plane.kubeconfig.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def api(kubeconfig: str) -> Iterator[Api]:
    api = Api.from_kubeconfig(kubeconfig)
    classes = dict(outputs()["platform"]["priorityClasses"])
    nodes = [node("check-general", "general", "1"), node("check-accelerated", "accelerated", "2", gpus=2)]
    for name, value in classes.items():
        send(api, "POST", CLASSES, priority_class(name, value))
    for one in nodes:
        send(api, "POST", NODES, one)
    for name in TENANTS:
        make_tenant(api, name)
    for one in nodes:
        path = f"{NODES}/{one['metadata']['name']}"
        wait(api, path, lambda body: "Ready=True" in conditions(body) and not_ready_taints(body) == [], "a ready node")
    yield api
    api.close()


def conditions(body: Json) -> list[str]:
    return [f"{one['type']}={one['status']}" for one in body.get("status", {}).get("conditions", [])]


def not_ready_taints(body: Json) -> list[Json]:
    return [one for one in body["spec"].get("taints", []) if one["key"].startswith("node.kubernetes.io/")]


@pytest.fixture
def target(kubeconfig: str) -> Target:
    return parse(outputs(kubeconfig=kubeconfig, validation__disruptive=True), source="test")


def judged(name: str, api: Api, target: Target, visit: Visit | None = None) -> Result:
    with visit or Visit(api, run="test", timeout_seconds=4) as open_visit:
        (result,) = grounds.judged([BY_ID[name]], grounds.grounds(target, open_visit))
    return result


@contextmanager
def without(api: Api, path: str) -> Generator[None]:
    kept = send(api, "GET", path)
    send(api, "DELETE", path)
    try:
        yield
    finally:
        again = {"apiVersion": kept["apiVersion"], "kind": kept["kind"], "metadata": {"name": kept["metadata"]["name"]}}
        send(api, "POST", path.rpartition("/")[0], {**again, "spec": kept["spec"]})
    if kept["kind"] == "ResourceQuota":
        wait(api, path, lambda body: body.get("status", {}).get("hard"), "the first count")


@contextmanager
def changed(api: Api, path: str, change: Callable[[Json], None]) -> Generator[None]:
    kept = send(api, "GET", path)
    now = cast("Json", json.loads(json.dumps(kept)))
    change(now)
    send(api, "PUT", path, now)
    try:
        yield
    finally:
        fresh = send(api, "GET", path)
        fresh["spec"] = kept["spec"]
        fresh["metadata"]["labels"] = kept["metadata"]["labels"]
        send(api, "PUT", path, fresh)


@contextmanager
def everyone_reads_secrets(api: Api) -> Generator[None]:
    name = "check-everyone"
    group = {"kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io"}
    send(api, "POST", f"{RBAC}/clusterroles", {**role(name, ["secrets"]), "kind": "ClusterRole"})
    bound = binding(name, group, kind="ClusterRoleBinding", of="ClusterRole")
    send(api, "POST", f"{RBAC}/clusterrolebindings", bound)
    try:
        yield
    finally:
        send(api, "DELETE", f"{RBAC}/clusterrolebindings/{name}")
        send(api, "DELETE", f"{RBAC}/clusterroles/{name}")


@contextmanager
def toothless_class(api: Api) -> Generator[None]:
    path = f"{CLASSES}/kubeflow-serving"
    value = send(api, "GET", path)["value"]
    for policy in ("Never", "PreemptLowerPriority"):
        send(api, "DELETE", path)
        send(api, "POST", CLASSES, priority_class("kubeflow-serving", value, policy))
        if policy == "Never":
            yield


def drop_label(namespace: Json) -> None:
    del namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]


def drop_taints(one: Json) -> None:
    one["spec"]["taints"] = []


ROOT = Path(__file__).resolve().parents[2]
OPTIONAL = "limits.defaults-are-applied"
SPACE = f"{NAMESPACES}/check-vision"
DEFAULT_DENY = "/apis/networking.k8s.io/v1/namespaces/check-vision/networkpolicies/default-deny"
REMOVED: dict[str, Callable[[Api], AbstractContextManager[None]]] = {
    "quota.pod-over-quota-is-refused": lambda api: without(api, f"{SPACE}/resourcequotas/tenant"),
    "quota.exposed-services-are-refused": lambda api: without(api, f"{SPACE}/resourcequotas/tenant"),
    "quota.reserved-priority-is-refused": lambda api: without(api, f"{SPACE}/resourcequotas/reserved"),
    "limits.defaults-are-applied": lambda api: without(api, f"{SPACE}/limitranges/tenant"),
    "pod-security.privileged-pod-is-refused": lambda api: changed(api, SPACE, drop_label),
    "access.tenants-are-separate": everyone_reads_secrets,
    "network.tenant-is-closed-by-default": lambda api: without(api, DEFAULT_DENY),
    "scheduling.gpu-nodes-are-for-gpu-pods": lambda api: changed(api, f"{NODES}/check-accelerated", drop_taints),
    "scheduling.higher-priority-preempts": toothless_class,
}


@pytest.fixture
def described(kubeconfig: str, tmp_path: Path) -> Path:
    required = dict.fromkeys(BY_ID, True) | {OPTIONAL: False}
    path = tmp_path / "outputs.json"
    content = outputs(kubeconfig=kubeconfig, validation__disruptive=True, validation__required=required)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def command(described: Path, *more: str) -> list[str]:
    out = str(described.parent / "out")
    return ["run", "--stack", "invented", "--outputs", str(described), "--out", out, *more]


def result_of(described: Path) -> Json:
    return json.loads((described.parent / "out/validation/latest/result.json").read_text(encoding="utf-8"))


def left_behind(api: Api) -> list[str]:
    found = [one for kind in ("pods", "secrets") for one in api.items(f"/api/v1/{kind}", labelSelector=RUN_LABEL)]
    return [one["metadata"]["name"] for one in found]


def test_a_guarded_stack_is_accepted_and_leaves_nothing_behind(
    api: Api, described: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(command(described, "--only", ",".join(one.id for one in PLATFORM)))
    result = result_of(described)
    assert {one["id"]: (one["outcome"], one["reason"]) for one in result["criteria"] if one["outcome"] != "PASS"} == {}
    assert (code, result["summary"]["verdict"]) == (0, "partial")
    assert result["standins"] == ["simulated nodes (kwok)"]
    assert "Simulated: simulated nodes (kwok)" in capsys.readouterr().out
    assert left_behind(api) == []


def test_a_criterion_named_on_the_command_line_must_pass_even_if_the_stack_does_not_require_it(
    api: Api, described: Path
) -> None:
    assert main(command(described, "--only", OPTIONAL)) == 0
    assert result_of(described)["summary"]["verdict"] == "partial"
    with without(api, f"{SPACE}/limitranges/tenant"):
        assert main(command(described, "--only", OPTIONAL)) == 1
    assert result_of(described)["summary"]["verdict"] == "refused"


def test_a_run_waits_for_nodes_that_have_just_been_made(api: Api, described: Path) -> None:
    send(api, "POST", NODES, node("check-fresh", "general", "3"))
    try:
        assert main(command(described, "--only", "scheduling.gpu-nodes-are-for-gpu-pods")) == 0
    finally:
        send(api, "DELETE", f"{NODES}/check-fresh")
    assert [one["ready"] for one in result_of(described)["snapshot"]["nodes"]] == [True, True, True]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_in_the_middle_leaves_nothing_behind(
    api: Api, described: Path, stop: signal.Signals
) -> None:
    only = ("--only", "scheduling.higher-priority-preempts")
    program = [sys.executable, "-m", "workloads", *command(described, *only)]
    with subprocess.Popen(program, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        Visit(api, run="look", timeout_seconds=20).watch(lambda: left_behind(api), bool)
        process.send_signal(stop)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted: what the run created is removed" in said
    assert left_behind(api) == []


@pytest.mark.parametrize("name", [pytest.param(one, marks=pytest.mark.fails(one)) for one in REMOVED])
def test_a_check_fails_when_its_guard_is_gone(name: str, api: Api, target: Target) -> None:
    with REMOVED[name](api):
        result = judged(name, api, target)
        if name == "access.tenants-are-separate" and result.outcome is Outcome.PASS:
            result = judged(name, api, target)  # the authorizer learns of a new binding with a delay
    assert result.outcome is Outcome.FAIL, result.reason
    assert any(not probe.held for probe in result.evidence)


@pytest.mark.fails("scheduling.gpu-pod-waits-for-a-gpu", on="cluster")
def test_waiting_for_a_gpu_fails_when_a_freed_gpu_does_not_reach_the_waiting_pod(api: Api, target: Target) -> None:
    class Cordoning(Visit):
        """Closes the node at the moment before a GPU is freed."""

        def remove(self, made: Json) -> None:
            one = send(self.api, "GET", f"{NODES}/check-accelerated")
            one["spec"]["unschedulable"] = True
            send(self.api, "PUT", f"{NODES}/check-accelerated", one)
            super().remove(made)

    def nothing(_: Json) -> None: ...

    with changed(api, f"{NODES}/check-accelerated", nothing):
        visit = Cordoning(api, run="test", timeout_seconds=4)
        result = judged("scheduling.gpu-pod-waits-for-a-gpu", api, target, visit)
    assert result.outcome is Outcome.FAIL, result.reason
    assert "when a GPU is freed" in result.reason


def test_waiting_for_a_gpu_is_no_measurement_while_others_wait_too(api: Api, target: Target) -> None:
    wanting = pod(resources={**SMALL, "nvidia.com/gpu": "3"}, tolerate=[GPU_TAINT])
    made = send(api, "POST", f"{SPACE}/pods", wanting)
    try:
        result = judged("scheduling.gpu-pod-waits-for-a-gpu", api, target)
    finally:
        send(api, "DELETE", f"{SPACE}/pods/{made['metadata']['name']}")
    assert result.outcome is Outcome.INVALID
    assert "1 other pod(s) wait for nvidia.com/gpu" in result.reason


def test_a_run_removes_what_a_dead_run_left_behind(api: Api) -> None:
    left = {**pod(), "metadata": {"name": "left", "labels": {RUN_LABEL: "dead"}}}
    send(api, "POST", f"{SPACE}/pods", left)
    with Visit(api, run="alive", timeout_seconds=10):
        assert api.get(f"{SPACE}/pods/left").status == 404
