from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.grounds import grounds
from tests.support.grounds import judged as results
from tests.support.stack_outputs import outputs
from workloads import runner
from workloads.backends.process.bench import Bench
from workloads.catalog import BY_ID, CATALOG, FixedThresholdError, UnknownCriterionError, limits, required_ids, select
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.criterion import COMPONENTS, RUNNING_CONTAINERS, Backend, Criterion
from workloads.outcome import Measurement, NotMeasurableError, Outcome, Probes, Result, SkippedError


class Untouched(Visit):
    """A visit to no cluster, for checks that touch none."""

    def __init__(self) -> None:
        self.cleared = 0

    def clear(self) -> None:
        self.cleared += 1


def probes(*, positive: bool = True, negative: bool = True) -> Probes:
    made = Probes()
    made.positive("a small pod is admitted", held=positive, saw="201")
    made.negative("a large pod is refused", held=negative, saw="403")
    return made


def judged(
    check: Callable[[Target, Visit], Probes], *, visit: Untouched | None = None, disruptive: bool = False
) -> Result:
    base = BY_ID["quota.pod-over-quota-is-refused"]
    criterion = replace(base, cluster=check, disruptive=disruptive)
    place = grounds(parse(outputs(), source="test"), visit or Untouched())
    (result,) = results([criterion], place, required=frozenset(BY_ID))
    return result


def test_a_check_passes_when_both_halves_of_the_proof_held() -> None:
    result = judged(lambda _, __: probes())
    assert (result.outcome, result.value) == (Outcome.PASS, 100.0)


@pytest.mark.parametrize("half", ["positive", "negative"])
def test_a_check_fails_when_either_half_did_not_hold(half: str) -> None:
    result = judged(lambda _, __: probes(**{half: False}))
    assert (result.outcome, result.value) == (Outcome.FAIL, 50.0)
    assert result.reason.startswith("not so: a ")


def test_a_check_that_tried_only_one_half_proves_nothing() -> None:
    def only_positive(*_: object) -> Probes:
        made = Probes()
        made.positive("a small pod is admitted", held=True, saw="201")
        return made

    result = judged(only_positive)
    assert result.outcome is Outcome.ERROR
    assert "no negative probe" in result.reason
    assert judged(lambda _, __: Probes()).outcome is Outcome.ERROR


def test_a_broken_check_is_an_error_with_its_cause_and_is_cleaned_up() -> None:
    def broken(*_: object) -> Probes:
        raise KeyError("spec")

    visit = Untouched()
    result = judged(broken, visit=visit)
    assert (result.outcome, result.reason, result.value) == (Outcome.ERROR, "KeyError: 'spec'", None)
    assert visit.cleared == 1


def test_a_measurement_that_means_nothing_is_invalid() -> None:
    def full(*_: object) -> Probes:
        raise NotMeasurableError("the tenant is full")

    result = judged(full)
    assert (result.outcome, result.reason) == (Outcome.INVALID, "the tenant is full")


def test_a_disruptive_check_is_skipped_unless_the_stack_allows_it() -> None:
    result = judged(lambda _, __: probes(), disruptive=True)
    assert result.outcome is Outcome.SKIP
    assert "validation.disruptive is false" in result.reason


def test_an_interruption_cleans_up_and_is_not_swallowed() -> None:
    def interrupted(*_: object) -> Probes:
        raise KeyboardInterrupt

    visit = Untouched()
    with pytest.raises(KeyboardInterrupt):
        judged(interrupted, visit=visit)
    assert visit.cleared == 1


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.PASS])
def test_nothing_but_a_pass_satisfies_a_required_criterion(outcome: Outcome) -> None:
    passed = judged(lambda _, __: probes())
    other = replace(passed, outcome=outcome)
    assert runner.accepted([passed])
    assert not runner.accepted([passed, other])
    assert runner.accepted([passed, replace(other, required=False)])


def unmet(criterion: Criterion, **changes: object) -> str | None:
    return criterion.obstacle(parse(outputs(validation__disruptive=True, **changes), source="test"))


def test_a_check_is_skipped_for_what_the_stack_lacks() -> None:
    one_tenant = {"check-nlp": outputs()["platform"]["tenants"]["check-nlp"]}
    reason = unmet(BY_ID["access.tenants-are-separate"], platform__tenants=one_tenant)
    assert reason == "needs two tenants, which this stack does not have"
    reason = unmet(
        BY_ID["scheduling.gpu-nodes-are-for-gpu-pods"], cluster__accelerator=None, platform__tenants=one_tenant
    )
    assert reason == "needs a pool with GPUs and a tenant with GPUs, which this stack does not have"
    reason = unmet(BY_ID["scheduling.higher-priority-preempts"], platform__priorityClasses={"only": 1})
    assert reason is not None
    assert "two priority classes" in reason


def test_the_example_stack_lacks_nothing() -> None:
    asked = [one for one in CATALOG if one.cluster and not {RUNNING_CONTAINERS, COMPONENTS} & set(one.needs)]
    assert {one.id: unmet(one) for one in asked} == dict.fromkeys((one.id for one in asked), None)


def test_a_stack_may_change_what_is_required() -> None:
    changed = {"scheduling.higher-priority-preempts": True, "limits.defaults-are-applied": False}
    required = required_ids(parse(outputs(validation__required=changed), source="test"))
    assert "scheduling.higher-priority-preempts" in required
    assert "limits.defaults-are-applied" not in required
    assert "access.tenants-are-separate" in required


