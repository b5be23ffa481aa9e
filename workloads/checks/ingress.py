"""The way in, here and at a cluster's door: HTTPS at the promised rate, in time, and to nobody without a token."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from workloads import load
from workloads.asked import at
from workloads.backends.cluster import door
from workloads.backends.cluster.door import Gate
from workloads.backends.cluster.usage import Usage
from workloads.backends.process import gateway
from workloads.backends.process.bench import Bench
from workloads.backends.process.tokens import Issuer
from workloads.checks import served, throughput
from workloads.checks.throughput import BODY, ECHO, Cpu, Front, Loaded
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import serving
from workloads.outcome import NotMeasurableError, Probes, SkippedError
from workloads.reach import Reach

RATE, LATENCY = throughput.RATE, throughput.LATENCY  # criteria
REPLICAS = 3  # of what answers behind a cluster's gateway
_OK, _UNAUTHORIZED = 200, 401
_SHUT = frozenset({401, 403})
_SENT_AWAY = frozenset({302, 303, 307})  # to the login


@contextmanager
def loaded(bench: Bench) -> Generator[Loaded | NotMeasurableError]:
    """Offer the profile's load through the gateway, once for all criteria: a run in vain is not repeated for each."""
    here = bench.use(gateway.gateway)
    used: list[tuple[float, float]] = []  # seconds of the window, CPU seconds until then

    def look(progress: load.Progress) -> None:
        if progress.phase != "measure":
            return
        if used and progress.seconds < used[-1][0]:  # another try
            used.clear()
        if (seconds := here.program.cpu_seconds()) is not None:
            used.append((progress.seconds, seconds))

    front = Front(
        reach=Reach(url=here.url, host=gateway.NAME, ca=here.ca), path="/rate",
        payload=load.Payload(body=BODY, expect=ECHO),
    )  # fmt: skip
    try:
        plan, result = throughput.offer(bench, front, look)
    except NotMeasurableError as doubt:
        yield doubt
    else:
        yield Loaded(plan=plan, result=result, cpu=_core(used))


def rate(bench: Bench) -> Probes:
    """The gateway of this machine answers the promised rate, all of the time."""
    throughput.enough(bench)
    probes = Probes()
    throughput.rate(probes, bench, _load(bench))
    return probes


def rate_at_the_door(target: Target, visit: Visit) -> Probes:
    """The cluster's gateway answers the promised rate, all of the time."""
    throughput.enough(visit.terms)
    probes = Probes()
    if (one := _load_there(probes, target, visit)) is not None:
        throughput.rate(probes, visit.terms, one)
    return probes


def latency(bench: Bench) -> Probes:
    """At that rate, 95 % of the requests are answered in time; the server behind the gateway only echoes."""
    probes = Probes()
    throughput.latency(probes, bench, _load(bench))
    return probes


def latency_at_the_door(target: Target, visit: Visit) -> Probes:
    """The same through the cluster's gateway."""
    probes = Probes()
    if (one := _load_there(probes, target, visit)) is not None:
        throughput.latency(probes, visit.terms, one)
    return probes


def tokens(bench: Bench) -> Probes:
    """What is private is for those with a valid token; what is not is for everybody."""
    front, probes = bench.use(gateway.gateway), Probes()
    valid = front.issuer.token()
    for claim, path, token in (
        ("a valid token opens what is private", gateway.PRIVATE, valid),
        ("what is not private needs none", "/public", ""),
    ):
        status = front.status(path, token)
        probes.positive(claim, held=status == _OK, saw=f"status {status}")
    for claim, token in (
        ("without a token it stays shut", ""),
        ("with an expired one too", front.issuer.token(seconds=-3600)),
        ("with one that somebody else has signed too", Issuer().token()),
        ("with a changed one too", f"{valid[:-8]}{'A' * 8}"),
    ):
        status = front.status(gateway.PRIVATE, token)
        probes.negative(claim, held=status == _UNAUTHORIZED, saw=f"status {status}")
    return probes


