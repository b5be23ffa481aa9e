"""What the policy pack said, in parts: what is wrong, why, how to fix it, where that comes from. Judges nothing itself.

The rules are this tree's. A finding never holds a value of a resource; see policies/README.md.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policies.guardrails import RULES
from policies.guardrails.check import stack_file
from policies.guardrails.judge import COULD_NOT_JUDGE, EXEMPTIONS, Outcome, StackSettings
from policies.guardrails.rule import Level, Rule, Severity, Subject

Object = dict[str, Any]
_KNOWN: Mapping[str, Rule] = {rule.name: rule for rule in (*RULES, COULD_NOT_JUDGE, EXEMPTIONS)}
_PLACED = re.compile(r"(?s)([A-Za-z_][\w.\[\]\"'/*:-]*): (.+)")
_UNDECIDED = re.compile(r"(?s)(?:(.*): )?([a-z0-9-]+) could not judge: (.*) is unknown")
_OF_STACK_FILES = "stackfile:"
_ORDER = tuple(reversed(Severity))


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One answer of one rule about one resource."""

    rule: str
    severity: Severity
    level: Level
    address: str
    urn: str  # empty: the stack as a whole
    path: str
    what: str
    why: str
    fix: str
    source: str

    @property
    def stops(self) -> bool:
        """Whether the change must not be merged."""
        return self.level is Level.MANDATORY

    @property
    def key(self) -> tuple[str, str, str]:
        """By which the findings of two sides are the same; a rule about many resources may name any of them."""
        known = _KNOWN.get(self.rule)
        return (self.rule, self.what, "") if known and known.relation else (self.rule, self.address, self.path)

    @property
    def order(self) -> tuple[bool, int, str, str, str]:
        """The worst first."""
        return not self.stops, _ORDER.index(self.severity), self.rule, self.address, self.path


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """What a rule could not judge, because a value is unknown before the change runs."""

    rule: str
    address: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Exempted:
    """An exemption in force."""

    rule: str
    resource: str
    reason: str
    expires: str


def rule(name: str) -> Rule | None:
    """What this tree's pack says about a rule of this name."""
    return _KNOWN.get(name)


def from_events(events: Iterable[Mapping[str, Any]], addresses: Mapping[str, str]) -> tuple[list[Finding], list[Doubt]]:
    """What the engine heard from the pack; `addresses`: URN -> how people call the resource."""
    findings: dict[Finding, None] = {}
    doubts: dict[Doubt, None] = {}
    for event in events:
        said: Mapping[str, Any] = event.get("policyEvent") or {}
        if not said:
            continue
        urn = str(said.get("resourceUrn") or "")
        urn = "" if "::pulumi:pulumi:Stack::" in urn else urn
        address = addresses.get(urn, "stack") if urn else "stack"
        body = str(said["message"]).partition("\n")[2].strip()
        if said["policyName"] == COULD_NOT_JUDGE.name and (open_ := _UNDECIDED.fullmatch(body)):
            doubts[Doubt(rule=open_[2], address=address, path=open_[1] or open_[3])] = None
        else:
            findings[_finding(str(said["policyName"]), said, body, address, urn)] = None
    return sorted(findings, key=lambda one: one.order), list(doubts)


def _finding(name: str, said: Mapping[str, Any], body: str, address: str, urn: str) -> Finding:
    known = _KNOWN.get(name)
    why, fix, source = (known.why, known.fix, known.source) if known else ("", "", "")
    placed = _PLACED.fullmatch(body.removesuffix(f". {why} Fix: {fix}"))
    path, what = (placed[1], placed[2]) if placed else ("", body.removesuffix(f". {why} Fix: {fix}"))
    return Finding(
        rule=name,
        severity=Severity(said["severity"]) if said.get("severity") else Severity.MEDIUM,
        level=Level(said["enforcementLevel"]),
        address=address,
        urn=urn,
        path=path,
        what=what,
        why=why,
        fix=fix,
        source=source,
    )


def of_stack_file(name: str, config: Object, today: dt.date) -> list[Finding]:
    """What rules say about a stack file; the engine shows a pack no file."""
    subject = Subject(stack_file(name, config))
    court = _settings(config, today).court(RULES)
    asked = [one for one in RULES if any(kind.startswith(_OF_STACK_FILES) for kind in one.types)]
    return [
        Finding(
            rule=one.name,
            severity=one.severity,
            level=one.level,
            address=name,
            urn="",
            path=said.path,
            what=said.text,
            why=one.why,
            fix=one.fix,
            source=one.source,
        )
        for one in asked
        for said in court.resource(one, subject)
        if said.outcome is Outcome.REFUSED
    ]


def exempted(config: Object, today: dt.date) -> list[Exempted]:
    """The exemptions of a stack file that are in force. The pack refuses those that nothing needs."""
    return [
        Exempted(rule=one.rule, resource=one.resource, reason=one.reason, expires=one.expires.isoformat())
        for one in _settings(config, today).exemptions.rows
    ]


def _settings(config: Object, today: dt.date) -> StackSettings:
    stated = next((value for key, value in config.items() if key.endswith(":policies")), None)
    return StackSettings.of(stated, RULES, today)
