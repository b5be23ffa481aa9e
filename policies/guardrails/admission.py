"""The rules that the API server can ask by itself, as data: what `python -m policies admission` writes.

The platform installs them as ValidatingAdmissionPolicies and knows nothing else of the rules: a file is all that passes
from here to there, for neither imports the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .cel import PODS, Ask, literal, pods_of_object
from .rule import Rule

Object = dict[str, Any]


def document(rules: Sequence[Rule]) -> Object:
    """Every rule that has questions for the API server, and what they share."""
    return {"pods": pods_of_object(), "policies": [_policy(rule) for rule in rules if rule.cluster]}


def message(rule: Rule, text: str) -> str:
    """What is said of an object: as the pack says it, without the path."""
    return f"{text}. {rule.why} Fix: {rule.fix}"


def _policy(rule: Rule) -> Object:
    resources = list(dict.fromkeys(resource for ask in rule.cluster for resource in ask.of))
    return {
        "rule": rule.name,
        "level": rule.level.value,
        "resources": resources,
        "settings": {name: setting.default for name, setting in rule.settings.items()},
        "asksPods": bool(set(resources) & set(PODS)),
        "validations": [_validation(rule, ask, alone=list(ask.of) == resources) for ask in rule.cluster],
    }


def _validation(rule: Rule, ask: Ask, *, alone: bool) -> Object:
    about = "request.resource.group + '/' + request.resource.resource"
    of = [resource for resource in ask.of if resource.count("/") == 1]
    expression = ask.holds if alone else f"!(({about}) in {literal(of)}) || ({ask.holds})"
    if not ask.named:
        return {"expression": expression, "message": message(rule, ask.text)}
    before, _, after = ask.text.partition("{}")
    told = f"{literal(before)} + {ask.named} + {literal(message(rule, after))}"
    return {
        "expression": expression,
        "message": message(rule, ask.text.replace("{}", "something")),
        "messageExpression": told,
    }
