"""Runs scripts in pods and gives back what each pod said; starts servers for them. Judges nothing.

A pod that is never placed, that crashes or that says nothing is named with its reason: then nothing was measured.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, cast

from workloads.backends.cluster.diagnosis import obstacles, pod_states, warnings
from workloads.cluster import Visit
from workloads.contract import POOL_LABEL, Target, Tenant
from workloads.gpus import usable
from workloads.jobs import probing
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError
from workloads.snapshot import SIMULATED_MARK

Json = dict[str, Any]

MOST_NODES = 10  # that are looked at: of every pool some, and all where there are no more
START_SECONDS = 180.0  # in which a pod is placed, its image pulled and its volume made, where a stack grants no more
UNFENCED = "default"  # the namespace that neither the platform nor a tenant closes


class SilentError(NotMeasurableError):
    """Pods that gave no result; the message says of each why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node that runs pods."""

    name: str
    pool: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What one pod said."""

    pod: str
    node: str
    said: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One pod that answers."""

    pod: str
    node: str
    address: str
    sidecar: bool


def nodes(target: Target, visit: Visit, most: int = MOST_NODES) -> tuple[Node, ...]:
    """Nodes to look from, in turns from every pool that has any now."""
    pools: dict[str, list[Node]] = defaultdict(list)
    for one in visit.api.items("/api/v1/nodes"):
        metadata = one["metadata"]
        marks = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
        pool = marks.get(POOL_LABEL, "")
        if pool in target.pools and usable(one) and SIMULATED_MARK not in marks:
            pools[pool].append(Node(name=metadata["name"], pool=pool, address=_address(one)))
    turns = [
        one
        for place in range(most)
        for _, found in sorted(pools.items())
        for one in sorted(found, key=lambda node: node.name)[place : place + 1]
    ]
    if not turns:
        raise NotMeasurableError("no node of any pool takes pods that run containers")
    return tuple(turns[:most])


def _address(node: Json) -> str:
    found = {one["type"]: one["address"] for one in node.get("status", {}).get("addresses", [])}
    return found.get("InternalIP", "")


def outsider(target: Target) -> Surroundings:
    """Where pods stand outside of every tenant, and nobody fences what they send or get."""
    return Surroundings(target=target, tenant=Tenant(namespace=UNFENCED, gpus=0, contributor="", viewer=""))


def ask(visit: Visit, here: Surroundings, probe: Probe) -> tuple[Word, ...]:
    """Run a probe to its end; SilentError unless every pod has said something."""
    made = _start(visit, here, probe)
    pods = _watched(visit, here.namespace, probe, "running", _patience(visit))
    if _arrived(pods, probe, "running"):
        pods = _watched(visit, here.namespace, probe, "terminated", probe.seconds)
    words = [word for word in map(_word, pods) if word is not None]
    if len(words) < probe.pods:
        silent = [one for one in pods if _word(one) is None]
        raise SilentError(_why(visit, made, probe, silent))
    visit.remove(made)
    return tuple(sorted(words, key=lambda one: (one.node, one.pod)))


def serve(visit: Visit, here: Surroundings, probe: Probe) -> tuple[Server, ...]:
    """Start servers and wait until all of them run; they stay until the end of the check."""
    made = _start(visit, here, probe)
    pods = _watched(visit, here.namespace, probe, "running", _patience(visit))
    ready = [one for one in pods if "running" in _state(one) and one["status"].get("podIP")]
    if len(ready) < probe.pods:
        raise SilentError(_why(visit, made, probe, [one for one in pods if one not in ready]))
    return tuple(
        Server(
            pod=one["metadata"]["name"],
            node=one["spec"]["nodeName"],
            address=one["status"]["podIP"],
            sidecar=any(part["name"] == probing.SIDECAR for part in _containers(one)),
        )
        for one in sorted(ready, key=lambda pod: (pod["spec"]["nodeName"], pod["metadata"]["name"]))
    )


def still(visit: Visit, here: Surroundings, probe: Probe, servers: tuple[Server, ...]) -> None:
    """NotMeasurableError unless the same servers still run: of one that is gone nobody was kept away."""
    now = {one["metadata"]["name"] for one in _pods(visit, here.namespace, probe) if "running" in _state(one)}
    if gone := [one.pod for one in servers if one.pod not in now]:
        raise NotMeasurableError(f"servers went away while they were called: {', '.join(gone)}")


def _start(visit: Visit, here: Surroundings, probe: Probe) -> Json:
    visit.submit(here.namespace, probing.scripts(probe))
    return visit.submit(here.namespace, probing.job(here, probe))


def _watched(visit: Visit, namespace: str, probe: Probe, wanted: str, seconds: float) -> list[Json]:
    """The pods of a probe once all are in the wanted state or over, or as they were when the time was."""
    return visit.watch(lambda: _pods(visit, namespace, probe), lambda pods: _arrived(pods, probe, wanted), seconds)


def _patience(visit: Visit) -> float:
    return max(visit.timeout_seconds, START_SECONDS)


def _arrived(pods: list[Json], probe: Probe, wanted: str) -> bool:
    there = [wanted in _state(one) or "terminated" in _state(one) for one in pods]
    return len(there) >= probe.pods and all(there)


def _pods(visit: Visit, namespace: str, probe: Probe) -> list[Json]:
    selector = f"batch.kubernetes.io/job-name={probe.name}"
    found = visit.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def _state(pod: Json) -> Json:
    """The state of the container that matters; a sidecar beside it may go on."""
    found = [one for one in pod.get("status", {}).get("containerStatuses") or () if one["name"] == probing.CONTAINER]
    return cast("Json", found[0].get("state", {})) if found else {}


def _containers(pod: Json) -> list[Json]:
    spec = pod["spec"]
    return [*spec["containers"], *spec.get("initContainers", [])]


def spoken(message: str) -> Json:
    """A result as a script leaves it, packed or not; refuses what is none."""
    said: object = json.loads(message)
    if isinstance(said, dict) and "zlib" in said:
        packed = str(cast("Json", said)["zlib"])
        said = json.loads(zlib.decompress(base64.b64decode(packed)))
    if not isinstance(said, dict):
        raise TypeError(f"expected a mapping, found {message[:80]!r}")
    return cast("Json", said)


def _word(pod: Json) -> Word | None:
    ended: Json = _state(pod).get("terminated") or {}
    if ended.get("exitCode") != 0:
        return None
    try:
        said = spoken(ended.get("message", ""))
    except (ValueError, TypeError, zlib.error):
        return None
    return Word(pod=pod["metadata"]["name"], node=pod["spec"]["nodeName"], said=said)


def _why(visit: Visit, made: Json, probe: Probe, silent: list[Json]) -> str:
    """What became of the pods that said nothing, in the words of whoever knows."""
    states = pod_states(silent)
    quiet = [one for one in states if not one.trouble]
    said = "its container ended well and left no result that can be read"
    mute = [
        f"{one.name}: {f'{said} ({one.message[:80]!r})' if one.phase == 'Succeeded' else f'still {one.phase}'}"
        for one in quiet
    ]
    reasons = [*obstacles(states), *mute, *warnings(visit, made, states)]
    waits = (visit.read(made) or {}).get("spec", {}).get("suspend")
    gone = "" if silent else "their job waits in its queue" if waits else "some were never made, or were removed"
    return f"{probe.name}: not all of {probe.pods} pods did their work: {'; '.join(filter(None, [gone, *reasons]))}"
