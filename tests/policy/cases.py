"""What a case of a rule is: a resource that passes, changes that make it fail, and a value that is not known."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.guardrails import RULES
from policies.guardrails.judge import Court, Judgement, Outcome
from policies.guardrails.rule import Resource, Rule
from policies.guardrails.values import UNKNOWN, plain

Object = dict[str, Any]
ABSENT: Any = object()
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def changed(inputs: Object, path: str, value: object) -> Object:
    """A copy of the inputs with another value at a path such as `spec.containers[0].image`."""
    made = copy.deepcopy(inputs)
    keys = [int(key[1:-1]) if key.startswith("[") else key for key in re.findall(r"\[\d+\]|(?:\\.|[^.\[])+", path)]
    keys = [key.replace("\\", "") if isinstance(key, str) else key for key in keys]
    place: Any = made
    for key in keys[:-1]:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    if value is ABSENT:
        place.pop(keys[-1], None)
    else:
        place[keys[-1]] = value
    return made


def resource(kind: str, inputs: Object, name: str = "sample", **more: Any) -> Resource:  # noqa: ANN401 - fields of Resource
    """A resource as the rules see it."""
    urn = more.pop("urn", f"urn:pulumi:dev::tiny::{kind}::{name}")
    return Resource(type=kind, name=name, urn=urn, inputs=plain(inputs), **more)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule, its resource first, others beside it."""

    rule: str
    type: str
    good: Object
    bad: Sequence[tuple[str, Any]] = ()  # each change alone makes the first resource fail
    bad_type: str = ""  # as another type, the same inputs fail
    bad_provider: str = ""  # of another provider, they fail
    unknown: str  # the path whose value is not known
    then: str = "undecided"  # or `refused`, `passes`: what becomes of it with the unknown value
    beside: Sequence[tuple[str, Object]] = ()
    removed: bool = False  # whether the rule fails, too, when what stands beside is missing
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of the resource: protect, provider

    def resources(self, inputs: Object, *, alone: bool = False) -> list[Resource]:
        """The resource with its company."""
        first = resource(self.type, inputs, **self.more)
        others = [resource(kind, body, f"other-{number}") for number, (kind, body) in enumerate(self.beside)]
        return [first] if alone else [first, *others]

    def judged(self, inputs: Object, *, alone: bool = False) -> list[Judgement]:
        """What the rule says."""
        return self.court.all(self.resources(inputs, alone=alone))

    @property
    def court(self) -> Court:
        """The rule with its configuration."""
        return Court(rules=[BY_NAME[self.rule]], configs={self.rule: self.config})

    def failing(self) -> list[list[Judgement]]:
        """What the rule says of each way to fail."""
        found = [self.judged(changed(self.good, path, value)) for path, value in self.bad]
        if self.removed:
            found.append(self.judged(self.good, alone=True))
        if self.bad_type:
            found.append(self.court.all([resource(self.bad_type, self.good)]))
        if self.bad_provider:
            found.append(self.court.all([resource(self.type, self.good, provider=self.bad_provider)]))
        return found

    @property
    def in_the_dark(self) -> Object:
        """The good resource with one value unknown."""
        return changed(self.good, self.unknown, UNKNOWN)


def outcomes(found: Sequence[Judgement]) -> set[str]:
    return {item.outcome.value for item in found}


def refused(found: Sequence[Judgement]) -> bool:
    return any(item.outcome is Outcome.REFUSED for item in found)


def pod(**spec: object) -> Object:
    """A Deployment that every rule about pods likes."""
    container: Object = {
        "name": "main",
        "image": f"docker.io/example/app:1.2.3@sha256:{'a' * 64}",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "env": [{"name": "LEVEL", "value": "debug"}],
        "command": ["/app"],
    }
    body: Object = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        **spec,
    }
    template: Object = {"metadata": {"labels": {"app": "sample"}, "annotations": {}}, "spec": body}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sample", "namespace": "team"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "sample"}}, "template": template},
    }


DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SPEC = "spec.template.spec"
MAIN = f"{SPEC}.containers[0]"


def privileged() -> Object:
    """The same with a fault that stops a change."""
    return changed(pod(), f"{MAIN}.securityContext.privileged", value=True)


def named(kind: str, name: str, namespace: str | None = None, **body: Any) -> Object:  # noqa: ANN401 - any JSON value
    place = {} if namespace is None else {"namespace": namespace}
    metadata = {"name": name, **place, **body.pop("metadata", {})}
    return {"kind": kind, "metadata": metadata, **body}
