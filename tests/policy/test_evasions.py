"""Attempts to slip something past the rules, as data: what is caught stays caught, what is missed is said."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from policies.guardrails import RULES
from policies.guardrails.judge import Court, Judgement, Outcome
from policies.guardrails.values import UNKNOWN
from tests.policy.cases import DEPLOYMENT, Object, resource

FILE = Path(__file__).resolve().parents[1] / "data" / "evasions" / "attempts.yaml"
ATTEMPTS: list[Object] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
ZIPPED = base64.b64encode(gzip.compress(b"AKIAABCDEFGHIJKLMNOP", mtime=0)).decode()


def filled(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """Words of the file that stand for something that YAML cannot say."""
    if isinstance(value, dict):
        return {key: filled(item) for key, item in cast("Object", value).items()}
    if isinstance(value, list):
        return [filled(item) for item in cast("list[Any]", value)]
    return {"UNKNOWN": UNKNOWN, "GZIP": ZIPPED}.get(value, value) if isinstance(value, str) else value


def judged(attempt: Object) -> list[Judgement]:
    body = filled(attempt.get("object"))
    if body is None:
        template: Object = {"metadata": {}, "spec": filled(attempt["pod"])}
        body = {"metadata": {"name": "a", "namespace": "team"}, "spec": {"template": template}}
    first = resource(attempt.get("type", DEPLOYMENT), body)
    others = [
        resource(item["type"], filled(item["object"]), str(at)) for at, item in enumerate(attempt.get("beside", []))
    ]
    return Court(rules=RULES).all([first, *others])


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt["id"])
def test_an_attempt_is_caught_or_listed_as_missed(attempt: Object) -> None:
    found = [item for item in judged(attempt) if item.rule.name == attempt["wants"]]
    caught = any(item.outcome is Outcome.REFUSED for item in found)
    known = attempt.get("known", "")
    assert caught is (not known)
    if known.startswith("undecided"):
        assert [item.outcome for item in found] == [Outcome.UNDECIDED]


def test_there_are_enough_attempts_and_every_miss_has_a_reason() -> None:
    missed = [attempt["known"] for attempt in ATTEMPTS if "known" in attempt]
    assert len(ATTEMPTS) - len(missed) >= 60
    assert len({attempt["id"] for attempt in ATTEMPTS}) == len(ATTEMPTS)
    assert all(reason.startswith(("missed: ", "undecided: ")) for reason in missed)
