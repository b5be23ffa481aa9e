"""What numbers allow to say: bounds, intervals, fits, sample sizes. Pure functions; knows no criterion and no server.

`confidence` is two-sided for every `Estimate` with both ends: the lower end at 0.90 is a one-sided 95 % bound.
"""

from __future__ import annotations

import importlib
import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")

_dist: Any = importlib.import_module("scipy.stats")  # the distribution has no types
_optimize: Any = importlib.import_module("scipy.optimize")

MOST_SAMPLES = 100_000_000


class Verdict(Enum):
    """Three ways, so that noise decides nothing: a marginal result is extended once, and then fails."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    MARGINAL = "marginal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value and where the truth lies with this confidence, found by this method from `n` observations."""

    value: float
    low: float
    high: float
    confidence: float
    n: int
    method: str

    def at_most(self, limit: float) -> Verdict:
        """Whether the truth is at most `limit`."""
        return Verdict.PASS if self.high <= limit else Verdict.FAIL if self.low > limit else Verdict.MARGINAL

    def at_least(self, limit: float) -> Verdict:
        """Whether the truth is at least `limit`."""
        return Verdict.PASS if self.low >= limit else Verdict.FAIL if self.high < limit else Verdict.MARGINAL


# Percentiles under a limit: count what is over it.


def most_over(n: int, *, quantile: float = 0.95, confidence: float = 0.95) -> int:
    """The most samples over a limit that still prove the quantile to be under it; -1 where n is too small for any."""
    share, alpha = 1 - quantile, 1 - confidence
    count = int(_dist.binom.ppf(alpha, n, share))
    return count if _dist.binom.cdf(count, n, share) <= alpha else count - 1


def least_over(n: int, *, quantile: float = 0.95, confidence: float = 0.95) -> int:
    """The fewest samples over a limit that prove the quantile to be over it; more than n where n is too small."""
    return int(_dist.binom.isf(1 - confidence, n, 1 - quantile)) + 1


def percentile_verdict(n: int, over: int, *, quantile: float = 0.95, confidence: float = 0.95) -> Verdict:
    """Whether a quantile is under its limit, where `over` of n samples are not."""
    if over <= most_over(n, quantile=quantile, confidence=confidence):
        return Verdict.PASS
    return Verdict.FAIL if over >= least_over(n, quantile=quantile, confidence=confidence) else Verdict.MARGINAL


def order_interval(n: int, quantile: float, *, confidence: float = 0.95) -> tuple[int, int] | None:
    """Ranks (from 1) of the samples between which the quantile lies; None where n is too small."""
    tail = (1 - confidence) / 2
    low = int(_dist.binom.ppf(tail, n, quantile))
    high = int(_dist.binom.isf(tail, n, quantile)) + 1
    return (low, high) if low >= 1 and high <= n else None


def blocks_under(blocks: Iterable[tuple[int, int]], *, quantile: float = 0.95) -> float:
    """Share of the blocks (samples, of which over the limit) whose own quantile is under it; empty ones say nothing."""
    held = [over <= (1 - quantile) * n + 1e-9 for n, over in blocks if n]
    return sum(held) / len(held) if held else 0.0


# Shares and rates of events.


