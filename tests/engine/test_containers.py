"""The stand-in for a container runtime on a real control plane: our scripts run in pods and say what came of it."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.control_plane import ControlPlane
from tests.support import containers
from tests.support.cluster import Api as Plain
from tests.support.cluster import Object, eventually
from tests.support.containers import Runtime, runtime
from tests.support.stack_outputs import outputs
from workloads.api import Api, Json
from workloads.backends.cluster.diagnosis import logs
from workloads.backends.cluster.following import Course, End, follow
from workloads.backends.cluster.forward import Forward, Spot
from workloads.checks import jobs
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.jobs import batch, images
from workloads.jobs.images import PYTHON, PYTORCH
from workloads.jobs.surroundings import Surroundings

pytestmark = pytest.mark.engine

SPACE = "containers"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
SECONDS = 60.0
CLASS = "folders"


@pytest.fixture(scope="module")
def node(api: Plain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    if reason := containers.unavailable():
        pytest.skip(reason)
    api.namespace(SPACE)
    api.call("POST", f"/api/v1/namespaces/{SPACE}/serviceaccounts", {"metadata": {"name": "default-editor"}})
    hosts = {"model.containers.svc.cluster.local": "127.0.0.7"}
    pythons = {str(PYTHON).partition(":")[0]: Path(sys.executable)}
    folder = tmp_path_factory.mktemp("node")
    with runtime(api, pool="general", folder=folder, hosts=hosts, pythons=pythons, storage_class=CLASS) as made:
        yield made


@pytest.fixture
def target(control_plane: ControlPlane) -> Target:
    tenant = outputs()["platform"]["tenants"]["check-vision"] | {"namespace": SPACE}
    kubeconfig = control_plane.kubeconfig.read_text(encoding="utf-8")
    described = outputs(
        kubeconfig=kubeconfig,
        platform__tenants={SPACE: tenant},
        platform__priorityClasses={},
        cluster__capabilities=["containers"],
    )
    return parse(described, source="test")


@pytest.fixture
def visit(node: Runtime, target: Target) -> Iterator[Visit]:  # noqa: ARG001 - the node is there before the run
    client = Api.from_kubeconfig(target.kubeconfig)
    with Visit(client, run="test", timeout_seconds=SECONDS) as visit:
        yield visit
    client.close()


@pytest.fixture
def here(target: Target) -> Surroundings:
    return jobs.home(target)


def job(here: Surroundings, name: str, *, image: str = str(PYTHON), mounts: dict[str, str] | None = None) -> Json:
    """A Job of ours that runs a script of its ConfigMap."""
    container = here.container(
        "main", PYTHON, batch.AMOUNTS, command=["python", "/scripts/x.py"], environment={"WORD": "42"}, mounts=mounts
    )
    body = batch.job(here, name, {**container, "image": image}, deadline_seconds=600)
    body["spec"]["template"]["spec"]["nodeSelector"] = dict(containers.STAND_IN)
    return body


def script(visit: Visit, name: str, text: str) -> None:
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x.py": text}}
    visit.submit(SPACE, body)


def course(visit: Visit, here: Surroundings, name: str, text: str, *, wanted: End = End.SUCCEEDED) -> Course:
    script(visit, name, text)
    return follow(visit, visit.submit(SPACE, job(here, name)), wanted=wanted, seconds=SECONDS)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


TELLS = """
import json, os, socket
told = {"word": os.environ["WORD"], "model": socket.gethostbyname("model.containers.svc.cluster.local")}
told["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
open("/tmp/room", "w").write("there is room")
open("/etc/written-by-a-container", "w").write("nobody else sees this")
print("before the end")
open("/dev/termination-log", "w").write(json.dumps(told))
"""


def test_a_job_runs_its_script_and_its_last_words_come_back(visit: Visit, here: Surroundings) -> None:
    done = course(visit, here, "tells", TELLS)
    assert done.end is End.SUCCEEDED, str(done)
    assert json.loads(done.message) == {"word": "42", "model": "127.0.0.7", "processes": 1}
    assert not Path("/etc/written-by-a-container").exists()


def test_the_log_comes_back_through_the_api_server(visit: Visit, here: Surroundings) -> None:
    done = course(visit, here, "speaks", "for number in range(3): print('line', number)")
    assert logs(visit, done.pods[0], SPACE, "main") == "line 0\nline 1\nline 2\n"
    assert logs(visit, done.pods[0], SPACE, "main", lines=1) == "line 2\n"


def test_a_script_that_fails_is_told_with_its_exit_code_and_words(visit: Visit, here: Surroundings) -> None:
    done = course(visit, here, "fails", "import sys; print('no room left'); sys.exit(3)")
    assert done.end is End.FAILED, str(done)
    assert "exit code 3" in done.why
    assert "no room left" in done.why


STARTS_ANOTHER = "import subprocess, time; subprocess.Popen(['sleep', '777']); time.sleep(777)"


def test_nothing_of_a_deleted_pod_goes_on_running(node: Runtime, visit: Visit, here: Surroundings) -> None:
    done = course(visit, here, "stays", STARTS_ANOTHER, wanted=End.RUNNING)
    assert done.end is End.RUNNING, str(done)
    (pid,) = node.processes(SPACE, done.pods[0].name)
    eventually(lambda: children(pid), "the script has started another process")
    (other,) = children(pid)
    visit.clear()
    eventually(lambda: not alive(pid) and not alive(other), "both processes are gone")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def test_an_image_that_is_nowhere_is_waited_for_with_the_reason(visit: Visit, here: Surroundings) -> None:
    script(visit, "nowhere", "")
    made = visit.submit(SPACE, job(here, "nowhere", image=str(PYTORCH)))
    done = follow(visit, made, wanted=End.SUCCEEDED, seconds=5)
    assert done.end is End.WAITING, str(done)
    assert "container main ErrImagePull" in done.why


def test_a_configuration_that_is_not_there_is_waited_for(visit: Visit, here: Surroundings) -> None:
    made = visit.submit(SPACE, job(here, "later"))
    assert follow(visit, made, wanted=End.SUCCEEDED, seconds=3).end is End.WAITING
    script(visit, "later", "")
    assert follow(visit, made, wanted=End.SUCCEEDED, seconds=SECONDS).end is End.SUCCEEDED


def test_a_claim_keeps_what_one_pod_writes_for_the_next(visit: Visit, here: Surroundings) -> None:
    claim: Json = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"}}
    amounts = {"requests": {"storage": "1Gi"}}
    claim["spec"] = {"accessModes": ["ReadWriteOnce"], "storageClassName": CLASS, "resources": amounts}
    visit.submit(SPACE, claim)
    for name, text in (("writes", "open('/kept/x', 'w').write('word')"), ("reads", "print(open('/kept/x').read())")):
        script(visit, name, text)
        body = job(here, name, mounts={"kept": "/kept"})
        volumes = body["spec"]["template"]["spec"]["volumes"]
        volumes.append({"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}})
        done = follow(visit, visit.submit(SPACE, body), wanted=End.SUCCEEDED, seconds=SECONDS)
        assert done.end is End.SUCCEEDED, str(done)
    assert logs(visit, done.pods[0], SPACE, "main") == "word\n"


def test_a_batch_job_of_the_catalog_runs_its_script_to_the_end(target: Target, visit: Visit) -> None:
    probes = jobs.batch_job_ends(target, visit)
    assert [f"{one.claim}: {one.saw}" for one in probes.all if not one.held] == []
    assert probes.missing_half() is None


def test_a_batch_job_whose_image_is_nowhere_fails_the_check(
    target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PYTHON", PYTORCH)
    monkeypatch.setattr(visit, "timeout_seconds", 4)
    (failure,) = [one for one in jobs.batch_job_ends(target, visit).all if not one.held]
    assert "ErrImagePull" in failure.saw


def plain(name: str, **spec: object) -> Object:
    """A pod beside our jobs, for what these do not use."""
    where = {"nodeSelector": dict(containers.STAND_IN), "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**where, **spec}}


def shell(name: str, text: str, **more: object) -> Object:
    return {"name": name, "image": str(PYTHON), "command": ["sh", "-c", text], **more}


def ends(api: Plain, name: str, phase: str) -> Object:
    def seen() -> Object:
        return api.get(f"{PODS}/{name}") or {"status": {}}

    eventually(lambda: seen()["status"].get("phase") == phase, f"pod {name} is {phase}", SECONDS)
    return seen()


def test_containers_start_in_their_order_and_share_the_pods_volumes(api: Plain, node: Runtime) -> None:
    volume: Object = {"name": "shared", "emptyDir": {}}
    mount = [{"name": "shared", "mountPath": "/deep/inside/shared"}]
    name = {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    address = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    first = shell("first", "echo from-$(NAME) > /deep/inside/shared/x", volumeMounts=mount, env=[name])
    then = shell("then", "cat /deep/inside/shared/x; echo $IP", volumeMounts=mount, env=[address])
    api.call("POST", PODS, plain("ordered", initContainers=[first], containers=[then], volumes=[volume]))
    body = ends(api, "ordered", "Succeeded")
    log = node.log(SPACE, "ordered", "then")
    assert log is not None
    assert log.read_text(encoding="utf-8").split() == ["from-ordered", body["status"]["podIP"]]


def test_a_container_is_started_again_until_it_succeeds(api: Plain, node: Runtime) -> None:  # noqa: ARG001
    text = "test -e /shared/x && exit 0; touch /shared/x; exit 1"
    again = shell("again", text, volumeMounts=[{"name": "shared", "mountPath": "/shared"}])
    volumes: list[Object] = [{"name": "shared", "emptyDir": {}}]
    api.call("POST", PODS, plain("again", containers=[again], volumes=volumes, restartPolicy="OnFailure"))
    (status,) = ends(api, "again", "Succeeded")["status"]["containerStatuses"]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1


def test_a_service_has_the_pods_addresses_once_they_answer(api: Plain, node: Runtime) -> None:
    """Endpoints are the endpoint controller's; the API server's own proxy and its port-forward reach the pod."""
    serve = "sleep 1; exec python -m http.server 8080 --directory /etc"
    container = shell("web", serve, ports=[{"containerPort": 8080}], readinessProbe={"tcpSocket": {"port": 8080}})
    body = plain("web", containers=[container])
    body["metadata"]["labels"] = {"app": "web"}
    services = f"/api/v1/namespaces/{SPACE}/services"
    ports = [{"port": 80, "targetPort": 8080, "name": "http"}]
    api.call("POST", services, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}})
    api.call("POST", PODS, body)
    slices = (
        f"/apis/discovery.k8s.io/v1/namespaces/{SPACE}/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb"
    )

    def reached() -> list[str]:
        found = (api.get(slices) or {"items": []})["items"]
        return [
            address
            for one in found
            for end in one.get("endpoints") or ()
            if end["conditions"]["ready"]
            for address in end["addresses"]
        ]

    eventually(reached, "the Service has an endpoint", SECONDS)
    assert reached() == [node.address(SPACE, "web")]
    client = Api.from_kubeconfig(api.kubeconfig)
    assert client.get(f"{services}/http:web:80/proxy/hostname").ok
    forward, spot = Forward(client, api.kubeconfig), Spot(namespace=SPACE, selector="app=web", port=8080)
    there = forward.call(spot, "/hostname")
    assert (there.status, there.body) == (200, Path("/etc/hostname").read_bytes())
    assert forward.call(spot, "/nothing").status == 404
    client.close()
    gc.collect()


def test_pods_of_simulated_nodes_are_left_to_their_simulator(api: Plain, node: Runtime) -> None:
    api.node("simulated")
    api.call("POST", PODS, plain("elsewhere", nodeSelector={}, nodeName="simulated", containers=[shell("a", "exit 9")]))
    ends(api, "elsewhere", "Running")
    time.sleep(1)  # several rounds of the stand-in
    assert node.processes(SPACE, "elsewhere") == []
    assert ends(api, "elsewhere", "Running")["status"]["containerStatuses"][0]["state"].get("terminated") is None
    api.call("DELETE", f"{PODS}/elsewhere?gracePeriodSeconds=0")
    api.call("DELETE", "/api/v1/nodes/simulated")


def test_the_node_says_what_it_is(api: Plain, node: Runtime) -> None:
    labels = (api.get(f"/api/v1/nodes/{node.node}") or {})["metadata"]["labels"]
    assert labels["proof.kubeflow/stand-in"] == "container-runtime"


def test_a_volume_that_hides_the_checkout_does_not_hide_the_interpreter(visit: Visit, here: Surroundings) -> None:
    top = f"/{Path(sys.executable).parts[1]}"
    script(visit, "hides", f"import json, os; print(json.dumps(sorted(os.listdir('{top}'))))")
    body = job(here, "hides", mounts={} if top == "/tmp" else {"top": top})  # noqa: S108 - there is a volume already
    body["spec"]["template"]["spec"]["volumes"].append({"name": "top", "emptyDir": {}})
    done = follow(visit, visit.submit(SPACE, body), wanted=End.SUCCEEDED, seconds=SECONDS)
    assert done.end is End.SUCCEEDED, str(done)
    assert logs(visit, done.pods[0], SPACE, "main") == "[]\n"
