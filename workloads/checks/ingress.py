"""The way in: HTTPS at the promised rate, in time, and to nobody without a valid token."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from workloads import load
from workloads.backends.process import gateway
from workloads.backends.process.bench import Bench
from workloads.backends.process.tokens import Issuer
from workloads.checks import offered
from workloads.outcome import Better, Measurement, NotMeasurableError, Probes

RATE, LATENCY = "ingress.rate", "ingress.latency"  # criteria: requests a second, milliseconds
ANSWERED = 0.99  # of the rate, over the whole window and in each stretch of it
MOST_FAILED_PERCENT = 0.01
MOST_CPU_PERCENT = 80.0  # of one core: what Envoy has here; beyond it a rate says more about the machine
_READY_SECONDS = 20.0  # the gateway runs already
_OK, _UNAUTHORIZED = 200, 401
_LOADED = "ingress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """One run of the load, from which both criteria are judged."""

    plan: load.Plan
    result: load.LoadResult
    cpu_percent: float | None  # of the gateway


@contextmanager
def loaded(bench: Bench) -> Generator[Loaded | NotMeasurableError]:
    """Offer the profile's load through the gateway, once for all criteria: a run in vain is not repeated for each."""
    front, size = bench.use(gateway.gateway), bench.profile.ingress
    expect = load.Expect(status=(200,), checks=(load.Check(path=("served_by",), equals="echo"),))
    plan = load.Plan(
        arrivals=load.poisson(rate=size.rate, seconds=size.seconds),
        endpoints=(
            load.Endpoint(
                name=_LOADED, url=f"{front.url}/rate", host=gateway.NAME,
                payloads=(load.Payload(body=b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}', expect=expect),),
            ),
        ),
        seed=bench.seed, limit_seconds=bench.limit(LATENCY) / 1e3, ca=front.ca, warm_up_seconds=size.warm_up_seconds,
        ready_seconds=_READY_SECONDS,
    )  # fmt: skip
    used: list[tuple[float, float]] = []  # seconds of the window, CPU seconds until then

    def run(one: load.Plan) -> load.LoadResult:
        used.clear()
        return load.run(one, look)

    def look(progress: load.Progress) -> None:
        if progress.phase == "measure" and (seconds := front.program.cpu_seconds()) is not None:
            used.append((progress.seconds, seconds))

    try:
        result = offered.measure(bench, plan, run)
    except NotMeasurableError as doubt:
        yield doubt
    else:
        yield Loaded(plan=plan, result=result, cpu_percent=_percent(used))


def rate(bench: Bench) -> Probes:
    """The gateway answers the promised rate, all of the time."""
    limit, size, probes = bench.limit(RATE), bench.profile.ingress, Probes()
    if size.rate < limit:
        raise NotMeasurableError(
            f"the profile offers {size.rate:g} requests a second, fewer than the {limit:g} promised"
        )
    one = _load(bench)
    probes.measured(
        f"{ANSWERED:.0%} of {limit:g} requests a second are answered over HTTPS",
        Measurement(
            metric="right answers", value=one.result.rate, unit="requests/s", n=one.result.offered,
            method="right answers over the length of the window; every handshake and body verified",
            limit=ANSWERED * limit, better=Better.HIGHER,
        ),
        held=one.result.rate >= ANSWERED * limit,
    )  # fmt: skip
    blocks = one.result.blocks(offered.BLOCK_SECONDS)
    poor = [block.start for block in blocks if block.ok < ANSWERED * block.offered]
    probes.positive(
        f"in every stretch of {offered.BLOCK_SECONDS} s, {ANSWERED:.0%} of what was offered is answered",
        held=not poor,
        saw=f"{len(poor)} of {len(blocks)} stretches with less",
    )
    claim = f"no more than {MOST_FAILED_PERCENT:g} % of the requests fail"
    offered.failures(probes, claim, one.result, most_percent=MOST_FAILED_PERCENT)
    _cpu(probes, one)
    offered.keep(probes, _LOADED, one.plan, one.result)
    return probes


def latency(bench: Bench) -> Probes:
    """At that rate, 95 % of the requests are answered in time; the server behind the gateway only echoes."""
    one, limit, probes = _load(bench), bench.limit(LATENCY), Probes()
    claim = f"95 % of {one.result.offered / one.result.seconds:.0f} requests a second are answered within {limit:g} ms"
    offered.percentile(probes, claim, "p95 latency", [one.result], limit_ms=limit)
    claim = f"no more than {MOST_FAILED_PERCENT:g} % of the requests fail"
    offered.failures(probes, claim, one.result, most_percent=MOST_FAILED_PERCENT)
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


def _load(bench: Bench) -> Loaded:
    one = bench.use(loaded)
    if isinstance(one, NotMeasurableError):
        raise NotMeasurableError(str(one))
    return one


def _percent(used: Sequence[tuple[float, float]]) -> float | None:
    """CPU between the first look and the last one."""
    if not used or used[-1][0] <= used[0][0]:
        return None
    return 100 * (used[-1][1] - used[0][1]) / (used[-1][0] - used[0][0])


def _cpu(probes: Probes, one: Loaded) -> None:
    if one.cpu_percent is None:
        probes.note("how much CPU the gateway used was not measured: this system does not tell")
        return
    probes.measured(
        "the gateway has CPU to spare",
        Measurement(
            metric="CPU of the gateway", value=one.cpu_percent, unit="% of a core", n=one.result.offered,
            method="CPU time of its process over the window", limit=MOST_CPU_PERCENT,
        ),
        held=one.cpu_percent <= MOST_CPU_PERCENT,
    )  # fmt: skip
