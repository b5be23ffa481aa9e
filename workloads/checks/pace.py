"""How fast the cluster trains: n nodes against one, in turns, and whole models an hour. Jobs tell their own results."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from workloads import gpus, stats
from workloads.api import Json, amount
from workloads.backends.cluster.diagnosis import pod_states
from workloads.backends.cluster.following import Course, End, follow, select
from workloads.checks import jobs
from workloads.checks.training import CONFIDENCE, agreed, paced, scaled
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, Target
from workloads.jobs import training
from workloads.jobs.surroundings import Amounts, Surroundings, config_map
from workloads.jobs.training import Size
from workloads.outcome import NotMeasurableError, Probes, Series, SkippedError

Check = Callable[[Target, Visit], Probes]

MOST_NODES = 4
_SECONDS = jobs.DEADLINES["medium"]  # of one turn
# Big enough that a step is mostly arithmetic, where there is no GPU.
COMPACT = Size(
    name="compact", nodes=2, width=1024, layers=3, steps=0, batch=1024, amounts=Amounts(cpu="2", memory="4Gi")
)
_BROKEN = {"STEPS": "none"}  # the script reads a number


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a job of its own has told."""

    world: int
    speed: float  # samples a second, of all ranks
    loss_left: float  # of the first
    agree: bool | None  # None where the script does not compare ranks
    course: Course

    @property
    def nodes(self) -> frozenset[str]:
        """Where its pods ran."""
        return frozenset(one.node for one in self.course.pods)


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """The pool that is trained on, and on how many of its nodes at most."""

    pool: str
    nodes: int


def form(target: Target) -> str:
    """The form of job that this stack's training has, PyTorchJob before TrainJob."""
    only_new = "trainer" in target.components and "training-operator" not in target.components
    return "TrainJob" if only_new else "PyTorchJob"


def scaling(criterion: str) -> Check:
    """The check that n nodes do nearly n times the work of one: weak scaling, in turns, with an interval."""

    def check(target: Target, visit: Visit) -> Probes:
        jobs.need_containers(target, "training runs")
        probes, here, terms = Probes(), jobs.home(target), visit.terms
        size = dataclasses.replace(_size(target, here), steps=terms.profile.training_steps)
        floor = ground(target, visit, here, size)
        if floor.nodes < 2:  # noqa: PLR2004 - one node has nothing to be compared with
            raise SkippedError(f"needs two nodes with room for {here.namespace}, found {floor.nodes} in {floor.pool}")
        limit, most = terms.limit(criterion), floor.nodes
        turns = _turns(visit, here, size, floor, terms.profile.repetitions)
        if _efficiency(turns, most).at_least(limit) is stats.Verdict.MARGINAL:  # once; what is marginal still fails
            turns += _turns(visit, here, size, floor, terms.profile.repetitions, begin=len(turns))
        scaled(probes, _efficiency(turns, most), most, "nodes", limit)
        both = [one for pair in turns for one in pair]
        agreed(probes, sum(one.agree is False for one in both), len(both), "sum of every rank's weights")
        points = tuple((float(len(one.nodes)), one.speed) for one in both)
        probes.series.append(Series(name="scaling", x_unit="nodes", y_unit="samples/s", points=points))
        probes.note(
            f"1 and {most} nodes of {floor.pool} in turns, {size.amounts.gpus or 'no'} GPU each, "
            f"{size.parameters:,} parameters, {size.batch} rows of each rank in a step"
        )
        return probes

    return check


def speed(target: Target, visit: Visit) -> Probes:
    """Models an hour, each a job of its own from its submission to its end. Recorded; only the target can fail."""
    jobs.need_containers(target, "training runs")
    probes, here, size = Probes(), jobs.home(target), training.SMALL
    every = [
        train(visit, here, size, f"proof-speed-{number}", seconds=jobs.DEADLINES[size.name])
        for number in range(visit.terms.profile.repetitions)
    ]
    paced(
        probes,
        [one.course.seconds for one in every],
        reached=all(one.loss_left <= jobs.LEARNED for one in every),
        method=f"3,600 s over a {form(target)} of {size.nodes} nodes, submitted to ended, images and all",
    )
    broken = start(visit, here, size, "proof-speed-broken", environment=_BROKEN)
    course = follow(visit, broken, wanted=End.FAILED, seconds=jobs.DEADLINES[size.name])
    probes.negative(
        "a job that cannot train counts as no model",
        held=course.end is End.FAILED and "loss" not in course.message,
        saw=str(course),
    )
    return probes


def start(
    visit: Visit,
    here: Surroundings,
    size: Size,
    name: str,
    *,
    pool: str | None = None,
    environment: dict[str, str] | None = None,
) -> Json:
    """Create a job of this size; in one pool, with each of its pods on a node of its own, if a pool is named."""
    kind = form(here.target)
    visit.submit(here.namespace, config_map(name, training.SCRIPT[kind]))
    made: Json = {}
    for body in training.FORMS[kind](here, size, name):
        changed = copy.deepcopy(body)
        for spec in pod_specs(changed):
            _fit(spec, size, environment or {})
            if pool is not None:
                key, _, value = select({"kind": kind, "metadata": {"name": name}}).partition("=")
                spec["affinity"] = _apart(pool, key, value)
        made = visit.submit(here.namespace, changed)
    return made


def train(
    visit: Visit, here: Surroundings, size: Size, name: str, *, seconds: float, pool: str | None = None
) -> Trained:
    """Train to the end, and free the nodes again; a job that does not end well measures nothing."""
    made = start(visit, here, size, name, pool=pool)
    course = follow(visit, made, wanted=End.SUCCEEDED, seconds=seconds)
    if course.end is not End.SUCCEEDED:
        raise NotMeasurableError(f"{name} did not train to its end: {course}")
    free(visit, made)
    return result(name, course)


