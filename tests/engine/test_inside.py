"""The cluster's inside, looked at through scheduler, pods and scripts: a closed tenant passes, and each hole fails.

Pods run on two nodes of a stand-in, in tenants as this project makes them, under its admission rules. What a network
does is stood in for inside of the scripts' processes, from the live policies and Services.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from infra.local.control_plane import ControlPlane
from infra.objects import Document
from kubeflow import admission, tenancy
from kubeflow.admission import Guarded
from kubeflow.spec.admission import AdmissionSpec
from kubeflow.spec.tenants import Opening, PodSecurity, TenantSpec
from kubeflow.tenancy import TenantArgs
from tests.support import containers
from tests.support.cluster import Api as Plain
from tests.support.cluster import eventually, standing
from tests.support.containers import Runtime, runtime
from tests.support.probe_network import Networked
from tests.support.stack_outputs import GPU_TAINT, outputs
from workloads import load, runner
from workloads.api import Api, Json
from workloads.backends.cluster import inside as backend
from workloads.checks import egress, inside, meshed, offered, volumes
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.jobs import probing
from workloads.jobs.probing import Probe
from workloads.outcome import Outcome, Probes
from workloads.profile import QUICK, Load
from workloads.terms import Terms

pytestmark = pytest.mark.engine

TEAM, OTHER, CLASS = "team-a", "team-b", "standard"
METADATA, INTERNET, STORE = ("127.0.210.1", 80), ("127.0.210.2", 443), ("127.0.210.3", 9000)
SECONDS = 60.0
PROFILE = dataclasses.replace(
    QUICK, probe_tries=2, repetitions=2, internal=Load(requests=200, seconds=4, warm_up_seconds=0.5)
)
PATIENT = load.Rules(
    least_sent=0.0, most_lag_seconds=60, most_lag_share=1e3, most_cpu=1e3, most_held=1.0, stall_seconds=60
)
TAINTS = [{"key": GPU_TAINT, "value": "present", "effect": "NoSchedule"}]
SPEC = TenantSpec(
    owner="ada@example.com",
    pod_security=PodSecurity.RESTRICTED,
    egress=(Opening(cidr=f"{STORE[0]}/32", port=STORE[1], reason="object store"),),
)
PATHS = {
    "LimitRange": "/api/v1/namespaces/{}/limitranges",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}
Check = Callable[[Target, Visit], Probes]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: admission rules and tenants would be in the way of other tests."""
    if reason := containers.unavailable():
        pytest.skip(reason)
    with standing(tmp_path_factory.mktemp("inside")) as plane:
        yield plane


@pytest.fixture(scope="module")
def plain(plane: ControlPlane) -> Plain:
    """Two tenants as the platform makes them, and its admission rules."""
    api = Plain(plane.kubeconfig)
    for planned in admission.objects(Guarded(spec=AdmissionSpec(), people={TEAM: (SPEC.owner,)}, mirrors=())):
        install(api, planned.body)
    for name in (TEAM, OTHER):
        api.apply(f"/api/v1/namespaces/{name}", tenancy.namespace(name, SPEC), "installer")
        for body in tenancy.contents(name, TenantArgs(spec=SPEC, gpu_resources=("nvidia.com/gpu",))):
            install(api, body)
    told = {"s3": {"endpoint": ":".join(map(str, STORE)), "insecure": True, "bucket": "artifacts"}}
    repository = {"metadata": {"name": "artifact-repositories"}, "data": {"default-namespaced": json.dumps(told)}}
    api.call("POST", f"/api/v1/namespaces/{TEAM}/configmaps", repository)
    for name in (TEAM, OTHER, "default"):
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually(lambda account=account: api.get(account), f"{account} is there")
    return api


def install(api: Plain, body: Document) -> None:
    path = PATHS[body["kind"]].format(body["metadata"].get("namespace"))
    api.apply(f"{path}/{body['metadata']['name']}", body, "installer")


@pytest.fixture(scope="module")
def nodes(plain: Plain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Runtime]]:
    """One node of each pool; the second is kept for GPUs."""
    folder = tmp_path_factory.mktemp("nodes")
    with (
        runtime(plain, pool="general", folder=folder / "a", node="node-a", storage_class=CLASS) as first,
        runtime(plain, pool="accelerated", folder=folder / "b", node="node-b", taints=TAINTS) as second,
    ):
        yield [first, second]


