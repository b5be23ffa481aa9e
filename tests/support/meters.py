"""A pretended cluster with real monitoring: Prometheus and Alertmanager read what a test says, jobs end as it says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubeflow.observability import alerts
from kubeflow.observability.facts import Facts
from tests.support import edge
from tests.support.listening import exporter
from tests.support.pretend import Pretend, pretend
from tests.support.stack_outputs import GPU_TAINT, outputs
from workloads.api import Api
from workloads.backends.cluster.following import select
from workloads.backends.cluster.kinds import path
from workloads.backends.process import monitoring
from workloads.backends.process.bench import Bench
from workloads.backends.process.monitoring import Rule
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, Target, parse

Json = dict[str, Any]
Lines = Callable[[Pretend], Iterable[str]]

HOME = "check-vision"  # the tenant with GPUs
INTERVAL = 0.5
LIMITS = {"scaling": 0.8, "alerting.received": 15.0, "gpu": 0.85, "drift.detected": 95.0}
_ENDED = {"PyTorchJob": "Succeeded", "Job": "Complete"}  # what a good end is called
_ONE = {"replicas": 1}
_MONITORS = (
    ("prometheus-0", {"app.kubernetes.io/name": "prometheus",
                      "operator.prometheus.io/name": "kube-prometheus-stack-prometheus"}, 9090),
    ("alertmanager-0", {"app.kubernetes.io/name": "alertmanager",
                        "alertmanager": "kube-prometheus-stack-alertmanager"}, 9093),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a check is tried."""

    cluster: Pretend
    target: Target
    visit: Visit


@dataclass(kw_only=True)
class Ends:
    """Lets every job of the cluster run for some seconds on nodes of their own, and end with what it has to say."""

    cluster: Pretend
    says: Callable[[str, int], Json | None]  # of a job's name and nodes; None: it fails
    seconds: Callable[[str], float]
    nodes: tuple[str, ...] = ("gpu-0", "gpu-1", "gpu-2", "gpu-3")
    _timers: list[threading.Timer] = field(default_factory=list[threading.Timer], init=False)

    def made(self, body: Json) -> None:
        """A new object: jobs get pods."""
        if body["kind"] not in _ENDED:
            return
        name, space = body["metadata"]["name"], body["metadata"]["namespace"]
        key, _, value = select(body).partition("=")
        count = sum(one["replicas"] for one in body["spec"].get("pytorchReplicaSpecs", {"Job": _ONE}).values())
        began = time.time()
        for number in range(count):
            pod = f"{name}-{'worker' if number else 'master'}-{max(number - 1, 0)}"
            resources = {"requests": {"nvidia.com/gpu": "1"}}
            spec = {"nodeName": self.nodes[number], "containers": [{"name": "pytorch", "resources": resources}]}
            self.cluster.pod(space, pod, {key: value}, spec=spec)
        timer = threading.Timer(self.seconds(name), self._end, (body, count, began))
        self._timers.append(timer)
        timer.start()

    def gone(self, body: Json) -> None:
        """A job takes its pods with it."""
        if body["kind"] in _ENDED:
            space = body["metadata"]["namespace"]
            for pod in self.cluster.listed(f"/api/v1/namespaces/{space}/pods", select(body)):
                self.cluster.take(f"/api/v1/namespaces/{space}/pods/{pod['metadata']['name']}")

    def _end(self, body: Json, count: int, began: float) -> None:
        said = self.says(body["metadata"]["name"], count)
        pods = self.cluster.listed(f"/api/v1/namespaces/{body['metadata']['namespace']}/pods", select(body))
        for number, pod in enumerate(pods):
            state = {
                "exitCode": 0 if said else 3, "startedAt": _text(began), "finishedAt": _text(time.time()),
                "message": json.dumps(said) if said and not number else "",
            }  # fmt: skip
            statuses = [{"name": "pytorch", "restartCount": 0, "state": {"terminated": state}}]
            pod["status"] = {"phase": "Succeeded" if said else "Failed", "containerStatuses": statuses}
        now = self.cluster.objects.get(path(body))
        if now is not None:
            good = _ENDED[body["kind"]]
            now["status"] = {"conditions": [{"type": good if said else "Failed", "status": "True"}]}

    def close(self) -> None:
        """Wait for what is under way."""
        for timer in self._timers:
            timer.join()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def told(world: int, speed: float, **changes: Any) -> Json:  # noqa: ANN401 - any JSON
    """The last words of a job that trained well."""
    return {
        "world": world,
        "samplesPerSecond": speed,
        "loss": {"first": 2.0, "last": 0.5},
        "ranksAgree": True,
    } | changes


