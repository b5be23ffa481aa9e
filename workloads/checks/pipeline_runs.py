"""Pipelines on a cluster: run by its pipeline server for a tenant, and preprocessing as a workflow of its own.

The claims about what a pipeline must come to are those of checks/pipelines.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Any, cast

from workloads.backends.cluster import mlflow, pipelines
from workloads.backends.cluster.following import End, follow
from workloads.backends.cluster.forward import Forward, Pods
from workloads.backends.cluster.pipelines import Ran, Refusal, Runs, Server
from workloads.checks import jobs
from workloads.checks import pipelines as claims
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import batch
from workloads.jobs.scripts.preprocess import BROKEN, ROWS
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import Attachment, Probes, SkippedError

Connect = Callable[[Target, Visit], Pods]
Json = dict[str, Any]

IMAGE = "models"  # of `validation.images`
PREFIX = "proof-"  # of whatever pipelines register
WORKFLOW_SECONDS = 900
_NAME = "proof-preprocessing"


def through(target: Target, visit: Visit) -> Pods:
    """The way into pods of the platform."""
    return Forward(visit.api, target.kubeconfig)


def _runs(target: Target, visit: Visit, reach: Pods, here: Surroundings) -> AbstractContextManager[Runs]:
    return pipelines.runs(visit, reach, here.namespace, here.tenant.contributor, target.rules.images[IMAGE])


def hello(target: Target, visit: Visit, *, connect: Connect = through) -> Probes:
    """The pipeline server runs the first pipeline for a tenant, and for nobody else."""
    jobs.need_containers(target, "steps of pipelines run")
    probes, reach, here = Probes(), connect(target, visit), jobs.home(target)
    with _runs(target, visit, reach, here) as runs:
        ran = succeeded(probes, runs, "hello", {"name": claims.PERSON})
        if ran is not None:
            logs = runs.said(ran)
            lines = [line.strip() for text in logs.values() for line in text.splitlines()]
            claims.greeted(probes, lines, saw=f"{len(lines)} lines of {len(logs)} pods")
            _closed(probes, visit, reach, here, ran)
        strange = runs.start("hello", {claims.STRANGE: claims.PERSON})
        held = isinstance(strange, Refusal) and strange.status == HTTPStatus.BAD_REQUEST
        held = held and claims.STRANGE in str(strange)
        claims.strange_is_refused(probes, held=held, saw=str(strange) if held else f"began as {strange}")
    claims.needs_nothing(probes, "hello", pipelines.package("hello"))
    return probes


def iris(target: Target, visit: Visit, *, connect: Connect = through) -> Probes:
    """Preprocessing, training and evaluation in pods give a model as good as it must be; MLflow has run and model."""
    jobs.need_containers(target, "steps of pipelines run")
    if mlflow.COMPONENT not in target.components:
        raise SkippedError("the pipeline registers its model at MLflow, which is not installed")
    probes, reach, here = Probes(), connect(target, visit), jobs.home(target)
    tracking = mlflow.Tracking(reach)
    name = f"{PREFIX}{visit.run}"
    given = {
        "tracking": mlflow.URL,
        "experiment": name,
        "name": name,
        "folds": claims.FOLDS,
        "repeats": claims.REPEATS,
        "least": claims.ACCURACY,
    }
    with _runs(target, visit, reach, here) as runs, _tracked(tracking):
        began = time.monotonic()
        if succeeded(probes, runs, "iris", given) is not None:
            claims.took(probes, time.monotonic() - began, "from the request to the end of the run, in the cluster")
            _registered(probes, tracking, name)
        bad = f"{name}-too-bad"
        ran = succeeded(probes, runs, "iris", given | {"experiment": bad} | claims.worse(bad))
        versions = tracking.versions(bad)
        claims.not_registered(probes, list(versions), held=ran is not None)
    claims.needs_nothing(probes, "iris", pipelines.package("iris"))
    return probes


def preprocessing(target: Target, visit: Visit) -> Probes:
    """A workflow hands its counts from step to step; one whose step fails is told apart, with the step."""
    jobs.need_containers(target, "steps of workflows run")
    probes, here = Probes(), jobs.home(target)
    visit.submit(here.namespace, config_map(_NAME, "preprocess.py"))
    made = jobs.created(probes, visit, here, batch.preprocessing(here, _NAME))
    if made is None:
        return probes
    course = follow(visit, made, wanted=End.SUCCEEDED, seconds=WORKFLOW_SECONDS)
    probes.positive("the workflow comes to its end", held=course.end is End.SUCCEEDED, saw=str(course))
    counts = counted(course.body or {})
    wanted = {"make": str(ROWS), "clean": str(ROWS - BROKEN)}
    claim = f"of {ROWS} rows that one step makes, the next keeps the {ROWS - BROKEN} that are whole"
    probes.positive(claim, held=counts == wanted, saw=f"{counts}")
    visit.remove(made)
    course = follow(visit, visit.submit(here.namespace, spoilt(here)), wanted=End.FAILED, seconds=WORKFLOW_SECONDS)
    after = counted(course.body or {})
    held = course.end is End.FAILED and "clean" not in after
    claim = "a workflow whose first step fails is failed, and its second step does not run"
    probes.negative(claim, held=held, saw=f"{course}; counts {after}")
    return probes


def spoilt(here: Surroundings) -> Json:
    """The same workflow with a first step that its script does not know."""
    body = batch.preprocessing(here, f"{_NAME}-wrong")
    for template in body["spec"]["templates"]:
        if template["name"] == "make":
            template["container"]["command"][-1] = "spoil"
    body["spec"]["volumes"][0]["configMap"]["name"] = _NAME
    return body


def counted(body: Json) -> dict[str, str]:
    """What the steps of a workflow have handed on: step -> rows."""
    nodes = cast("Mapping[str, Json]", body.get("status", {}).get("nodes") or {})
    counts: dict[str, str] = {}
    for node in nodes.values():
        outputs: Json = node.get("outputs") or {}
        for one in cast("list[Json]", outputs.get("parameters") or []):
            if one["name"] == "rows":
                counts[str(node["displayName"])] = str(one.get("value"))
    return counts


def succeeded(probes: Probes, runs: Runs, pipeline: str, given: Mapping[str, object]) -> Ran | None:
    """Run one, and record whether it came to a good end; None, with what was seen, where it did not."""
    claim = f"the pipeline {pipeline} succeeds in {runs.namespace}"
    began = runs.start(pipeline, given)
    if isinstance(began, Refusal):
        probes.positive(claim, held=False, saw=f"refused: {began}")
        return None
    ran = runs.follow(began)
    probes.positive(claim, held=ran.succeeded, saw=str(ran))
    if ran.succeeded:
        return ran
    for pod, text in runs.said(ran).items():
        probes.attachments.append(Attachment(name=f"{pod}.log", text=text))
    return None


def _closed(probes: Probes, visit: Visit, reach: Pods, here: Surroundings, ran: Ran) -> None:
    """The run is the tenant's own."""
    seen = Server(reach, "").ask("GET", f"runs/{ran.id}")
    probes.negative("nobody without a token sees the run", held=_shut(seen.status), saw=str(seen))
    others = [one for one in here.target.tenants.values() if one.namespace != here.namespace]
    for other in others[:1]:
        token = pipelines.token(visit, other.namespace, other.contributor)
        seen = Server(reach, token).ask("GET", f"runs/{ran.id}")
        probes.negative(f"nobody of {other.namespace} sees the run", held=_shut(seen.status), saw=str(seen))


def _shut(status: int) -> bool:
    return status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@contextmanager
def _tracked(tracking: mlflow.Tracking) -> Generator[None]:
    """What pipelines of checks have logged and registered is gone at the end, and what dead ones left as well."""
    tracking.remove(PREFIX)
    try:
        yield
    finally:
        tracking.remove(PREFIX)


def _registered(probes: Probes, tracking: mlflow.Tracking, name: str) -> None:
    logged = tracking.runs(name)
    metrics: Mapping[str, float] = logged[0].metrics if logged else {}
    probes.positive("MLflow has the figures of the run", held=bool(metrics), saw=f"{len(logged)} run(s), {metrics}")
    claims.good_enough(probes, metrics)
    versions = tracking.versions(name)
    probes.positive("the model is registered", held=bool(versions), saw=f"versions {list(versions)}")
    claims.stored(probes, [file for source in versions.values() for file in tracking.files(name, source)])
