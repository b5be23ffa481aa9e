"""The cluster backend against upstream's own controllers, which run as processes beside a real API server.

Nodes are simulated: pods are placed and become Ready, but nothing runs in them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.local.control_plane import ControlPlane
from kubeflow.distribution import table
from tests.support import reconciling
from tests.support.controllers import Cluster
from tests.support.reconciling import STRICT
from tests.support.stack_outputs import outputs
from workloads.api import Api, Json
from workloads.backends.cluster import kinds
from workloads.backends.cluster.following import Course, End, follow
from workloads.catalog import BY_ID
from workloads.checks import inference, jobs, manifests, tuning
from workloads.cluster import Visit
from workloads.contract import RUN_LABEL, Target, parse
from workloads.jobs import batch, serving, training
from workloads.jobs.surroundings import Amounts, Surroundings, config_map
from workloads.outcome import Probes, SkippedError

pytestmark = pytest.mark.engine

SECONDS = 40.0


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with reconciling.plane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with reconciling.upstream(plane, tmp_path_factory.mktemp("managers")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster, plane: ControlPlane) -> Iterator[Api]:  # noqa: ARG001 - controllers run before the checks
    api = Api.from_kubeconfig(plane.kubeconfig.read_text(encoding="utf-8"))
    yield api
    api.close()


@pytest.fixture(scope="module")
def target(plane: ControlPlane) -> Target:
    components = [one.name for one in table.components(table.CURRENT) if one.default]
    kubeconfig = plane.kubeconfig.read_text(encoding="utf-8")
    described = outputs(kubeconfig=kubeconfig, platform__components=components, cluster__capabilities=["webhooks"])
    return parse(described, source="test")


@pytest.fixture
def visit(api: Api) -> Iterator[Visit]:
    with Visit(api, run="test", timeout_seconds=SECONDS) as visit:
        yield visit
    assert left(api) == []


@pytest.fixture
def here(target: Target) -> Surroundings:
    return jobs.home(target)


def left(api: Api) -> list[str]:
    """Whatever carries the label of a run, whichever kind it is of."""
    return [
        f"{kind.kind} {one['metadata']['name']}"
        for kind in kinds.KINDS
        for one in api.items(kind.everywhere, labelSelector=RUN_LABEL)
    ]


def wrong(probes: Probes) -> list[str]:
    return [f"{one.claim}: {one.saw}" for one in probes.all if not one.held]


def proven(probes: Probes) -> None:
    """Both halves were tried, and all of it held."""
    assert not wrong(probes), "\n".join(wrong(probes))
    assert probes.missing_half() is None


def test_every_manifest_of_ours_is_accepted_with_upstreams_definitions_and_webhooks(
    target: Target, visit: Visit
) -> None:
    probes = manifests.are_accepted(target, visit)
    proven(probes)
    assert probes.notes == []


@pytest.mark.parametrize("form", training.FORMS)
def test_a_training_job_becomes_running_pods_that_know_of_each_other(form: str, target: Target, visit: Visit) -> None:
    proven(jobs.reconciled(form)(target, visit))


@pytest.mark.parametrize("kind", serving.SERVED)
def test_a_model_becomes_a_service_that_is_ready(kind: str, target: Target, visit: Visit) -> None:
    proven(inference.ready(kind)(target, visit))


def test_a_model_is_transformed_and_explained_by_parts_of_their_own(target: Target, visit: Visit) -> None:
    proven(inference.explained(target, visit))


def test_two_versions_share_the_requests(target: Target, visit: Visit) -> None:
    proven(inference.split(target, visit))


def test_a_canary_is_promoted_and_rolled_back(target: Target, visit: Visit) -> None:
    proven(inference.canary(target, visit))


def test_a_batch_job_ends_and_one_that_fits_nowhere_says_why(target: Target, visit: Visit) -> None:
    proven(jobs.batch_job_ends(target, visit))


BEYOND = replace(training.SMALL, amounts=Amounts(cpu="30", memory="1Gi"))
Build = Callable[[Surroundings], Json]


def pytorch(here: Surroundings, size: training.Size = training.SMALL) -> Json:
    return training.pytorch_job(here, size, "proof-fault")[0]


def on_no_node(here: Surroundings) -> Json:
    body = pytorch(here)
    for spec in body["spec"]["pytorchReplicaSpecs"].values():
        spec["template"]["spec"]["nodeSelector"] = {"proof.kubeflow/pool": "nowhere"}
    return body


def beyond_the_quota(here: Surroundings) -> Json:
    return pytorch(here, BEYOND)


def course_of(visit: Visit, here: Surroundings, body: Json, seconds: float = 15.0) -> Course:
    visit.submit(here.namespace, config_map("proof-fault", "train_torch.py"))
    return follow(visit, visit.submit(here.namespace, body), wanted=End.RUNNING, seconds=seconds)


@pytest.mark.parametrize(
    ("build", "said"),
    [(on_no_node, "unschedulable"), (beyond_the_quota, "exceeded quota")],
    ids=["never scheduled", "beyond the quota"],
)
def test_a_job_that_does_not_get_on_ends_at_the_deadline_with_the_reason(
    build: Build, said: str, visit: Visit, here: Surroundings
) -> None:
    course = course_of(visit, here, build(here))
    assert (course.end, said in course.why) == (End.WAITING, True), str(course)
    assert "not running within 15 s" in course.why


def test_upstreams_operator_cannot_start_workers_under_the_strictest_pod_security(
    visit: Visit, here: Surroundings
) -> None:
    """Its init container says nothing about its rights (training-operator 1.9.2): a tenant must be baseline for it."""
    strict = replace(here, tenant=replace(here.tenant, namespace=STRICT))
    course = course_of(visit, strict, pytorch(strict))
    assert "violates PodSecurity" in course.why, str(course)
    assert "init-pytorch" in course.why


def test_a_crash_is_told_with_its_exit_code_and_its_last_words(api: Api, visit: Visit, here: Surroundings) -> None:
    course = course_of(visit, here, pytorch(here))
    assert (course.end, course.body is None) == (End.RUNNING, False), str(course)
    pods = f"/api/v1/namespaces/{here.namespace}/pods"
    crashed = api.get(f"{pods}/proof-fault-master-0").body
    ended = {"exitCode": 7, "reason": "Error", "message": "loss is not a number"}
    status = {"name": "pytorch", "image": "", "imageID": "", "ready": False, "restartCount": 0}
    crashed["status"] |= {"phase": "Failed", "containerStatuses": [{**status, "state": {"terminated": ended}}]}
    assert api.request("PUT", f"{pods}/proof-fault-master-0/status", body=crashed).ok
    assert course.body is not None
    course = follow(visit, course.body, wanted=End.SUCCEEDED, seconds=20)
    assert course.end is End.FAILED, str(course)
    assert "exit code 7" in course.why
    assert "loss is not a number" in course.why


def test_a_job_that_somebody_deletes_in_the_middle_is_not_waited_for(visit: Visit, here: Surroundings) -> None:
    course = course_of(visit, here, pytorch(here))
    assert course.body is not None
    path = kinds.path(course.body)
    thief = threading.Timer(1.0, lambda: visit.api.request("DELETE", path))
    thief.start()
    course = follow(visit, course.body, wanted=End.SUCCEEDED, seconds=60)
    thief.join()
    assert course.end is End.DELETED, str(course)
    assert course.seconds < 60


def test_an_interrupted_run_leaves_nothing_behind(api: Api, here: Surroundings) -> None:
    with contextlib.suppress(KeyboardInterrupt), Visit(api, run="stopped", timeout_seconds=SECONDS) as visit:
        course = course_of(visit, here, pytorch(here))
        assert len(left(api)) == 4, str(course)  # the job, its scripts, two pods
        raise KeyboardInterrupt
    assert left(api) == []


def test_a_run_removes_what_a_dead_one_left(api: Api, here: Surroundings) -> None:
    dead = Visit(api, run="dead", timeout_seconds=SECONDS)
    dead.submit(here.namespace, config_map("proof-fault", "train_torch.py"))
    for body in training.train_job(here, training.SMALL, "proof-dead"):
        dead.submit(here.namespace, body)
    with Visit(api, run="alive", timeout_seconds=SECONDS):
        assert left(api) == []


def test_a_check_fails_with_the_webhooks_own_words(
    target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misnamed(here: Surroundings, size: training.Size, name: str) -> list[Json]:
        (body,) = training.pytorch_job(here, size, name)
        body["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]["name"] = "trainer"
        return [body]

    monkeypatch.setitem(training.FORMS, "PyTorchJob", misnamed)
    (failure,) = wrong(jobs.reconciled("PyTorchJob")(target, visit))
    assert "must have at least one container with name pytorch" in failure


UNPLACED = (
    *(f"training.{form.lower()}-is-reconciled" for form in training.FORMS),
    *(f"serving.{kind}-service" for kind in serving.SERVED),
    "serving.explained-service",
    "training.batch-job-ends",
)
ROUTED = ("serving.versions-service", "serving.canary-service")


def marked(*names: str) -> list[Any]:
    return [pytest.param(one, marks=pytest.mark.fails(one)) for one in names]


@pytest.mark.parametrize("name", [*marked(*UNPLACED), *ROUTED])
def test_a_check_fails_where_no_node_takes_its_pods(name: str, target: Target, api: Api, cluster: Cluster) -> None:
    check = BY_ID[name].cluster
    assert check is not None
    with reconciling.cordoned(cluster), Visit(api, run="test", timeout_seconds=6) as visit:
        failures = wrong(check(target, visit))
    assert any("unschedulable" in one for one in failures), failures
    assert left(api) == []


@pytest.mark.parametrize("name", marked(*ROUTED))
def test_a_split_fails_whose_router_is_told_other_shares(name: str, target: Target, visit: Visit) -> None:
    class Meddling(Visit):
        """Somebody changes the shares on their way."""

        def submit(self, namespace: str, body: Json) -> Json:
            if body["kind"] == "InferenceGraph":
                for step, weight in zip(body["spec"]["nodes"]["root"]["steps"], (90, 10), strict=True):
                    step["weight"] = weight
            return super().submit(namespace, body)

    check = BY_ID[name].cluster
    assert check is not None
    with Meddling(visit.api, run="meddling", timeout_seconds=SECONDS) as meddled:
        (failure,) = wrong(check(target, meddled))
    assert failure.startswith("the router is told the shares")
    assert "90" in failure.partition(": weights")[2]


@pytest.mark.fails("training.manifests-are-accepted")
def test_a_manifest_that_upstreams_definition_refuses_fails_the_check(
    target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = batch.tensorboard

    def without_a_path(here: Surroundings, name: str) -> Json:
        body = intact(here, name)
        body["spec"]["logspath"] = 7
        return body

    monkeypatch.setattr(batch, "tensorboard", without_a_path)
    failures = wrong(manifests.are_accepted(target, visit))
    assert any(one.startswith("Tensorboard proof-board is accepted") and "logspath" in one for one in failures)


def test_what_needs_containers_is_skipped_with_the_reason(target: Target, visit: Visit) -> None:
    for check in (jobs.trains("PyTorchJob", training.SMALL), tuning.searched("grid")):
        with pytest.raises(SkippedError, match="inside of containers, and this cluster's nodes are simulated"):
            check(target, visit)
