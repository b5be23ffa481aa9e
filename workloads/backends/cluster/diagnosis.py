"""Why pods do not get on: what the scheduler, the kubelet and the controllers have written down about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from workloads.cluster import Visit

Json = dict[str, Any]

_HOPELESS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
_WORDS = 600  # of one message
_EVENTS = 3  # of an object, the last ones


@dataclass(frozen=True, kw_only=True, slots=True)
class PodState:
    """One pod of a job or a service."""

    name: str
    uid: str
    phase: str
    node: str
    ready: bool
    trouble: str
    message: str  # of the container that has ended
    restarts: int

    def __str__(self) -> str:
        """As evidence."""
        where = f" on {self.node}" if self.node else ""
        return f"{self.name} {'Ready' if self.ready else self.phase}{where}"


def pod_states(pods: Iterable[Json]) -> tuple[PodState, ...]:
    """Pods as the API server lists them, by name."""
    return tuple(sorted(map(_state, pods), key=lambda one: one.name))


def _state(pod: Json) -> PodState:
    status = pod.get("status", {})
    marks = {one["type"]: one for one in status.get("conditions") or ()}
    started: list[Json] = status.get("initContainerStatuses") or []
    containers: list[Json] = [*started, *cast("list[Json]", status.get("containerStatuses") or [])]
    return PodState(
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        phase=status.get("phase", "Unknown"),
        node=pod["spec"].get("nodeName", ""),
        ready=marks.get("Ready", {}).get("status") == "True",
        trouble=_trouble(marks, containers),
        message=next((said for one in containers if (said := _message(one))), ""),
        restarts=sum(one.get("restartCount", 0) for one in containers),
    )


def _trouble(marks: dict[str, Json], containers: list[Json]) -> str:
    scheduled = marks.get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        return f"unschedulable: {scheduled.get('message', '')}"
    for one in containers:
        waiting: Json = one.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            return f"container {one['name']} {waiting['reason']}: {waiting.get('message', '')}"
        ended = _ended(one)
        if ended.get("exitCode"):
            return f"container {one['name']} ended with exit code {ended['exitCode']} {ended.get('reason', '')}".strip()
    return ""


def _ended(container: Json) -> Json:
    now: Json | None = container.get("state", {}).get("terminated")
    before: Json | None = container.get("lastState", {}).get("terminated")
    return now or before or {}


def _message(container: Json) -> str:
    return str(_ended(container).get("message", ""))


def obstacles(pods: Iterable[PodState]) -> list[str]:
    """What holds pods back, the same thing once, with the last words of those that crashed."""
    said: dict[str, str] = {}
    for one in pods:
        if one.trouble:
            last = f" ({one.message[-_WORDS:].strip()})" if one.message else ""
            said.setdefault(f"{one.trouble}{last}"[:_WORDS], one.name)
    return [f"{name}: {text}" for text, name in said.items()]


def warnings(visit: Visit, made: Json, pods: Iterable[PodState]) -> list[str]:
    """The last warnings about an object and its pods."""
    namespace = made["metadata"]["namespace"]
    uids = {made["metadata"]["uid"], *(one.uid for one in pods)}
    events = visit.api.items(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning")
    name, since = made["metadata"]["name"], made["metadata"]["creationTimestamp"]
    dated = [(one.get("lastTimestamp") or one.get("eventTime") or "", one) for one in events]
    mine = [
        (when, one)
        for when, one in dated
        if one["involvedObject"].get("uid") in uids
        or (one["involvedObject"].get("name", "").startswith(f"{name}-") and when >= since)
    ]
    last = [one for _, one in sorted(mine, key=lambda entry: entry[0])[-_EVENTS:]]
    return list(dict.fromkeys(f"{one['reason']}: {one.get('message', '')[:_WORDS]}" for one in last))


def logs(visit: Visit, pod: PodState, namespace: str, container: str, lines: int = 50) -> str:
    """The end of a container's log, or why there is none."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod.name}/log"
    answer = visit.api.get(path, container=container, tailLines=str(lines))
    return answer.message if answer.ok else f"no log: {answer}"
