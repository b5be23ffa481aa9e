"""Where the live scheduler puts pods: GPU nodes for GPU pods only, waiting for GPUs, preemption by priority."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workloads import gpus
from workloads.api import Json
from workloads.cluster import Visit
from workloads.contract import Accelerator, Target
from workloads.outcome import NotMeasurableError, Probes
from workloads.pods import SMALL, pod

SETTLE_SECONDS = 1.0  # how long something that must not happen is watched for


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """The GPU nodes and what tenants may ask for, before the measurement."""

    accelerator: Accelerator
    nodes: tuple[gpus.GpuNode, ...]
    room: dict[str, int]  # namespace -> GPUs

    @property
    def roomiest(self) -> str:
        """The namespace that may ask for most GPUs."""
        return max(self.room, key=lambda name: self.room[name])


def gpu_nodes_are_for_gpu_pods(target: Target, visit: Visit) -> Probes:
    """A GPU pod lands on a GPU node; a pod without GPU lands elsewhere, and not even on request on a GPU node."""
    floor = _floor(target, visit)
    space = floor.roomiest
    if not any(node.free for node in floor.nodes) or floor.room[space] < 1:
        raise NotMeasurableError(f"no GPU is free for a probe in {space}: {_in_words(floor)}")
    probes = Probes()
    resource = floor.accelerator.resource
    theirs = {node.name for node in floor.nodes}
    with_gpu = visit.make(space, "pods", pod(resources={**SMALL, resource: "1"}, tolerate=_tolerations(target)))
    seen = _placed(visit, with_gpu)
    claim = f"a pod that asks for {resource} is placed on a GPU node"
    probes.positive(claim, held=_node(seen) in theirs, saw=_where(seen))
    seen = _placed(visit, visit.make(space, "pods", pod()))
    claim = "a pod without GPU is placed, and not on a GPU node"
    probes.positive(claim, held=_node(seen) not in {None, *theirs}, saw=_where(seen))
    for pool in sorted({node.pool for node in floor.nodes if node.pool}):
        seen = _settled(visit, visit.make(space, "pods", pod(pool=pool)))
        claim = f"a pod without GPU that insists on pool {pool} is kept off it by the taint"
        probes.negative(claim, held=_node(seen) is None and "untolerated taint" in _where(seen), saw=_where(seen))
    return probes


def gpu_pod_waits(target: Target, visit: Visit) -> Probes:
    """When all GPUs of a pool are taken, the next GPU pod waits for lack of GPUs, and is placed when one is freed."""
    floor = _floor(target, visit, exclusive=True)
    resource, pool = floor.accelerator.resource, _smallest_pool(floor.nodes)
    nodes = [node for node in floor.nodes if node.pool == pool]
    asking = pod(resources={**SMALL, resource: "1"}, tolerate=_tolerations(target), pool=pool)
    space = floor.roomiest
    mine = visit.dry(space, "pods", asking).expect(f"ask for one GPU in {space}")["spec"].get("priority", 0)
    if any(node.lowest is not None and node.lowest < mine for node in nodes):
        raise NotMeasurableError(f"pods of lower priority than {mine} hold GPUs of {pool}: they could be evicted")
    probes = Probes()
    fillers = _fill(target, visit, floor, nodes)
    probes.positive(f"{len(fillers)} pods take all free GPUs of pool {pool}", held=True, saw=_in_words(floor))
    waiting = visit.make(space, "pods", asking)
    seen = _settled(visit, waiting)
    held = _node(seen) is None and f"Insufficient {resource}" in _where(seen)
    probes.negative(f"one more GPU pod is not placed, for lack of {resource}", held=held, saw=_where(seen))
    seen = visit.watch(lambda: visit.read(waiting), lambda now: _node(now) is not None, SETTLE_SECONDS)
    held = seen is not None and _node(seen) is None
    probes.negative("it stays waiting while all GPUs are taken", held=held, saw=_where(seen))
    visit.remove(fillers[0])
    seen = _placed(visit, waiting)
    claim = f"it is placed in pool {pool} when a GPU is freed"
    probes.positive(claim, held=_node(seen) in {node.name for node in nodes}, saw=_where(seen))
    return probes


def higher_priority_preempts(target: Target, visit: Visit) -> Probes:
    """On a full node, a pod of equal priority waits and evicts nothing; one of higher priority evicts and is placed."""
    floor = _floor(target, visit, exclusive=True)
    empty = [node for node in floor.nodes if node.free == node.total]
    if not empty:
        raise NotMeasurableError(f"no GPU node is empty, and pods of others must not be evicted: {_in_words(floor)}")
    pool = _smallest_pool(empty)
    node = min((node for node in empty if node.pool == pool), key=lambda node: node.total)
    low, *_, high = target.usable_priorities
    space, one = floor.roomiest, {**SMALL, floor.accelerator.resource: "1"}
    tolerate = _tolerations(target)
    probes = Probes()
    fillers = _fill(target, visit, floor, [node], priority_class=low)

    equal = visit.make(space, "pods", pod(resources=one, tolerate=tolerate, node=node.name, priority_class=low))
    seen = _settled(visit, equal)
    visit.watch(lambda: _evicted(visit, fillers), bool, SETTLE_SECONDS)
    gone = _evicted(visit, fillers)
    held = _node(seen) is None and not gone
    claim = f"a pod of class {low} waits and evicts none of its equals on the full node {node.name}"
    probes.negative(claim, held=held, saw=f"{_where(seen)}; evicted: {gone or 'none'}")
    visit.remove(equal)

    above = visit.make(space, "pods", pod(resources=one, tolerate=tolerate, node=node.name, priority_class=high))
    seen = _placed(visit, above)
    gone = _evicted(visit, fillers)
    held = _node(seen) == node.name and bool(gone)
    claim = f"a pod of class {high} evicts one of class {low} and takes its place on {node.name}"
    probes.positive(claim, held=held, saw=f"{_where(seen)}; evicted: {gone or 'none'}")
    return probes


def _floor(target: Target, visit: Visit, *, exclusive: bool = False) -> Floor:
    """Survey before measuring. `exclusive` wants that nobody else waits for the GPUs that will be freed."""
    accelerator = target.accelerator
    if accelerator is None:
        raise NotMeasurableError("the cluster has no accelerator")
    resource = accelerator.resource
    pods = visit.api.items("/api/v1/pods")
    if exclusive and (others := gpus.waiting(pods, resource)):
        raise NotMeasurableError(f"{others} other pod(s) wait for {resource}: they would compete with the probes")
    every = [node for node in visit.api.items("/api/v1/nodes") if gpus.has(node, resource)]
    nodes = gpus.gpu_nodes(every, pods, resource)
    if not every:
        raise NotMeasurableError(
            f"no node has {resource} now: GPU pools are scaled to zero, or the device plugin is silent"
        )
    if not nodes:
        names = ", ".join(node["metadata"]["name"] for node in every)
        raise NotMeasurableError(f"no node with {resource} is ready and open to pods: {names}")
    room = {
        space: gpus.room(
            visit.api.items(f"/api/v1/namespaces/{space}/resourcequotas"),
            [one for one in pods if one["metadata"]["namespace"] == space],
            resource,
        )
        for space in (tenant.namespace for tenant in target.tenants.values())
    }
    return Floor(accelerator=accelerator, nodes=tuple(nodes), room=room)


def _smallest_pool(nodes: Iterable[gpus.GpuNode]) -> str:
    free: dict[str, int] = {}
    for node in nodes:
        free[node.pool] = free.get(node.pool, 0) + node.free
    candidates = {pool: count for pool, count in free.items() if pool and count}
    if not candidates:
        raise NotMeasurableError("no GPU of any pool is free")
    return min(candidates, key=lambda pool: candidates[pool])


def _fill(
    target: Target, visit: Visit, floor: Floor, nodes: Iterable[gpus.GpuNode], priority_class: str | None = None
) -> list[Json]:
    """Take all free GPUs of some nodes, leaving the roomiest tenant one GPU to ask for."""
    free = {node.name: node.free for node in nodes}
    room = {**floor.room, floor.roomiest: floor.room[floor.roomiest] - 1}
    plan = gpus.share(free, room)
    if plan is None:
        total, needed = sum(floor.room.values()), sum(free.values()) + 1
        raise NotMeasurableError(f"tenants may ask for {total} more GPUs, {needed} are needed: raise a GPU quota")
    made = [
        visit.make(
            part.namespace,
            "pods",
            pod(
                resources={**SMALL, floor.accelerator.resource: str(part.gpus)},
                tolerate=_tolerations(target),
                node=part.node,
                priority_class=priority_class,
            ),
        )
        for part in plan
    ]
    for one in made:
        seen = _placed(visit, one)
        if _node(seen) is None:
            raise NotMeasurableError(f"a pod that should fill a GPU node was not placed: {_where(seen)}")
    return made


def _tolerations(target: Target) -> list[str]:
    taints = {taint.key for pool in target.gpu_pools for taint in target.pools[pool].taints}
    return sorted(taints | ({target.accelerator.toleration_key} if target.accelerator else set()))


def _placed(visit: Visit, made: Json) -> Json | None:
    """The pod once it has a node, or as it is when the time is over."""
    return visit.watch(lambda: visit.read(made), lambda now: now is None or _node(now) is not None)


def _settled(visit: Visit, made: Json) -> Json | None:
    """The pod once the scheduler has decided either way."""
    return visit.watch(
        lambda: visit.read(made), lambda now: now is None or _node(now) is not None or _unschedulable(now) is not None
    )


def _node(seen: Json | None) -> str | None:
    return seen["spec"].get("nodeName") if seen else None


def _unschedulable(seen: Json) -> str | None:
    for condition in seen["status"].get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return str(condition.get("message", ""))
    return None


def _where(seen: Json | None) -> str:
    if seen is None:
        return "the pod was deleted"
    if node := _node(seen):
        return f"placed on {node}"
    message = _unschedulable(seen)
    return "the scheduler has not decided" if message is None else f"unschedulable: {message}"


def _evicted(visit: Visit, made: list[Json]) -> str:
    """What became of the pods that were evicted: empty while all are untouched."""
    said: list[str] = []
    for one in made:
        now = visit.read(one)
        if now is None or now["metadata"].get("deletionTimestamp"):
            marks: list[Json] = now["status"].get("conditions", []) if now else []
            reasons = [mark.get("reason", "") for mark in marks if mark["type"] == "DisruptionTarget"]
            said.append(f"{one['metadata']['name']} ({', '.join(reasons) or 'deleted'})")
    return ", ".join(said)


def _in_words(floor: Floor) -> str:
    nodes = ", ".join(f"{node.name} {node.free}/{node.total} free" for node in floor.nodes)
    room = ", ".join(f"{name} {count}" for name, count in floor.room.items())
    return f"nodes: {nodes}; tenants may still ask for: {room}"
