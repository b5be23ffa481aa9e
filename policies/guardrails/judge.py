"""Runs rules over resources. No rule can stop another one: neither by an unknown value nor by a fault of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from .exemptions import Exemptions, read, upstream
from .rule import Config, Finding, Level, Resource, Rule, Severity, Subject

_NONE: dict[str, Any] = {}


class Outcome(StrEnum):
    """What became of a look at a resource; what passes is not mentioned."""

    REFUSED = "refused"
    UNDECIDED = "undecided"
    EXEMPTED = "exempted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One answer of one rule."""

    rule: Rule
    resource: Resource | None  # None: the stack as a whole
    outcome: Outcome
    path: str
    text: str

    @property
    def message(self) -> str:
        """What a human reads; holds no value of the resource that could be secret."""
        place = f"{self.path}: " if self.path else ""
        if self.outcome is Outcome.REFUSED:
            return f"{place}{self.text}. {self.rule.why} Fix: {self.rule.fix}"
        return f"{place}{self.text}"

    @property
    def stops(self) -> bool:
        """Whether the change must not happen."""
        return self.outcome is Outcome.REFUSED and self.rule.level is Level.MANDATORY

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By which judgements of two runs are compared and sorted."""
        return self.rule.name, self.resource.urn if self.resource else "", self.outcome.value, self.path


COULD_NOT_JUDGE = Rule(
    name="could-not-judge",
    refuses="A value that a rule has to know and that is unknown until the change runs.",
    why="It is neither right nor wrong yet.",
    fix="Nothing, if the value comes from the cloud; otherwise make it plain.",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    source="Pulumi: unknown values in previews",
)
EXEMPTIONS = Rule(
    name="exemptions",
    refuses="An exemption that is expired, unused, unknown or covers nearly everything.",
    why="It hides what nobody looks at any more.",
    fix="Remove it from the stack file, or renew it with a reason.",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    source="NIST SP 800-53 CA-5",
)


@dataclass(kw_only=True, slots=True)
class Court:
    """The rules of one run with their configuration and exemptions."""

    rules: Sequence[Rule]
    configs: Mapping[str, Config] = field(default_factory=dict[str, Config])
    exemptions: Exemptions = field(default_factory=Exemptions)

    def resource(self, rule: Rule, subject: Subject, config: Config | None = None) -> list[Judgement]:
        """What one rule says of one resource."""
        if rule.check is None or not rule.applies(subject):
            return []
        subject.doubts.clear()
        try:
            findings = list(rule.check(subject, self._config(rule, config)))
        except Exception as error:  # noqa: BLE001 - a rule that fails must not take others with it
            findings = [_crash(error, subject)]
        refused = [self._refused(rule, subject.resource, finding) for finding in findings]
        return [*refused, *_doubts(rule, subject)]

    def stack(self, rule: Rule, subjects: Sequence[Subject], config: Config | None = None) -> list[Judgement]:
        """What one rule says of all resources together."""
        if rule.relation is None:
            return []
        for subject in subjects:
            subject.doubts.clear()
        try:
            findings = list(rule.relation(subjects, self._config(rule, config)))
        except Exception as error:  # noqa: BLE001 - a rule that fails must not take others with it
            findings = [_crash(error, None)]
        refused = [
            self._refused(rule, finding.subject.resource if finding.subject else None, finding) for finding in findings
        ]
        return [*refused, *(item for subject in subjects for item in _doubts(rule, subject))]

    def all(self, resources: Sequence[Resource]) -> list[Judgement]:
        """Everything that all rules say, and what is wrong with the exemptions."""
        subjects = [Subject(resource) for resource in resources]
        found = [item for subject in subjects for rule in self.rules for item in self.resource(rule, subject)]
        found += [item for rule in self.rules for item in self.stack(rule, subjects)]
        return sorted([*found, *self.complaints()], key=lambda item: item.key)

    def complaints(self) -> list[Judgement]:
        """What is wrong with the exemptions; asked last."""
        return [
            Judgement(rule=EXEMPTIONS, resource=None, outcome=Outcome.REFUSED, path="", text=text)
            for text in self.exemptions.complaints()
        ]

    def _config(self, rule: Rule, given: Config | None) -> Config:
        return rule.configured({**self.configs.get(rule.name, _NONE), **(given or _NONE)})

    def _refused(self, rule: Rule, resource: Resource | None, finding: Finding) -> Judgement:
        exempt = self.exemptions.covering(rule.name, resource)
        return Judgement(
            rule=rule,
            resource=resource,
            outcome=Outcome.REFUSED if exempt is None else Outcome.EXEMPTED,
            path=finding.path,
            text=finding.text if exempt is None else f"exempted until {exempt.expires}: {exempt.reason}",
        )


def _doubts(rule: Rule, subject: Subject) -> list[Judgement]:
    return [
        Judgement(
            rule=rule,
            resource=subject.resource,
            outcome=Outcome.UNDECIDED,
            path=path,
            text=f"{rule.name} could not judge: {path or 'the object'} is unknown",
        )
        for path in subject.doubts
    ]


def _crash(error: Exception, subject: Subject | None) -> Finding:
    """A fault of a rule is a finding; the text of the error may hold a value, so only its kind is told."""
    return Finding(text=f"the rule itself failed with {type(error).__name__}", subject=subject)


@dataclass(frozen=True, kw_only=True, slots=True)
class StackSettings:
    """What a stack file says about policies: `kubeflow-proof:policies`."""

    production: bool = False
    exemptions: Exemptions = field(default_factory=Exemptions)

    @classmethod
    def of(cls, given: Any, rules: Sequence[Rule], today: dt.date) -> StackSettings:  # noqa: ANN401 - from a file
        """Read it; what is wrong becomes a finding of the rule `exemptions`."""
        if given is None:
            return cls()
        if not isinstance(given, dict):
            return cls(exemptions=Exemptions(problems=("policies: must be a mapping",)))
        body = cast("dict[str, Any]", given)
        allowed = ("production", "upstream", "exemptions")
        wrong = tuple(
            f"policies.{key}: unknown key, allowed are {', '.join(allowed)}" for key in body if key not in allowed
        )
        switches = {key: body.get(key, False) for key in ("production", "upstream")}
        wrong += tuple(
            f"policies.{key}: must be true or false" for key, on in switches.items() if not isinstance(on, bool)
        )
        names = {rule.name for rule in rules}
        found = read(body.get("exemptions"), names, today)
        accepted = upstream(names, today) if switches["upstream"] is True else Exemptions()
        return cls(
            production=switches["production"] is True,
            exemptions=Exemptions(
                rows=(*found.rows, *accepted.rows), problems=(*wrong, *found.problems, *accepted.problems)
            ),
        )

    def court(self, rules: Sequence[Rule], configs: Mapping[str, Config] | None = None) -> Court:
        """The rules with everything that the stack says."""
        merged: dict[str, Config] = dict(configs or {})
        for rule in rules:
            if "production" in rule.settings:
                merged[rule.name] = {"production": self.production, **merged.get(rule.name, _NONE)}
        return Court(rules=rules, configs=merged, exemptions=self.exemptions)