def test_disruptive_checks_are_not_required_by_default() -> None:
    assert [one.id for one in CATALOG if one.disruptive and one.required] == []


def test_a_misspelt_criterion_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UnknownCriterionError, match=r"--only: .*'quota\.pod'.*did you mean 'quota\.pod-over-quota-is-refused'"
    ):
        select(["quota.pod"])
    target = parse(outputs(validation__required={"limits.default": True}), source="test")
    with pytest.raises(
        UnknownCriterionError, match=r"validation\.required: .*did you mean 'limits\.defaults-are-applied'"
    ):
        required_ids(target)


def test_selected_criteria_keep_the_order_of_the_catalog() -> None:
    wanted = [CATALOG[3].id, CATALOG[1].id]
    assert [one.id for one in select(wanted)] == [CATALOG[1].id, CATALOG[3].id]
    assert select([]) == CATALOG


def measured(value: float = 150.0, *, held: bool = True) -> Probes:
    made = Probes()
    figure = Measurement(metric="p95", value=value, unit="ms", n=1_000, method="test", limit=200, low=140, high=160)
    made.measured("95 % are answered in time", figure, held=held)
    made.negative("no request fails", held=True, saw="0 of 1,000")
    return made


def in_time(_: Bench) -> Probes:
    return measured()


def on_bench(check: Callable[[Bench], Probes]) -> Result:
    base = BY_ID["quota.pod-over-quota-is-refused"]
    criterion = replace(
        base, cluster=None, process=check, unit="ms", threshold=200.0, unmeasured="no check", bench_place="this machine"
    )
    place = grounds(parse(outputs(), source="test"), Untouched())
    bench = replace(place.bench, limits={criterion.id: 200.0})
    (result,) = results([criterion], replace(place, bench=bench), required=frozenset(BY_ID))
    return result


def test_a_figure_of_the_criterions_unit_stands_beside_its_limit() -> None:
    result = on_bench(lambda _: measured())
    assert (result.outcome, result.value, result.threshold, result.backend) == (Outcome.PASS, 150.0, 200.0, "process")
    assert result.reason == "p95 150 ms, at most 200, 140 to 160, n = 1,000"


def test_a_figure_fails_by_its_statistic_even_if_it_is_below_the_limit() -> None:
    result = on_bench(lambda _: measured(195, held=False))
    assert result.outcome is Outcome.FAIL
    assert result.reason.startswith("not so: 95 % are answered in time (p95 195 ms")


def test_a_measurement_that_doubts_itself_is_repeated_and_says_so() -> None:
    tries: list[str] = []

    def shaky(_: Bench) -> Probes:
        tries.append("")
        if len(tries) < runner.TRIES:
            raise NotMeasurableError("the generator was late")
        return measured()

    result = on_bench(shaky)
    assert (result.outcome, len(tries)) == (Outcome.PASS, runner.TRIES)
    assert "tried 3 times; not valid before: the generator was late" in result.notes[0]


def test_a_measurement_that_never_is_valid_is_neither_a_pass_nor_a_failure() -> None:
    def late(_: Bench) -> Probes:
        raise NotMeasurableError("the generator was late")

    result = on_bench(late)
    assert (result.outcome, result.reason, result.value) == (Outcome.INVALID, "the generator was late", None)


def test_a_check_that_finds_it_cannot_be_made_is_a_skip() -> None:
    def missing(_: Bench) -> Probes:
        raise SkippedError("no second GPU")

    assert on_bench(missing).outcome is Outcome.SKIP


def test_the_cluster_comes_before_this_machine() -> None:
    both = replace(BY_ID["quota.pod-over-quota-is-refused"], process=in_time, bench_place="this machine")
    target = parse(outputs(), source="test")
    assert both.backend(target, frozenset(Backend))[0] is Backend.CLUSTER
    assert both.backend(target, frozenset({Backend.PROCESS})) == (Backend.PROCESS, "this machine")
    needy = replace(both, needs=(RUNNING_CONTAINERS,))
    assert needy.backend(target, frozenset(Backend)) == (Backend.PROCESS, "this machine")
    assert replace(needy, process=None).backend(target, frozenset(Backend)) == (
        None,
        "needs nodes that run containers, which this stack does not have",
    )


def test_a_stack_is_not_held_to_what_its_kind_cannot_show() -> None:
    needy = replace(BY_ID["quota.pod-over-quota-is-refused"], needs=(RUNNING_CONTAINERS,))
    simulated = parse(outputs(), source="test")
    real = parse(outputs(cluster__capabilities=["containers"]), source="test")
    assert (needy.measurable(simulated), needy.measurable(real)) == (False, True)
    local = replace(needy, process=in_time)
    assert (local.measurable(simulated), local.measurable(real)) == (True, True)


def test_a_threshold_of_the_stack_replaces_the_catalogs_unless_there_is_none() -> None:
    with pytest.raises(FixedThresholdError, match=r"quota\.pod-over-quota-is-refused has no threshold"):
        limits(parse(outputs(validation__thresholds={"quota.pod-over-quota-is-refused": 90}), source="test"))
    with pytest.raises(UnknownCriterionError, match=r"validation\.thresholds: no criterion 'serving'"):
        limits(parse(outputs(validation__thresholds={"serving": 90}), source="test"))
