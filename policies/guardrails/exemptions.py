"""Exemptions as data: rule, resource, reason, date. One that is expired, unused or too wide is an error itself."""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from .rule import Resource

UPSTREAM = Path(__file__).resolve().parents[1] / "upstream.json"

_KEYS = ("rule", "resource", "reason", "expires")
_ENOUGH = 4  # signs of a pattern that are no wildcard


@dataclass(frozen=True, kw_only=True, slots=True)
class Exemption:
    """One rule does not hold for the resources that a pattern names, until a day."""

    rule: str
    resource: str  # Kind/namespace/name, Kind/name, or type::name; asterisks as in a shell
    reason: str
    expires: dt.date
    ours: bool = True  # of the stack; what the product accepts for all stacks may be of no use to one

    def covers(self, rule: str, resource: Resource | None) -> bool:
        """Whether it is about this; nothing about the stack as a whole can be exempted but by the name `stack`."""
        return rule == self.rule and fnmatch.fnmatchcase(resource.address if resource else "stack", self.resource)


@dataclass(kw_only=True, slots=True)
class Exemptions:
    """All exemptions of a stack, and which of them were of use."""

    rows: tuple[Exemption, ...] = ()
    problems: tuple[str, ...] = ()
    used: set[Exemption] = field(default_factory=set[Exemption])

    def covering(self, rule: str, resource: Resource | None) -> Exemption | None:
        """The exemption of a finding; noted as used."""
        found = [one for one in self.rows if one.covers(rule, resource)]
        self.used.update(found)
        return found[0] if found else None

    def complaints(self) -> list[str]:
        """What is wrong with the exemptions themselves; asked when everything else was judged."""
        unused = [one for one in self.rows if one.ours and one not in self.used]
        return [
            *self.problems,
            *(f"exemption of {one.rule} for {one.resource} is not needed: remove it" for one in unused),
        ]


def upstream(rules: Collection[str], today: dt.date) -> Exemptions:
    """What upstream's own objects need. The product keeps the list; it gets old like any other."""
    found = read(json.loads(UPSTREAM.read_text(encoding="utf-8")), rules, today)
    problems = tuple(text.replace("policies.exemptions", UPSTREAM.name, 1) for text in found.problems)
    return Exemptions(rows=tuple(replace(one, ours=False) for one in found.rows), problems=problems)


def read(given: Any, rules: Collection[str], today: dt.date) -> Exemptions:  # noqa: ANN401 - from a file
    """The exemptions of a stack file; every problem at once, and nothing that has one is in force."""
    if given is None:
        return Exemptions()
    if not isinstance(given, list):
        return Exemptions(problems=("policies.exemptions: must be a list",))
    rows: list[Exemption] = []
    problems: list[str] = []
    for number, item in enumerate(cast("list[Any]", given)):
        wrong = _problems(item, rules, today)
        problems += [f"policies.exemptions[{number}]{text}" for text in wrong]
        if not wrong:
            rule, resource, reason = (str(item[key]) for key in _KEYS[:3])
            expires = _date(item["expires"]) or today
            rows.append(Exemption(rule=rule, resource=resource, reason=reason, expires=expires))
    return Exemptions(rows=tuple(rows), problems=tuple(problems))


def _problems(item: Any, rules: Collection[str], today: dt.date) -> list[str]:  # noqa: ANN401 - from a file
    if not isinstance(item, Mapping):
        return [": must be a mapping"]
    row = cast("Mapping[str, Any]", item)
    found = [f".{key}: unknown key, allowed are {', '.join(_KEYS)}" for key in row if key not in _KEYS]
    found += [f".{key}: missing" for key in _KEYS if not row.get(key)]
    if found:
        return found
    if row["rule"] not in rules:
        found.append(f".rule: there is no rule {row['rule']}")
    if len(str(row["resource"]).translate(str.maketrans("", "", "*?[]!/:"))) < _ENOUGH:
        found.append(".resource: the pattern would cover nearly everything")
    day = _date(row["expires"])
    if day is None:
        found.append(".expires: must be a date such as 2027-03-31")
    elif day < today:
        found.append(f".expires: {row['rule']} for {row['resource']} has expired on {day}")
    return found


def _date(value: Any) -> dt.date | None:  # noqa: ANN401 - from a file
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return None
