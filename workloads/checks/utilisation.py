"""What machines do while the cluster works: the GPUs of a training job; CPU, memory and GPUs by pool.

Busy is not useful: a GPU that waits for its peers inside of a kernel is busy, too. Speed is told elsewhere.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from workloads import gpus, stats
from workloads.api import Json
from workloads.backends.cluster import prometheus
from workloads.backends.cluster.following import End, follow, select
from workloads.backends.cluster.prometheus import Monitor, Track, matcher
from workloads.backends.process.processes import wait_until
from workloads.checks import jobs, pace
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, Target
from workloads.jobs import training
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Better, Kind, Measurement, NotMeasurableError, Probes, Series

Check = Callable[[Target, Visit], Probes]
Connect = Callable[[Target, Visit], Monitor]

ACTIVE, COARSE = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"  # a share of 1; per cent, of the driver
_SCALE = {ACTIVE: 1, COARSE: 100}
IDLE = 0.1  # of 1: what a GPU shows at most that nobody works on
WORST = 0.05  # a single GPU may be this much below the limit of all
COVERED = 0.95  # of the samples that should be there
CONFIDENCE = 0.90  # two-sided: the lower end is a one-sided 95 % bound
_NAMES = ("UUID", "GPU_I_ID")
_CPU = 'sum by (node) (rate(container_cpu_usage_seconds_total{container!=""}[2m]))'
_MEMORY = 'sum by (node) (container_memory_working_set_bytes{container!=""})'
_MORE_THAN_ALL = 1.1  # of what a node offers; pods may use a little of what is kept for the system


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """What of a job counts: nothing of its start, nothing of its end, and for how long it must train between them."""

    start_seconds: float  # after its last container began: a minute, and the exporter's own half
    end_seconds: float  # before its first container ended
    least_seconds: float
    block_seconds: float = 60  # samples beside each other are alike; means of minutes are less so
    settle_seconds: float = 240  # until a GPU that was left shows it: exporter, scrape, and the pod's end

    def __str__(self) -> str:
        return (
            f"without the first {self.start_seconds:g} s after the last container's start and the last "
            f"{self.end_seconds:g} s before the first one's end"
        )


CUTS = {
    name: Cut(start_seconds=90, end_seconds=30, least_seconds=seconds)
    for name, seconds in (("quick", 180), ("full", 600))
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job that has trained: its pods, and the time between their start and their end."""

    name: str
    pods: frozenset[str]
    began: float  # the last container
    ended: float  # the first one


def gpu_utilisation(criterion: str, *, connect: Connect = prometheus.monitor, cut: Cut | None = None) -> Check:
    """The check that the GPUs of a training job are busy, and that they are not when nobody holds them."""

    def check(target: Target, visit: Visit) -> Probes:
        jobs.need_containers(target, "training runs")
        probes, one, here = Probes(), connect(target, visit), jobs.home(target, training.MEDIUM.amounts.gpus)
        counted = cut or CUTS.get(visit.terms.profile.name, CUTS["quick"])
        size = dataclasses.replace(training.MEDIUM, nodes=min(training.MEDIUM.nodes, here.tenant.gpus))
        limit = visit.terms.limit(criterion)
        steps = _steps(visit, here, size, counted)
        tracks, blocks = list[Track](), list[float]()
        for number in range(2):  # a marginal result is extended once, and then fails
            job = _train(visit, here, dataclasses.replace(size, steps=steps), f"proof-gpu-{number}")
            tracks = _tracks(one, here, size, job, counted)
            blocks += _means(tracks, counted.block_seconds)
            if (
                len(blocks) > 1
                and stats.mean(blocks, confidence=CONFIDENCE).at_least(limit) is not stats.Verdict.MARGINAL
            ):
                break
        _busy(probes, tracks, blocks, limit, counted)
        resource = target.accelerator.resource if target.accelerator else ""
        _left(probes, one, visit, tracks, counted, resource=resource)
        probes.note(f"{len(tracks)} GPUs of {size.nodes} nodes, {tracks[0].labels['__name__']}, {counted}")
        return probes

    return check


