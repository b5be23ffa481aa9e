"""What a run measured: every planned request once, sums that are exact, and reasons not to believe it."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest

from workloads import load
from workloads.load.control_group import throttled
from workloads.load.result import merge
from workloads.load.tally import MOST_SEEN, OTHER, Tally

WORKER = load.Worker(
    part=0,
    seconds=10.0,
    cpu_seconds=2.0,
    throttled=0,
    stalls=0,
    longest_stall=0.0,
    connections=256,
    opened=3,
    most_in_flight=3,
)


def _plan(*, rate: float = 10, seconds: float = 10, limit: float | None = 0.2) -> load.Plan:
    payloads = (load.Payload(), load.Payload(body=b"x"))
    endpoint = load.Endpoint(name="a", url="http://127.0.0.1", payloads=payloads)
    arrivals = load.constant(rate=rate, seconds=seconds)
    return load.Plan(arrivals=arrivals, endpoints=(endpoint,), seed=1, limit_seconds=limit, timeout_seconds=2)


def _run(
    plan: load.Plan, offsets: list[float], *, lag: float = 0.001, part: int = 0, held: bool = False
) -> load.LoadResult:
    """Requests with made-up ends: the n-th takes n ms from the plan; each tenth fails."""
    tally = Tally(plan, offsets)
    for index, planned in enumerate(offsets):
        tally.take_up(planned + lag, held=held)
        tally.went_out(planned, planned + lag, 0.0)
        end = planned + 0.001 * (index % 400) + lag
        error = "reset" if index % 10 == 9 else ""
        if tally.came_back(planned, planned + lag, end, end, error):
            tally.answered("a", index % 2, f"v{index % 3}")
    return tally.result(f"2026-01-01T00:00:0{part}", dataclasses.replace(WORKER, part=part))


def _times(count: int, seconds: float = 10) -> list[float]:
    return [seconds * index / count for index in range(count)]


def test_every_request_enters_the_latencies_once_and_a_failed_one_with_the_timeout() -> None:
    result = _run(_plan(), _times(100))
    assert (result.offered, result.sent, result.ok, result.failed) == (100, 100, 90, 10)
    assert result.latency.count == result.first_byte.count == 100
    assert result.errors == {"reset": 10}
    assert result.latency.percentile(89) == pytest.approx(0.1, rel=0.02)
    assert result.latency.percentile(91) == result.latency.max == 2.0
    assert result.service.max < 0.2
    assert sum(result.answered["a"]) == 90


def test_what_is_not_answered_right_within_the_limit_is_over_it() -> None:
    result = _run(_plan(limit=0.05), _times(100))
    late = [index for index in range(100) if index % 10 != 9 and 0.001 * index + 0.001 > 0.05]
    assert result.over == len(late) + 10
    assert sum(result.series.over) == result.over
    assert _run(_plan(limit=None), _times(100)).over == 10


def test_an_answer_after_the_timeout_is_none() -> None:
    tally = Tally(_plan(), [0.0])
    tally.take_up(0.0, held=False)
    tally.went_out(0.0, 0.0, 0.0)
    assert not tally.came_back(0.0, 0.0, 2.5, 2.5, "")
    result = tally.result("", WORKER)
    assert result.errors == {"timeout": 1}
    assert result.latency.max == 2.0


def test_waiting_for_a_connection_counts_as_latency_but_not_as_the_generators_own_lag() -> None:
    tally = Tally(_plan(), [0.0])
    tally.take_up(0.001, held=True)
    tally.went_out(0.0, 0.501, 0.5)
    tally.came_back(0.0, 0.501, 0.511, 0.511, "")
    result = tally.result("", WORKER)
    assert result.latency.max == 0.511
    assert result.service.max == 0.010
    assert result.lag.max == 0.501
    assert result.own_lag.max == 0.001


def test_a_request_that_was_never_sent_failed() -> None:
    tally = Tally(_plan(), [1.0])
    tally.take_up(1.004, held=True)
    tally.never_sent(1.0, 0.004)
    result = tally.result("", WORKER)
    assert (result.sent, result.ok, result.failed, result.errors) == (0, 0, 1, {"unsent": 1})
    assert result.latency.max == 2.0
    assert result.service.count == 0
    assert result.own_lag.max == 0.004


def test_a_request_that_is_lost_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="1 requests planned, 0 counted"):
        Tally(_plan(), [0.0]).result("", WORKER)


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    plan, whole = _plan(rate=100), _times(1_000)
    parts = [_run(plan, whole[part::3], part=part) for part in range(3)]
    joined = merge(parts)
    assert merge(parts[::-1]) == dataclasses.replace(joined)
    assert joined.offered == joined.latency.count == joined.own_lag.count == 1_000
    assert joined.series.offered == (100,) * 10
    for name in ("ok", "over", "sent", "started", "failed"):
        assert getattr(joined, name) == sum(getattr(part, name) for part in parts)
    assert joined.errors == {"reset": sum(part.errors["reset"] for part in parts)}
    assert joined.answered["a"] == tuple(
        sum(column) for column in zip(*(one.answered["a"] for one in parts), strict=True)
    )
    assert sum(joined.seen.values()) == joined.ok
    assert [worker.part for worker in joined.workers] == [0, 1, 2]


def test_results_of_different_plans_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="different plans"):
        merge([_run(_plan(), _times(10)), _run(_plan(limit=0.1), _times(10))])


def test_merged_histograms_are_those_of_all_values_together() -> None:
    draw = random.Random(1)  # noqa: S311 - repeatable
    values = [draw.expovariate(10) for _ in range(5_000)]
    whole, parts = load.Histogram(), [load.Histogram() for _ in range(4)]
    for index, value in enumerate(values):
        whole.record(value)
        parts[index % 4].record(value)
    joined = load.Histogram()
    for part in parts:
        joined.add(load.Histogram.from_json(json.loads(json.dumps(part.to_json()))))
    assert joined == whole
    assert joined.mean == pytest.approx(sum(values) / 5_000, abs=1e-6)
    ordered = sorted(values)
    for percent in (50, 95, 99):
        assert joined.percentile(percent) == pytest.approx(ordered[50 * percent - 1], rel=0.002)
    assert joined.at_rank(4_750) == joined.percentile(95)
    assert joined.cdf()[-1] == (joined.max, 1.0)
    assert [share for _, share in joined.cdf()] == sorted(share for _, share in joined.cdf())


def test_an_empty_histogram_is_nothing_and_stays_so() -> None:
    empty = load.Histogram.from_json(load.Histogram().to_json())
    assert (empty.count, empty.min, empty.max, empty.mean, empty.percentile(99), empty.at_rank(1)) == (0, 0, 0, 0, 0, 0)
    assert empty.cdf() == ()


def test_durations_outside_the_range_are_kept_at_its_ends() -> None:
    histogram = load.Histogram()
    histogram.record(-1)
    histogram.record(1e6)
    assert (histogram.count, histogram.min, histogram.max) == (2, 0.0, 3_600.0)


def test_a_result_survives_json_and_a_damaged_one_is_refused() -> None:
    result = _run(_plan(), _times(100))
    plain = json.loads(json.dumps(result.to_json()))
    assert load.LoadResult.from_json(plain) == result
    for damage in (
        {"schema": 2},
        {"latency": {**plain["latency"], "count": 99}},
        {"latency": {**plain["latency"], "hdr": "AAAA"}},
        {"offered": "100"},
        {"extra": 1},
    ):
        with pytest.raises(ValueError, match=r"schema|latency|offered|extra"):
            load.LoadResult.from_json({**plain, **damage})


def test_blocks_cover_the_window_and_a_short_rest_joins_the_last() -> None:
    result = _run(_plan(seconds=25), _times(250, 25))
    assert [(block.start, block.offered) for block in result.blocks(10)] == [(0, 100), (10, 150)]
    assert [block.offered for block in result.blocks(100)] == [250]


def test_no_more_values_are_counted_one_by_one_than_a_report_can_show() -> None:
    plan = _plan(rate=100)
    tally = Tally(plan, _times(100))
    for index, planned in enumerate(_times(100)):
        tally.came_back(planned, planned, planned, planned, "")
        tally.answered("a", 0, f"id-{index}")
    assert len(tally.result("", WORKER).seen) == MOST_SEEN + 1
    assert tally.result("", WORKER).seen[OTHER] == 100 - MOST_SEEN


class TestDiagnosis:
    def test_a_quiet_generator_is_believed(self) -> None:
        assert _run(_plan(), _times(100)).diagnosis == ()

    @pytest.mark.parametrize(("lag", "limit", "late"), [(0.009, 0.2, False), (0.011, 0.2, True), (0.006, 0.1, True), (0.009, None, False), (0.011, 30.0, True)])  # fmt: skip  # noqa: E501
    def test_a_late_generator_is_not(self, lag: float, limit: float | None, late: bool) -> None:  # noqa: FBT001 - a table
        plan = dataclasses.replace(_plan(limit=None), timeout_seconds=60, limit_seconds=limit)
        reasons = _run(plan, _times(100), lag=lag).diagnosis
        assert [("late at p99" in reason) for reason in reasons] == ([True] if late else [])

    def test_a_generator_that_does_not_get_to_its_requests_is_not(self) -> None:
        result = dataclasses.replace(_run(_plan(), _times(100)), started=98)
        assert "took up 98 of 100" in result.diagnosis[0]
        assert dataclasses.replace(result, started=99).diagnosis == ()

    def test_a_busy_or_throttled_process_is_not_even_among_idle_ones(self) -> None:
        result = _run(_plan(), _times(100))
        busy = dataclasses.replace(WORKER, part=1, cpu_seconds=8.1)
        cut = dataclasses.replace(WORKER, part=2, throttled=3)
        reasons = dataclasses.replace(result, workers=(WORKER, busy, cut)).diagnosis
        assert [reason[:20] for reason in reasons] == ["process 1 used 81% o", "process 2 was thrott"]

    def test_a_cap_below_what_a_good_server_needs_proves_nothing_about_the_server(self) -> None:
        result = _run(_plan(rate=100), _times(1_000), held=True)
        narrow = dataclasses.replace(result, workers=(dataclasses.replace(WORKER, connections=19),))
        assert "need 20: allow more connections" in narrow.diagnosis[0]
        wide = dataclasses.replace(result, workers=(dataclasses.replace(WORKER, connections=20),))
        assert wide.diagnosis == ()
        assert "without a latency limit" in dataclasses.replace(wide, limit_seconds=None).diagnosis[0]
        assert dataclasses.replace(narrow, held=10).diagnosis == ()

    def test_stalls_are_told_but_decide_nothing(self) -> None:
        stalled = dataclasses.replace(WORKER, stalls=3, longest_stall=0.2)
        result = dataclasses.replace(_run(_plan(), _times(100)), workers=(stalled,))
        assert result.diagnosis == ()
        assert result.summary()["stalls"] == 3


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/pod/one\n", "pod/one/cpu.stat"),
        ("0::/pod/one\n", "cpu.stat"),
        ("3:cpu:/job\n0::/\n", "cpu/job/cpu.stat"),
        ("3:cpu,cpuacct:/job\n", "cpu,cpuacct/cpu.stat"),
    ],
)
def test_throttling_is_read_from_the_own_control_group(tmp_path: Path, membership: str, file: str) -> None:
    (tmp_path / "membership").write_text(membership)
    assert throttled(tmp_path, tmp_path / "membership") == 0
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("nr_periods 9\nnr_throttled 4\n")
    assert throttled(tmp_path, tmp_path / "membership") == 4


def test_a_machine_without_control_groups_throttles_nothing(tmp_path: Path) -> None:
    assert throttled(tmp_path, tmp_path / "none") == 0
