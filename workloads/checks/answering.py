"""What is claimed of models, wherever they are served: right, in time, in batches, all day, explained, split."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from workloads import load, stats
from workloads.asked import Asked, Split, Witness, at
from workloads.checks import offered
from workloads.load.expect import same
from workloads.outcome import Attachment, Better, Measurement, Probes, Series
from workloads.reach import Reach
from workloads.terms import Terms

CLOSE = 1e-5  # probabilities pass through single precision and JSON
ADDITIVE = 1e-6
HOUR = 3_600
BURSTS, BURST_SECONDS = 3, 2.0
TRICKLE, TRICKLE_SECONDS = 10.0, 3.0  # requests a second while shares change, in stretches of so many seconds
TRICKLE_PATIENCE = 120.0  # a version whose pods have to come keeps its first requests waiting
CANARY_SHARE = 0.2  # canaryTrafficPercent: 20
CONFIDENCE = 0.99
SHIFTS = (
    (CANARY_SHARE, f"{CANARY_SHARE:.0%} of the requests reach the canary"),
    (1.0, "once promoted, all do"),
    (0.0, "once rolled back, none does"),
)
_NAME = "model"  # of the endpoint in a plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """What explanations came to: how far each is from the model's own answer, and how many name the right one."""

    gaps: tuple[float, ...]
    right: int
    of: int
    unit: str
    method: str


def answers(probes: Probes, asked: Asked) -> None:
    """Known inputs give known answers, and what is no input is refused."""
    known, odd = asked.known, list[str]()
    for speech in asked.speeches:
        right = 0
        for number, (row, wanted) in enumerate(zip(known.rows, known.answers, strict=True)):
            reply = asked.ask(speech, [row])
            shares = at(reply, "probabilities", 0) if speech.name == "V1" and known.shares else None
            held = asked.right(speech, reply, [wanted])
            if speech.name == "V1" and known.shares:
                held = held and _near(shares, known.shares[number])
            right += held
            odd.extend(f"{speech.name} {row}: expected {wanted}, got {reply}" for _ in range(1) if not held)
        _golden(probes, speech.name, right, len(known.rows))
    whole = asked.ask(asked.speech, known.rows)
    held = asked.right(asked.speech, whole, known.answers)
    probes.positive("all rows in one request give the same answers", held=held, saw=str(whole)[:200])
    refused(probes, asked, asked.reach, asked.speech.path, asked.speech.body([known.rows[0][1:]]))
    unknown = asked.ask(asked.speech.of("unknown"), [known.rows[0]])
    held = unknown.status in asked.unknown
    probes.negative("nobody answers for an unknown model", held=held, saw=str(unknown))
    probes.attachments.extend(Attachment(name="wrong-answers.txt", text="\n".join(odd)) for _ in range(1) if odd)


def in_time(probes: Probes, terms: Terms, asked: Asked, criterion: str) -> None:
    """95 % of the requests are answered within the criterion's limit, in milliseconds, at the profile's rate."""
    limit, rate = terms.limit(criterion), terms.profile.endpoint
    plan = load.Plan(
        arrivals=load.poisson(rate=rate.rate, seconds=rate.seconds),
        endpoints=(asked.reach.endpoint(_NAME, asked.speech.path, asked.payloads()),),
        seed=terms.seed, limit_seconds=limit / 1e3, ca=asked.reach.ca, warm_up_seconds=rate.warm_up_seconds,
    )  # fmt: skip
    results = [offered.measure(terms, plan, asked.reach.running())]
    if offered.percentile(Probes(), "", "", results, limit_ms=limit) is stats.Verdict.MARGINAL:
        results.append(offered.measure(terms, plan, asked.reach.running()))  # once; what is marginal still fails
    said = f"95 % of {rate.rate:.0f} requests a second are answered within {limit:g} ms"
    offered.percentile(probes, said, "p95 latency", results, limit_ms=limit)
    for result in results:
        offered.failures(probes, "no request fails", result)
    offered.keep(probes, f"latency-{asked.name}", plan, results[-1])


def day(probes: Probes, terms: Terms, asked: Asked, witness: Witness) -> None:
    """A day's requests, compressed, with bursts: none fails, and the server that began is the one that ends."""
    size = terms.profile.day
    plan = load.Plan(
        arrivals=load.bursts(
            requests=size.requests, seconds=size.seconds, count=BURSTS, length=BURST_SECONDS,
            factor=terms.profile.day_burst,
        ),
        endpoints=(asked.reach.endpoint(_NAME, asked.speech.path, asked.payloads()),),
        seed=terms.seed, ca=asked.reach.ca, warm_up_seconds=size.warm_up_seconds,
    )  # fmt: skip
    result = offered.measure(terms, plan, asked.reach.running(witness.look))
    offered.failures(probes, f"none of {result.offered:,} requests fails", result)
    held, saw = witness.same()
    probes.positive("the server that began is the one that ends", held=held, saw=saw)
    each_day = result.ok / result.seconds * 24 * HOUR
    probes.note(f"{size.requests:,} requests in {size.seconds:g} s are {each_day:,.0f} a day; no day was waited for")
    if witness.memory:
        probes.series.append(Series(name="day/memory", x_unit="s", y_unit="MiB", points=witness.memory))
    offered.keep(probes, "day", plan, result)


