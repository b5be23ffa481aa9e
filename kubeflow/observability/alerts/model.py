"""Recording and alerting rules as data, and the objects and files made of them. Knows no particular rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.objects import Document, document
from kubeflow.spec.monitoring import Severity

NAMESPACE = "monitoring"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A query that is evaluated once for everybody."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def rule(self) -> Document:
        """The rule as Prometheus reads it."""
        return {"record": self.record, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A query whose every result is somebody's work."""

    name: str
    expr: str
    severity: Severity
    component: str  # the part of the platform whose people are asked
    summary: str  # may name labels of the result, as {{ $labels.pod }}
    board: str  # slug of the dashboard that shows more
    hold: str = "0m"  # how long it has to be true
    namespace: str | None = None  # None: the result has the label

    def rule(self, runbooks: str) -> Document:
        """The rule as Prometheus reads it; `runbooks` ends in a slash."""
        labels = {"severity": self.severity.value, "component": self.component}
        if self.namespace is not None:
            labels["namespace"] = self.namespace
        return {
            "alert": self.name,
            "expr": self.expr,
            **({} if self.hold == "0m" else {"for": self.hold}),
            "labels": labels,
            "annotations": {
                "summary": self.summary,
                "runbook_url": f"{runbooks}{self.name}.md",
                "dashboard": f"/d/{self.board}",
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Recording | Alert, ...]

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts of the group."""
        return tuple(rule for rule in self.rules if isinstance(rule, Alert))

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """The recording rules of the group."""
        return tuple(rule for rule in self.rules if isinstance(rule, Recording))

    def plain(self, runbooks: str) -> dict[str, Any]:
        """The group as a rule file holds it."""
        made = [rule.rule(runbooks) if isinstance(rule, Alert) else rule.rule() for rule in self.rules]
        return {"name": f"proof.{self.name}", "rules": made}

    def object(self, runbooks: str) -> Document:
        """The group as the Prometheus operator reads it."""
        return document(
            "monitoring.coreos.com/v1", "PrometheusRule", f"proof-{self.name}", NAMESPACE,
            spec={"groups": [self.plain(runbooks)]},
        )  # fmt: skip
