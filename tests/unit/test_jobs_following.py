"""How each kind of object tells its state, and how pods tell what holds them back."""

from __future__ import annotations

from typing import Any

import pytest

from workloads.api import Json
from workloads.backends.cluster.diagnosis import obstacles, pod_states
from workloads.backends.cluster.following import End, select, state

TRAINING, TRAINER, SERVING = "kubeflow.org/v1", "trainer.kubeflow.org/v1alpha1", "serving.kserve.io/v1beta1"


def condition(kind: str, status: str = "True", **more: str) -> Json:
    return {"type": kind, "status": status, **more}


def body(version: str, kind: str, spec: Json | None = None, **status: Any) -> Json:  # noqa: ANN401 - any JSON
    metadata = {"name": "x", "generation": 2}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status}


def job(active: int, *conditions: Json) -> Json:
    spec = {"pytorchReplicaSpecs": {"Master": {"replicas": 1}, "Worker": {"replicas": 2}}}
    replicas = {"Master": {"active": 1}, "Worker": {"active": active}}
    return body(TRAINING, "PyTorchJob", spec, conditions=list(conditions), replicaStatuses=replicas)


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (body(TRAINING, "PyTorchJob", {"pytorchReplicaSpecs": {"Master": {"replicas": 1}}}), End.WAITING),
        (job(2, condition("Created")), End.WAITING),
        (job(1, condition("Running")), End.WAITING),
        (job(2, condition("Running")), End.RUNNING),
        (job(2, condition("Running", "False"), condition("Succeeded")), End.SUCCEEDED),
        (job(2, condition("Running"), condition("Failed", reason="PyTorchJobFailed", message="why")), End.FAILED),
        (job(2, condition("Suspended", message="queued")), End.WAITING),
        (body(TRAINER, "TrainJob"), End.WAITING),
        (body(TRAINER, "TrainJob", jobsStatus=[{"active": 1, "ready": 0, "succeeded": 0}]), End.WAITING),
        (body(TRAINER, "TrainJob", jobsStatus=[{"active": 1, "ready": 1, "succeeded": 0}]), End.RUNNING),
        (body(TRAINER, "TrainJob", conditions=[condition("Complete")]), End.SUCCEEDED),
        (body(TRAINER, "TrainJob", conditions=[condition("Failed")]), End.FAILED),
        (body(SERVING, "InferenceService", conditions=[condition("Ready")], observedGeneration=2), End.RUNNING),
        (body(SERVING, "InferenceService", conditions=[condition("Ready")], observedGeneration=1), End.WAITING),
        (
            body(SERVING, "InferenceService", conditions=[condition("Ready", "False")], observedGeneration=2),
            End.WAITING,
        ),
        (body("batch/v1", "Job", conditions=[condition("Complete")]), End.SUCCEEDED),
        (body("batch/v1", "Job", ready=1), End.RUNNING),
        (body("batch/v1", "Job"), End.WAITING),
        (body("argoproj.io/v1alpha1", "Workflow", phase="Error"), End.FAILED),
        (body("kubeflow.org/v1beta1", "Experiment", conditions=[condition("Running")]), End.RUNNING),
        (body(TRAINING, "Notebook", readyReplicas=1), End.RUNNING),
    ],
)
def test_an_object_is_as_far_as_it_says(seen: Json, end: End) -> None:
    assert state(seen)[0] is end


def test_an_object_says_why_it_failed_or_waits() -> None:
    failed = job(2, condition("Failed", reason="PyTorchJobFailed", message="a replica failed"))
    assert state(failed) == (End.FAILED, "PyTorchJobFailed a replica failed")
    wrong = condition("PredictorReady", "False", reason="RuntimeNotRecognized", message="no such runtime")
    assert state(body(SERVING, "InferenceService", conditions=[wrong]))[1] == "RuntimeNotRecognized no such runtime"


def test_pods_are_found_by_the_label_of_their_own_controller() -> None:
    assert select(body(TRAINING, "TFJob")) == "training.kubeflow.org/job-name=x"
    assert select(body(TRAINER, "TrainJob")) == "jobset.sigs.k8s.io/jobset-name=x"


def pod(name: str, **status: Any) -> Json:  # noqa: ANN401 - any JSON
    return {"metadata": {"name": name, "uid": name}, "spec": {}, "status": status}


def ended(code: int, message: str = "") -> Json:
    terminated = {"exitCode": code, "reason": "Error", "message": message}
    return {"name": "main", "state": {"terminated": terminated}, "restartCount": 1}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"phase": "Running"}, []),
        (
            {"conditions": [condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes")]},
            ["a: unschedulable: 0/3 nodes"],
        ),
        (
            {
                "containerStatuses": [
                    {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
                ]
            },
            ["a: container main ErrImagePull: no"],
        ),
        ({"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]}, []),
        ({"containerStatuses": [ended(0, "done")]}, []),
        (
            {"initContainerStatuses": [ended(3, "no disk")]},
            ["a: container main ended with exit code 3 Error (no disk)"],
        ),
    ],
)
def test_a_pod_says_what_holds_it_back(status: Json, said: list[str]) -> None:
    assert obstacles(pod_states([pod("a", **status)])) == said


def test_what_holds_many_pods_back_is_said_once() -> None:
    blocked = {"conditions": [condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes")]}
    assert len(obstacles(pod_states([pod(name, **blocked) for name in "abc"]))) == 1


def test_the_result_of_a_script_is_what_its_container_said_last() -> None:
    (seen,) = pod_states([pod("a", containerStatuses=[ended(0, '{"loss": 1}')])])
    assert (seen.message, seen.restarts) == ('{"loss": 1}', 1)
