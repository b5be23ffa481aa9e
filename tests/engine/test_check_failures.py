"""Training and searches that come to no good end, before upstream's own controllers: their criteria end in FAIL.

Nothing runs in the pods of simulated nodes. That a container has ended, and with which words, is what a kubelet writes
into the status of its pod; here a test does that, and upstream's controllers draw their own conclusions from it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local.control_plane import ControlPlane
from tests.support import reconciling
from tests.support.controllers import Cluster
from tests.support.stack_outputs import outputs
from workloads.api import Api, Json
from workloads.catalog import BY_ID
from workloads.checks import jobs, tuning
from workloads.cluster import Visit
from workloads.contract import RUN_LABEL, Target, parse
from workloads.jobs import training
from workloads.outcome import Probes

pytestmark = pytest.mark.engine

PODS = f"/api/v1/namespaces/{reconciling.SPACE}/pods"
ROOMY = {"requests.cpu": "120", "requests.memory": "512Gi", "pods": "40"}
SECONDS = 60  # a job that does end is not waited for so long
UNHEEDED = 4  # seconds that a search gets which nobody looks after


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with reconciling.plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with reconciling.upstream(plane, tmp_path_factory.mktemp("managers"), ROOMY) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster, plane: ControlPlane) -> Iterator[Api]:  # noqa: ARG001 - controllers run before the checks
    api = Api.from_kubeconfig(plane.kubeconfig.read_text(encoding="utf-8"))
    yield api
    api.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for images to be pulled."""
    monkeypatch.setattr(jobs, "DEADLINES", dict.fromkeys(training.SIZES, SECONDS))


@pytest.fixture
def target(plane: ControlPlane) -> Target:
    kubeconfig = plane.kubeconfig.read_text(encoding="utf-8")
    return parse(outputs(kubeconfig=kubeconfig, cluster__capabilities=["webhooks", "containers"]), source="test")


def refuted(name: str, target: Target, api: Api) -> list[str]:
    """What the catalog's own check says is not so. What it made is gone then."""
    check = BY_ID[name].cluster
    assert check is not None
    with Visit(api, run="test", timeout_seconds=30) as visit:
        probes: Probes = check(target, visit)
    assert api.items(PODS, labelSelector=RUN_LABEL) == []
    return [f"{one.claim}: {one.saw}" for one in probes.all if not one.held]


@contextmanager
def containers_end(plane: ControlPlane, code: int, words: str) -> Generator[None]:
    """As soon as a pod of the run is Running, its kubelet says that its containers have ended, and how."""
    done = threading.Event()

    def kubelet() -> None:
        api = Api.from_kubeconfig(plane.kubeconfig.read_text(encoding="utf-8"))
        while not done.wait(0.3):
            for pod in api.items(PODS, labelSelector=RUN_LABEL):
                if pod["status"].get("phase") == "Running" and not waits(pod):
                    api.request("PUT", f"{PODS}/{pod['metadata']['name']}/status", body=ended(pod, code, words))
        api.close()

    thread = threading.Thread(target=kubelet)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def waits(pod: Json) -> bool:
    """Whether a pod goes on until somebody removes it: workers of an MPIJob only wait for their launcher."""
    labels: Json = pod["metadata"]["labels"]
    kind, role = labels.get("training.kubeflow.org/job-name", ""), labels.get("training.kubeflow.org/replica-type")
    return "deletionTimestamp" in pod["metadata"] or (kind.startswith("proof-mpijob") and role == "worker")


def ended(pod: Json, code: int, words: str) -> Json:
    now = pod["status"]["startTime"]
    end = {"exitCode": code, "reason": "Error" if code else "Completed", "message": words, "startedAt": now}
    statuses = [
        {
            "name": one["name"], "image": one["image"], "imageID": "", "ready": False, "restartCount": 0,
            "state": {"terminated": {**end, "finishedAt": now}},
        }
        for one in pod["spec"]["containers"]
    ]  # fmt: skip
    conditions = [one for one in pod["status"]["conditions"] if one["type"] not in {"Ready", "ContainersReady"}]
    conditions += [{"type": name, "status": "False"} for name in ("Ready", "ContainersReady")]
    phase = "Failed" if code else "Succeeded"
    status = {**pod["status"], "phase": phase, "containerStatuses": statuses, "conditions": conditions}
    return {**pod, "status": status}


def result(size: training.Size, last: float) -> str:
    """The last words of our scripts, of a training whose loss began at 2.3."""
    return json.dumps(
        {
            "world": size.nodes,
            "parameters": size.parameters,
            "loss": {"first": 2.3, "last": last},
            "samplesPerSecond": 10.0,
            "ranksAgree": True,
        }
    )


def every_size(*forms: str) -> list[Any]:
    """The criteria of these forms in each size, each with its mark."""
    names = [f"training.{form.lower()}-{size}" for form in forms for size in training.SIZES]
    return [pytest.param(name, marks=pytest.mark.fails(name)) for name in names]


@pytest.mark.parametrize("name", every_size("PyTorchJob", "TFJob", "MPIJob"))
def test_a_job_that_ends_well_and_has_learned_nothing_fails(
    name: str, target: Target, api: Api, plane: ControlPlane
) -> None:
    size = training.SIZES[name.rpartition("-")[2]]
    with containers_end(plane, 0, result(size, last=2.2)):
        failures = refuted(name, target, api)
    assert failures == ["the loss falls to 50% or less: loss 2.300 -> 2.200"]


@pytest.mark.fails("training.pytorchjob-small")
def test_a_job_that_crashes_fails_with_its_last_words(target: Target, api: Api, plane: ControlPlane) -> None:
    with containers_end(plane, 1, "loss is not a number"):
        failures = refuted("training.pytorchjob-small", target, api)
    assert any("a small PyTorchJob succeeds" in one and "loss is not a number" in one for one in failures), failures


@pytest.mark.parametrize("name", every_size("TrainJob"))
def test_a_job_whose_pods_no_node_takes_fails_at_its_deadline(
    name: str, target: Target, api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated nodes end the pods of a Job by themselves, and without a word: these must not get that far."""
    monkeypatch.setattr(jobs, "DEADLINES", dict.fromkeys(training.SIZES, UNHEEDED))
    with reconciling.cordoned(cluster):
        (failure,) = refuted(name, target, api)
    assert "not succeeded within 4 s" in failure
    assert "unschedulable" in failure


@pytest.mark.parametrize(
    "algorithm", [pytest.param(one, marks=pytest.mark.fails(f"tuning.{one}")) for one in ("random", "grid")]
)
def test_a_search_that_no_controller_looks_after_fails_at_its_deadline(
    algorithm: str, target: Target, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Katib's definitions are here, and neither its webhook nor its controller is."""
    monkeypatch.setattr(tuning, "SECONDS", UNHEEDED)
    unguarded, unheeded = refuted(f"tuning.{algorithm}", target, api)
    assert unguarded == "an experiment whose trials refer to no parameter is refused: accepted"
    assert unheeded.startswith(f"the {algorithm} search succeeds: waiting after")
