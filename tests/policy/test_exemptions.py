"""Exemptions: data of the stack file that hides one rule for named resources until a day, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from policies.guardrails import RULES
from policies.guardrails.judge import EXEMPTIONS, Judgement, Outcome, StackSettings
from policies.guardrails.rule import Resource
from tests.policy.cases import DEPLOYMENT, Object, pod, privileged, resource

TODAY = dt.date(2027, 1, 1)
ROW: Object = {
    "rule": "privileged-container",
    "resource": "Deployment/team/sample",
    "reason": "installs drivers",
    "expires": "2027-06-30",
}
BAD = resource(DEPLOYMENT, privileged())


def judged(given: object, *resources: Resource) -> list[Judgement]:
    return StackSettings.of(given, RULES, TODAY).court(RULES).all(resources or [BAD])


def complaints(given: object, *resources: Resource) -> list[str]:
    return [item.text for item in judged(given, *resources) if item.rule is EXEMPTIONS]


def test_a_listed_resource_is_exempt_with_its_reason_in_sight() -> None:
    found = [item for item in judged({"exemptions": [ROW]}) if item.rule.name == ROW["rule"]]
    assert [(item.outcome, item.stops) for item in found] == [(Outcome.EXEMPTED, False)]
    assert found[0].message.endswith("exempted until 2027-06-30: installs drivers")
    assert complaints({"exemptions": [ROW]}) == []


def test_an_exemption_holds_on_its_last_day_and_not_on_the_next() -> None:
    assert complaints({"exemptions": [{**ROW, "expires": "2027-01-01"}]}) == []
    late = judged({"exemptions": [{**ROW, "expires": "2026-12-31"}]})
    assert "privileged-container" in {item.rule.name for item in late if item.stops}
    assert [item.text for item in late if item.rule is EXEMPTIONS] == [
        "policies.exemptions[0].expires: privileged-container for Deployment/team/sample has expired on 2026-12-31"
    ]


def test_an_exemption_of_another_rule_or_resource_changes_nothing_and_is_refused_as_unused() -> None:
    for change in (
        {"rule": "host-path"},
        {"resource": "Deployment/team/other"},
        {"resource": "deployment/team/sample"},
    ):
        found = judged({"exemptions": [{**ROW, **change}]})
        stops = {item.rule.name for item in found if item.stops}
        assert {"privileged-container", "exemptions"} <= stops


@pytest.mark.parametrize("pattern", ["*", "**/*", "*/*/*", "*::*", "?*"])
def test_an_exemption_for_nearly_everything_is_refused(pattern: str) -> None:
    assert complaints({"exemptions": [{**ROW, "resource": pattern}]}) == [
        "policies.exemptions[0].resource: the pattern would cover nearly everything"
    ]


def test_every_problem_is_told_at_once() -> None:
    rows: list[Any] = [
        {**ROW, "rule": "no-such-rule", "expires": "soon"},
        {"rule": "host-path"},
        {**ROW, "until": "2027-01-01"},
        "all",
    ]
    assert complaints({"exemptions": rows, "rules": {}, "production": "maybe"}) == [
        "policies.rules: unknown key, allowed are production, upstream, exemptions",
        "policies.production: must be true or false",
        "policies.exemptions[0].rule: there is no rule no-such-rule",
        "policies.exemptions[0].expires: must be a date such as 2027-03-31",
        "policies.exemptions[1].resource: missing",
        "policies.exemptions[1].reason: missing",
        "policies.exemptions[1].expires: missing",
        "policies.exemptions[2].until: unknown key, allowed are rule, resource, reason, expires",
        "policies.exemptions[3]: must be a mapping",
    ]
    assert complaints("all") == ["policies: must be a mapping"]
    assert complaints({"exemptions": {}}) == ["policies.exemptions: must be a list"]


def test_rules_about_the_stack_are_exempted_by_the_resource_that_they_name() -> None:
    space = resource("kubernetes:core/v1:Namespace", {"metadata": {"name": "team"}})
    row = {**ROW, "rule": "namespace-without-quota", "resource": "Namespace/team"}
    found = judged({"exemptions": [row]}, resource(DEPLOYMENT, pod()), space)
    outcomes = [item.outcome for item in found if item.rule.name == "namespace-without-quota"]
    assert outcomes == [Outcome.EXEMPTED]


def test_production_is_a_word_of_the_stack_file() -> None:
    bucket = resource("aws:s3/bucket:Bucket", {})
    rules = {item.rule.name for item in judged({"production": True}, bucket)}
    assert "deletion-unprotected" in rules
    assert "deletion-unprotected" not in {item.rule.name for item in judged(None, bucket)}


def test_what_upstreams_own_objects_need_is_accepted_where_the_stack_says_so() -> None:
    exporter = resource("kubernetes:apps/v1:DaemonSet", {
        "kind": "DaemonSet", "metadata": {"name": "a-node-exporter", "namespace": "monitoring"},
        "spec": {"template": {"spec": {"hostNetwork": True, "containers": []}}},
    })  # fmt: skip
    rules = {one.rule.name: one.outcome for one in judged({"upstream": True}, exporter) if one.resource is exporter}
    assert rules["host-namespace"] is Outcome.EXEMPTED
    assert complaints({"upstream": True}) == []  # rows that a stack does not need are not its fault
    strict = {one.rule.name: one.outcome for one in judged({}, exporter) if one.resource is exporter}
    assert strict["host-namespace"] is Outcome.REFUSED