@pytest.fixture
def target(plane: ControlPlane) -> Target:
    accounts = {"contributor": "default-editor", "viewer": "default-viewer"}
    tenants = {name: {"namespace": name, "gpus": 0, "serviceAccounts": accounts} for name in (TEAM, OTHER)}
    described = outputs(
        kubeconfig=plane.kubeconfig.read_text(encoding="utf-8"),
        platform__tenants=tenants,
        platform__priorityClasses={},
        cluster__capabilities=["containers"],
        cluster__storage={"block": CLASS, "shared": None, "scratch": None},
    )
    return parse(described, source="test")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less of everything, and no address that is not on this machine."""
    for module in (inside, egress):
        monkeypatch.setattr(module, "ROUNDS", (0.2, 0.4))
    monkeypatch.setattr(egress, "METADATA_ADDRESSES", (METADATA[0],))
    monkeypatch.setattr(egress, "INTERNET", dict([INTERNET]))
    monkeypatch.setattr(inside, "LOOKUPS", 20)
    monkeypatch.setattr(inside, "LOOKUP_SECONDS", 30.0)
    monkeypatch.setattr(inside, "MOST_LATE_SECONDS", 30.0)
    monkeypatch.setattr(offered, "RULES", PATIENT)
    monkeypatch.setattr(meshed, "PATIENCE", 3.0)
    monkeypatch.setattr(volumes, "BYTES", 4 << 20)


@pytest.fixture
def visit(plain: Plain, nodes: list[Runtime], target: Target) -> Iterator[Networked]:
    api = Api.from_kubeconfig(target.kubeconfig)
    limits = {"mesh.latency": 9_000.0, "storage.throughput": 0.001}
    terms = SimpleNamespace(profile=PROFILE, seed=1, say=print, limit=limits.__getitem__)
    with Networked(api, run="test", timeout_seconds=SECONDS, terms=cast("Terms", terms)) as made:
        made.plain = plain
        kubelets = [(one.api.get(f"/api/v1/nodes/{one.node}") or {})["status"]["addresses"][0] for one in nodes]
        made.outside = [METADATA, INTERNET, STORE, *((one["address"], egress.KUBELET) for one in kubelets)]
        yield made
    api.close()


def judged(check: Check, target: Target, visit: Visit) -> tuple[Outcome, str]:
    with visit.scope():
        return runner.judge(check(target, visit))


@contextmanager
def there(*places: tuple[str, int]) -> Generator[None]:
    """Servers of the world outside, on this machine."""
    with ExitStack() as stack:
        for place in places:
            server = stack.enter_context(socket.create_server(place))
            threading.Thread(target=_answering, args=(server,), daemon=True).start()
            stack.callback(server.shutdown, socket.SHUT_RDWR)
        yield


def _answering(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(2)
            try:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                continue


@contextmanager
def opened(plain: Plain, namespace: str) -> Generator[None]:
    """A tenant whose network policies are gone."""
    path = PATHS["NetworkPolicy"].format(namespace)
    kept = (plain.get(path) or {"items": []})["items"]
    assert kept
    for one in kept:
        plain.call("DELETE", f"{path}/{one['metadata']['name']}")
    try:
        yield
    finally:
        for one in kept:
            metadata = {"name": one["metadata"]["name"], "namespace": namespace}
            install(plain, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
                            "spec": one["spec"]})  # fmt: skip


CASES: dict[str, Check] = {
    "pods reach each other": inside.pods_reach_each_other,
    "names": inside.dns,
    "ways out": egress.egress,
    "latency": meshed.latency,
    "volumes": volumes.throughput,
}


@pytest.mark.parametrize("case", CASES)
def test_a_closed_tenant_passes(case: str, target: Target, visit: Networked) -> None:
    with there(METADATA, INTERNET, STORE):
        outcome, reason = judged(CASES[case], target, visit)
    assert outcome is Outcome.PASS, reason


def test_ranks_of_a_tenant_without_policies_are_reached_by_strangers(
    target: Target, visit: Networked, plain: Plain
) -> None:
    with opened(plain, TEAM):
        outcome, reason = judged(inside.pods_reach_each_other, target, visit)
    assert outcome is Outcome.FAIL
    assert "a pod in default reaches none of them (reaches the pod on node-a, the pod on node-b)" in reason


def test_a_tenant_without_policies_reaches_everything(target: Target, visit: Networked, plain: Plain) -> None:
    with opened(plain, TEAM), there(METADATA, INTERNET, STORE):
        outcome, reason = judged(egress.egress, target, visit)
    assert outcome is Outcome.FAIL
    for said in ("a pod in default", "the kubelet of node-a", "the internet", "instance metadata"):
        assert f"not so: {said}" in reason
    assert "object store" not in reason


def test_a_server_without_a_sidecar_takes_plaintext(target: Target, visit: Networked) -> None:
    """No mesh is installed here: whoever calls is answered."""
    outcome, reason = judged(meshed.plaintext_is_refused, target, visit)
    assert outcome is Outcome.FAIL
    assert "not so: plain HTTP to the server's pod is refused (status 200)" in reason
    assert "not so: the server's pod carries a sidecar" in reason


def test_a_class_that_does_not_exist_makes_no_volume(
    target: Target, visit: Networked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "START_SECONDS", 8.0)
    storage = dataclasses.replace(target.storage, block="nobodys")
    visit.timeout_seconds = 8.0
    outcome, reason = judged(volumes.throughput, dataclasses.replace(target, storage=storage), visit)
    assert outcome is Outcome.FAIL
    assert "not so: block volumes (nobodys) are made when somebody claims one" in reason


def test_a_script_that_crashes_is_told_with_its_last_words(target: Target, visit: Networked) -> None:
    probe = Probe(name="proof-broken", script="probe_pairs.py", plan={"peers": "nobody"}, seconds=5.0)
    with visit.scope(), pytest.raises(backend.SilentError, match=r"exit code 1(.|\n)*TypeError"):
        backend.ask(visit, home(target), probe)


def test_every_object_of_a_probe_is_admitted_in_a_strict_tenant(target: Target, visit: Networked) -> None:
    here = home(target)
    plain = probing.server("proof-x", seconds=1)
    made = [*probing.manifests(here), probing.scripts(plain), probing.job(here, plain)]
    jobs = [one for one in made if one["kind"] == "Job"]
    pods: list[Json] = [  # as their controller makes them: of a job's template Pod Security only warns
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": one["spec"]["template"]["spec"]}
        for one in jobs
    ]
    for body in (*made, *pods):
        answer = visit.ask(here.namespace, body)
        assert answer.ok, f"{body['kind']}: {answer}"
    pods[0]["spec"]["containers"][0]["image"] = "python:latest"
    assert "the image's tag moves" in visit.ask(here.namespace, pods[0]).message  # so that somebody has looked
    pods[1]["spec"]["containers"][0]["securityContext"] = {}
    assert 'violates PodSecurity "restricted' in visit.ask(here.namespace, pods[1]).message
