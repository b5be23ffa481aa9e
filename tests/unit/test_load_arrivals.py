"""When requests are planned: the rates, the evenness and the number that were asked for, the same tomorrow."""

from __future__ import annotations

import itertools
import statistics

import pytest

from workloads import load
from workloads.load.client import shots
from workloads.load.schedule import schedule

PROCESSES = [
    load.poisson(rate=50, seconds=20),
    load.constant(rate=50, seconds=20),
    load.gamma(rate=50, seconds=20, burstiness=4),
    load.steps(rates=(10, 0, 90), seconds=10),
    load.day(requests=1_000, compress=4_320, peak=5),
    load.bursts(requests=1_000, seconds=30, count=3, factor=5, length=1),
]


def _per_second(arrivals: load.Arrivals, seed: int = 1) -> list[int]:
    times = arrivals.times(seed)
    return [sum(second <= one < second + 1 for one in times) for second in range(round(arrivals.seconds))]


@pytest.mark.parametrize("arrivals", PROCESSES, ids=lambda one: one.name)
class TestEveryProcess:
    def test_plans_exactly_its_number_of_requests_inside_its_time_and_in_order(self, arrivals: load.Arrivals) -> None:
        times = arrivals.times(1)
        assert len(times) == arrivals.count == 1_000
        assert list(times) == sorted(times)
        assert times[0] >= 0
        assert times[-1] < arrivals.seconds

    def test_is_the_same_with_the_same_seed(self, arrivals: load.Arrivals) -> None:
        assert arrivals.times(3) == arrivals.times(3)
        assert arrivals.burstiness == 0 or arrivals.times(3) != arrivals.times(4)

    def test_is_shared_among_processes_without_gap_or_double(self, arrivals: load.Arrivals) -> None:
        whole, parts = (_offsets(arrivals, processes) for processes in (1, 3))
        assert sorted(itertools.chain(*parts)) == whole[0]
        assert {len(part) for part in parts} == {333, 334}


def _offsets(arrivals: load.Arrivals, processes: int) -> list[list[float]]:
    endpoint = load.Endpoint(name="a", url="http://127.0.0.1", payloads=(load.Payload(),))
    plan = load.Plan(arrivals=arrivals, endpoints=(endpoint,), seed=5, processes=processes)
    made = shots(plan)
    return [list(schedule(plan, arrivals, made, part=part, name="x").offsets) for part in range(processes)]


@pytest.mark.parametrize(("burstiness", "arrivals"), [(0, PROCESSES[1]), (1, PROCESSES[0]), (4, PROCESSES[2])])
def test_gaps_scatter_as_asked(burstiness: float, arrivals: load.Arrivals) -> None:
    times = arrivals.times(1)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert statistics.variance(gaps) / statistics.fmean(gaps) ** 2 == pytest.approx(burstiness, rel=0.15, abs=1e-9)


def test_steps_keep_their_rates() -> None:
    counts = _per_second(load.steps(rates=(10, 0, 90), seconds=10))
    assert sum(counts[:10]) == pytest.approx(100, abs=30)
    assert sum(counts[10:20]) == 0
    assert sum(counts[20:]) == pytest.approx(900, abs=30)


def test_bursts_are_as_high_and_as_many_as_asked_and_leave_the_mean_alone() -> None:
    arrivals = load.bursts(requests=100_000, seconds=1_800, count=3, factor=10, length=10)
    mean = 100_000 / 1_800
    high = [piece for piece in arrivals.pieces if piece.rate > 5 * mean]
    assert [(piece.seconds, piece.rate) for piece in high] == [(10, pytest.approx(10 * mean))] * 3
    assert arrivals.count == 100_000
    with pytest.raises(ValueError, match="do not fit 100 requests"):
        load.bursts(requests=100, seconds=10, count=3, factor=10, length=1)


def test_a_day_has_one_peak_of_the_height_asked_for() -> None:
    arrivals = load.day(requests=100_000, compress=48, peak=5)
    rates = [piece.rate for piece in arrivals.pieces]
    assert arrivals.seconds == 1_800
    assert max(rates) == pytest.approx(5 * 100_000 / 1_800)
    assert rates.index(max(rates)) in {143, 144}
    assert min(rates) < 0.1
    assert max(piece.rate for piece in load.day(requests=10, peak=1).pieces) == pytest.approx(10 / 86_400)
    with pytest.raises(ValueError, match="peak: expected 1 to"):
        load.day(requests=10, peak=0.5)


def test_endpoints_are_drawn_by_weight_and_payloads_take_turns() -> None:
    endpoints = tuple(
        load.Endpoint(name=name, url="http://127.0.0.1", weight=weight, payloads=payloads)
        for name, weight, payloads in (
            ("often", 4, tuple(load.Payload(body=bytes([65 + index])) for index in range(3))),
            ("seldom", 1, (load.Payload(),)),
        )
    )
    arrivals = load.constant(rate=1_000, seconds=1)
    plan = load.Plan(arrivals=arrivals, endpoints=endpoints, seed=1, new_connections=0.1)
    drawn = list(schedule(plan, arrivals, shots(plan), part=0, name="x"))
    often = [shot.payload for _, shot, _ in drawn if shot.endpoint == "often"]
    assert len(often) == pytest.approx(800, abs=50)
    assert often == [index % 3 for index in range(len(often))]
    assert sum(fresh for _, _, fresh in drawn) == 100