def batch(probes: Probes, terms: Terms, asked: Asked) -> None:
    """Every row of a batch has an id of its own, and each id comes back once with the right answer."""
    size, limit = terms.profile.batch, terms.limit("serving.batch")
    plan = load.Plan(
        arrivals=load.constant(rate=size.rate, seconds=size.seconds),
        endpoints=(asked.reach.endpoint(_NAME, asked.named.path, asked.batch(size.requests)),),
        seed=terms.seed, ca=asked.reach.ca, warm_up_seconds=0, timeout_seconds=60,
    )  # fmt: skip
    result = offered.measure(terms, plan, asked.reach.running())
    counts = result.answered.get(_NAME, ())
    once = sum(count == 1 for count in counts)
    probes.measured(
        f"{limit:,.0f} rows an hour are answered",
        Measurement(
            metric="rows answered", value=once / result.seconds * HOUR, unit="rows/hour", n=result.offered,
            method="distinct ids with a right answer over the length of the window", limit=limit, better=Better.HIGHER,
        ),
        held=once / result.seconds * HOUR >= limit,
    )  # fmt: skip
    probes.negative(
        "no row is lost, answered wrongly, or answered for another",
        held=once == size.requests == len(counts),
        saw=f"{once:,} of {size.requests:,} ids answered once and rightly; errors: {dict(result.errors) or 'none'}",
    )
    silent = [block.start for block in result.blocks(1) if block.offered and not block.ok]
    probes.negative(
        "no second passes without an answer",
        held=not silent,
        saw=f"{len(silent)} of {len(result.series.offered)} seconds without one",
    )
    offered.keep(probes, "batch", plan, result)


def explained(probes: Probes, found: Explained) -> None:
    """What explanations say of the features adds up to what the model says."""
    probes.measured(
        "the parts of each explanation add up to the model's own answer",
        Measurement(
            metric="greatest gap", value=max(found.gaps, default=1.0), unit=found.unit, n=len(found.gaps),
            method=found.method, limit=ADDITIVE,
        ),
        held=len(found.gaps) == found.of == found.right and max(found.gaps) <= ADDITIVE,
    )  # fmt: skip


def split(probes: Probes, terms: Terms, between: Split) -> None:
    """Two versions get the shares that are set; promoting and rolling back loses nothing."""
    size = terms.profile.endpoint
    for share, said in SHIFTS:
        failed, asked = _meanwhile(terms, between, share)
        claim = f"no request fails while the share becomes {share:.0%}"
        probes.negative(claim, held=not failed, saw=f"{failed:,} of {asked:,} failed")
        plan = load.Plan(
            arrivals=load.poisson(rate=size.rate, seconds=terms.profile.split_requests / size.rate),
            endpoints=(between.reach.endpoint(_NAME, between.path, between.payloads),),
            seed=terms.seed, warm_up_seconds=0, ca=between.reach.ca,
        )  # fmt: skip
        result = offered.measure(terms, plan, between.reach.running())
        reached = result.seen.get(between.second, 0)
        low, high = stats.share_band(result.offered, share, confidence=CONFIDENCE)
        probes.measured(
            said,
            Measurement(
                metric="share of the second version", value=100 * reached / result.offered, unit="%",
                n=result.offered, method=f"versions in the answers; by chance {low:,} to {high:,} requests",
                low=100 * low / result.offered, high=100 * high / result.offered, confidence=CONFIDENCE,
            ),
            held=low <= reached <= high,
        )  # fmt: skip
        offered.failures(probes, f"no request fails at {share:.0%}", result)


def _meanwhile(terms: Terms, between: Split, share: float) -> tuple[int, int]:
    """Set a share while requests arrive; how many of them failed, and how many there were."""
    plan = load.Plan(
        arrivals=load.constant(rate=TRICKLE, seconds=TRICKLE_SECONDS),
        endpoints=(between.reach.endpoint(_NAME, between.path, between.payloads),),
        seed=terms.seed, warm_up_seconds=0, ca=between.reach.ca, timeout_seconds=TRICKLE_PATIENCE,
    )  # fmt: skip
    begun, over = threading.Event(), threading.Event()

    def look(progress: load.Progress) -> None:
        if progress.phase == "measure":
            begun.set()

    def trickle() -> list[load.LoadResult]:
        results = [offered.measure(terms, plan, between.reach.running(look))]
        while not over.is_set():
            results.append(offered.measure(terms, plan, between.reach.running()))
        return results

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trickle)
        try:
            while not begun.wait(0.1) and not running.done():
                pass
            between.shift(share)
        finally:
            over.set()
        results = running.result()
    return sum(one.failed for one in results), sum(one.offered for one in results)


def refused(
    probes: Probes, asked: Asked, reach: Reach, path: str, value: object, *, what: str = "a row with a feature too few"
) -> None:
    """Record that what is no input is refused, by the server and not by anybody before it."""
    reply = reach.post(path, value)
    probes.negative(f"{what} is refused", held=reply.status in asked.refusals, saw=str(reply))


def _golden(probes: Probes, protocol: str, right: int, of: int) -> None:
    probes.measured(
        f"{of} known inputs give their known answers over {protocol}",
        Measurement(
            metric=f"right answers over {protocol}", value=100 * right / of, unit="%", n=of, better=Better.HIGHER,
            method="against the library's own answers at training", limit=100.0,
        ),
        held=right == of,
    )  # fmt: skip


def _near(found: object, wanted: Sequence[float]) -> bool:
    return same(found, list(wanted), CLOSE)
