"""What the platform installs is what the rules say now, and says the same as they do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from policies.guardrails import RULES
from policies.guardrails.admission import document, message
from policies.guardrails.judge import Outcome
from tests.policy.cases_admission import CASES

FILE = Path(__file__).resolve().parents[2] / "policies" / "admission.json"
ASKED = [rule for rule in RULES if rule.cluster]


def test_the_committed_file_is_current() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == document(RULES), "python -m policies admission"


def test_the_rules_that_an_api_server_can_ask_are_asked() -> None:
    assert len(ASKED) >= 25
    assert {case.rule for case in CASES} == {rule.name for rule in ASKED}


@pytest.mark.parametrize("rule", ASKED, ids=lambda rule: rule.name)
def test_each_finding_of_a_case_is_one_that_the_api_server_has_words_for(rule: object) -> None:
    told = [entry for entry in document(RULES)["policies"] if entry["rule"] == rule.name]  # type: ignore[attr-defined]
    patterns = [
        re.escape(item["message"]).replace("something", ".+", 1) if "messageExpression" in item
        else re.escape(item["message"]) for item in told[0]["validations"]
    ]  # fmt: skip
    for case in (case for case in CASES if case.rule == rule.name):  # type: ignore[attr-defined]
        for judgements in case.failing():
            said = [message(item.rule, item.text) for item in judgements if item.outcome is Outcome.REFUSED]
            assert any(re.fullmatch(pattern, text) for pattern in patterns for text in said), said