def tokens_at_the_door(target: Target, visit: Visit) -> Probes:
    """A tenant's model is for its own service accounts; others, and whoever shows no token, stay outside."""
    probes, name = Probes(), "proof-door"
    with served.opened(target, visit) as site:
        made = site.serve(probes, serving.echo(site.here, name, replicas=(1, 1)), scripts="echo")
        if made is None:
            return probes
        site.heard(lambda: made.reach.call("/private").status)
        valid = site.bearer()
        reply = made.reach.call("/private")
        held = reply.status == _OK and at(reply, "served_by") == "echo"
        probes.positive("a token of the model's own tenant opens it", held=held, saw=str(reply))
        if site.gate.public:
            reply = site.gate.at().call(site.gate.public)
            probes.positive("what is not private needs none", held=reply.status == _OK, saw=str(reply))
        tries = {
            "without a token it stays shut": "",
            "with one that somebody else has signed too": door.forged(valid),
            "with a changed one too": door.changed(valid),
        }
        others = [one for one in target.tenants.values() if one.namespace != site.here.namespace]
        for other in others[:1]:
            tries["with a valid one of another tenant too"] = door.issued(visit, other.namespace, other.contributor)
        for claim, token in tries.items():
            reply = made.reach.bearing(token).call("/private")
            sent = reply.headers.get("location", reply.headers.get("Location", ""))
            probes.negative(claim, held=_is_shut(reply.status, sent, site.gate), saw=f"{reply} {sent}".strip())
        probes.note("no expired token was tried: Kubernetes gives none for less than ten minutes")
        if not others:
            probes.note("there is no other tenant whose token could be tried")
    return probes


def _is_shut(status: int, location: str, gate: Gate) -> bool:
    """Whether nobody came in: refused, or sent to the login of this platform."""
    login = (urlsplit(location).hostname or gate.domain) == gate.domain
    return status in _SHUT or (status in _SENT_AWAY and bool(location) and login)


def _load(bench: Bench) -> Loaded:
    one = bench.use(loaded)
    if isinstance(one, NotMeasurableError):
        raise NotMeasurableError(str(one))
    return one


def _load_there(probes: Probes, target: Target, visit: Visit) -> Loaded | None:
    """Offer the load through the cluster's gateway; None, with the claims that failed, where nothing stands behind."""
    with ExitStack() as stack:
        front = _front(stack, probes, target, visit)
        if front is None:
            return None
        usage = Usage(visit)
        plan, result = throughput.offer(visit.terms, front, usage.look)
        used = usage.percent()
        method = "the highest that the metrics API told of each pod, of all their limits"
        cpu = None if used is None else Cpu(percent=used, unit="% of its limits", method=method)
        return Loaded(plan=plan, result=result, cpu=cpu)


def _front(stack: ExitStack, probes: Probes, target: Target, visit: Visit) -> Front | None:
    """Something cheap of a tenant behind the gateway; a page for everybody where there are no names or no tokens."""
    try:
        site = stack.enter_context(served.opened(target, visit))
    except SkippedError as reason:
        gate = door.gate(target, visit)
        if not gate.public:
            raise
        probes.note(f"asked was {gate.public}, which everybody may read and the login answers: {reason}")
        expect = load.Expect(status=(_OK,), checks=(load.Check(path=("issuer",), equals=f"https://{gate.domain}/dex"),))
        return Front(reach=gate.at(), path=gate.public, payload=load.Payload(method="GET", expect=expect))
    body = serving.echo(site.here, "proof-door", replicas=(REPLICAS, REPLICAS))
    made = site.serve(probes, body, scripts="echo")
    if made is None:
        return None
    site.heard(lambda: made.reach.call("/rate").status)
    probes.note(f"behind the gateway {REPLICAS} replicas answered at once; each request's token was checked")
    return Front(reach=made.reach, path="/rate", payload=load.Payload(body=BODY, expect=ECHO))


def _core(used: Sequence[tuple[float, float]]) -> Cpu | None:
    """CPU of a process between the first look and the last one."""
    if not used or used[-1][0] <= used[0][0]:
        return None
    percent = 100 * (used[-1][1] - used[0][1]) / (used[-1][0] - used[0][0])
    return Cpu(percent=percent, unit="% of a core", method="CPU time of its process over the window")