def free(visit: Visit, made: Json) -> None:
    """Remove a job, and wait until its pods are gone, too."""
    visit.remove(made)
    path = f"/api/v1/namespaces/{made['metadata']['namespace']}/pods"
    left = visit.watch(lambda: pod_states(visit.api.items(path, labelSelector=select(made))), lambda pods: not pods)
    if left:
        raise NotMeasurableError(f"the pods of {made['metadata']['name']} do not go: {', '.join(map(str, left))}")


def result(name: str, course: Course) -> Trained:
    """The last words of a job."""
    try:
        told: Json = json.loads(course.message)
        return Trained(
            world=int(told["world"]),
            speed=float(told["samplesPerSecond"]),
            loss_left=float(told["loss"]["last"]) / float(told["loss"]["first"]),
            agree=told.get("ranksAgree"),
            course=course,
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise NotMeasurableError(f"{name} ended without a result that can be read: {course.message!r}") from error


def ground(target: Target, visit: Visit, here: Surroundings, size: Size) -> Floor:
    """The pool with most nodes for such a job, as far as its autoscaler and the tenant's quotas go."""
    resource = target.accelerator.resource if target.accelerator else ""
    nodes, pods = visit.api.items("/api/v1/nodes"), visit.api.items("/api/v1/pods")
    there = [node for node in nodes if gpus.usable(node)]
    free_gpus = {one.name for one in gpus.gpu_nodes(nodes, pods, resource) if one.free >= size.amounts.gpus}
    wanted = target.gpu_pools if size.amounts.gpus else frozenset(target.pools) - target.gpu_pools
    found: list[Floor] = []
    for name in sorted(wanted):
        ours = [node["metadata"]["name"] for node in there if node["metadata"]["labels"].get(POOL_LABEL) == name]
        now = [one for one in ours if not size.amounts.gpus or one in free_gpus]
        found.append(Floor(pool=name, nodes=len(now) + max(target.pools[name].max - len(ours), 0)))
    if not found:
        raise SkippedError(f"needs a pool {'with' if size.amounts.gpus else 'without'} GPUs to train on")
    best = max(found, key=lambda one: one.nodes)
    return dataclasses.replace(best, nodes=min(best.nodes, MOST_NODES, _room(visit, here, size, resource)))


def pod_specs(body: object) -> Iterator[Json]:
    """Whatever in an object has containers."""
    if isinstance(body, dict):
        mapping = cast("Json", body)
        if isinstance(mapping.get("containers"), list):
            yield mapping
        for one in mapping.values():
            yield from pod_specs(one)
    elif isinstance(body, list):
        for one in cast("list[Any]", body):
            yield from pod_specs(one)


def _size(target: Target, here: Surroundings) -> Size:
    return training.MEDIUM if target.gpu_pools and here.tenant.gpus else COMPACT


def _turns(
    visit: Visit, here: Surroundings, size: Size, floor: Floor, repetitions: int, *, begin: int = 0
) -> list[tuple[Trained, Trained]]:
    """One node, then all of them, and again: what disturbs the cluster falls on both alike."""

    def turn(nodes: int, number: int) -> Trained:
        name = f"proof-scaling-{nodes}-{number}"
        one = dataclasses.replace(size, nodes=nodes)
        done = train(visit, here, one, name, seconds=_SECONDS, pool=floor.pool)
        if len(done.nodes) != nodes or done.world % nodes:
            raise NotMeasurableError(f"{name}: {done.world} ranks on {len(done.nodes)} nodes, asked for {nodes}")
        return done

    return [(turn(1, number), turn(floor.nodes, number)) for number in range(begin, begin + repetitions)]


def _efficiency(turns: Sequence[tuple[Trained, Trained]], most: int) -> stats.Estimate:
    single, many = zip(*((one.speed, other.speed) for one, other in turns), strict=True)
    return stats.scaling_efficiency(single, many, most, confidence=CONFIDENCE)


def _room(visit: Visit, here: Surroundings, size: Size, resource: str) -> int:
    """Pods of such a job that the tenant's quotas still allow."""
    inside = f"/api/v1/namespaces/{here.namespace}"
    quotas = visit.api.items(f"{inside}/resourcequotas")
    rooms = [gpus.UNLIMITED]
    for key, asked in (("cpu", size.amounts.cpu), ("memory", size.amounts.memory)):
        for quota in quotas:
            hard = quota["spec"].get("hard", {})
            name = next((one for one in (f"requests.{key}", key) if one in hard), None)
            if name is not None:
                used = amount(quota.get("status", {}).get("used", {}).get(name, "0"))
                rooms.append(math.floor((amount(hard[name]) - used) / amount(asked)))
    if size.amounts.gpus:
        rooms.append(gpus.room(quotas, visit.api.items(f"{inside}/pods"), resource) // size.amounts.gpus)
    return max(min(rooms), 0)


def _fit(spec: Json, size: Size, environment: dict[str, str]) -> None:
    """As many threads as the container has cores: more would only wait for each other."""
    threads = str(max(int(amount(size.amounts.cpu)), 1))
    for container in spec["containers"]:
        told = {one["name"]: one["value"] for one in container["env"]}
        every = told | {"OMP_NUM_THREADS": threads} | environment
        container["env"] = [{"name": name, "value": value} for name, value in every.items()]


def _apart(pool: str, key: str, value: str) -> Json:
    """In one pool, and never two pods of the job on one node."""
    where = [{"matchExpressions": [{"key": POOL_LABEL, "operator": "In", "values": [pool]}]}]
    term = {"labelSelector": {"matchLabels": {key: value}}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": where}},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
    }
