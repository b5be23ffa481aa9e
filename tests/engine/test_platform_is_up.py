"""Whether the platform is up, asked of a real API server: each way in which it is not is found.

Its nodes are simulated: what is scaled, refused or crashed is so for the API server, as a controller or kubelet says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from infra.local.control_plane import ControlPlane
from tests.support.cluster import Api as Plain
from tests.support.cluster import Object, eventually, standing
from tests.support.stack_outputs import outputs
from workloads.api import Api
from workloads.checks import core
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.outcome import Outcome, Probes, SkippedError
from workloads.runner import judge

pytestmark = pytest.mark.engine

INSTALLED = ("katib", "kserve", "istio-crds")
APPS = "/apis/apps/v1/namespaces"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
KATIB, NEWCOMER = f"{APPS}/kubeflow/deployments/katib-controller", "storage/newcomer"


def workload(place: str, kind: str = "Deployment") -> tuple[str, Object]:
    """One as the platform makes them, and where it is sent."""
    namespace, _, name = place.partition("/")
    labels = {"app": name}
    pod = {"containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}], "priorityClassName": core.PLATFORM}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, "serviceName": name}
    if kind == "Deployment":
        del spec["serviceName"]
    body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return f"{APPS}/{namespace}/{kind.lower()}s", body


def machine() -> Object:
    """Its pods have addresses that a Service may have behind it: the loopback's are none."""
    size = {"cpu": "8", "memory": "16Gi", "pods": "110"}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "machine", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"podCIDR": "198.18.0.0/24"},
        "status": {"capacity": size, "allocatable": size},
    }  # fmt: skip


def service(name: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 443}]},
    }  # fmt: skip


def webhook(name: str, called: str) -> Object:
    """It guards what nobody makes here."""
    hook = {
        "name": "guard.proof.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "kubeflow", "name": called}},
        "rules": [{"apiGroups": ["proof.test"], "apiVersions": ["*"], "operations": ["*"], "resources": ["nothings"]}],
    }  # fmt: skip
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [hook],
    }  # fmt: skip


def definition(plural: str, kind: str) -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.proof.test"},
        "spec": {
            "group": "proof.test", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with standing(tmp_path_factory.mktemp("core")) as plane:
        yield plane


@pytest.fixture(scope="module")
def plain(plane: ControlPlane) -> Plain:
    """The API server with a small platform on it."""
    api = Plain(plane.kubeconfig)
    api.call("POST", "/api/v1/nodes", machine())
    for name in ("kubeflow", "storage", "check-vision"):
        api.namespace(name)
    head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": core.PLATFORM}}
    api.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {**head, "value": 1000})
    for name in ("kubeflow", "storage"):
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually(lambda path=path: api.get(path), f"{path} is there")
    for place in [heart for name in INSTALLED for heart in core.HEARTS.get(name, ())]:
        api.call("POST", *workload(place))
    api.call("POST", *workload(NEWCOMER, "StatefulSet"))
    api.call("POST", "/api/v1/namespaces/kubeflow/services", service("katib-controller"))
    api.call("POST", HOOKS, webhook("guarded", "katib-controller"))
    return api


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    api = Api.from_kubeconfig(plane.kubeconfig.read_text(encoding="utf-8"))
    yield api
    api.close()


def described(*capabilities: str, installed: tuple[str, ...] = INSTALLED) -> Target:
    changes = {"cluster__capabilities": list(capabilities), "platform__components": list(installed)}
    return parse(outputs(**changes), source="test")


def asked(target: Target, api: Api, seconds: float = 3) -> Probes:
    with Visit(api, run="test", timeout_seconds=seconds) as visit:
        return core.components_are_up(target, visit)


def wrong(probes: Probes) -> dict[str, str]:
    return {one.claim: one.saw for one in probes.all if not one.held}


def test_a_platform_that_is_up_passes(plain: Plain, api: Api) -> None:  # noqa: ARG001 - it is there
    probes = asked(described("containers"), api, seconds=30)
    assert judge(probes)[0] is Outcome.PASS, wrong(probes)
    assert len(probes.all) == 7, "no certificate manager is here, so no certificate is asked for"
    assert probes.notes == []


def test_on_simulated_nodes_it_is_said_what_that_does_not_show(plain: Plain, api: Api) -> None:
    plain.call("POST", HOOKS, webhook("unanswered", "nobody"))
    probes = asked(described(), api, seconds=30)
    plain.call("DELETE", f"{HOOKS}/unanswered")
    assert judge(probes)[0] is Outcome.PASS, wrong(probes)
    assert "webhooks and certificates, which programs answer for and issue, were not looked at" in probes.notes[0]


def test_a_stack_without_components_has_nothing_to_be_up(api: Api) -> None:
    with pytest.raises(SkippedError, match="no component that has pods"):
        asked(described(installed=("istio-crds",)), api)


@contextmanager
def scaled_down(plain: Plain) -> Generator[None]:
    plain.merge(KATIB, {"spec": {"replicas": 0}})
    yield
    plain.merge(KATIB, {"spec": {"replicas": 1}})


