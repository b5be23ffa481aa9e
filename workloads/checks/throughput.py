"""What is claimed of a way in under load: the promised rate, and the answers in time. Knows no gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workloads import load
from workloads.checks import offered
from workloads.outcome import Better, Measurement, NotMeasurableError, Probes
from workloads.reach import Reach
from workloads.terms import Terms

RATE, LATENCY = "ingress.rate", "ingress.latency"  # criteria: requests a second, milliseconds
ANSWERED = 0.99  # of the rate, over the whole window and in each stretch of it
MOST_FAILED_PERCENT = 0.01
MOST_CPU_PERCENT = 80.0  # of what the gateway may use; beyond it a rate says more about the machine
BODY = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
ECHO = load.Expect(status=(200,), checks=(load.Check(path=("served_by",), equals="echo"),))
_READY_SECONDS = 20.0  # the gateway runs already
_LOADED = "ingress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cpu:
    """What the gateway used while it was asked."""

    percent: float
    unit: str
    method: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """One run of the load, from which both criteria are judged."""

    plan: load.Plan
    result: load.LoadResult
    cpu: Cpu | None  # where somebody tells


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """What is asked through a gateway, and its right answer."""

    reach: Reach
    path: str
    payload: load.Payload


def enough(terms: Terms) -> None:
    """Refuse to measure a rate that the profile does not offer."""
    limit, size = terms.limit(RATE), terms.profile.ingress
    if size.rate < limit:
        raise NotMeasurableError(
            f"the profile offers {size.rate:g} requests a second, fewer than the {limit:g} promised"
        )


def offer(
    terms: Terms, front: Front, look: Callable[[load.Progress], None]
) -> tuple[load.Plan, load.LoadResult]:  # fmt: skip
    """Send the profile's load through a gateway."""
    size = terms.profile.ingress
    plan = load.Plan(
        arrivals=load.poisson(rate=size.rate, seconds=size.seconds),
        endpoints=(front.reach.endpoint(_LOADED, front.path, (front.payload,)),),
        seed=terms.seed, limit_seconds=terms.limit(LATENCY) / 1e3, ca=front.reach.ca,
        warm_up_seconds=size.warm_up_seconds, ready_seconds=_READY_SECONDS,
    )  # fmt: skip
    return plan, offered.measure(terms, plan, front.reach.running(look))


def rate(probes: Probes, terms: Terms, one: Loaded) -> None:
    """The promised rate is answered, all of the time."""
    limit = terms.limit(RATE)
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


def latency(probes: Probes, terms: Terms, one: Loaded) -> None:
    """At that rate, 95 % of the requests are answered in time."""
    limit = terms.limit(LATENCY)
    claim = f"95 % of {one.result.offered / one.result.seconds:.0f} requests a second are answered within {limit:g} ms"
    offered.percentile(probes, claim, "p95 latency", [one.result], limit_ms=limit)
    claim = f"no more than {MOST_FAILED_PERCENT:g} % of the requests fail"
    offered.failures(probes, claim, one.result, most_percent=MOST_FAILED_PERCENT)


def _cpu(probes: Probes, one: Loaded) -> None:
    if one.cpu is None:
        probes.note("how much CPU the gateway used was not measured: nobody tells it here")
        return
    probes.measured(
        "the gateway has CPU to spare",
        Measurement(
            metric="CPU of the gateway", value=one.cpu.percent, unit=one.cpu.unit, n=one.result.offered,
            method=one.cpu.method, limit=MOST_CPU_PERCENT,
        ),
        held=one.cpu.percent <= MOST_CPU_PERCENT,
    )  # fmt: skip
