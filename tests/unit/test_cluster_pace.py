"""Scaling and speed on a cluster, judged by what jobs tell: good ones pass, and each kind of bad one fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import edge, meters
from workloads import runner
from workloads.checks import kept, pace
from workloads.outcome import NotMeasurableError, Outcome, Probes, SkippedError

Says = Callable[[str, int], meters.Json | None]
CLAIM = "2 nodes do at least 0.8 x 2 times the work of one"


def speeds(of_two: tuple[float, ...], of_one: tuple[float, ...] = (100, 104, 98), **changes: Any) -> Says:  # noqa: ANN401
    """What jobs of one and two nodes tell, by the number of their turn."""

    def says(name: str, nodes: int) -> meters.Json:
        turn = int(name.rpartition("-")[2])
        return meters.told(nodes, float((of_one if nodes == 1 else of_two)[turn % 3]), **changes)

    return says


def scaled(folder: Path, says: Says, **stack: Any) -> Probes:  # noqa: ANN401 - outputs
    with meters.place(folder, **stack) as there, meters.ending(there, says):
        return pace.scaling("scaling")(there.target, there.visit)


def test_two_nodes_that_do_nearly_twice_the_work_pass(tmp_path: Path) -> None:
    probes = scaled(tmp_path, speeds((185, 190, 183)))
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    assert probes.measurements[0].n == 3
    assert sorted({nodes for nodes, _ in probes.series[0].points}) == [1.0, 2.0]
    assert "1 and 2 nodes of accelerated in turns, 1 GPU each" in probes.notes[0]


@pytest.mark.fails("training.scaling", on="cluster")
def test_a_second_node_that_adds_nothing_fails(tmp_path: Path) -> None:
    assert edge.broken(scaled(tmp_path, speeds((101, 108, 99)))) == [CLAIM]


def test_what_only_chance_lifts_over_the_limit_is_extended_once_and_fails(tmp_path: Path) -> None:
    probes = scaled(tmp_path, speeds((120, 185, 140), (100, 60, 98)))
    assert edge.broken(probes) == [CLAIM]
    assert probes.measurements[0].n == 6


@pytest.mark.fails("training.scaling", on="cluster")
def test_ranks_that_learn_different_things_fail(tmp_path: Path) -> None:
    probes = scaled(tmp_path, speeds((185, 190, 183), ranksAgree=False))
    assert edge.broken(probes) == ["no rank ends with other weights than the others"]


def test_a_job_that_fails_makes_the_measurement_meaningless(tmp_path: Path) -> None:
    def says(_: str, nodes: int) -> meters.Json | None:
        return meters.told(nodes, 100.0) if nodes == 1 else None

    with pytest.raises(NotMeasurableError, match="proof-scaling-2-0 did not train to its end: failed"):
        scaled(tmp_path, says)


def test_more_ranks_than_nodes_are_not_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurableError, match="3 ranks on 2 nodes, asked for 2"):
        scaled(tmp_path, lambda _, nodes: meters.told(2 * nodes - 1, 100.0))


def test_one_node_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    with pytest.raises(SkippedError, match="needs two nodes with room for check-vision, found 1 in accelerated"):
        scaled(tmp_path, speeds((1, 1, 1)), nodes=1)


def test_no_more_nodes_are_used_than_the_tenants_quota_allows(tmp_path: Path) -> None:
    with meters.place(tmp_path, nodes=4) as there:
        hard = {"requests.nvidia.com/gpu": "3", "requests.cpu": "16"}
        quota: meters.Json = {"metadata": {"name": "tenant"}, "spec": {"hard": hard}, "status": {"used": {}}}
        kept = there.cluster.put(f"/api/v1/namespaces/{meters.HOME}/resourcequotas", quota)
        here = pace.jobs.home(there.target)
        assert pace.ground(there.target, there.visit, here, pace.training.MEDIUM).nodes == 3
        kept["status"]["used"]["requests.cpu"] = "12500m"
        assert pace.ground(there.target, there.visit, here, pace.training.MEDIUM).nodes == 1


def test_nodes_that_the_autoscaler_may_still_bring_count(tmp_path: Path) -> None:
    with meters.place(tmp_path, nodes=1, cluster__pools__accelerated__max=3) as there:
        here = pace.jobs.home(there.target)
        assert pace.ground(there.target, there.visit, here, pace.training.MEDIUM).nodes == 3


def test_each_pod_of_a_job_has_a_node_of_its_own(tmp_path: Path) -> None:
    with meters.place(tmp_path) as there:
        here = pace.jobs.home(there.target)
        made = pace.start(there.visit, here, pace.training.MEDIUM, "proof-x", pool="accelerated")
        for spec in pace.pod_specs(made):
            (term,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert term["labelSelector"]["matchLabels"] == {"training.kubeflow.org/job-name": "proof-x"}
            assert {one["name"]: one["value"] for one in spec["containers"][0]["env"]}["OMP_NUM_THREADS"] == "2"


def paced(folder: Path, says: Says) -> Probes:
    with meters.place(folder) as there, meters.ending(there, says):
        return pace.speed(there.target, there.visit)


def test_models_an_hour_are_counted_from_jobs_that_learn(tmp_path: Path) -> None:
    probes = paced(tmp_path, lambda name, nodes: None if name.endswith("broken") else meters.told(nodes, 100.0))
    assert runner.judge(probes)[0] is Outcome.PASS
    assert (probes.measurements[0].unit, probes.measurements[0].n) == ("models/hour", 3)


@pytest.mark.fails("training.speed", on="cluster")
def test_a_model_that_misses_its_target_fails(tmp_path: Path) -> None:
    flat = {"first": 2.0, "last": 1.9}

    def says(name: str, nodes: int) -> meters.Json | None:
        return None if name.endswith("broken") else meters.told(nodes, 100.0, loss=flat)

    assert edge.broken(paced(tmp_path, says)) == ["every model reaches its target"]


def test_a_job_that_cannot_train_and_yet_tells_a_loss_fails(tmp_path: Path) -> None:
    probes = paced(tmp_path, lambda _, nodes: meters.told(nodes, 100.0))
    assert edge.broken(probes) == ["a job that cannot train counts as no model"]


def test_a_job_that_says_nothing_measures_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurableError, match="without a result that can be read"):
        paced(tmp_path, lambda _, nodes: {"world": nodes})


def stored(folder: Path, *, size: str = "small", written: str = "abc", read: str = "abc", **changes: Any) -> Probes:  # noqa: ANN401 - any JSON
    def says(_: str, nodes: int) -> meters.Json | None:
        if nodes == 1:  # the reader
            return {"bytes": 3, "sha256": read} if read else None
        return meters.told(nodes, 100.0, parameters=7, sha256=written) | changes if written else None

    with meters.place(folder) as there, meters.ending(there, says):
        return kept.together(size)(there.target, there.visit)


def test_a_model_that_comes_back_as_it_was_stored_passes(tmp_path: Path) -> None:
    outcome, reason = runner.judge(stored(tmp_path))
    assert outcome is Outcome.PASS, reason


BACK = "the small model comes back from the store as it was written"


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"read": "abd"}, [BACK]),
        ({"read": ""}, [BACK]),
        ({"loss": {"first": 2.0, "last": 1.99}}, ["the loss of 7 parameters falls"]),
        ({"ranksAgree": False}, ["no rank ends with other weights than the others"]),
        ({"world": 1}, ["2 nodes train together"]),
    ],
)
def test_a_model_that_is_lost_or_not_learned_together_fails(
    tmp_path: Path, changes: meters.Json, broken: list[str]
) -> None:
    assert edge.broken(stored(tmp_path, **changes)) == broken


def test_a_medium_model_that_is_lost_fails(tmp_path: Path) -> None:
    assert edge.broken(stored(tmp_path, size="medium", read="")) == [BACK.replace("small", "medium")]


@pytest.mark.fails("training.distributed-small", on="cluster")
def test_a_training_that_fails_fails_the_check(tmp_path: Path) -> None:
    probes = stored(tmp_path, written="")
    assert runner.judge(probes)[0] is Outcome.FAIL
    assert edge.broken(probes)[0] == "a small PyTorchJob succeeds"


def test_the_older_form_of_job_is_preferred_where_both_are_installed() -> None:
    for components, expected in (
        (["trainer"], "TrainJob"),
        (["trainer", "training-operator"], "PyTorchJob"),
        ([], "PyTorchJob"),
    ):
        target = meters.parse(meters.outputs(platform__components=components), source="test")
        assert pace.form(target) == expected
