"""The rules as policies of the engine. Only here is `pulumi_policy` known; no rule prints, and none sees a proxy."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi_policy as engine

from .judge import COULD_NOT_JUDGE, EXEMPTIONS, Court, Judgement, Outcome, StackSettings
from .rule import Config, Level, Resource, Rule, Severity, Subject
from .values import plain

_KEY = ":policies"  # of the stack's configuration, behind the name of the project
READER = Rule(
    name="reader",
    refuses="Nothing; reads each resource once for all rules.",
    why="What the SDK does for each rule is dearer than the rule.",
    fix="Nothing.",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    source="pulumi-policy 1.21.0: _PolicyAnalyzerServicer.Analyze",
)


class Memory:
    """What one run has seen. The engine asks from several threads, all rules for one resource in one of them."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._lock = threading.Lock()
        self._subjects: dict[str, Subject] = {}
        self._undecided: dict[tuple[str, str], list[Judgement]] = {}

    def subject(self, rule: Rule, args: engine.ResourceValidationArgs) -> Subject:
        """The resource, converted once for all rules; a rule that comes again means that the engine asks anew."""
        current: tuple[str, set[str], Subject] | None = getattr(self._own, "current", None)
        if current is None or current[0] != args.urn or rule.name in current[1]:
            provider = args.provider.urn if args.provider else ""
            subject = _subject(args.resource_type, args, protect=bool(args.opts.protect), provider=provider)
            current = (args.urn, set(), subject)
            self._own.current = current
            with self._lock:
                self._subjects[args.urn] = subject
        current[1].add(rule.name)
        return current[2]

    def here(self) -> Subject | None:
        """The resource that this thread is at; None if `READER` is switched off, so that no old one is taken for it."""
        return getattr(self._own, "here", None)

    def read(self, args: engine.ResourceValidationArgs) -> None:
        """Say which resource this thread is at."""
        self._own.here = self.subject(READER, args)

    def all(self, resources: Sequence[engine.PolicyResource]) -> list[Subject]:
        """Every resource by its inputs: what the engine gives at the end are outputs."""
        with self._lock:
            seen = dict(self._subjects)
        found: list[Subject] = []
        for item in resources:
            subject = seen.get(item.urn) or _subject(
                item.resource_type, item, protect=bool(item.opts.protect), provider=""
            )
            needed = tuple(other.urn for other in item.dependencies)
            subject.resource = dataclasses.replace(subject.resource, dependencies=needed)
            found.append(subject)
        return found

    def note(self, rule: Rule, urn: str, judgements: list[Judgement]) -> None:
        """Keep what could not be judged until the end of the run."""
        with self._lock:
            self._undecided[rule.name, urn] = judgements

    def undecided(self) -> list[Judgement]:
        """What could not be judged."""
        with self._lock:
            return [item for found in self._undecided.values() for item in found]


def _subject(kind: str, args: Any, *, protect: bool, provider: str) -> Subject:  # noqa: ANN401 - two kinds of arguments
    parent = args.opts.parent or ""
    inputs = cast("dict[str, Any]", plain(args.props))
    return Subject(
        Resource(
            type=kind, name=args.name, urn=args.urn, inputs=inputs, protect=protect, parent=parent, provider=provider
        )
    )


def policies(rules: Sequence[Rule], court: Court) -> list[engine.Policy]:
    """Every rule as a policy of its own, and at the end what could not be judged and what exemptions are worth."""
    memory = Memory()
    made: list[engine.Policy] = [_reader(memory)]
    made += [_Asked(rule, court, memory) for rule in rules if rule.check is not None]
    made += [_about_stack(rule, court, memory) for rule in rules if rule.relation is not None]

    def undecided(_args: engine.StackValidationArgs, report: engine.ReportViolation) -> None:
        for item in memory.undecided():
            report(item.message, item.resource.urn if item.resource else None)

    def complaints(_args: engine.StackValidationArgs, report: engine.ReportViolation) -> None:
        for item in court.complaints():
            report(item.message, None)

    made.append(engine.StackValidationPolicy(validate=undecided, **_facts(COULD_NOT_JUDGE)))
    made.append(engine.StackValidationPolicy(validate=complaints, **_facts(EXEMPTIONS)))
    return made


class _Asked(engine.ResourceValidationPolicy):
    """A rule that the SDK asks only about resources of its types.

    For each policy that has a validation the SDK converts all inputs anew, which costs ten times what the rules do. It
    asks `has_validation` before it does so, and `READER` comes first and says which resource it is about.
    """

    def __init__(self, rule: Rule, court: Court, memory: Memory) -> None:
        def validate(args: engine.ResourceValidationArgs, report: engine.ReportViolation) -> None:
            subject = memory.subject(rule, args)
            found = court.resource(rule, subject, _config(args))
            for item in found:
                if item.outcome is Outcome.REFUSED:
                    report(item.message, None)
            memory.note(rule, args.urn, [item for item in found if item.outcome is Outcome.UNDECIDED])

        made: Any = cast("Any", super()).__init__  # the SDK leaves its types open
        made(validate=validate, **_facts(rule))
        self._rule, self._memory = rule, memory

    def has_validation(self) -> bool:
        """Whether the rule is about the resource at hand; asked without it, it is about everything."""
        subject = self._memory.here()
        return subject is None or self._rule.applies(subject)


def _reader(memory: Memory) -> engine.Policy:
    """Comes first. Switched off, every rule is asked about everything: slower, not laxer."""

    def validate(args: engine.ResourceValidationArgs, _report: engine.ReportViolation) -> None:
        memory.read(args)

    return engine.ResourceValidationPolicy(validate=validate, **_facts(READER))


def _about_stack(rule: Rule, court: Court, memory: Memory) -> engine.Policy:
    def validate(args: engine.StackValidationArgs, report: engine.ReportViolation) -> None:
        found = court.stack(rule, memory.all(args.resources), _config(args))
        for item in found:
            if item.outcome is Outcome.REFUSED:
                report(item.message, item.resource.urn if item.resource else None)
        memory.note(rule, "", [item for item in found if item.outcome is Outcome.UNDECIDED])

    return engine.StackValidationPolicy(validate=validate, **_facts(rule))


def _config(args: engine.ResourceValidationArgs | engine.StackValidationArgs) -> Config:
    return cast("Config", plain(dict(args.get_config() or {})))


def _facts(rule: Rule) -> dict[str, Any]:
    properties = {name: {"type": item.type, "description": item.about} for name, item in rule.settings.items()}
    return {
        "name": rule.name,
        "description": rule.refuses,
        "enforcement_level": engine.EnforcementLevel(rule.level.value),
        "severity": engine.Severity(rule.severity.value),
        "config_schema": engine.PolicyConfigSchema(properties) if properties else None,
        "remediation_steps": rule.fix,
    }


def stack_settings(rules: Sequence[Rule], environment: Mapping[str, str] = os.environ) -> StackSettings:
    """What the stack file says; the language host gives a pack the stack's configuration in PULUMI_CONFIG."""
    config: dict[str, str] = json.loads(environment.get("PULUMI_CONFIG") or "{}")
    given = next((value for key, value in config.items() if key.endswith(_KEY)), None)
    today = dt.datetime.now(dt.UTC).date()
    try:
        return StackSettings.of(None if given is None else json.loads(given), rules, today)
    except ValueError:
        return StackSettings.of("no JSON", rules, today)


def run(rules: Sequence[Rule]) -> None:
    """Serve the engine until it ends the process."""
    engine.PolicyPack("guardrails", policies=policies(rules, stack_settings(rules).court(rules)))