def use(target: Target, visit: Visit, *, connect: Connect = prometheus.monitor) -> Probes:
    """CPU, memory and GPU use of every pool while a job trains. Recorded; only nonsense fails."""
    jobs.need_containers(target, "a job works")
    probes, one, here = Probes(), connect(target, visit), jobs.home(target)
    began = one.now()
    size = training.MEDIUM if here.tenant.gpus >= training.MEDIUM.nodes else training.SMALL
    pace.train(visit, here, size, "proof-use", seconds=jobs.DEADLINES[size.name])
    ended, step = one.now(), statistics.mode(each.interval for each in one.targets())
    pools = {
        str(node["metadata"]["name"]): str(node["metadata"].get("labels", {}).get(POOL_LABEL, "no pool"))
        for node in visit.api.items("/api/v1/nodes")
        if gpus.usable(node)
    }
    queries = {
        "CPU": f'{_CPU} / on (node) max by (node) (kube_node_status_allocatable{{resource="cpu"}})',
        "memory": f'{_MEMORY} / on (node) max by (node) (kube_node_status_allocatable{{resource="memory"}})',
    }
    if target.gpu_pools:
        active = f"{ACTIVE} or ({COARSE} / 100 unless on (UUID) {ACTIVE})"
        queries["GPU"] = f'avg by (node) (label_replace({active}, "node", "$1", "Hostname", "(.+)"))'
    for what, query in queries.items():
        found = {track.labels.get("node", ""): track for track in one.course(query, began, ended, step)}
        wanted = {name for name, pool in pools.items() if what != "GPU" or pool in target.gpu_pools}
        silent = sorted(wanted - set(found))
        probes.positive(
            f"every node tells its {what}", held=not silent, saw=", ".join(silent) or f"{len(wanted)} nodes"
        )
        for pool in sorted({pools[name] for name in wanted}):
            _recorded(probes, what, pool, [found[name] for name in sorted(wanted & set(found)) if pools[name] == pool])
    strange = one.query('container_cpu_usage_seconds_total{node="proof-nowhere"}')
    probes.negative("a node that is not there uses nothing", held=not strange, saw=f"{len(strange)} series")
    probes.note(f"shares of what nodes offer to pods, while a {size.name} {pace.form(target)} trained")
    return probes


def _recorded(probes: Probes, what: str, pool: str, tracks: Sequence[Track]) -> None:
    values = [value for track in tracks for _, value in track.points]
    if not values:
        return
    figure = Measurement(
        metric=f"{what} of {pool}", value=100 * statistics.fmean(values), unit="%", n=len(values),
        method=f"mean over {len(tracks)} nodes and time",
    )  # fmt: skip
    probes.measured(f"{what} of {pool} is no more than there is", figure, held=max(values) <= _MORE_THAN_ALL)
    for track in tracks:
        first = track.points[0][0]
        points = tuple((at - first, 100 * value) for at, value in track.points)
        probes.series.append(Series(name=f"{what}/{track.labels['node']}", x_unit="s", y_unit="%", points=points))


def _steps(visit: Visit, here: Surroundings, size: training.Size, cut: Cut) -> int:
    """As many as fill the time, by the speed of a short job, which also brings the images to the nodes."""
    short = dataclasses.replace(size, steps=visit.terms.profile.training_steps)
    done = pace.train(visit, here, short, "proof-gpu-short", seconds=jobs.DEADLINES[size.name])
    wanted = cut.start_seconds + cut.least_seconds + cut.end_seconds
    return max(math.ceil(wanted * done.speed / (size.batch * done.world)), 1)


def _train(visit: Visit, here: Surroundings, size: training.Size, name: str) -> Job:
    made = pace.start(visit, here, size, name)
    course = follow(visit, made, wanted=End.SUCCEEDED, seconds=jobs.DEADLINES["large"])
    if course.end is not End.SUCCEEDED:
        raise NotMeasurableError(f"{name} did not train to its end: {course}")
    pods = visit.api.items(f"/api/v1/namespaces/{here.namespace}/pods", labelSelector=select(made))
    pace.free(visit, made)
    done = pace.result(name, course)
    if done.loss_left > jobs.LEARNED or done.agree is False:  # ranks that wait for each other for ever look busy
        raise NotMeasurableError(f"{name} learned nothing: {done.loss_left:.0%} of the loss is left")
    ran = [_ran(pod) for pod in pods]
    return Job(
        name=name,
        pods=frozenset(pod["metadata"]["name"] for pod in pods),
        began=max(began for began, _ in ran),
        ended=min(ended for _, ended in ran),
    )


def _ran(pod: Json) -> tuple[float, float]:
    """When a pod's container began and ended."""
    (state,) = [one["state"]["terminated"] for one in pod["status"]["containerStatuses"]]
    began, ended = (datetime.fromisoformat(state[key]).timestamp() for key in ("startedAt", "finishedAt"))
    return began, ended


