"""Inside of a cluster's mesh: who reaches a server under whose name, and how long a request and its answer take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workloads import load, stats
from workloads.backends.cluster import inside
from workloads.backends.cluster.inside import Server, Word
from workloads.checks import offered
from workloads.checks.encryption import LATENCY, QUANTILE
from workloads.checks.handshake import Answer, closed
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import probing
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.load import Histogram, LoadResult
from workloads.outcome import Attachment, NotMeasurableError, Probes

Json = dict[str, Any]

HEALTH_PORT, HEALTH_PATH = 15021, "/healthz/ready"  # of a sidecar itself: it answers without asking who calls
PATIENCE = 30.0  # seconds until proxies have heard of a new Service
NODES = 5  # of each kind of pod at most: the load grows with their number
REQUEST = 1024  # bytes
TIMEOUT = 10.0
_CONNECTIONS = 32  # of probe_latency.py
_STAY = 900.0
_OK = 200
_MESH = "istio"


def plaintext_is_refused(target: Target, visit: Visit) -> Probes:
    """A pod with a sidecar reaches a server under its own name; without one, on the same open way, nobody does.

    Both callers are of the server's own tenant: no network policy is in their way, so that it is the mesh that refuses.
    """
    probes, here = Probes(), home(target)
    callee = probing.server("proof-callee", seconds=_STAY, meshed=True)
    (server,) = inside.serve(visit, here, callee)
    visit.submit(here.namespace, probing.service(callee))
    name = f"{callee.name}.{here.namespace}.svc.cluster.local"
    probes.positive("the server's pod carries a sidecar", held=server.sidecar, saw=server.pod)
    _known(probes, visit, here, name)
    _strangers(probes, visit, here, server, name)
    inside.still(visit, here, callee, (server,))
    return probes


def _known(probes: Probes, visit: Visit, here: Surroundings, name: str) -> None:
    account = here.tenant.contributor
    target = {"id": "service", "host": name, "port": probing.PORT, "how": "http", "until": _OK}
    came = _reach(visit, here, "proof-caller", [target], meshed=True, account=account)["service"]
    spoken = re.findall(r"URI=([^;,]+)", came.get("client", ""))
    who = spoken[-1] if spoken else ""  # the last one is what this server's own sidecar has seen
    probes.positive(
        "through its sidecar a client reaches the server, which sees who it is",
        held=came.get("status") == _OK and who.startswith("spiffe://") and who.endswith(f"/sa/{account}")
        and f"/ns/{here.namespace}/" in who,
        saw=f"{came['said']}, {who or 'nobody'}",
    )  # fmt: skip


def _strangers(probes: Probes, visit: Visit, here: Surroundings, server: Server, name: str) -> None:
    health: Json = {"id": "health", "host": server.address, "port": HEALTH_PORT, "how": "http", "path": HEALTH_PATH}
    tries: dict[str, Json] = {
        "plain HTTP to the server's pod is refused": {"host": server.address, "how": "http"},
        "plain HTTP to the server's name is refused": {"host": name, "how": "http"},
        "TLS without a certificate is refused": {"host": server.address, "how": "anonymous"},
    }
    targets = [{"id": claim, "port": probing.PORT, **one} for claim, one in tries.items()]
    came = _reach(visit, here, "proof-plain", [health, *targets])
    answers = {claim: Answer(status=came[claim].get("status"), said=came[claim]["said"]) for claim in tries}
    way = came["health"]
    if way.get("status") != _OK and not any(one.status for one in answers.values()):
        raise NotMeasurableError(f"a pod without a sidecar does not even reach the server's pod: {way['said']}")
    probes.positive("a pod without a sidecar reaches the health port of the server's sidecar",
                    held=way.get("status") == _OK, saw=way["said"])  # fmt: skip
    for claim, answer in answers.items():
        probes.negative(claim, held=closed(answer), saw=str(answer))


def _reach(visit: Visit, here: Surroundings, name: str, targets: Sequence[Json], **others: Any) -> Mapping[str, Json]:  # noqa: ANN401 - fields of a probe
    plan = {"targets": targets, "seconds": TIMEOUT, "patience": PATIENCE}
    asked = Probe(name=name, script="probe_reach.py", plan=plan, seconds=PATIENCE + 2 * TIMEOUT, **others)
    (word,) = inside.ask(visit, here, asked)
    return {one: rounds[-1] for one, rounds in word.said.items()}


def latency(target: Target, visit: Visit) -> Probes:
    """From pods on several nodes to servers on the same nodes and back, through all sidecars that there are."""
    probes, here, terms = Probes(), home(target), visit.terms
    limit, meshed = terms.limit(LATENCY), _MESH in target.components
    names = tuple(one.name for one in inside.nodes(target, visit, NODES))
    shared: dict[str, Any] = {"nodes": names, "meshed": meshed, "amounts": probing.MEASURING, "burst": probing.BURST}
    group = probing.server("proof-answers", seconds=3 * terms.profile.internal.seconds + _STAY, **shared)
    servers = inside.serve(visit, here, group)
    visit.submit(here.namespace, probing.service(group))
    plan = _plan(visit, f"http://{group.name}.{here.namespace}.svc.cluster.local:{probing.PORT}/", limit)
    found = [_measured(visit, here, plan, shared, 0)]
    if any(_percentile(Probes(), node, found, limit, meshed=meshed) is stats.Verdict.MARGINAL for node in names):
        found.append(_measured(visit, here, plan, shared, 1))  # extended once; what is marginal still fails
    for node in names:
        _percentile(probes, node, found, limit, meshed=meshed)
        for one in found:
            offered.failures(probes, f"no request from {node} fails", one[node][0])
        offered.keep(probes, f"mesh/{node}", plan, found[-1][node][0])
    pairs = {node: _by_node(one[1], servers) for node, one in found[-1].items()}
    probes.attachments.append(Attachment(name="pairs.json", text=json.dumps(pairs, indent=1)))
    if not meshed:
        probes.note("no mesh is installed: measured from pod to pod without sidecars")
    if len(names) == 1:
        probes.note("one node runs pods here: nothing between nodes was measured")
    return probes


def _plan(visit: Visit, url: str, limit_ms: float) -> load.Plan:
    size = visit.terms.profile.internal
    payload = load.Payload(body=b"x" * REQUEST)
    return load.Plan(
        arrivals=load.poisson(rate=size.rate, seconds=size.seconds),
        endpoints=(load.Endpoint(name="mesh", url=url, payloads=(payload,)),),
        seed=visit.terms.seed, limit_seconds=limit_ms / 1e3, warm_up_seconds=size.warm_up_seconds,
        timeout_seconds=TIMEOUT, connections=_CONNECTIONS, ready_seconds=0, rules=offered.RULES,
    )  # fmt: skip


Told = dict[str, tuple[LoadResult, Json]]  # by the client's node


def _measured(visit: Visit, here: Surroundings, plan: load.Plan, shared: Mapping[str, Any], turn: int) -> Told:
    """Offer the load from all nodes until every generator could keep up with its own plan, a few times at most."""
    size, troubles = visit.terms.profile.internal, list[str]()
    for attempt in range(offered.TRIES):
        seed = plan.seed + offered.TRIES * turn + attempt
        asked = {
            "host": plan.endpoints[0].url.split("/")[2].partition(":")[0], "port": probing.PORT, "bytes": REQUEST,
            "rate": size.rate, "seconds": size.seconds, "warmUp": size.warm_up_seconds, "limit": plan.limit_seconds,
            "timeout": TIMEOUT, "patience": PATIENCE, "seed": seed,
        }  # fmt: skip
        seconds = PATIENCE + size.warm_up_seconds + size.seconds + 6 * TIMEOUT
        probe = Probe(name=f"proof-asks-{turn}-{attempt}", script="probe_latency.py", plan=asked, seconds=seconds,
                      **shared)  # fmt: skip
        words = inside.ask(visit, here, probe)
        told: Told = {word.node: (result(plan, seed, word), word.said) for word in words}
        troubles = [f"{node}: {'; '.join(one.diagnosis)}" for node, (one, _) in told.items() if one.diagnosis]
        if not troubles:
            return told
        visit.terms.say(f"generators could not keep up, try {attempt + 1} of {offered.TRIES}: {'; '.join(troubles)}")
    raise NotMeasurableError(f"the generators could not keep their own plan: {'; '.join(troubles)}")


def result(plan: load.Plan, seed: int, word: Word) -> LoadResult:
    """What a pod has told, in the form in which loads are judged everywhere."""
    said, size = word.said, plan.arrivals
    worker = load.Worker(
        part=0, seconds=said["seconds"], cpu_seconds=said["cpu"], throttled=said["throttled"], stalls=0,
        longest_stall=0.0, connections=_CONNECTIONS, opened=_CONNECTIONS, most_in_flight=_CONNECTIONS,
    )  # fmt: skip
    latency_, late = histogram(said["latency"]), histogram(said["late"])
    columns = {name: tuple(said["series"][name]) for name in ("offered", "ok", "over")}
    untaken = said["planned"] - said["started"]
    return LoadResult(
        plan_hash=plan.hash, seed=seed, started_at=said["began"], seconds=size.seconds,
        limit_seconds=plan.limit_seconds, timeout_seconds=plan.timeout_seconds, rules=plan.rules,
        offered=said["offered"], started=said["offered"] - untaken, held=said["held"], sent=said["offered"],
        ok=said["ok"], over=said["over"], errors=said["errors"], seen={}, answered={}, latency=latency_,
        first_byte=Histogram(), service=Histogram(), lag=Histogram(), own_lag=late,
        series=load.Series(sent=columns["offered"], errors={}, **columns), workers=(worker,),
    )  # fmt: skip


def histogram(counts: Json) -> Histogram:
    """Durations as a pod counts them, each as long as its bucket allows."""
    made = Histogram()
    for end, count in counts["buckets"].items():
        for _ in range(count):
            made.record(min(int(end) / 1e6, counts["greatest"]))
    return made


def _percentile(probes: Probes, node: str, found: Sequence[Told], limit: float, *, meshed: bool) -> stats.Verdict:
    way = "both sidecars included" if meshed else "from pod to pod"
    claim = f"{QUANTILE:.0%} of the requests of 1 KiB from {node} are answered within {limit:g} ms, {way}"
    results = [one[node][0] for one in found]
    return offered.percentile(probes, claim, f"p99 latency from {node}", results, limit_ms=limit, quantile=QUANTILE)


def _by_node(said: Json, servers: Sequence[Server]) -> dict[str, Json]:
    """Requests, those over the limit, and the longest, by the node of the server that answered."""
    where = {one.pod: one.node for one in servers}
    return {
        where.get(pod, "nobody"): {"requests": count, "over": over, "longest": longest}
        for pod, (count, over, longest) in said["servers"].items()
    }
