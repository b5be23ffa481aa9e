"""What numbers allow to say: known values, edges, and answers that must be refused."""

from __future__ import annotations

import math

import pytest

from workloads import stats
from workloads.stats import Verdict


@pytest.mark.parametrize(("n", "count"), [(1_000, 38), (3_000, 130), (10_000, 463), (60_000, 2_911), (100_000, 4_886)])
def test_a_p95_rule_allows_this_many_samples_over_the_limit(n: int, count: int) -> None:
    assert stats.most_over(n) == count


def test_fewer_than_59_samples_prove_no_p95() -> None:
    assert stats.most_over(58) == -1
    assert stats.most_over(59) == 0
    assert stats.percentile_verdict(58, 0) is Verdict.MARGINAL


@pytest.mark.parametrize(
    ("over", "verdict"),
    [(38, Verdict.PASS), (39, Verdict.MARGINAL), (50, Verdict.MARGINAL), (62, Verdict.MARGINAL), (63, Verdict.FAIL)],
)
def test_a_guard_band_lies_between_pass_and_fail(over: int, verdict: Verdict) -> None:
    assert stats.percentile_verdict(1_000, over) is verdict


def test_a_percentile_lies_between_two_samples() -> None:
    assert stats.order_interval(1_000, 0.95) == (936, 964)
    assert stats.order_interval(10, 0.95) is None


def test_one_bad_block_in_twenty_is_allowed_and_two_are_not() -> None:
    good, bad, empty = (100, 5), (100, 6), (0, 0)
    assert stats.blocks_under([good] * 19 + [bad, empty]) == 0.95
    assert stats.blocks_under([good] * 18 + [bad] * 2) == 0.90
    assert stats.blocks_under([]) == 0.0


@pytest.mark.parametrize(("n", "bound"), [(10_000, 3.0e-4), (100_000, 3.0e-5), (600_000, 5.0e-6)])
def test_no_failure_leaves_a_bound_and_the_rule_of_three(n: int, bound: float) -> None:
    assert stats.upper_bound(0, n) == pytest.approx(bound, rel=0.01)
    assert stats.samples_for_none(stats.upper_bound(0, n)) == pytest.approx(n, abs=1)


def test_shares_have_intervals_of_textbooks() -> None:
    # Newcombe 1998, table I: 81 of 263.
    exact, score = stats.clopper_pearson(81, 263), stats.wilson(81, 263)
    assert (round(exact.low, 4), round(exact.high, 4)) == (0.2527, 0.3676)
    assert (round(score.low, 4), round(score.high, 4)) == (0.2553, 0.3662)
    assert stats.clopper_pearson(0, 20).low == 0
    assert stats.clopper_pearson(20, 20).high == 1
    assert stats.wilson(0, 20).low == 0


def test_a_fifth_of_5000_requests_is_a_fifth_within_one_and_a_half_points() -> None:
    assert stats.share_band(5_000, 0.2) == (927, 1074) or stats.share_band(5_000, 0.2) == (928, 1073)
    assert stats.share_band(1_000, 0.1, confidence=0.95) == (82, 119)


def test_an_interval_decides_only_when_the_limit_is_outside() -> None:
    one = stats.clopper_pearson(10, 100)
    assert one.at_most(0.2) is Verdict.PASS
    assert one.at_most(0.1) is Verdict.MARGINAL
    assert one.at_most(0.01) is Verdict.FAIL
    assert one.at_least(0.2) is Verdict.FAIL
    assert one.at_least(0.1) is Verdict.MARGINAL
    assert one.at_least(0.01) is Verdict.PASS


def test_what_slows_a_pair_as_a_whole_does_not_widen_its_ratio() -> None:
    single = [100.0, 50.0, 80.0, 20.0]
    many = [2 * 0.9 * one * jitter for one, jitter in zip(single, (1.01, 0.99, 1.0, 1.0), strict=True)]
    found = stats.scaling_efficiency(single, many, 2, confidence=0.90)
    assert found.value == pytest.approx(0.9, rel=0.001)
    assert 0.88 < found.low < 0.9 < found.high < 0.92


def test_throughput_in_proportion_has_the_slope_one() -> None:
    assert stats.log_log_slope([1, 2, 4, 8], [10, 20, 40, 80]).value == pytest.approx(1)
    found = stats.log_log_slope([1, 2, 4, 8], [10, 19, 33, 70])
    assert found.low < found.value < 1 < found.high


def test_laws_of_scaling_say_where_more_stops_helping() -> None:
    points = [(n, 100 * n / (1 + 0.05 * (n - 1) + 0.001 * n * (n - 1))) for n in (1, 2, 4, 8, 16)]
    law = stats.usl(points)
    assert law.peak == pytest.approx(math.sqrt(0.95 / 0.001))
    assert law.most_speedup == pytest.approx(law.throughput(law.peak) / 100)
    serial = stats.amdahl([(n, 100 * n / (1 + 0.1 * (n - 1))) for n in (1, 2, 4)])
    assert serial.most_speedup == pytest.approx(10)
    assert math.isinf(serial.peak)
    assert math.isinf(stats.amdahl([(1, 100.0), (2, 200.0)]).most_speedup)


def test_sample_sizes_are_those_that_mlperf_publishes() -> None:
    # github.com/mlcommons/inference_policies, inference_rules.adoc; it rounds to the nearest, this always up.
    sizes = [stats.samples_for_margin(q, (1 - q) / 20, confidence=0.99) for q in (0.90, 0.95, 0.99)]
    assert sizes == [23_886, 50_426, 262_742]


def test_a_system_close_to_the_limit_needs_more_samples_to_pass() -> None:
    assert stats.samples_to_pass(0.0) == 59
    assert 500 < stats.samples_to_pass(0.03) < 1_200 < stats.samples_to_pass(0.045)


def test_more_scatter_needs_more_repetitions() -> None:
    assert stats.repetitions_for_ratio(0.01, 0.05) < stats.repetitions_for_ratio(0.08, 0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: stats.mean([1.0]), "at least 2 values"),
        (lambda: stats.slope([1, 2], [1, 2]), "at least 3 points"),
        (lambda: stats.usl([(1, 1.0), (2, 2.0)]), "at least 3 different n"),
        (lambda: stats.amdahl([(2, 1.0), (2, 2.0)]), "at least 2 different n"),
        (lambda: stats.bootstrap([1.0], max, seed=1, block=2), "blocks of 1 to 1"),
        (lambda: stats.samples_to_pass(0.05), "less than 0.05"),
        (lambda: stats.samples_to_pass(0.0499999), "too close"),
        (lambda: stats.repetitions_for_ratio(10, 0.001), "10,000 repetitions"),
    ],
)
def test_too_little_is_refused_with_what_is_missing(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()  # pyright: ignore[reportCallIssue, reportUnknownVariableType] each is a function
