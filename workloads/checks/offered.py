"""What an offered load proves: a percentile under its limit, and that nothing failed. Offers it; judges by counting."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence

from workloads import load, stats
from workloads.outcome import Attachment, Better, Kind, Measurement, NotMeasurableError, Probes, Series
from workloads.terms import Terms

TRIES = 3  # a run that the generator itself spoilt is repeated, and then reported as what it is
CONFIDENCE = 0.95
RULES = load.Rules()  # how well the generator must keep its own plan
BLOCK_SECONDS = 10
BLOCKS_UNDER = 0.95  # share of the blocks that must keep the limit each for itself
_MILLISECONDS = 1e3

Run = Callable[[load.Plan], load.LoadResult]


def measure(terms: Terms, plan: load.Plan, run: Run = load.run) -> load.LoadResult:
    """Offer a load until the generator could keep up with its own plan, a few times at most."""
    said = ""
    for attempt in range(TRIES):
        # Whoever made the software has seen it answer; a wrong answer is to be counted, not waited for.
        result = run(dataclasses.replace(plan, seed=plan.seed + attempt, rules=RULES, ready_seconds=0))
        if not result.diagnosis:
            return result
        said = "; ".join(result.diagnosis)
        terms.say(f"the generator could not keep up, try {attempt + 1} of {TRIES}: {said}")
    raise NotMeasurableError(f"the load generator could not keep its own plan in {TRIES} tries: {said}")


def percentile(
    probes: Probes,
    claim: str,
    metric: str,
    results: Sequence[load.LoadResult],
    *,
    limit_ms: float,
    quantile: float = 0.95,
) -> stats.Verdict:
    """Whether a percentile is under its limit, by the count of requests over it: pooled, and block by block."""
    offered, over = sum(one.offered for one in results), sum(one.over for one in results)
    verdict = stats.percentile_verdict(offered, over, quantile=quantile, confidence=CONFIDENCE)
    last = results[-1].latency
    ranks = stats.order_interval(last.count, quantile, confidence=CONFIDENCE)
    low, high = (last.percentile(100 * rank / last.count) * _MILLISECONDS for rank in ranks) if ranks else (None, None)
    most = stats.most_over(offered, quantile=quantile, confidence=CONFIDENCE)
    probes.measured(
        claim,
        Measurement(
            metric=metric, value=last.percentile(100 * quantile) * _MILLISECONDS, unit="ms", n=offered,
            method=f"{over:,} requests over the limit, where a binomial bound allows {most:,}",
            limit=limit_ms, better=Better.LOWER, low=low, high=high, confidence=CONFIDENCE,
        ),
        held=verdict is stats.Verdict.PASS,
    )  # fmt: skip
    blocks = [block for one in results for block in one.blocks(BLOCK_SECONDS)]
    share = stats.blocks_under([(block.offered, block.over) for block in blocks], quantile=quantile)
    probes.positive(
        f"{BLOCKS_UNDER:.0%} of all stretches of {BLOCK_SECONDS} s keep the limit too",
        held=share >= BLOCKS_UNDER,
        saw=f"{share:.1%} of {len(blocks)}",
    )
    return verdict


def failures(probes: Probes, claim: str, result: load.LoadResult, *, most_percent: float = 0.0) -> None:
    """That no more requests fail than allowed; the bound says what so many requests do not exclude."""
    bound = stats.upper_bound(result.failed, result.offered, confidence=CONFIDENCE)
    probes.measured(
        claim,
        Measurement(
            metric="failed requests", value=100 * result.failed / result.offered, unit="%", n=result.offered,
            method=f"counted; errors: {dict(result.errors) or 'none'}", limit=most_percent,
            low=0.0, high=100 * bound, confidence=CONFIDENCE,
        ),
        held=result.failed <= most_percent / 100 * result.offered,
        kind=Kind.NEGATIVE,
    )  # fmt: skip


def keep(probes: Probes, name: str, plan: load.Plan, result: load.LoadResult) -> None:
    """Evidence: counts of each second, the distribution, and what was planned."""
    for said, counts in (("offered", result.series.offered), ("answered", result.series.ok)):
        points = tuple((float(second), float(count)) for second, count in enumerate(counts))
        probes.series.append(Series(name=f"{name}/{said}", x_unit="s", y_unit="requests", points=points))
    steps = (*range(1, 100), 99.5, 99.9, 100)
    curve = tuple((result.latency.percentile(percent) * _MILLISECONDS, float(percent)) for percent in steps)
    probes.series.append(Series(name=f"{name}/latency", x_unit="ms", y_unit="% of requests", points=curve))
    text = json.dumps({"plan": plan.hash, "summary": result.summary(), "result": result.to_json()})
    probes.attachments.append(Attachment(name=f"{name}.json", text=text))
