"""Every alert fires when it should, is silent when it should be, and no small change of a rule goes unnoticed."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from kubeflow.observability import alerts
from kubeflow.observability.facts import Facts
from kubeflow.spec.monitoring import CostSpec, EndpointSpec, LimitsSpec, MonitoringSpec
from tests.support.alert_cases import CASES
from tests.support.rules import FACTS, Case, expected, find, known, mutants, run

with_promtool = pytest.mark.skipif(find("promtool") is None, reason="promtool is neither in .tools/bin nor on PATH")

ALERTS = known()
BY_ALERT: dict[str, list[Case]] = defaultdict(list)
for _case in CASES:
    BY_ALERT[_case.alert].append(_case)


def test_every_alert_has_cases_that_fire_and_cases_that_do_not() -> None:
    firing = {case.alert for case in CASES if case.fires}
    silent = {case.alert for case in CASES if not case.fires}
    assert firing == set(ALERTS)
    assert silent == set(ALERTS) - {"MonitoringSilent"}


def test_whoever_gets_an_alert_knows_how_urgent_it_is_and_whom_it_concerns() -> None:
    lacking = [
        f"{case.name} lacks {label}"
        for case in CASES
        for labels in case.fires
        for label in ("severity", "component", "namespace")
        if not expected(ALERTS[case.alert], labels)["exp_labels"].get(label)
    ]
    assert lacking == []


@with_promtool
def test_alerts_fire_and_are_silent_as_their_cases_say(tmp_path: Path) -> None:
    wrong = run(tmp_path, [(name, ALERTS[name], BY_ALERT[name]) for name in ALERTS])
    assert {name: said for name, said in wrong.items() if said} == {}


@with_promtool
@pytest.mark.parametrize("name", [name for name, alert in ALERTS.items() if any(mutants(alert))])
def test_no_small_change_of_a_rule_goes_unnoticed(name: str, tmp_path: Path) -> None:
    tried = [(what, mutant, BY_ALERT[name]) for what, mutant in mutants(ALERTS[name])]
    survivors = [what for what, said in run(tmp_path, tried).items() if not said]
    assert survivors == []


def changed(**settings: object) -> dict[str, str]:
    """Every rule's query by name, for another stack file."""
    spec = MonitoringSpec(**settings)  # pyright: ignore[reportArgumentType] - any setting
    return {alert.name: alert.expr for alert in known(replace(FACTS, spec=spec)).values()}


def exprs(facts: Facts) -> str:
    rules = [rule for group in alerts.groups(facts) for rule in group.rules]
    return "\n".join(rule.expr for rule in rules)


def test_another_limit_is_another_rule() -> None:
    usual, ours = changed(), changed(limits=LimitsSpec(serving_milliseconds=150, gpu_celsius=70, slow_percent=2))
    assert "DCGM_FI_DEV_GPU_TEMP > 70" in ours["GpuTooHot"]
    assert "> 0.02" in ours["ServingLatencyP95High"]
    assert {name for name in usual if usual[name] != ours[name]} == {
        "GpuTooHot", "ServingLatencyP95High", "ServingLatencyBudgetFast", "ServingLatencyBudgetSlow",
    }  # fmt: skip
    limits = LimitsSpec(serving_milliseconds=150)
    assert 'le=~"150([.]0)?"' in exprs(replace(FACTS, spec=MonitoringSpec(limits=limits)))


def test_a_promised_endpoint_is_missed_when_it_is_not_there() -> None:
    assert "ServingSeriesMissing" not in changed()
    ours = changed(endpoints={"team-b/wine": EndpointSpec()})
    assert 'serving_kserve_io_inferenceservice="wine"' in ours["ServingSeriesMissing"]


def test_a_budget_needs_a_price_of_a_pool() -> None:
    assert "BudgetExceeded" in changed(cost=CostSpec(prices={"general": 1}, monthly=100))
    assert "BudgetExceeded" not in changed(cost=CostSpec(prices={"general": 1}))
    assert "BudgetExceeded" not in changed(cost=CostSpec(prices={"gone": 1}, monthly=100))


def test_a_new_tenant_has_to_be_fenced_too() -> None:
    ours = known(replace(FACTS, tenants={"team-a": 0, "team-new": 0}))
    assert '"team-a|team-new"' in ours["TenantNotFenced"].expr


def test_another_accelerator_is_asked_for_by_its_name() -> None:
    ours = known(replace(FACTS, resource="example.com/npu"))
    assert 'resource="example_com_npu"' in ours["GpuPodPending"].expr


def test_nobody_is_warned_of_what_is_not_installed() -> None:
    few = replace(FACTS, installed=frozenset({"prometheus", "cert-manager"}), pools={})
    assert {name for name in known(few) if name.startswith(("Gpu", "Mesh", "Queue", "Serving", "Workflow"))} == set()
    assert {"CertificateNotReady", "NodeNotReady", "QuotaNearlyUsed"} <= set(known(few))


def test_bounds_of_histograms_hold_every_limit_that_rules_compare_with() -> None:
    facts = replace(FACTS, spec=MonitoringSpec(
        limits=LimitsSpec(serving_milliseconds=180, in_cluster_milliseconds=90),
        endpoints={"team-a/iris": EndpointSpec(milliseconds=35)},
    ))  # fmt: skip
    asked = {int(found) for found in re.findall(r'le=~"(\d+)\(', exprs(facts))}
    assert asked == {35, 90, 180}
    assert asked <= set(facts.bounds)
