"""Follows what a run has created to its end, within a deadline, and says in words how it ended and why.

Knows how each kind of object tells its state. Decides no verdict: a check compares the end with the one it wants.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from workloads.backends.cluster import kinds
from workloads.backends.cluster.diagnosis import PodState, obstacles, pod_states, warnings
from workloads.cluster import Visit

Json = dict[str, Any]


class End(Enum):
    """How far an object came."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RUNNING = "running"  # a job with all its pods running, a service that says that it is ready
    WAITING = "waiting"  # it never came further before the deadline
    DELETED = "deleted"  # somebody removed it, or put another one in its place


ENDED = frozenset({End.SUCCEEDED, End.FAILED, End.DELETED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What became of one object."""

    end: End
    why: str
    seconds: float
    pods: tuple[PodState, ...]
    body: Json | None  # as it was seen last

    def __str__(self) -> str:
        """As evidence."""
        pods = ", ".join(map(str, self.pods)) or "no pod"
        return f"{self.end.value} after {self.seconds:.1f} s{f': {self.why}' if self.why else ''} ({pods})"

    @property
    def message(self) -> str:
        """The last words of the pod that ended first with any: the result that a script leaves."""
        return next((one.message for one in self.pods if one.message), "")


def follow(visit: Visit, made: Json, *, wanted: End, seconds: float, selector: str = "") -> Course:
    """Watch until the wanted end or any other that is final; give back what was seen last when the time is over."""
    began = time.monotonic()
    labels = selector or select(made)
    namespace = made["metadata"]["namespace"]

    known: dict[str, PodState] = {}

    def look() -> Course:
        body = visit.read(made)
        pods = pod_states(visit.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=labels))
        known.update({one.uid: one for one in pods})
        end, why = (End.DELETED, "it was deleted while it was followed") if body is None else state(body)
        return Course(end=end, why=why, seconds=time.monotonic() - began, pods=pods, body=body)

    def settled(now: Course) -> bool:
        return now.end is wanted or now.end in ENDED

    seen = visit.watch(look, settled, seconds)
    if seen.end is wanted or (seen.end is End.DELETED):
        return seen
    reasons = [seen.why, *obstacles(known.values()), *warnings(visit, made, known.values())]
    late = [] if seen.end in ENDED else [f"not {wanted.value} within {seconds:g} s"]
    return Course(
        end=seen.end,
        why="; ".join(dict.fromkeys(filter(None, [*late, *reasons]))),
        seconds=seen.seconds,
        pods=seen.pods,
        body=seen.body,
    )


def select(made: Json) -> str:
    """The label by which upstream's controllers mark the pods of an object."""
    name = made["metadata"]["name"]
    keys = {
        "InferenceService": "serving.kserve.io/inferenceservice",
        "InferenceGraph": "serving.kserve.io/inferencegraph",
        "TrainJob": "jobset.sigs.k8s.io/jobset-name",
        "Job": "batch.kubernetes.io/job-name",
        "Workflow": "workflows.argoproj.io/workflow",
        "Experiment": "katib.kubeflow.org/experiment",
        "Notebook": "notebook-name",
    }
    return f"{keys.get(made['kind'], 'training.kubeflow.org/job-name')}={name}"


def state(body: Json) -> tuple[End, str]:
    """What an object says about itself."""
    return _READERS.get(kinds.of(body).kind, _training_job)(body)


def _conditions(body: Json) -> Mapping[str, Json]:
    return {one["type"]: one for one in body.get("status", {}).get("conditions") or ()}


def _held(body: Json, name: str) -> Json | None:
    found = _conditions(body).get(name)
    return found if found and found["status"] == "True" else None


def _words(condition: Json) -> str:
    return " ".join(filter(None, [condition.get("reason", ""), condition.get("message", "")]))


def _first(body: Json, ends: Mapping[str, End]) -> tuple[End, str] | None:
    for name, end in ends.items():
        if (found := _held(body, name)) is not None:
            return end, _words(found) if end is End.FAILED else ""
    return None


def _training_job(body: Json) -> tuple[End, str]:
    if found := _first(body, {"Failed": End.FAILED, "Succeeded": End.SUCCEEDED}):
        return found
    if suspended := _held(body, "Suspended"):
        return End.WAITING, _words(suspended)
    replicas: Json = body.get("status", {}).get("replicaStatuses") or {}
    specs: Json = next(value for key, value in body["spec"].items() if key.endswith("ReplicaSpecs"))
    running = all(replicas.get(role, {}).get("active", 0) >= spec["replicas"] for role, spec in specs.items())
    return (End.RUNNING, "") if _held(body, "Running") and running else (End.WAITING, "")


def _train_job(body: Json) -> tuple[End, str]:
    if found := _first(body, {"Failed": End.FAILED, "Complete": End.SUCCEEDED}):
        return found
    if suspended := _held(body, "Suspended"):
        return End.WAITING, _words(suspended)
    parts: list[Json] = body.get("status", {}).get("jobsStatus") or []
    running = bool(parts) and all(one["ready"] or one["succeeded"] for one in parts)
    return (End.RUNNING if running else End.WAITING), ""


def _job(body: Json) -> tuple[End, str]:
    if found := _first(body, {"Failed": End.FAILED, "Complete": End.SUCCEEDED}):
        return found
    return (End.RUNNING if body.get("status", {}).get("ready") else End.WAITING), ""


def _ready(body: Json) -> tuple[End, str]:
    ready = _conditions(body).get("Ready", {"status": "Unknown"})
    if ready["status"] == "True" and body["status"].get("observedGeneration") == body["metadata"]["generation"]:
        return End.RUNNING, ""
    wrong = [_words(one) for one in _conditions(body).values() if one["status"] == "False"]
    failure: Json = body.get("status", {}).get("modelStatus", {}).get("lastFailureInfo") or {}
    return End.WAITING, "; ".join(dict.fromkeys(filter(None, [*wrong, _words(failure)])))


def _workflow(body: Json) -> tuple[End, str]:
    status = body.get("status", {})
    ends = {"Succeeded": End.SUCCEEDED, "Failed": End.FAILED, "Error": End.FAILED, "Running": End.RUNNING}
    return ends.get(status.get("phase", ""), End.WAITING), status.get("message", "")


def _experiment(body: Json) -> tuple[End, str]:
    ends = {"Failed": End.FAILED, "Succeeded": End.SUCCEEDED, "Running": End.RUNNING}
    return _first(body, ends) or (End.WAITING, "")


def _notebook(body: Json) -> tuple[End, str]:
    return (End.RUNNING if body.get("status", {}).get("readyReplicas") else End.WAITING), ""


_READERS: Mapping[str, Callable[[Json], tuple[End, str]]] = {
    "TrainJob": _train_job,
    "Job": _job,
    "InferenceService": _ready,
    "InferenceGraph": _ready,
    "Workflow": _workflow,
    "Experiment": _experiment,
    "Notebook": _notebook,
    "Tensorboard": _notebook,
}
