"""Every rule of one stack: what is recorded, what is an alert, and who may leave because nothing exports it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from infra.objects import Document
from kubeflow.observability.facts import Facts
from kubeflow.observability.metrics import SERIES, exporter
from kubeflow.observability.recording import recordings

from . import gpus, jobs, platform, security, serving
from .model import Alert, Group, Recording

__all__ = ["Alert", "Group", "Recording", "components", "files", "groups", "objects", "watched"]

_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_FAMILIES = (
    ("serving", serving.alerts),
    ("gpus", gpus.alerts),
    ("jobs", jobs.alerts),
    ("platform", platform.alerts),
    ("security", security.alerts),
)


def groups(facts: Facts) -> tuple[Group, ...]:
    """The rules of one stack, without those about components that it does not have."""
    recorded = tuple(rule for rule in recordings(facts) if watched(facts, rule.expr))
    made = [Group(name="recording", rules=recorded)]
    for name, alerts in _FAMILIES:
        made.append(Group(name=name, rules=tuple(rule for rule in alerts(facts) if watched(facts, rule.expr))))
    return tuple(group for group in made if group.rules)


def objects(facts: Facts) -> Iterator[Document]:
    """One PrometheusRule for each group."""
    return (group.object(facts.spec.runbooks) for group in groups(facts))


def files(facts: Facts) -> Mapping[str, str]:
    """The same rules as files of a Prometheus without an operator, by name."""
    return {
        f"proof-{group.name}.rules.yaml": yaml.safe_dump(
            {"groups": [group.plain(facts.spec.runbooks)]}, sort_keys=True, width=120
        )
        for group in groups(facts)
    }


def watched(facts: Facts, expr: str) -> bool:
    """Whether everything that a query asks for is exported in this stack."""
    return components(facts, expr) <= facts.installed


def components(facts: Facts, expr: str) -> frozenset[str]:
    """The components whose metrics a query asks for, by itself or through recording rules."""
    return frozenset(_components({rule.record: rule.expr for rule in recordings(facts)}, expr))


def _components(recorded: dict[str, str], expr: str) -> Iterator[str]:
    for word in set(_WORD.findall(expr)):
        if word in recorded:
            yield from _components(recorded, recorded[word])
        elif word in SERIES:
            component = exporter(SERIES[word])
            if component is not None:
                yield component
