"""Intervals hold what they promise: their coverage is counted in simulations with a fixed seed."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads import stats
from workloads.stats import Estimate, Verdict

RUNS = 2_000
QUANTILES = st.sampled_from([0.9, 0.95, 0.99])


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _tail(n: int, share: float, most: int) -> float:
    """P(X <= most) of a binomial, by logarithms: independent of the library that is tested."""
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(share)
            + (n - k) * math.log1p(-share)
        )
        for k in range(most + 1)
    )


def _covered(found: list[Estimate], truth: float) -> float:
    return sum(one.low <= truth <= one.high for one in found) / len(found)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 5_000), quantile=QUANTILES)
def test_the_count_over_the_limit_is_the_greatest_that_proves_the_percentile(n: int, quantile: float) -> None:
    count = stats.most_over(n, quantile=quantile)
    assert count == -1 or _tail(n, 1 - quantile, count) <= 0.05 + 1e-9
    assert _tail(n, 1 - quantile, count + 1) > 0.05 - 1e-9


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 5_000), quantile=QUANTILES, data=st.data())
def test_more_samples_over_the_limit_never_improve_a_verdict(n: int, quantile: float, data: st.DataObject) -> None:
    order = [Verdict.PASS, Verdict.MARGINAL, Verdict.FAIL]
    less, more = sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2)))
    verdicts = [stats.percentile_verdict(n, over, quantile=quantile) for over in (less, more)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


@pytest.mark.parametrize("n", [200, 1_000, 10_000])
def test_a_system_at_the_limit_rarely_passes_and_rarely_fails(n: int) -> None:
    over = _random(n).binomial(n, 0.05, RUNS)
    verdicts = [stats.percentile_verdict(n, int(one)) for one in over]
    assert verdicts.count(Verdict.PASS) / RUNS < 0.065
    assert verdicts.count(Verdict.FAIL) / RUNS < 0.065
    assert verdicts.count(Verdict.PASS) / RUNS > 0.015


def test_a_sample_of_the_required_size_passes_as_often_as_promised() -> None:
    n = stats.samples_to_pass(0.03, power=0.9)
    over = _random(7).binomial(n, 0.03, RUNS)
    passed = sum(stats.percentile_verdict(n, int(one)) is Verdict.PASS for one in over) / RUNS
    assert 0.88 < passed < 0.94


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_the_order_statistic_interval_covers_the_percentile(quantile: float) -> None:
    ranks = stats.order_interval(400, quantile, confidence=0.9)
    assert ranks
    samples: Any = np.sort(_random(3).exponential(size=(5 * RUNS, 400)), axis=1)
    truth = -math.log(1 - quantile)
    covered = ((samples[:, ranks[0] - 1] <= truth) & (samples[:, ranks[1] - 1] >= truth)).mean()
    assert 0.89 < covered < 0.94


@pytest.mark.parametrize("share", [0.0005, 0.02, 0.2, 0.5])
def test_the_exact_interval_covers_at_least_what_it_says(share: float) -> None:
    events = _random(11).binomial(500, share, RUNS)
    assert _covered([stats.clopper_pearson(int(one), 500) for one in events], share) > 0.94


def test_wilson_covers_what_it_says_on_average_over_shares() -> None:
    draw = _random(13)
    shares: list[float] = draw.uniform(0.02, 0.98, RUNS).tolist()
    found = [_covered([stats.wilson(int(draw.binomial(100, share)), 100, confidence=0.9)], share) for share in shares]
    assert 0.87 < sum(found) / RUNS < 0.93


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 100_000))
def test_no_failure_bounds_the_rate_as_the_power_of_n_says(n: int) -> None:
    assert math.isclose((1 - stats.upper_bound(0, n)) ** n, 0.05, rel_tol=1e-6)


@pytest.mark.parametrize("repetitions", [3, 5, 10])
def test_the_efficiency_interval_covers_the_truth_although_the_machine_wanders(repetitions: int) -> None:
    draw, found = _random(repetitions), list[Estimate]()
    for _ in range(RUNS):
        machine = draw.lognormal(0, 0.3, repetitions)  # both halves of a pair meet the same machine
        single = 1_000 * machine * draw.lognormal(0, 0.04, repetitions)
        many = 4 * 0.85 * 1_000 * machine * draw.lognormal(0, 0.04, repetitions)
        found.append(stats.scaling_efficiency(single.tolist(), many.tolist(), 4, confidence=0.9))
    assert 0.88 < _covered(found, 0.85) < 0.92
    assert statistics.fmean(one.high - one.low for one in found) < 0.2


def test_the_interval_of_a_mean_covers_it() -> None:
    draw = _random(17)
    found = [stats.mean(draw.normal(0.9, 0.05, 10).tolist(), confidence=0.9) for _ in range(RUNS)]
    assert 0.88 < _covered(found, 0.9) < 0.92


def test_the_interval_of_a_slope_covers_it() -> None:
    draw, xs = _random(19), [float(one) for one in range(12)]
    found = [
        stats.slope(xs, [2 * x + float(noise) for x, noise in zip(xs, draw.normal(0, 3, 12), strict=True)])
        for _ in range(RUNS)
    ]
    assert 0.935 < _covered(found, 2) < 0.965


def test_the_bootstrap_covers_a_median() -> None:
    draw = _random(23)
    samples = [draw.exponential(size=40).tolist() for _ in range(300)]
    found = [stats.bootstrap(one, statistics.median, seed=1, confidence=0.9, resamples=200) for one in samples]
    assert 0.84 < _covered(found, math.log(2)) < 0.95


def test_blocks_cover_what_single_draws_of_dependent_values_do_not() -> None:
    draw = _random(29)
    samples: list[list[float]] = []
    for _ in range(300):
        values, last = list[float](), float(draw.normal(0, 1 / math.sqrt(1 - 0.7**2)))
        for noise in draw.normal(size=120):
            last = 0.7 * last + float(noise)
            values.append(last)
        samples.append(values)
    covered = {
        block: _covered(
            [
                stats.bootstrap(one, statistics.fmean, seed=1, block=block, confidence=0.9, resamples=120)
                for one in samples
            ],
            0.0,
        )
        for block in (1, 12)
    }
    assert covered[1] < 0.65
    assert 0.78 < covered[12] < 0.95


@settings(deadline=None, max_examples=50)
@given(
    rate=st.floats(1, 1e5),
    contention=st.floats(0, 0.5),
    coherency=st.floats(0, 0.05),
)
def test_the_law_of_scaling_is_found_again_in_its_own_points(rate: float, contention: float, coherency: float) -> None:
    law = stats.Scaling(rate=rate, contention=contention, coherency=coherency, error=0)
    found = stats.usl([(n, law.throughput(n)) for n in (1, 2, 4, 8, 16)])
    assert found.rate == pytest.approx(rate, rel=1e-6)
    assert found.contention == pytest.approx(contention, abs=1e-6)
    assert found.coherency == pytest.approx(coherency, abs=1e-7)
    assert found.error < 1e-6


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1_000), block=st.integers(1, 5))
def test_an_interval_is_the_same_tomorrow(seed: int, block: int) -> None:
    values = [1.0, 5.0, 2.0, 8.0, 3.0, 9.0]
    once, again = (stats.bootstrap(values, max, seed=seed, block=block, resamples=50) for _ in range(2))
    assert once == again
    assert once.low <= once.high <= max(values)
