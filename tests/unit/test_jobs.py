"""Jobs as plain objects: they ask for no more than a tenant may have, and parameters arrive where they are used."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.support.stack_outputs import outputs
from workloads.api import Json
from workloads.backends.cluster import kinds
from workloads.backends.cluster.diagnosis import PodState
from workloads.backends.cluster.following import Course, End
from workloads.checks import jobs, manifests
from workloads.checks import tuning as judge
from workloads.cluster import Visit
from workloads.contract import RUN_LABEL, Target, parse
from workloads.jobs import batch, serving, training, tuning
from workloads.jobs.images import IMAGES, Image
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError, Probes, SkippedError


def described(**changes: Any) -> Target:  # noqa: ANN401 - any JSON
    return parse(outputs(**changes), source="test")


@pytest.fixture
def here() -> Surroundings:
    return jobs.home(described())


def every(here: Surroundings) -> list[Json]:
    return manifests.every(here)


def walk(value: object) -> Iterator[Json]:
    """Every mapping in an object."""
    if isinstance(value, dict):
        mapping = cast("Json", value)
        yield mapping
        for one in mapping.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in cast("list[object]", value):
            yield from walk(one)


def pods(value: object) -> Iterator[Json]:
    """Whatever has containers."""
    return (one for one in walk(value) if isinstance(one.get("containers"), list))


@pytest.mark.parametrize(
    ("size", "least", "most"), [("small", 5e4, 2e5), ("medium", 2.4e7, 2.6e7), ("large", 3e8, 3.1e8)]
)
def test_sizes_have_the_parameters_that_the_requirement_means(size: str, least: float, most: float) -> None:
    assert least <= training.SIZES[size].parameters <= most


def test_every_container_gives_up_its_rights_and_is_bounded(here: Surroundings) -> None:
    for body in every(here):
        for spec in pods(body):
            for container in [*spec["containers"], *spec.get("initContainers", [])]:
                security = container["securityContext"]
                assert security["allowPrivilegeEscalation"] is False, body["metadata"]["name"]
                assert security["capabilities"] == {"drop": ["ALL"]}
                assert security["runAsNonRoot"] is True
                assert set(container["resources"]["limits"]) >= {"cpu", "memory"}


def test_a_job_that_asks_for_gpus_tolerates_their_taint_and_no_other_does(here: Surroundings) -> None:
    for build in training.FORMS.values():
        for size, expected in ((training.SMALL, False), (training.MEDIUM, True)):
            for spec in pods(build(here, size, "proof-x")[0]):
                asks = "nvidia.com/gpu" in spec["containers"][0]["resources"]["limits"]
                assert bool(spec.get("tolerations")) is asks
                assert asks <= expected


def test_jobs_name_their_queue_only_where_there_is_one() -> None:
    for components, label in (([], {}), (["kueue"], {"kueue.x-k8s.io/queue-name": "default"})):
        here = jobs.home(described(platform__components=components))
        assert training.pytorch_job(here, training.SMALL, "proof-x")[0]["metadata"]["labels"] == label


def test_images_are_pinned_and_no_digest_is_half_of_one() -> None:
    for image in IMAGES:
        assert image.tag not in {"", "latest", "main", "master"}
        assert image.digest == "" or (image.digest.startswith("sha256:") and len(image.digest) == 71)
    assert str(Image(name="a/b", tag="1", digest="sha256:0")) == "a/b:1@sha256:0"


@pytest.mark.parametrize("algorithm", ["random", "grid"])
def test_every_searched_parameter_reaches_the_trial(algorithm: str, here: Surroundings) -> None:
    assert tuning.unmapped(tuning.experiment(here, algorithm, "proof-x")) == []


LOST: list[tuple[Callable[[Json], object], str]] = [
    (lambda spec: spec["parameters"].pop(), "refers to max_depth, which is not searched"),
    (lambda spec: spec["trialTemplate"]["trialParameters"].pop(), "uses depth, which no trialParameter gives"),
    (lambda spec: spec["parameters"].append({"name": "seed"}), "seed is searched, and no trial learns its value"),
    (
        lambda spec: spec["trialTemplate"]["trialParameters"].append({"name": "x", "reference": "lr"}),
        "trialParameter x is used nowhere",
    ),
]


@pytest.mark.parametrize(("change", "said"), LOST)
def test_a_parameter_that_is_lost_on_the_way_is_told(
    change: Callable[[Json], object], said: str, here: Surroundings
) -> None:
    made = tuning.experiment(here, "random", "proof-x")
    change(made["spec"])
    assert any(said in one for one in tuning.unmapped(made))


def test_weights_of_a_split_are_percent(here: Surroundings) -> None:
    with pytest.raises(ValueError, match="expected 100 in all, found 90"):
        serving.split(here, "proof-x", {"a": 80, "b": 10})


def test_a_canary_changes_version_and_share_and_nothing_else(here: Surroundings) -> None:
    before = serving.versioned(here, "proof-x", "1", mode="Knative")
    after = copy.deepcopy(before)
    serving.canary(after, "2", 20)
    assert after["spec"]["predictor"].pop("canaryTrafficPercent") == 20
    serving.canary(after, "1", 0)
    del after["spec"]["predictor"]["canaryTrafficPercent"]
    assert after == before


def test_the_label_of_a_run_is_on_every_object_and_on_every_pod_that_comes_of_it(here: Surroundings) -> None:
    for body in every(here):
        text = kinds.marked(body, "run-1")
        assert text["metadata"]["labels"][RUN_LABEL] == "run-1"
        templates = list(_templates(text))
        assert all(one["metadata"]["labels"][RUN_LABEL] == "run-1" for one in templates), body["kind"]
        if body["kind"] in {*training.FORMS, "Job", "Experiment"} - {"TrainJob"}:
            assert templates


def _templates(value: object) -> Iterator[Json]:
    found = (cast("object", one.get("template")) for one in walk(value))
    return (cast("Json", one) for one in found if isinstance(one, dict) and "spec" in one)


def test_what_no_run_could_remove_again_cannot_be_created() -> None:
    with pytest.raises(kinds.UnknownKindError, match="apps/v1 Deployment is not in"):
        kinds.of({"apiVersion": "apps/v1", "kind": "Deployment"})


def test_every_manifest_is_of_a_kind_that_can_be_removed(here: Surroundings) -> None:
    for body in every(here):
        assert kinds.of(body).kind == body["kind"]


def trial(name: str, value: str, rate: str = "0.1") -> Json:
    metrics = [{"name": "objective", "latest": value}]
    return {
        "metadata": {"name": name},
        "spec": {"parameterAssignments": [{"name": "lr", "value": rate}]},
        "status": {"observation": {"metrics": metrics}},
    }


def reported(best: str, trials: list[Json]) -> list[bool]:
    probes = Probes()
    judge.judged(probes, {"status": {"currentOptimalTrial": {"bestTrialName": best}}}, trials)
    return [one.held for one in probes.all]


def test_a_search_is_judged_by_its_own_trials() -> None:
    trials = [trial("a", "0.2"), trial("b", "0.9", rate="0.2")]
    assert reported("b", trials) == [True, True, True]
    assert reported("a", trials) == [True, False, True]
    assert reported("b", [*trials, trial("c", "unavailable")]) == [False, True, True]
    assert reported("a", [trial("a", "0.2"), trial("b", "0.2")]) == [True, True, False]


def test_a_batch_job_is_ended_by_its_deadline(here: Surroundings) -> None:
    made = batch.inference(here, "proof-x", endpoint="http://model", rows=10, deadline_seconds=60)
    assert made["spec"]["activeDeadlineSeconds"] == 60
    assert made["spec"]["backoffLimit"] == 0


def course(said: str) -> Course:
    pod = PodState(name="a", uid="a", phase="Succeeded", node="n", ready=False, trouble="", message=said, restarts=0)
    return Course(end=End.SUCCEEDED, why="", seconds=90, pods=(pod,), body=None)


def result(**changes: Any) -> str:  # noqa: ANN401 - any JSON
    said = {
        "world": 2,
        "parameters": training.SMALL.parameters,
        "loss": {"first": 2.0, "last": 0.5},
        "samplesPerSecond": 10.0,
        "ranksAgree": True,
    }
    return json.dumps(said | changes)


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({}, 0),
        ({"loss": {"first": 2.0, "last": 1.9}}, 1),
        ({"world": 1}, 1),
        ({"parameters": 7}, 1),
        ({"ranksAgree": False}, 1),
    ],
)
def test_training_counts_only_if_something_was_learned_by_all(changes: Json, fails: int) -> None:
    probes = Probes()
    jobs.learned(probes, "PyTorchJob", training.SMALL, course(result(**changes)))
    assert sum(not one.held for one in probes.all) == fails
    assert probes.measurements[0].value == 40.0  # models an hour, of one in 90 s


@pytest.mark.parametrize("said", ["", "no json", "{}", "[]"])
def test_training_without_a_result_is_not_measurable(said: str) -> None:
    with pytest.raises(NotMeasurableError, match="without a result that can be read"):
        jobs.learned(Probes(), "PyTorchJob", training.SMALL, course(said))


def test_what_cannot_be_tried_here_is_skipped_with_the_reason() -> None:
    visit = cast("Visit", None)
    few = described(cluster__capabilities=["containers", "webhooks"])
    with pytest.raises(SkippedError, match="controllers run in containers"):
        jobs.reconciled("PyTorchJob")(described(), visit)
    with pytest.raises(SkippedError, match="trains inside of containers"):
        jobs.trains("TFJob", training.SMALL)(described(), visit)
    many = replace(training.LARGE, nodes=8)
    with pytest.raises(SkippedError, match="needs a tenant with 8 GPUs; check-vision has most, and may use 4"):
        jobs.trains("TFJob", many)(few, visit)