@contextmanager
def deleted(plain: Plain) -> Generator[None]:
    plain.call("DELETE", KATIB)
    yield
    plain.call("POST", *workload("kubeflow/katib-controller"))


@contextmanager
def without_room(plain: Plain) -> Generator[None]:
    """What nobody has listed by name, but carries the platform's priority, asks for more than a node has."""
    container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "4096"}}}
    path, body = workload("storage/giant")
    body["spec"]["template"]["spec"]["containers"] = [container]
    plain.call("POST", path, body)
    yield
    plain.call("DELETE", f"{path}/giant")


@contextmanager
def crashing(plain: Plain) -> Generator[None]:
    """A pod whose kubelet reports that its container ends again and again."""
    (pod,) = pods(plain, "newcomer")
    ended = {"exitCode": 1, "reason": "Error", "message": "cannot open the disk"}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    container = {
        "name": "main", "image": "", "imageID": "", "ready": False, "restartCount": 7,
        "state": {"waiting": waiting}, "lastState": {"terminated": ended},
    }  # fmt: skip
    marks = [{"type": name, "status": "False"} for name in ("Ready", "ContainersReady")]
    path = f"/api/v1/namespaces/storage/pods/{pod['metadata']['name']}"
    plain.merge(f"{path}/status", {"status": {"containerStatuses": [container], "conditions": marks}})
    yield
    plain.call("DELETE", path)
    eventually(lambda: [one for one in pods(plain, "newcomer") if holds(one, "Ready")], "a new pod is ready")


@contextmanager
def unanswered(plain: Plain) -> Generator[None]:
    plain.call("POST", HOOKS, webhook("unanswered", "nobody"))
    yield
    plain.call("DELETE", f"{HOOKS}/unanswered")


@contextmanager
def not_issued(plain: Plain) -> Generator[None]:
    """A certificate is asked for, and no certificate manager runs."""
    body = definition("certificates", "Certificate")
    body["metadata"]["name"] = "certificates.cert-manager.io"
    body["spec"]["group"] = "cert-manager.io"
    plain.call("POST", DEFINITIONS, body)
    path = f"{DEFINITIONS}/certificates.cert-manager.io"
    eventually(lambda: holds(plain.get(path), "Established"), "certificates are known")
    time.sleep(1)  # the API server answers 429 while it prepares to keep a new kind
    certificate = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "door"}}
    plain.call("POST", "/apis/cert-manager.io/v1/namespaces/kubeflow/certificates", certificate)
    yield
    plain.call("DELETE", path)
    time.sleep(1)


@contextmanager
def not_established(plain: Plain) -> Generator[None]:
    """Two definitions want the same name; the second does not get it."""
    plain.call("POST", DEFINITIONS, definition("things", "Thing"))
    first = f"{DEFINITIONS}/things.proof.test"
    eventually(lambda: holds(plain.get(first), "Established"), "the first definition is established")
    plain.call("POST", DEFINITIONS, definition("others", "Thing"))
    yield
    for plural in ("things", "others"):
        plain.call("DELETE", f"{DEFINITIONS}/{plural}.proof.test")


def pods(plain: Plain, app: str) -> list[Object]:
    listed = plain.get(f"/api/v1/namespaces/storage/pods?labelSelector=app%3D{app}")
    return listed["items"] if listed else []


def holds(body: Object | None, condition: str) -> bool:
    marks: list[Object] = (body or {"status": {}})["status"].get("conditions") or []
    return any(one["type"] == condition and one["status"] == "True" for one in marks)


WORKLOADS = "every Deployment, StatefulSet and DaemonSet of the platform has all its pods"
Fault = Callable[[Plain], AbstractContextManager[None]]
FAULTS: list[tuple[Fault, str, str]] = [
    (scaled_down, "katib is up", "kubeflow/katib-controller is scaled to nothing"),
    (deleted, "katib is up", "kubeflow/katib-controller is not there"),
    (without_room, WORKLOADS, "storage/giant has 0 of 1 pods available"),
    (crashing, "no pod of the platform is stuck or crashes again and again", "CrashLoopBackOff"),
    (unanswered, "every webhook of the platform has a ready pod behind it", "Service kubeflow/nobody"),
    (not_issued, "every certificate of the platform is issued", "door is not Ready: nobody says why"),
    (not_established, "every definition is established", "others.proof.test is not Established"),
]


@pytest.mark.fails("core.components-are-up")
@pytest.mark.parametrize("fault", FAULTS, ids=[one.__name__ for one, _, _ in FAULTS])
def test_what_is_not_up_is_found_and_named(fault: tuple[Fault, str, str], api: Api, plain: Plain) -> None:
    broken, claim, said = fault
    target = described("containers")
    with broken(plain):
        probes = asked(target, api)
    assert judge(probes)[0] is Outcome.FAIL
    assert said in wrong(probes).get(claim, ""), wrong(probes)
    assert wrong(asked(target, api, seconds=30)) == {}, "it is mended"
