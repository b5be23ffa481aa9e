"""Models as services: reconciled by KServe, with transformer and explainer, and with traffic split between versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from workloads.api import Json
from workloads.backends.cluster.diagnosis import PodState, pod_states
from workloads.backends.cluster.following import Course, End, follow, select
from workloads.checks.jobs import created, home, need_controllers, refused
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import serving
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import Probes

CANARY = 20  # percent
KNATIVE = "/apis/serving.knative.dev/v1"
REVISIONS_PATIENCE = 2  # times the usual one: two versions start one after the other

Check = Callable[[Target, Visit], Probes]


def ready(kind: str) -> Check:
    """The check that a model of some framework becomes a service that is Ready."""

    def check(target: Target, visit: Visit) -> Probes:
        need_controllers(target)
        probes, here, name = Probes(), home(target), f"proof-{kind}"
        visit.submit(here.namespace, config_map(name, *serving.scripts(kind)))
        course = _served(probes, visit, here, serving.service(here, kind, name))
        if course is not None:
            held = course.end is End.RUNNING and any(one.ready for one in course.pods)
            probes.positive(f"an InferenceService of {kind} becomes Ready with its pod", held=held, saw=str(course))
        _broken(probes, visit, here, kind)
        return probes

    return check


def explained(target: Target, visit: Visit) -> Probes:
    """The random forest with its transformer and its explainer: three parts, each with a pod of its own."""
    need_controllers(target)
    probes, here, name = Probes(), home(target), "proof-explained"
    visit.submit(here.namespace, config_map(name, *serving.scripts("explained")))
    course = _served(probes, visit, here, serving.explained(here, name))
    if course is not None:
        path = f"/api/v1/namespaces/{here.namespace}/pods"
        pods = visit.api.items(path, labelSelector=f"serving.kserve.io/inferenceservice={name}")
        parts = {one["metadata"]["labels"].get("component", "") for one in pods}
        held = course.end is End.RUNNING and parts == {"predictor", "transformer", "explainer"}
        saw = f"{course}; parts: {', '.join(sorted(parts)) or 'none'}"
        probes.positive("predictor, transformer and explainer become Ready", held=held, saw=saw)
        told = [
            _argument(one, "--predictor_host") for one in pods if one["metadata"]["labels"]["component"] != "predictor"
        ]
        held = len(told) > 1 and all(told)
        probes.positive("transformer and explainer are told where the predictor is", held=held, saw=", ".join(told))
    broken = serving.explained(here, "proof-two-explainers")
    broken["spec"]["explainer"]["art"] = {"type": "SquareAttack"}
    words = "must be specified in ExplainerSpec"
    refused(probes, visit, here, claim="a service with two explainers at once is refused", body=broken, words=words)
    return probes


def split(target: Target, visit: Visit) -> Probes:
    """A/B: two versions behind one address, half of the requests each; weights that do not add up are refused."""
    need_controllers(target)
    probes, here = Probes(), home(target)
    if not _versions(probes, visit, here, ("a", "b")):
        return probes
    weights = {"proof-a": 50, "proof-b": 50}
    _routed(probes, visit, here, serving.split(here, "proof-split", weights), weights)
    broken = serving.split(here, "proof-split-broken", weights)
    broken["spec"]["nodes"]["root"]["steps"][0]["weight"] = 10
    refused(
        probes, visit, here, claim="weights that are not 100 in all are refused", body=broken, words="should be 100"
    )
    return probes


def canary(target: Target, visit: Visit) -> Probes:
    """A new version gets a share, then everything, then nothing again: by revisions, or by weights without Knative."""
    need_controllers(target)
    probes, here = Probes(), home(target)
    if visit.api.get(KNATIVE).ok:
        _by_revisions(probes, visit, here)
    else:
        probes.note("no Knative here: the canary is weights of an InferenceGraph; revisions were not tried")
        _by_weights(probes, visit, here)
    return probes


def _by_weights(probes: Probes, visit: Visit, here: Surroundings) -> None:
    if not _versions(probes, visit, here, ("stable", "canary")):
        return
    share = {"proof-stable": 100 - CANARY, "proof-canary": CANARY}
    graph = _routed(probes, visit, here, serving.split(here, "proof-canary-split", share), share)
    if graph is None:
        return
    for said, percent in (("promoted", 100), ("rolled back", 0)):
        now = {"proof-stable": 100 - percent, "proof-canary": percent}

        def edit(body: Json, now: Mapping[str, int] = now) -> None:
            for step in body["spec"]["nodes"]["root"]["steps"]:
                step["weight"] = now[step["serviceName"]]

        answer = visit.change(graph, edit)
        routed = visit.watch(lambda: _weights(visit, graph), lambda seen, now=now: seen == now)
        saw = f"weights {routed}" if answer.ok else str(answer)
        probes.positive(f"the canary is {said}: its share becomes {percent} %", held=routed == now, saw=saw)
    answer = visit.change(graph, _unbalance)
    held = not answer.ok and "should be 100" in answer.message
    saw = "accepted" if answer.ok else str(answer)
    probes.negative("a canary that takes a share from nobody is refused", held=held, saw=saw)


def _unbalance(body: Json) -> None:
    body["spec"]["nodes"]["root"]["steps"][0]["weight"] = CANARY


def _by_revisions(probes: Probes, visit: Visit, here: Surroundings) -> None:
    name = "proof-canary"
    visit.submit(here.namespace, config_map(name, *serving.scripts("versioned")))
    made = created(probes, visit, here, serving.versioned(here, name, "1", mode="Knative"))
    if made is None:
        return
    seconds = REVISIONS_PATIENCE * visit.timeout_seconds
    course = follow(visit, made, wanted=End.RUNNING, seconds=seconds)
    probes.positive("the first version becomes Ready", held=course.end is End.RUNNING, saw=str(course))
    for said, percent in (("gets its share", CANARY), ("is rolled back", 0), ("is promoted", 100)):
        visit.change(made, lambda body, percent=percent: serving.canary(body, "2", percent))
        wanted = sorted(filter(None, (percent, 100 - percent)))
        seen = visit.watch(lambda: traffic(visit, made), lambda seen, wanted=wanted: seen == wanted, seconds)
        probes.positive(f"the second version {said}: {percent} %", held=seen == wanted, saw=f"traffic {seen}")
    broken = serving.versioned(here, "proof-canary-broken", "1", mode="Knative")
    broken["spec"]["predictor"]["canaryTrafficPercent"] = "a lot"
    answer = visit.ask(here.namespace, broken)
    saw = "accepted" if answer.ok else str(answer)
    probes.negative("a share that is no number is refused", held=not answer.ok, saw=saw)


def traffic(visit: Visit, made: Json) -> list[int]:
    """The shares of revisions, as KServe reports them."""
    body = visit.read(made) or {}
    parts: list[Json] = body.get("status", {}).get("components", {}).get("predictor", {}).get("traffic") or []
    return sorted(one["percent"] for one in parts if one.get("percent"))


def _versions(probes: Probes, visit: Visit, here: Surroundings, versions: tuple[str, ...]) -> bool:
    ready_ = True
    for version in versions:
        name = f"proof-{version}"
        visit.submit(here.namespace, config_map(name, *serving.scripts("versioned")))
        course = _served(probes, visit, here, serving.versioned(here, name, version, mode="Standard"))
        held = course is not None and course.end is End.RUNNING
        probes.positive(f"version {version} becomes Ready", held=held, saw=str(course))
        ready_ = ready_ and held
    return ready_


def _routed(probes: Probes, visit: Visit, here: Surroundings, graph: Json, weights: Mapping[str, int]) -> Json | None:
    made = created(probes, visit, here, graph)
    if made is None:
        return None
    course = follow(visit, made, wanted=End.RUNNING, seconds=visit.timeout_seconds)
    # KServe calls a graph Ready while its router waits for a node.
    pods = visit.watch(lambda: _pods(visit, made), lambda found: any(one.ready for one in found))
    held = course.end is End.RUNNING and any(one.ready for one in pods)
    saw = f"{course.end.value}: {', '.join(map(str, pods)) or 'no pod'}"
    probes.positive("the router of both becomes Ready", held=held, saw=saw)
    routed = _weights(visit, made)
    said = ", ".join(f"{name} {share} %" for name, share in weights.items())
    probes.positive(f"the router is told the shares {said}", held=routed == dict(weights), saw=f"weights {routed}")
    return made


def _pods(visit: Visit, made: Json) -> tuple[PodState, ...]:
    path = f"/api/v1/namespaces/{made['metadata']['namespace']}/pods"
    return pod_states(visit.api.items(path, labelSelector=select(made)))


def _weights(visit: Visit, graph: Json) -> dict[str, int]:
    """The shares as KServe hands them to its router."""
    metadata = graph["metadata"]
    answer = visit.api.get(f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}")
    if not answer.ok:
        return {}
    text = _argument(answer.body["spec"]["template"], "--graph-json")
    nodes: Any = json.loads(text) if text else {"nodes": {}}
    steps: list[Json] = [step for node in nodes["nodes"].values() for step in node["steps"]]
    return {step["serviceName"]: step.get("weight", 0) for step in steps}


def _served(probes: Probes, visit: Visit, here: Surroundings, body: Json, *, seconds: float = 0) -> Course | None:
    made = created(probes, visit, here, body)
    return None if made is None else follow(visit, made, wanted=End.RUNNING, seconds=seconds or visit.timeout_seconds)


def _broken(probes: Probes, visit: Visit, here: Surroundings, kind: str) -> None:
    wrong = serving.service(here, kind, f"proof-{kind}-broken")
    del wrong["spec"]["predictor"]["containers"]
    refused(
        probes,
        visit,
        here,
        claim="a service without a model is refused",
        body=wrong,
        words="must be specified in PredictorSpec",
    )
    lost = serving.stored(here, kind, f"proof-{kind}-lost", "pvc://proof-models/none")
    lost["spec"]["predictor"]["model"]["runtime"] = "proof-nowhere"
    course = _served(probes, visit, here, lost, seconds=visit.timeout_seconds / 4)
    if course is not None:
        claim = "a model whose runtime is not there never becomes Ready, and it is said why"
        probes.negative(claim, held=course.end is End.WAITING and "proof-nowhere" in course.why, saw=str(course))


def _argument(pod: Json, name: str) -> str:
    for container in pod["spec"]["containers"]:
        given: list[str] = [*container.get("args", []), *container.get("command", [])]
        for index, one in enumerate(given[:-1]):
            if one == name:
                return given[index + 1]
        for one in given:
            if one.startswith(f"{name}="):
                return one.partition("=")[2]
    return ""
