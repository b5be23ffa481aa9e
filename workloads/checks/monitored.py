"""The cluster's own monitoring: what is promised is in Prometheus and fresh; a job that crashes is told by an alert."""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from workloads import gpus
from workloads.api import Json
from workloads.backends.cluster import prometheus
from workloads.backends.cluster.following import End, follow
from workloads.backends.cluster.prometheus import Alert, Monitor
from workloads.backends.process.monitoring import FIRING, RESOLVED
from workloads.backends.process.processes import wait_until
from workloads.checks import jobs, pace
from workloads.checks.alerting import FRESH, RECEIVED, fresh, told
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import images, training
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import NotMeasurableError, Probes
from workloads.pods import pod

Connect = Callable[[Target, Visit], Monitor]

URGENCY = {"severity": "warning", "component": "training"}  # what the platform's rules say of a failed job
_ALONE = dataclasses.replace(training.SMALL, name="alone", nodes=1)
_NOBODYS = "proof_nobody_exports_this"
_LOOKS = 60  # during the time that something may take


class Least(Enum):
    """How many sources a promised series has to have."""

    ONE = "one"
    NODES = "every node"
    GPU_NODES = "every node with GPUs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """A series that is there from the start where these components are."""

    series: str
    component: str  # the beginning of its name
    least: Least = Least.ONE
    by: str = ""  # the label that tells sources apart


# From the registry of metrics of the shipped versions; those that begin with their first event are not among them.
PROMISED = (
    Promise(
        series='kube_node_status_allocatable{resource="cpu"}', component="kube-prometheus", least=Least.NODES, by="node"
    ),
    Promise(series='kube_pod_status_phase{phase="Running"}', component="kube-prometheus"),
    Promise(series='kube_resourcequota{type="hard"}', component="kube-prometheus"),
    Promise(
        series='node_cpu_seconds_total{mode="idle"}', component="kube-prometheus", least=Least.NODES, by="instance"
    ),
    Promise(series="node_memory_MemAvailable_bytes", component="kube-prometheus", least=Least.NODES, by="instance"),
    Promise(
        series='container_cpu_usage_seconds_total{container!=""}',
        component="kube-prometheus",
        least=Least.NODES,
        by="node",
    ),
    Promise(series="pool:nodes:count", component="kube-prometheus"),
    Promise(series="DCGM_FI_DEV_GPU_TEMP", component="gpu-operator", least=Least.GPU_NODES, by="Hostname"),
    Promise(series="DCGM_FI_DEV_FB_USED", component="gpu-operator", least=Least.GPU_NODES, by="Hostname"),
    Promise(series="gpu_operator_reconciliation_status", component="gpu-operator"),
    Promise(series="citadel_server_root_cert_expiry_seconds", component="istio"),
    Promise(series="certmanager_certificate_ready_status", component="cert-manager"),
    Promise(series='kueue_cluster_queue_status{status="active"}', component="kueue"),
    Promise(series="controller_runtime_reconcile_total", component="kserve"),
    Promise(series="argo_workflows_gauge", component="pipelines"),
    Promise(series="service_heartbeat", component="profiles"),
)


def metrics(target: Target, visit: Visit, *, connect: Connect = prometheus.monitor) -> Probes:
    """Each promised series is there and fresh, from all of its sources; one that begins with an object ends with it."""
    probes, one, here = Probes(), connect(target, visit), jobs.home(target)
    patience = visit.terms.limit(RECEIVED)  # pods come and go meanwhile
    wait_until(lambda: all(each.healthy for each in one.targets()), patience, patience / _LOOKS)
    read = one.targets()
    silent = [str(each) for each in read if not each.healthy]
    saw = "; ".join(silent) or f"{len(read)} targets"
    probes.positive("whoever is to be read is read", held=bool(read) and not silent, saw=saw)
    limit = FRESH * statistics.mode(each.interval for each in read) if read else 0.0
    wanted = _sources(target, visit)
    for promise in PROMISED:
        if any(name.startswith(promise.component) for name in target.components):
            _kept(probes, one, promise, wanted[promise.least], limit)
    _lives(probes, one, visit, here)
    found = one.query(_NOBODYS)
    probes.negative("a series that nobody exports is not there", held=not found, saw=f"{len(found)} series")
    return probes


def received(target: Target, visit: Visit, *, connect: Connect = prometheus.monitor) -> Probes:
    """A job crashes, another ends well: the one is told, and its end too; of the other, and else, nothing."""
    jobs.need_containers(target, "a job crashes")
    probes, one, here = Probes(), connect(target, visit), jobs.home(target)
    limit, alert = visit.terms.limit(RECEIVED), f"{pace.form(target)}Failed"
    before = set(map(_labels, one.alerts()))
    well, crash = (_started(visit, here, f"proof-alert-{name}", code) for name, code in (("well", 0), ("crash", 3)))
    _ended(visit, crash, End.FAILED)
    began = time.monotonic()
    claim = f"{crash['metadata']['name']} crashes: {alert} is received as {{}}"
    every = limit / _LOOKS
    seen = wait_until(lambda: _found(one, alert, crash) is not None, limit, every)
    took = time.monotonic() - began if seen else None
    method = f"from the end of the job, or its removal, until Alertmanager says so; asked every {every:g} s"
    told(probes, claim.format(FIRING), f"{alert} {FIRING}", took, limit=limit, method=method)
    if not seen and alert not in one.alerting_rules():
        probes.note(f"Prometheus has no rule {alert}")
    held = _found(one, alert, crash)
    labels = dict(held.labels) if held else {}
    right = {**URGENCY, "namespace": here.namespace, "name": crash["metadata"]["name"]}
    probes.positive("it says whose job it is, and how urgent", held=right.items() <= labels.items(), saw=str(labels))
    _ended(visit, well, End.SUCCEEDED)
    probes.negative("a job that ends well is told by no alert", held=_found(one, alert, well) is None, saw=alert)
    new = [each for each in one.alerts() if _labels(each) not in before and each != held]
    ours = [each.name for each in new if each.labels.get("namespace") == here.namespace]
    probes.negative(f"nothing else is told of {here.namespace}", held=not ours, saw=", ".join(ours) or "nothing")
    pace.free(visit, crash)
    began = time.monotonic()
    gone = seen and wait_until(lambda: _found(one, alert, crash) is None, limit, every)
    took = time.monotonic() - began if gone else None
    told(probes, claim.format(RESOLVED), f"{alert} {RESOLVED}", took, limit=limit, method=method)
    if elsewhere := sorted({each.name for each in new} - set(ours)):
        probes.note(f"also began meanwhile, about something else: {', '.join(elsewhere)}")
    probes.note(
        f"receivers of the alert: {', '.join(held.receivers) if held else 'none'}; what they do is not seen here"
    )
    return probes


def _sources(target: Target, visit: Visit) -> dict[Least, int]:
    nodes = [node for node in visit.api.items("/api/v1/nodes") if gpus.usable(node)]
    resource = target.accelerator.resource if target.accelerator else ""
    return {Least.ONE: 1, Least.NODES: len(nodes), Least.GPU_NODES: sum(gpus.has(node, resource) > 0 for node in nodes)}


def _kept(probes: Probes, one: Monitor, promise: Promise, least: int, limit: float) -> None:
    ages = f"time() - timestamp({promise.series})"
    fresh(probes, promise.series, one.value(f"min({ages})"), limit)
    if promise.by:
        count = int(one.value(f"count(count by ({promise.by}) ({ages} <= {limit:g}))") or 0)
        claim = f"{promise.least.value} tells {promise.series.partition('{')[0]}"
        probes.positive(claim, held=count >= least, saw=f"{count} of {least}")


def _lives(probes: Probes, one: Monitor, visit: Visit, here: Surroundings) -> None:
    """A pod of this run has a series as long as it is there."""
    limit = visit.terms.limit(RECEIVED)
    made = visit.make(here.namespace, "pods", pod())
    series = f'kube_pod_info{{namespace="{here.namespace}",pod="{made["metadata"]["name"]}"}}'
    began = wait_until(lambda: bool(one.query(series)), limit, limit / _LOOKS)
    probes.positive("a new pod has its series", held=began, saw=series if began else f"none in {limit:g} s")
    visit.remove(made)
    ended = began and wait_until(lambda: not one.query(series), limit, limit / _LOOKS)
    probes.negative("a pod that is gone has none", held=ended, saw="ended" if ended else "still there, or never was")


def _started(visit: Visit, here: Surroundings, name: str, code: int) -> Json:
    """A job of one pod that ends at once with this exit code."""
    kind = pace.form(here.target)
    visit.submit(here.namespace, config_map(name, training.SCRIPT[kind]))
    made: Json = {}
    for body in training.FORMS[kind](here, _ALONE, name):
        changed = copy.deepcopy(body)
        for spec in pace.pod_specs(changed):
            spec["containers"][0] |= {
                "image": str(images.PYTHON),
                "command": ["python", "-c", f"raise SystemExit({code})"],
            }
        made = visit.submit(here.namespace, changed)
    return made


def _ended(visit: Visit, made: Json, wanted: End) -> None:
    course = follow(visit, made, wanted=wanted, seconds=jobs.DEADLINES["small"])
    if course.end is not wanted:
        raise NotMeasurableError(f"{made['metadata']['name']} was to have {wanted.value}: {course}")


def _found(one: Monitor, alert: str, made: Json) -> Alert | None:
    metadata = made["metadata"]
    wanted = {"alertname": alert, "namespace": metadata["namespace"], "name": metadata["name"]}
    return next((each for each in one.alerts() if wanted.items() <= each.labels.items()), None)


def _labels(alert: Alert) -> frozenset[tuple[str, str]]:
    return frozenset(alert.labels.items())