def clopper_pearson(events: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """A share, never less sure than said: for failures, also for none at all."""
    tail = (1 - confidence) / 2
    low = float(_dist.beta.ppf(tail, events, n - events + 1)) if events else 0.0
    high = float(_dist.beta.isf(tail, events + 1, n - events)) if events < n else 1.0
    return Estimate(value=events / n, low=low, high=high, confidence=confidence, n=n, method="Clopper-Pearson")


def wilson(events: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """A share, right on average: for traffic splits and other shares away from 0 and 1."""
    z = float(_dist.norm.isf((1 - confidence) / 2))
    share, spread = events / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Estimate(value=share, low=low, high=high, confidence=confidence, n=n, method="Wilson")


def upper_bound(events: int, n: int, *, confidence: float = 0.95) -> float:
    """One-sided: the share of failures that n trials with `events` of them do not exclude. With 0 about 3 / n."""
    return float(_dist.beta.isf(1 - confidence, events + 1, n - events)) if events < n else 1.0


def share_band(n: int, share: float, *, confidence: float = 0.99) -> tuple[int, int]:
    """The counts that n draws give with this confidence where the true share is `share`, both ends included."""
    tail = (1 - confidence) / 2
    return int(_dist.binom.ppf(tail, n, share)), int(_dist.binom.isf(tail, n, share))


# Means, ratios, and what has no formula.


def mean(values: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """The mean of independent values, for example of the means of minutes."""
    n, middle = len(values), statistics.fmean(values)
    if n < 2:  # noqa: PLR2004 - one value has no spread
        raise ValueError(f"mean: expected at least 2 values, found {n}")
    half = float(_dist.t.isf((1 - confidence) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return Estimate(value=middle, low=middle - half, high=middle + half, confidence=confidence, n=n, method="t")


def paired_ratio(above: Sequence[float], below: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """The geometric mean ratio of runs that took turns: what disturbs a pair as a whole drops out."""
    logs = [math.log(one / other) for one, other in zip(above, below, strict=True)]
    log = mean(logs, confidence=confidence)
    value, low, high = (math.exp(one) for one in (log.value, log.low, log.high))
    method = "t of the logarithms of paired ratios"
    return Estimate(value=value, low=low, high=high, confidence=confidence, n=log.n, method=method)


def scaling_efficiency(single: Sequence[float], many: Sequence[float], ranks: int, *, confidence: float) -> Estimate:
    """Throughput of `ranks` against as many times the throughput of one, from interleaved repetitions."""
    return paired_ratio(many, [ranks * one for one in single], confidence=confidence)


def bootstrap(
    values: Sequence[T],
    statistic: Callable[[Sequence[T]], float],
    *,
    seed: int,
    block: int = 1,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Estimate:
    """Percentile interval of any statistic. Values that depend on their neighbours are drawn in blocks."""
    n, draw = len(values), random.Random(seed)  # noqa: S311 - a repeatable interval, no secret
    if not 1 <= block <= n:
        raise ValueError(f"bootstrap: expected blocks of 1 to {n}, found {block}")
    found: list[float] = []
    for _ in range(resamples):
        starts = draw.choices(range(n - block + 1), k=math.ceil(n / block))
        found.append(statistic([values[start + place] for start in starts for place in range(block)][:n]))
    found.sort()
    tail = (1 - confidence) / 2
    low, high = found[math.floor(tail * resamples)], found[math.ceil((1 - tail) * resamples) - 1]
    method = "bootstrap" if block == 1 else f"bootstrap of blocks of {block}"
    return Estimate(value=statistic(values), low=low, high=high, confidence=confidence, n=n, method=method)


def slope(xs: Sequence[float], ys: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """Least-squares slope, for example of memory over time."""
    n, fit = len(xs), _dist.linregress(xs, ys)
    if n < 3:  # noqa: PLR2004 - two points leave no residual
        raise ValueError(f"slope: expected at least 3 points, found {n}")
    value, half = float(fit.slope), float(_dist.t.isf((1 - confidence) / 2, n - 2)) * float(fit.stderr)
    method = "least squares"
    return Estimate(value=value, low=value - half, high=value + half, confidence=confidence, n=n, method=method)


def log_log_slope(ranks: Sequence[float], throughputs: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """1 where throughput grows in proportion to the number of ranks."""
    return slope([math.log(one) for one in ranks], [math.log(one) for one in throughputs], confidence=confidence)


# Laws of scaling.


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """X(n) = rate n / (1 + contention (n - 1) + coherency n (n - 1)); `error` is the greatest relative residual."""

    rate: float
    contention: float
    coherency: float
    error: float

    def throughput(self, n: float) -> float:
        """What the law says for n."""
        return self.rate * n / (1 + self.contention * (n - 1) + self.coherency * n * (n - 1))

    @property
    def peak(self) -> float:
        """The n with the greatest throughput; infinite where more always helps."""
        return math.sqrt(max(1 - self.contention, 0.0) / self.coherency) if self.coherency else math.inf

    @property
    def most_speedup(self) -> float:
        """How many times faster than one it can get at all."""
        if self.coherency:
            return self.throughput(max(self.peak, 1.0)) / self.rate
        return 1 / self.contention if self.contention else math.inf


def usl(points: Sequence[tuple[float, float]]) -> Scaling:
    """Fit the universal scalability law to (n, throughput) pairs, all parts 0 or more."""
    return _fit(points, parts=3)


def amdahl(points: Sequence[tuple[float, float]]) -> Scaling:
    """Fit Amdahl's law: `contention` is the serial share, `coherency` is 0."""
    return _fit(points, parts=2)


def _fit(points: Sequence[tuple[float, float]], *, parts: int) -> Scaling:
    """Linear in n / X: least squares of relative errors, without a start value to be lucky with."""
    if len({n for n, _ in points}) < parts:
        raise ValueError(f"scaling: expected at least {parts} different n, found {sorted({n for n, _ in points})}")
    rows = [[one * x / n for one in (1.0, n - 1, n * (n - 1))[:parts]] for n, x in points]
    found = [float(one) for one in _optimize.nnls(rows, [1.0] * len(rows))[0]]
    base, contention, coherency = (*found, 0.0)[:3]
    if base <= 0:
        raise ValueError("scaling: these points follow no such law, throughput of one would be infinite")
    law = Scaling(rate=1 / base, contention=contention / base, coherency=coherency / base, error=0.0)
    error = max(abs(law.throughput(n) / x - 1) for n, x in points)
    return Scaling(rate=law.rate, contention=law.contention, coherency=law.coherency, error=error)


# How much is enough.


def samples_for_margin(share: float, margin: float, *, confidence: float) -> int:
    """Samples to know a share to +- margin (normal approximation, as MLPerf publishes it)."""
    return math.ceil(float(_dist.norm.isf((1 - confidence) / 2)) ** 2 * share * (1 - share) / margin**2)


def samples_for_none(bound: float, *, confidence: float = 0.95) -> int:
    """Trials without a failure that prove the share of failures to be under `bound`."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-bound))


def samples_to_pass(share_over: float, *, quantile: float = 0.95, confidence: float = 0.95, power: float = 0.9) -> int:
    """Samples with which a system that has `share_over` of its answers over the limit passes, `power` of the time."""
    share = round(1 - quantile, 12)
    if not 0 <= share_over < share:
        raise ValueError(f"share_over: expected 0 to less than {share:g}, found {share_over:g}")

    def passes(n: int) -> bool:
        allowed = most_over(n, quantile=quantile, confidence=confidence)
        return allowed >= 0 and float(_dist.binom.cdf(allowed, n, share_over)) >= power

    high = 1
    while not passes(high):
        high *= 2
        if high > MOST_SAMPLES:
            raise ValueError(f"share_over: {share_over:g} is too close to {share:g}")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def repetitions_for_ratio(spread: float, margin: float, *, confidence: float = 0.95) -> int:
    """Pairs to know a ratio to +- `margin` (relative), where single ratios scatter by `spread` (relative, 1 sigma)."""
    for n in range(2, 10_000):
        if float(_dist.t.isf((1 - confidence) / 2, n - 1)) * spread / math.sqrt(n) <= math.log1p(margin):
            return n
    raise ValueError(f"margin: {margin:g} needs 10,000 repetitions or more at a spread of {spread:g}")
