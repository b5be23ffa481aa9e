"""Every rule: what passes, what fails, and what becomes of a value that nobody knows yet."""

from __future__ import annotations

import pytest

from policies.guardrails import RULES
from policies.guardrails.judge import Court, Outcome
from policies.guardrails.rule import Level, Resource, Rule
from policies.guardrails.values import UNKNOWN
from tests.policy import cases_cloud, cases_objects, cases_pods
from tests.policy.cases import BY_NAME, DEPLOYMENT, MAIN, Case, changed, outcomes, pod, privileged, refused, resource

CASES: tuple[Case, ...] = (*cases_cloud.CASES, *cases_pods.CASES, *cases_objects.CASES)
IDS = [f"{case.rule}-{case.type.rpartition(':')[2]}" for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_is_right_passes_without_a_doubt(case: Case) -> None:
    assert [item.message for item in case.judged(case.good)] == []


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_each_way_to_be_wrong_is_refused_by_the_rule_itself(case: Case) -> None:
    found = case.failing()
    assert found
    passed = [number for number, judgements in enumerate(found) if not refused(judgements)]
    assert passed == []


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_unknown_value_is_told_and_never_taken_for_wrong(case: Case) -> None:
    found = case.judged(case.in_the_dark)
    assert outcomes(found) == (set() if case.then == "passes" else {case.then})


@pytest.mark.parametrize("case", [case for case in CASES if case.bad], ids=[
    identifier for identifier, case in zip(IDS, CASES, strict=True) if case.bad])  # fmt: skip
def test_an_unknown_value_elsewhere_costs_no_verdict(case: Case) -> None:
    for path, value in case.bad:
        inputs = changed(changed(case.good, path, value), "somethingElse", UNKNOWN)
        assert refused(case.judged(inputs)), path


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} == {case.rule for case in CASES}


def test_there_are_rules_for_every_cloud_and_for_kubernetes() -> None:
    assert len(RULES) >= 45
    for prefix in ("aws:", "azure-native:", "gcp:", "alicloud:", "vsphere:", "kubernetes:"):
        assert [case.rule for case in CASES if case.type.startswith(prefix)], prefix


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_what_why_and_how_to_fix_it(rule: Rule) -> None:
    for text in (rule.refuses, rule.why, rule.fix, rule.source):
        assert text.strip()
    assert (rule.check is None) != (rule.relation is None)
    assert all(setting.about and setting.type for setting in rule.settings.values())


def test_names_of_rules_are_unique() -> None:
    assert len(BY_NAME) == len(RULES)


def test_critical_rules_stop_a_change() -> None:
    assert [rule.name for rule in RULES if rule.severity == "critical" and rule.level is Level.ADVISORY] == []


def test_an_unknown_image_hides_no_privileged_container_behind_it() -> None:
    inputs = changed(pod(), f"{MAIN}.image", UNKNOWN)
    second = {"name": "second", "image": "x:1", "securityContext": {"privileged": True}}
    inputs["spec"]["template"]["spec"]["containers"].append(second)
    found = Court(rules=RULES).all([resource(DEPLOYMENT, inputs)])
    assert "privileged-container" in {item.rule.name for item in found if item.outcome is Outcome.REFUSED}
    doubts = {item.rule.name for item in found if item.outcome is Outcome.UNDECIDED}
    assert {"image-floating", "image-registry", "image-without-digest"} <= doubts


def test_a_pod_that_is_wholly_unknown_is_a_doubt_of_every_rule_about_pods() -> None:
    inputs = changed(pod(), "spec.template", UNKNOWN)
    found = Court(rules=RULES).all([resource(DEPLOYMENT, inputs)])
    doubts = {item.rule.name for item in found if item.outcome is Outcome.UNDECIDED and item.path == "spec.template"}
    assert {"privileged-container", "host-path", "image-registry", "secret-in-env", "gpu-fraction"} <= doubts


def test_a_custom_resource_may_keep_the_parts_of_an_image_apart_or_switch_it_off() -> None:
    rule = Court(rules=[BY_NAME["image-floating"]])
    parts = {"image": "driver", "repository": "nvcr.io/nvidia", "version": "580.1"}
    for part, wrong in ((parts, False), ({**parts, "version": ""}, True), ({**parts, "enabled": False}, False)):
        policy = resource("kubernetes:nvidia.com/v1:ClusterPolicy", {"spec": {"driver": part}})
        assert refused(rule.all([policy])) is wrong
    disabled = changed(pod(), f"{MAIN}.enabled", value=False)
    assert refused(rule.all([resource(DEPLOYMENT, changed(disabled, f"{MAIN}.image", "driver"))]))


def test_no_message_holds_a_value_of_the_resource() -> None:
    secret = "Zx9-unmistakable-71"
    for case in CASES:
        for path, value in case.bad:
            shown = f"{value}{secret}" if isinstance(value, str) else value
            for item in case.judged(changed(case.good, path, shown)):
                assert secret not in item.message


def test_a_rule_that_fails_is_a_finding_and_stops_no_other() -> None:
    def broken(_subject: object, _config: object) -> object:
        raise ValueError("hunter2")

    bad = Rule(**{key: getattr(BY_NAME["host-path"], key) for key in (
        "name", "refuses", "why", "fix", "severity", "level", "source")}, check=broken)  # type: ignore[arg-type]  # fmt: skip
    inputs = privileged()
    found = Court(rules=[bad, BY_NAME["privileged-container"]]).all([resource(DEPLOYMENT, inputs)])
    assert [item.text for item in found if item.rule is bad] == ["the rule itself failed with ValueError"]
    assert "privileged-container" in {item.rule.name for item in found}


def test_inputs_of_any_shape_never_break_a_rule() -> None:
    shapes: list[object] = [None, "text", 1, 1.5, True, [], {}, [None], [[]], [{}], {"a": None}, UNKNOWN]
    for case in CASES:
        for key in list(case.good) or ["spec"]:
            for shape in shapes:
                found = case.judged({**case.good, key: shape})
                assert [item.text for item in found if "itself failed" in item.text] == [], (case.rule, key, shape)


def test_a_resource_never_shows_its_inputs() -> None:
    assert "hunter2" not in repr(Resource(type="a", name="b", urn="c", inputs={"password": "hunter2"}))
