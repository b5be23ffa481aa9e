"""The cluster's monitoring, real Prometheus and Alertmanager behind forwarded ports: what passes, and what does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeflow.distribution import table
from kubeflow.observability.metrics import SERIES
from tests.support import edge, meters
from tests.support.pretend import Pretend
from workloads import runner
from workloads.backends.process.monitoring import Rule
from workloads.checks import monitored, utilisation
from workloads.outcome import NotMeasurableError, Outcome, Probes

Lines = Callable[[Pretend], Iterator[str]]

REASON = edge.missing("prometheus", "alertmanager")
real = pytest.mark.skipif(bool(REASON), reason=REASON)
STACK = "kube-prometheus-stack"
NODES = ("gpu-0", "gpu-1")
FAILED = meters.shipped("PyTorchJobFailed")


def promised(cluster: Pretend, *, leave_out: str = "", age: float | None = None) -> Iterator[str]:
    """What the exporters of a cluster of two nodes tell."""
    for node in NODES:
        every = {
            "kube_node_status_allocatable": {"node": node, "resource": "cpu"},
            "node_cpu_seconds_total": {"exporter": node, "mode": "idle"},
            "node_memory_MemAvailable_bytes": {"exporter": node},
            "container_cpu_usage_seconds_total": {"node": node, "container": "main", "pod": node},
        }
        for name, labels in every.items():
            if f"{name} of {node}" != leave_out:
                yield meters.line(name, 8, labels, age=age if name == "kube_node_status_allocatable" else None)
    for name, labels in (
        ("kube_pod_status_phase", {"phase": "Running"}),
        ("kube_resourcequota", {"type": "hard"}),
        ("pool:nodes:count", {}),
    ):
        if name != leave_out:
            yield meters.line(name, 1, labels)
    for pod in cluster.listed(f"/api/v1/namespaces/{meters.HOME}/pods", ""):
        if leave_out != "kube_pod_info":
            yield meters.line("kube_pod_info", 1, {"namespace": meters.HOME, "pod": pod["metadata"]["name"]})


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """One exporter stands for those of all nodes, so that `instance` cannot tell them apart."""
    told = [dataclasses.replace(one, by=one.by.replace("instance", "exporter")) for one in monitored.PROMISED]
    monkeypatch.setattr(monitored, "PROMISED", tuple(told))


def seen(folder: Path, lines: Lines, *, dead: bool = False) -> Probes:
    with meters.place(folder, platform__components=[STACK]) as there, meters.monitored(there, lines, dead=dead):
        return monitored.metrics(there.target, there.visit)


@real
def test_promised_series_of_all_nodes_pass(tmp_path: Path) -> None:
    outcome, reason = runner.judge(seen(tmp_path, promised))
    assert outcome is Outcome.PASS, reason


@real
@pytest.mark.fails("monitoring.metrics", on="cluster")
def test_a_node_that_tells_nothing_is_found(tmp_path: Path) -> None:
    def lines(cluster: Pretend) -> Iterator[str]:
        return promised(cluster, leave_out="node_cpu_seconds_total of gpu-1")

    assert edge.broken(seen(tmp_path, lines)) == ["every node tells node_cpu_seconds_total"]


@real
@pytest.mark.fails("monitoring.metrics", on="cluster")
def test_a_promised_series_that_nobody_exports_is_found(tmp_path: Path) -> None:
    broken = edge.broken(seen(tmp_path, lambda cluster: promised(cluster, leave_out="pool:nodes:count")))
    assert broken == ["pool:nodes:count is there and fresh"]


@real
@pytest.mark.fails("monitoring.metrics", on="cluster")
def test_a_series_that_is_stale_is_found(tmp_path: Path) -> None:
    broken = edge.broken(seen(tmp_path, lambda cluster: promised(cluster, age=120.0)))
    assert broken == [
        'kube_node_status_allocatable{resource="cpu"} is there and fresh',
        "every node tells kube_node_status_allocatable",
    ]


@real
def test_objects_without_series_and_targets_that_do_not_answer_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(meters.LIMITS, "alerting.received", 3.0)
    broken = edge.broken(seen(tmp_path, lambda cluster: promised(cluster, leave_out="kube_pod_info"), dead=True))
    assert broken == ["whoever is to be read is read", "a new pod has its series", "a pod that is gone has none"]


def test_every_promise_is_in_the_registry_of_metrics_and_of_a_component_that_exists() -> None:
    names = [component.name for component in table.components(table.CURRENT)]
    for one in monitored.PROMISED:
        name = one.series.partition("{")[0]
        assert name in SERIES or name == "pool:nodes:count", name
        assert any(component.startswith(one.component) for component in names), one.component


def conditions(cluster: Pretend) -> Iterator[str]:
    yield from meters.conditions(cluster.listed("/apis/kubeflow.org/v1/pytorchjobs", ""))


def crashes(name: str, nodes: int) -> meters.Json | None:
    return None if name.endswith("crash") else meters.told(nodes, 1.0)


def alerted(folder: Path, *rules: Rule) -> Probes:
    with (
        meters.place(folder) as there,
        meters.ending(there, crashes),
        meters.monitored(there, conditions, rules),
    ):
        return monitored.received(there.target, there.visit)


@real
def test_a_job_that_crashes_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    probes = alerted(tmp_path, FAILED)
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    assert [one.metric for one in probes.measurements] == ["PyTorchJobFailed firing", "PyTorchJobFailed resolved"]
    assert any("receivers of the alert: validation" in note for note in probes.notes)


@real
@pytest.mark.fails("alerting.received", on="cluster")
def test_a_rule_that_is_missing_is_found_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(meters.LIMITS, "alerting.received", 3.0)
    probes = alerted(tmp_path, dataclasses.replace(FAILED, alert="PyTorchJobsFailed"))
    assert [claim.rpartition(": ")[2] for claim in edge.broken(probes)] == [
        "PyTorchJobFailed is received as firing",
        "it says whose job it is, and how urgent",
        f"nothing else is told of {meters.HOME}",
        "PyTorchJobFailed is received as resolved",
    ]
    assert "Prometheus has no rule PyTorchJobFailed" in probes.notes


@real
@pytest.mark.fails("alerting.received", on="cluster")
def test_a_rule_that_calls_good_jobs_failed_is_found(tmp_path: Path) -> None:
    every = dataclasses.replace(
        FAILED, expression="max by (namespace, name) (kubeflow_pytorchjob_condition_status) == 1"
    )
    assert "a job that ends well is told by no alert" in edge.broken(alerted(tmp_path, every))


@real
@pytest.mark.fails("alerting.received", on="cluster")
def test_an_alert_that_does_not_end_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(meters.LIMITS, "alerting.received", 4.0)
    longer = dataclasses.replace(FAILED, expression=f"max_over_time(({FAILED.expression})[1m:500ms])")
    broken = edge.broken(alerted(tmp_path, longer))
    assert broken == ["proof-alert-crash crashes: PyTorchJobFailed is received as resolved"]


@real
def test_an_alert_that_does_not_say_how_urgent_it_is_is_found(tmp_path: Path) -> None:
    broken = edge.broken(alerted(tmp_path, dataclasses.replace(FAILED, labels={"severity": "info"})))
    assert broken == ["it says whose job it is, and how urgent"]


@real
def test_a_crash_that_does_not_happen_makes_the_measurement_meaningless(tmp_path: Path) -> None:
    with (
        meters.place(tmp_path) as there,
        meters.ending(there, lambda _, nodes: meters.told(nodes, 1.0)),
        meters.monitored(there, conditions, [FAILED]),
        pytest.raises(NotMeasurableError, match="proof-alert-crash was to have failed: succeeded"),
    ):
        monitored.received(there.target, there.visit)


def machines(*, memory: float = 16, nodes: tuple[str, ...] = NODES) -> Lines:
    """What a cluster of two nodes with GPUs uses: of each node two of eight cores, and so much of 64 of memory."""
    began: dict[str, float] = {}

    def lines(_: Pretend) -> Iterator[str]:
        began.setdefault("now", meters.time.time())
        used = 2 * (meters.time.time() - began["now"])
        for node in NODES:
            for resource, value in (("cpu", 8), ("memory", 64)):
                yield meters.line("kube_node_status_allocatable", value, {"node": node, "resource": resource})
        for node in nodes:
            labels = {"node": node, "container": "main"}
            yield meters.line("container_cpu_usage_seconds_total", used, labels)
            yield meters.line("container_memory_working_set_bytes", memory, labels)
            yield meters.line(utilisation.ACTIVE, 0.5, {"Hostname": node, "UUID": f"GPU-{node}"})

    return lines


def used(folder: Path, lines: Lines, **stack: Any) -> Probes:  # noqa: ANN401 - outputs
    with (
        meters.place(folder, **stack) as there,
        meters.ending(there, lambda _, nodes: meters.told(nodes, 1.0), lambda _: 3.0),
        meters.monitored(there, lines),
    ):
        return utilisation.use(there.target, there.visit)


@real
def test_what_pools_use_is_recorded_with_its_course(tmp_path: Path) -> None:
    probes = used(tmp_path, machines())
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    found = {one.metric: one.value for one in probes.measurements}
    assert found["memory of accelerated"] == pytest.approx(25.0)
    assert found["GPU of accelerated"] == pytest.approx(50.0)
    assert 0 < found["CPU of accelerated"] < 50
    assert {one.name for one in probes.series} >= {"CPU/gpu-0", "memory/gpu-1", "GPU/gpu-1"}


@real
@pytest.mark.fails("benchmark.utilisation", on="cluster")
def test_a_node_that_tells_nothing_of_itself_fails(tmp_path: Path) -> None:
    broken = edge.broken(used(tmp_path, machines(nodes=NODES[:1])))
    assert broken == ["every node tells its CPU", "every node tells its memory", "every node tells its GPU"]


@real
@pytest.mark.fails("benchmark.utilisation", on="cluster")
def test_a_pool_that_uses_more_than_it_has_is_nonsense(tmp_path: Path) -> None:
    assert edge.broken(used(tmp_path, machines(memory=80))) == ["memory of accelerated is no more than there is"]
