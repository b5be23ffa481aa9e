"""One deliberately broken resource after the other: refused by its rule, in the rule's own words. Writes the table."""

from __future__ import annotations

import time
from pathlib import Path

from policies.guardrails import RULES
from policies.guardrails.judge import Outcome
from tests.policy.test_rules import CASES

FILE = Path(__file__).resolve().parents[2] / "out" / "policy-table.md"
HEAD = ["| rule | broken resources | refused | ms each | what is said |", "|---|---|---|---|---|"]


def test_every_rule_refuses_each_broken_resource_in_its_own_words() -> None:
    lines = dict.fromkeys((rule.name for rule in RULES), "")
    for rule in RULES:
        started, broken, words = time.perf_counter(), 0, ""
        for case in (case for case in CASES if case.rule == rule.name):
            for judgements in case.failing():
                refused = [item for item in judgements if item.outcome is Outcome.REFUSED]
                assert refused
                assert all(item.rule is rule and item.message.endswith(f"Fix: {rule.fix}") for item in refused)
                broken, words = broken + 1, refused[0].text
        spent = 1000 * (time.perf_counter() - started) / broken
        lines[rule.name] = f"| `{rule.name}` | {broken} | {broken} | {spent:.2f} | {words} |"
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("\n".join([*HEAD, *lines.values()]) + "\n", encoding="utf-8")