@contextmanager
def place(folder: Path, *, nodes: int = 2, gpus: int = 1, **changes: Any) -> Generator[Place]:  # noqa: ANN401 - outputs
    """A pretended cluster whose GPU nodes are ready, and a visit to it."""
    with pretend() as cluster, edge.bench(folder, limits=LIMITS) as bench:
        for number in range(nodes):
            labels = {POOL_LABEL: "accelerated"}
            status = {
                "allocatable": {"nvidia.com/gpu": str(gpus), "cpu": "8"},
                "conditions": [{"type": "Ready", "status": "True"}],
            }
            spec = {"taints": [{"key": GPU_TAINT, "value": "present", "effect": "NoSchedule"}]}
            node = {"metadata": {"name": f"gpu-{number}", "labels": labels}, "spec": spec, "status": status}
            cluster.put("/api/v1/nodes", node)
        described = {"cluster__capabilities": ["containers"], "cluster__pools__accelerated__max": nodes, **changes}
        target = parse(outputs(kubeconfig=cluster.kubeconfig, **described), source="test")
        api = Api.from_kubeconfig(cluster.kubeconfig)
        visit = Visit(api, run="test", timeout_seconds=5, terms=bench)
        try:
            yield Place(cluster=cluster, target=target, visit=visit)
        finally:
            api.close()


@contextmanager
def ending(
    there: Place, says: Callable[[str, int], Json | None], seconds: Callable[[str], float] = lambda _: 0.1
) -> Generator[None]:
    """Jobs of the cluster end after some seconds, with what they have to say."""
    ends = Ends(cluster=there.cluster, says=says, seconds=seconds)
    there.cluster.made, there.cluster.gone = ends.made, ends.gone
    try:
        yield
    finally:
        ends.close()


@contextmanager
def monitored(there: Place, lines: Lines, rules: Sequence[Rule] = (), *, dead: bool = False) -> Generator[None]:
    """Real Prometheus and Alertmanager in the cluster's `monitoring`, over one exporter with these lines."""
    bench = there.visit.terms
    assert isinstance(bench, Bench)
    with exporter(lambda: "".join(f"{line}\n" for line in lines(there.cluster))) as port:
        targets = [monitoring.Target(job="exporter", port=port)]
        targets += [monitoring.Target(job="nobody", port=1)] if dead else []
        with monitoring.monitor(bench, targets, rules, interval=INTERVAL) as one:
            for (name, labels, pod_port), url in zip(_MONITORS, (one.url, one.alertmanager), strict=True):
                there.cluster.pod("monitoring", name, labels)
                there.cluster.ports["monitoring", name, pod_port] = urlsplit(url).port or 0
            deadline = time.monotonic() + 30
            while not one.query('up{job="exporter"} == 1') and time.monotonic() < deadline:
                time.sleep(0.1)
            yield


def shipped(name: str) -> Rule:
    """An alert as the platform installs it."""
    facts = Facts(pools={}, tenants={}, installed=frozenset({"prometheus", "training-operator"}))
    (found,) = [one for group in alerts.groups(facts) for one in group.alerts if one.name == name]
    said = found.rule("")
    return Rule(alert=name, expression=said["expr"], labels=said["labels"])


def conditions(jobs: Iterable[Json]) -> Iterable[str]:
    """What kube-state-metrics makes of PyTorchJobs."""
    for job in jobs:
        for one in job.get("status", {}).get("conditions") or ():
            labels = {**{key: job["metadata"][key] for key in ("namespace", "name")}, "type": one["type"]}
            yield line("kubeflow_pytorchjob_condition_status", float(one["status"] == "True"), labels)


def line(name: str, value: float, labels: Mapping[str, str] | None = None, *, age: float | None = None) -> str:
    """One sample as exporters write it, `age` seconds old if they say so."""
    inside = ",".join(f'{key}="{text}"' for key, text in (labels or {}).items())
    stamp = "" if age is None else f" {round(1000 * (time.time() - age))}"
    return f"{name}{{{inside}}} {value}{stamp}"
