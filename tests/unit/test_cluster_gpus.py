"""GPUs of a training job, told by a real Prometheus: busy ones pass, and each way of not being busy fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import edge, meters
from tests.support.pretend import Pretend
from workloads import runner
from workloads.checks import utilisation
from workloads.checks.utilisation import ACTIVE, COARSE, Cut
from workloads.outcome import NotMeasurableError, Outcome, Probes

pytestmark = pytest.mark.skipif(
    bool(edge.missing("prometheus", "alertmanager")), reason=edge.missing("prometheus", "alertmanager")
)

SHORT = Cut(start_seconds=1, end_seconds=0, least_seconds=3, block_seconds=1, settle_seconds=5)
BUSY = {"gpu-0": 0.95, "gpu-1": 0.93}


def running(cluster: Pretend) -> dict[str, tuple[str, str]]:
    """Who holds the GPU of which node."""
    pods = cluster.listed("/api/v1/pods", "")
    return {
        pod["spec"]["nodeName"]: (pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in pods
        if pod["status"]["phase"] == "Running" and "nodeName" in pod["spec"]
    }


def exporter(busy: Mapping[str, float], *, name: str = ACTIVE, idle: float = 0.0) -> Callable[[Pretend], Iterator[str]]:
    """One GPU of each node, as busy as said while somebody holds it; a third one does another team's work."""
    scale = 100 if name == COARSE else 1

    def lines(cluster: Pretend) -> Iterator[str]:
        holders = running(cluster)
        for node, value in busy.items():
            space, pod = holders.get(node, ("", ""))
            labels = {"UUID": f"GPU-{node}", "Hostname": node, "namespace": space, "pod": pod}
            yield meters.line(name, scale * (value if pod else idle), labels)
        other = {"UUID": "GPU-other", "Hostname": "other", "namespace": "check-nlp", "pod": "proof-gpu-0-master-0"}
        yield meters.line(name, scale * 0.1, other)

    return lines


def says(_: str, nodes: int) -> meters.Json:
    return meters.told(nodes, 10_000.0)


def measured(
    folder: Path, lines: Callable[[Pretend], Iterator[str]], *, said: Callable[[str, int], meters.Json | None] = says
) -> Probes:
    with (
        meters.place(folder) as there,
        meters.ending(there, said, lambda name: 0.1 if name.endswith("short") else 5.0),
        meters.monitored(there, lines),
    ):
        return utilisation.gpu_utilisation("gpu", cut=SHORT)(there.target, there.visit)


def test_busy_gpus_of_the_jobs_own_pods_pass(tmp_path: Path) -> None:
    probes = measured(tmp_path, exporter(BUSY))
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    (share, worst) = probes.measurements
    assert share.value == pytest.approx(0.94, abs=0.005)  # the other team's 0.1 is not in it
    assert worst.metric == "GPU GPU-gpu-1"
    assert len(probes.series) == 2


@pytest.mark.fails("training.gpu-utilisation", on="cluster")
def test_gpus_that_are_busy_six_tenths_of_the_time_fail(tmp_path: Path) -> None:
    claims = edge.broken(measured(tmp_path, exporter({"gpu-0": 0.6, "gpu-1": 0.6})))
    assert "the GPUs of the job are busy for at least 85% of the time" in claims


def test_a_gpu_that_is_left_behind_fails_though_all_together_pass(tmp_path: Path) -> None:
    probes = measured(tmp_path, exporter({"gpu-0": 1.0, "gpu-1": 0.76}))
    assert edge.broken(probes) == ["none of them is left behind by the others"]


@pytest.mark.fails("training.gpu-utilisation", on="cluster")
def test_gpus_that_stay_busy_without_a_job_were_not_busy_with_it(tmp_path: Path) -> None:
    probes = measured(tmp_path, exporter(BUSY, idle=0.9))
    assert edge.broken(probes) == ["the same GPUs are not busy once no job holds them"]


def test_the_drivers_own_figure_stands_in_where_nothing_is_profiled(tmp_path: Path) -> None:
    probes = measured(tmp_path, exporter(BUSY, name=COARSE))
    assert runner.judge(probes)[0] is Outcome.PASS
    assert any(COARSE in note for note in probes.notes)


def test_a_gpu_that_nobody_exports_makes_the_measurement_meaningless(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurableError, match="knows 1 GPUs of the pods of proof-gpu-0, which hold 2"):
        measured(tmp_path, exporter({"gpu-0": 0.95}))


def test_ranks_that_only_wait_for_each_other_are_no_training(tmp_path: Path) -> None:
    def stuck(_: str, nodes: int) -> meters.Json:
        return meters.told(nodes, 10_000.0, loss={"first": 2.0, "last": 2.0})

    with pytest.raises(NotMeasurableError, match="learned nothing: 100% of the loss is left"):
        measured(tmp_path, exporter(BUSY), said=stuck)
