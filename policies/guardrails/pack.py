"""The rules as policies of the engine. Only here is `pulumi_policy` known; no rule prints, and none sees a proxy."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi_policy as engine

from .judge import COULD_NOT_JUDGE, EXEMPTIONS, Court, Judgement, Outcome, StackSettings
from .rule import Config, Resource, Rule, Subject
from .values import plain

_KEY = ":policies"  # of the stack's configuration, behind the name of the project


class Memory:
    """What one run has seen. The engine asks from several threads, all rules for one resource in one of them."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._lock = threading.Lock()
        self._subjects: dict[str, Subject] = {}
        self._undecided: dict[tuple[str, str], list[Judgement]] = {}

    def subject(self, rule: Rule, args: engine.ResourceValidationArgs) -> Subject:
        """The resource, converted once for all rules; a rule that comes again means that the engine asks anew."""
        here = self.here()
        if here is not None and here.resource.urn == args.urn:
            return here
        current: tuple[str, set[str], Subject] | None = getattr(self._own, "current", None)
        if current is None or current[0] != args.urn or rule.name in current[1]:
            provider = args.provider.urn if args.provider else ""
            inputs = cast("dict[str, Any]", plain(args.props))
            current = (args.urn, set(), _subject(args.resource_type, args, inputs, args.opts, provider))
            self._own.current = current
            self._keep(current[2])
        current[1].add(rule.name)
        return current[2]

    def here(self) -> Subject | None:
        """The resource that this thread is at; None where the SDK reads resources by itself."""
        return getattr(self._own, "here", None)

    def read(self, request: Any) -> None:  # noqa: ANN401 - a message of the engine
        """Note which resource this thread is at."""
        inputs = cast("dict[str, Any]", plain(_fields(request.properties)))
        provider = str(request.provider.urn) if request.HasField("provider") else ""
        self._own.here = _subject(request.type, request, inputs, request.options, provider)
        self._keep(self._own.here)

    def knows(self, urn: str) -> bool:
        """Whether the inputs of a resource were read."""
        with self._lock:
            return urn in self._subjects

    def _keep(self, subject: Subject) -> None:
        with self._lock:
            self._subjects[subject.resource.urn] = subject

    def all(self, resources: Sequence[engine.PolicyResource]) -> list[Subject]:
        """Every resource by its inputs: what the engine gives at the end are outputs."""
        with self._lock:
            seen = dict(self._subjects)
        found: list[Subject] = []
        for item in resources:
            subject = seen.get(item.urn)
            if subject is None:
                inputs = cast("dict[str, Any]", plain(item.props))
                subject = _subject(item.resource_type, item, inputs, item.opts, "")
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


def _subject(kind: str, args: Any, inputs: dict[str, Any], options: Any, provider: str) -> Subject:  # noqa: ANN401 - the SDK's or the engine's
    return Subject(
        Resource(
            type=kind, name=args.name, urn=args.urn, inputs=inputs, protect=bool(options.protect),
            parent=str(options.parent or ""), provider=provider,
        )
    )  # fmt: skip


def _fields(struct: Any) -> dict[str, Any]:  # noqa: ANN401 - a Struct of protobuf
    """A Struct as plain values, in a fifth of the time that protobuf's own conversion takes."""
    return {key: _value(item) for key, item in struct.fields.items()}


def _value(value: Any) -> Any:  # noqa: ANN401 - a Value of protobuf
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "struct_value":
            return _fields(value.struct_value)
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def once(servicer: Any, memory: Memory) -> Any:  # noqa: ANN401 - a class that the SDK does not show
    """The SDK's servicer, but for one thing: each resource is converted once, not once for each rule.

    The SDK converts the inputs of a resource anew for each of its rules, and at the end those of all resources for each
    rule about the stack. Here they are read when the engine sends them and taken out of the message, so that the SDK
    has nothing left to convert. Rules find them in `memory`.
    """
    own: Any = servicer
    answers: Any = sys.modules[servicer.__module__].proto  # type: ignore[attr-defined]

    class Once(own):
        def Analyze(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802 - as the engine calls it
            memory.read(request)
            return own.Analyze(self, _emptied(request), context)

        def AnalyzeStack(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802 - as the engine calls it
            for resource in request.resources:
                if memory.knows(resource.urn):
                    _emptied(resource)
            return own.AnalyzeStack(self, request, context)

        def Remediate(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802 - as the engine calls it
            return answers.RemediateResponse()  # no rule changes anything

    return Once


def _emptied(request: Any) -> Any:  # noqa: ANN401 - a message of the engine
    request.ClearField("properties")
    if request.HasField("provider"):
        request.provider.ClearField("properties")
    return request


def policies(rules: Sequence[Rule], court: Court, memory: Memory) -> list[engine.Policy]:
    """Every rule as a policy of its own, and at the end what could not be judged and what exemptions are worth."""
    made: list[engine.Policy] = [_Asked(rule, court, memory) for rule in rules if rule.check is not None]
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
    """A rule that the SDK asks only about resources of its types: it asks `has_validation` first."""

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


def run(rules: Sequence[Rule], *, shared: bool = True) -> None:
    """Serve the engine until it ends the process. Not `shared`: all by the SDK's own means, slower and the same."""
    memory = Memory()
    sdk: Any = engine.policy
    if shared:
        sdk._PolicyAnalyzerServicer = once(sdk._PolicyAnalyzerServicer, memory)  # noqa: SLF001 - no other way in
    engine.PolicyPack("guardrails", policies=policies(rules, stack_settings(rules).court(rules), memory))