def _tracks(one: Monitor, here: Surroundings, size: training.Size, job: Job, cut: Cut) -> list[Track]:
    """The samples of the job's GPUs that count; too few of either, and nothing is known."""
    start, end = job.began + cut.start_seconds, job.ended - cut.end_seconds
    if end - start < cut.least_seconds / 2:
        raise NotMeasurableError(f"{job.name} trained for {job.ended - job.began:.0f} s: too short to be measured")
    mine = f"{matcher('namespace', [here.namespace])},{matcher('pod', job.pods)}"
    found = one.between(f"{ACTIVE}{{{mine}}}", start, end) or one.between(f"{COARSE}{{{mine}}}", start, end)
    tracks = [_in_shares(track) for track in found]
    wanted = size.nodes * size.amounts.gpus
    if len(tracks) != wanted:
        raise NotMeasurableError(f"Prometheus knows {len(tracks)} GPUs of the pods of {job.name}, which hold {wanted}")
    intervals = {each.labels.get("job", ""): each.interval for each in one.targets()}
    for track in tracks:
        interval = intervals.get(track.labels.get("job", ""))
        if interval is None:
            raise NotMeasurableError(f"nobody is scraped for the job {track.labels.get('job')!r} of the GPUs' series")
        if len(track.points) < COVERED * math.floor((end - start) / interval):
            raise NotMeasurableError(
                f"{len(track.points)} samples of {_name(track)} in {end - start:.0f} s, one every {interval:g} s wanted"
            )
    return tracks


def _in_shares(track: Track) -> Track:
    scale = _SCALE[track.labels["__name__"]]
    return dataclasses.replace(track, points=tuple((at, value / scale) for at, value in track.points))


def _means(tracks: Iterable[Track], block: float) -> list[float]:
    """The mean of all GPUs in each minute, the one that is cut off left out."""
    every = sorted(point for track in tracks for point in track.points)
    first = every[0][0]
    count = math.floor((every[-1][0] - first) / block)
    blocks = [[value for at, value in every if first + block * n <= at < first + block * (n + 1)] for n in range(count)]
    return [statistics.fmean(one) for one in blocks if one]


def _busy(probes: Probes, tracks: Sequence[Track], blocks: Sequence[float], limit: float, cut: Cut) -> None:
    if len(blocks) < 2:  # noqa: PLR2004 - one value has no spread
        raise NotMeasurableError(f"{len(blocks)} stretches of {cut.block_seconds:g} s: too short to be measured")
    mean = stats.mean(blocks, confidence=CONFIDENCE)
    probes.measured(
        f"the GPUs of the job are busy for at least {limit:.0%} of the time",
        Measurement(
            metric="GPU utilisation", value=mean.value, unit="of 1", n=mean.n, limit=limit, better=Better.HIGHER,
            method=f"means of {cut.block_seconds:g} s over all GPUs of the job's pods", low=mean.low, high=mean.high,
            confidence=mean.confidence,
        ),
        held=mean.at_least(limit) is stats.Verdict.PASS,
    )  # fmt: skip
    worst = min(tracks, key=_mean)
    probes.measured(
        "none of them is left behind by the others",
        Measurement(
            metric=f"GPU {_name(worst)}", value=_mean(worst), unit="of 1", n=len(worst.points),
            method="worst GPU's mean", limit=limit - WORST, better=Better.HIGHER,
        ),
        held=_mean(worst) >= limit - WORST,
        kind=Kind.NEGATIVE,
    )  # fmt: skip
    for track in tracks:
        first = track.points[0][0]
        points = tuple((at - first, value) for at, value in track.points)
        name = f"GPU {_name(track)} of {track.labels['pod']}"
        probes.series.append(Series(name=name, x_unit="s", y_unit="of 1", points=points, limit=limit))


def _left(probes: Probes, one: Monitor, visit: Visit, tracks: Sequence[Track], cut: Cut, *, resource: str) -> None:
    """The same GPUs, now that the job is gone, unless somebody else has taken them."""
    name = tracks[0].labels["__name__"]
    same = f"{name}{{{matcher('UUID', {track.labels['UUID'] for track in tracks})}}}"
    mine = {_name(track) for track in tracks}
    seen: dict[str, float] = {}
    taken: set[str] = set()

    def quiet() -> bool:
        pods = [pod for pod in visit.api.items("/api/v1/pods") if gpus.asks(pod, resource)]
        holders = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods}
        seen.clear()
        taken.clear()
        for sample in one.query(same):
            if (sample.labels.get("namespace", ""), sample.labels.get("pod", "")) in holders:
                taken.add(_name(sample))
            else:
                seen[_name(sample)] = sample.value / _SCALE[name]
        return set(seen) | taken >= mine and all(value <= IDLE for value in seen.values())

    held = wait_until(quiet, cut.settle_seconds, min(5.0, cut.settle_seconds / 20))
    if held and not seen:
        probes.note("other pods hold all of the GPUs since the job has gone")
        return
    saw = ", ".join(f"{gpu} {value:.2f}" for gpu, value in sorted(seen.items())) or "no series of them"
    probes.negative("the same GPUs are not busy once no job holds them", held=held, saw=saw)


def _mean(track: Track) -> float:
    return statistics.fmean(value for _, value in track.points)


def _name(of: Track | prometheus.Sample) -> str:
    return "/".join(of.labels[key] for key in _NAMES if of.labels.get(key))
