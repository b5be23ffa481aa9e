"""Who holds which GPU now, and what quotas still allow. Pure functions over objects as the API server lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workloads.api import Json
from workloads.contract import POOL_LABEL

UNLIMITED = 1_000_000  # room of a tenant that no quota limits


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuNode:
    """A node that can take GPU pods now. `lowest` is the lowest priority among the pods that hold its GPUs."""

    name: str
    pool: str
    total: int
    free: int
    lowest: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Filler:
    """One pod of a plan that takes GPUs away."""

    namespace: str
    node: str
    gpus: int


def asks(pod: Json, resource: str) -> int:
    """GPUs that a pod holds once it is placed: 0 when it has ended."""
    if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    spec = pod["spec"]
    running = sum(_request(container, resource) for container in spec["containers"])
    return max([running, *(_request(container, resource) for container in spec.get("initContainers", []))])


def _request(container: Json, resource: str) -> int:
    resources = container.get("resources", {})
    return int(resources.get("requests", {}).get(resource) or resources.get("limits", {}).get(resource) or 0)


def ready(node: Json) -> bool:
    """Whether a node says that it is ready."""
    conditions = {entry["type"]: entry["status"] for entry in node.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def usable(node: Json) -> bool:
    """Whether a node takes pods at all."""
    return ready(node) and not node["spec"].get("unschedulable", False)


def has(node: Json, resource: str) -> int:
    """GPUs of a node, whoever holds them."""
    return int(node.get("status", {}).get("allocatable", {}).get(resource, 0))


def gpu_nodes(nodes: Iterable[Json], pods: Sequence[Json], resource: str) -> list[GpuNode]:
    """The usable nodes with GPUs."""
    found: list[GpuNode] = []
    for node in filter(usable, nodes):
        name = node["metadata"]["name"]
        total = has(node, resource)
        if total == 0:
            continue
        holders = [pod for pod in pods if pod["spec"].get("nodeName") == name and asks(pod, resource)]
        found.append(
            GpuNode(
                name=name,
                pool=node["metadata"].get("labels", {}).get(POOL_LABEL, ""),
                total=total,
                free=total - sum(asks(pod, resource) for pod in holders),
                lowest=min((pod["spec"].get("priority", 0) for pod in holders), default=None),
            )
        )
    return found


def waiting(pods: Iterable[Json], resource: str) -> int:
    """Pods that ask for a GPU and have no node yet."""
    return sum(1 for pod in pods if not pod["spec"].get("nodeName") and asks(pod, resource))


def room(quotas: Iterable[Json], pods: Iterable[Json], resource: str) -> int:
    """GPUs that a namespace may still ask for. Counted from its pods: a quota's status lags behind."""
    key = f"requests.{resource}"
    limits = [int(quota["spec"]["hard"][key]) for quota in quotas if key in quota["spec"].get("hard", {})]
    return min(limits, default=UNLIMITED) - sum(asks(pod, resource) for pod in pods)


def share(free: Mapping[str, int], room_: Mapping[str, int]) -> list[Filler] | None:
    """Pods that take all free GPUs of some nodes within what several namespaces may ask for; None if they may not."""
    left = dict(room_)
    plan: list[Filler] = []
    for node, gpus in free.items():
        missing = gpus
        for namespace in sorted(left, key=lambda name: -left[name]):
            part = min(missing, left[namespace])
            if part > 0:
                plan.append(Filler(namespace=namespace, node=node, gpus=part))
                left[namespace] -= part
                missing -= part
        if missing:
            return None
    return plan
