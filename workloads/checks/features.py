"""Feast's feature server of the cluster answers with what was written, and says what it does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

from workloads.backends.cluster.following import Course, End, follow
from workloads.backends.cluster.forward import Forward, Pods, Reply, Spot
from workloads.checks import jobs
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import batch
from workloads.jobs.images import PYTHON
from workloads.jobs.surroundings import SCRIPTS, Amounts, Surroundings, config_map
from workloads.outcome import NotMeasurableError, Probes

Connect = Callable[[Target, Visit], Pods]
Json = dict[str, Any]

COMPONENT = "feast-feature-server"
NAMESPACE = "feast"
_NAME = "app.kubernetes.io/name"
SERVER = Spot(
    namespace=NAMESPACE, selector=f"{_NAME}={COMPONENT},app.kubernetes.io/instance={COMPONENT}", port=6566
)  # fmt: skip
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{COMPONENT}"
SECONDS = 600  # of a job in an image that the cluster has
HEARD_SECONDS = 120  # the server reads its registry anew every minute
VIEW, FEATURES = "proof_flowers", ("petal_length", "petal_width")
UNKNOWN = 999
_SCRIPT = "features.py"
_AMOUNTS = Amounts(cpu="250m", memory="1Gi")  # Feast brings pandas


def through(target: Target, visit: Visit) -> Pods:
    """The way into pods of the platform."""
    return Forward(visit.api, target.kubeconfig)


def online(target: Target, visit: Visit, *, connect: Connect = through) -> Probes:
    """A job in Feast's own image writes flowers; the feature server has exactly these, until they are removed."""
    jobs.need_containers(target, "features are written")
    probes, reach, here = Probes(), connect(target, visit), jobs.home(target)
    visit.submit(NAMESPACE, config_map("proof-features", _SCRIPT))
    course = _job(visit, here, "make", VIEW)
    try:
        if course.end is not End.SUCCEEDED:
            raise NotMeasurableError(f"no features could be written: {course}")
        _asked(probes, visit, reach, written(course))
    finally:
        removed = _job(visit, here, "remove")
    gone = visit.watch(lambda: ask(reach, [1], FEATURES), lambda reply: not reply.ok, HEARD_SECONDS)
    held = removed.end is End.SUCCEEDED and not gone.ok
    probes.negative("nothing is answered once the features are removed", held=held, saw=f"{removed.end.value}; {gone}")
    return probes


def ask(reach: Pods, flowers: list[int], features: tuple[str, ...], view: str = VIEW) -> Reply:
    """Features of some flowers."""
    body = {"features": [f"{view}:{one}" for one in features], "entities": {"flower": flowers}}
    return reach.call(SERVER, "/get-online-features", method="POST", body=body)


def answers(reply: Reply) -> dict[str, list[tuple[str, object]]]:
    """What was answered: feature -> status and value of each entity, in the order they were asked for."""
    said = cast("Json", reply.json)
    results = cast("list[Json]", said["results"])
    return {
        name: list(zip(result["statuses"], result["values"], strict=True))
        for name, result in zip(said["metadata"]["feature_names"], results, strict=True)
    }


def written(course: Course) -> dict[int, tuple[float, ...]]:
    """What the job says that it wrote: flower -> its features."""
    try:
        said: Json = json.loads(course.message)
        return {int(flower): tuple(float(one) for one in values) for flower, values in said.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise NotMeasurableError(f"the job does not say what it wrote: {course.message!r}") from error


def _asked(probes: Probes, visit: Visit, reach: Pods, rows: dict[int, tuple[float, ...]]) -> None:
    flowers = [*rows, UNKNOWN]
    reply = visit.watch(lambda: ask(reach, flowers, FEATURES), lambda one: one.ok, HEARD_SECONDS)
    found = answers(reply) if reply.ok else {}
    wanted = {name: [("PRESENT", values[place]) for values in rows.values()] for place, name in enumerate(FEATURES)}
    have = {name: found.get(name, [])[: len(rows)] for name in FEATURES}
    saw = f"{have}" if reply.ok else str(reply)
    probes.positive(f"{len(rows)} flowers have the values that were written", held=have == wanted, saw=saw)
    none = {name: found.get(name, [])[len(rows) :] for name in FEATURES}
    held = all(one == [("NOT_FOUND", None)] for one in none.values())
    claim = "a flower that nobody has written has no value, and is said not to be found"
    probes.negative(claim, held=held, saw=f"{none}" if reply.ok else str(reply))
    for claim, features, view in (
        ("a feature that the view does not have is refused", ("nothing",), VIEW),
        ("a view that nobody has described is refused", FEATURES, "proof_nobody"),
    ):
        wrong = ask(reach, [1], features, view)
        # Feast 0.66 answers 500 to the first and 404 to the second: that it names what it misses is what counts.
        missed = (features[0] if view == VIEW else view) in wrong.body.decode(errors="replace")
        probes.negative(claim, held=wrong.status >= HTTPStatus.BAD_REQUEST and missed, saw=str(wrong))


def _job(visit: Visit, here: Surroundings, *words: str) -> Course:
    """One run of the script, as the feature server's own container runs: its image, settings and logins."""
    server = _server(visit)
    inside = replace(here, tenant=replace(here.tenant, namespace=NAMESPACE))
    name = f"proof-features-{words[0]}"
    command = ["python", f"{SCRIPTS}/{_SCRIPT}", *words]
    container = inside.container("features", PYTHON, _AMOUNTS, command=command)
    container |= {"image": server["image"], "env": [*container["env"], *server.get("env", [])]}
    body = batch.job(inside, name, container, deadline_seconds=SECONDS)
    body["metadata"]["labels"] = {}  # no queue is made for this namespace
    # Feast's databases take connections from pods with this label only; the Service asks for one label more.
    template = body["spec"]["template"]
    template["metadata"] = {**template["metadata"], "labels": {**template["metadata"]["labels"], _NAME: COMPONENT}}
    template["spec"]["volumes"][0]["configMap"]["name"] = "proof-features"
    return follow(visit, visit.submit(NAMESPACE, body), wanted=End.SUCCEEDED, seconds=SECONDS)


def _server(visit: Visit) -> Json:
    deployment = visit.api.get(DEPLOYMENT).expect("read the feature server")
    return cast("Json", deployment["spec"]["template"]["spec"]["containers"][0])
