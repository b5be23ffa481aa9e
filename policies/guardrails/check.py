"""`python -m policies`: the same rules over a preview or a state, without the engine."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from . import admission
from .judge import COULD_NOT_JUDGE, EXEMPTIONS, Judgement, Outcome, StackSettings
from .rule import Config, Resource, Rule
from .sources import from_preview, from_state
from .values import plain


def main(rules: Sequence[Rule], arguments: Sequence[str]) -> int:
    """0: nothing stops the change; 1: something does; 2: the question was wrong."""
    parser = argparse.ArgumentParser(prog="python -m policies", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every rule in one line")
    commands.add_parser("admission", help="the rules that the API server can ask by itself, as JSON")
    check = commands.add_parser("check", help="judge what a preview or a state holds")
    given = check.add_mutually_exclusive_group(required=True)
    given.add_argument("--preview", type=Path, metavar="FILE", help="of `pulumi preview --json --show-sames`")
    given.add_argument("--state", type=Path, metavar="FILE", help="of `pulumi stack export [--show-secrets]`")
    check.add_argument("--stack-file", type=Path, metavar="FILE", help="exemptions, and secrets in clear")
    check.add_argument("--config", type=Path, metavar="FILE", help="as for --policy-pack-config")
    check.add_argument("--today", type=dt.date.fromisoformat, metavar="DATE", help="for exemptions")
    check.add_argument("--json", action="store_true", help="one object for programs")
    chosen = parser.parse_args(arguments)
    if chosen.command == "list":
        print(listing(rules))  # noqa: T201 - a command line prints
        return 0
    if chosen.command == "admission":
        print(json.dumps(admission.document(rules), indent=1))  # noqa: T201 - a command line prints
        return 0
    try:
        found = judgements(rules, chosen)
    except (OSError, ValueError, KeyError, IndexError, yaml.YAMLError) as error:
        parser.exit(2, f"python -m policies: {type(error).__name__}: {error}\n")
    print(as_json(found) if chosen.json else as_text(found))  # noqa: T201 - a command line prints
    return 1 if any(item.stops for item in found) else 0


def judgements(rules: Sequence[Rule], chosen: argparse.Namespace) -> list[Judgement]:
    """Everything that the rules say about the chosen file."""
    document = _json(chosen.preview or chosen.state)
    resources = from_preview(document) if chosen.preview else from_state(document)
    config = cast("dict[str, Any]", document.get("config") or {})  # of a preview: exemptions, as text
    if chosen.stack_file:
        written = cast("dict[str, Any]", yaml.safe_load(chosen.stack_file.read_text(encoding="utf-8")) or {})
        config = cast("dict[str, Any]", written.get("config") or {})
        resources = [*resources, stack_file(chosen.stack_file.name, config)]
    stated = next((value for key, value in config.items() if key.endswith(":policies")), None)
    today = chosen.today or dt.datetime.now(dt.UTC).date()
    configs = _pack_config(_json(chosen.config), rules) if chosen.config else {}
    stated = json.loads(stated) if isinstance(stated, str) else _plain(stated)
    return StackSettings.of(stated, rules, today).court(rules, configs).all(resources)


def stack_file(name: str, config: dict[str, Any]) -> Resource:
    """A stack file as something to judge."""
    return Resource(type="stackfile:pulumi:Stack", name=name, urn=f"stack-file::{name}", inputs=plain(_plain(config)))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """YAML reads dates where nobody meant one."""
    return json.loads(json.dumps(value, default=str))


def _json(file: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))


def _pack_config(given: dict[str, Any], rules: Sequence[Rule]) -> dict[str, Config]:
    """The engine ignores names that it does not know; here they are an error."""
    known = {rule.name: rule for rule in rules}
    found: dict[str, Config] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"there is no rule {name}")
        if isinstance(value, dict):
            body = {key: item for key, item in cast("dict[str, Any]", value).items() if key != "enforcementLevel"}
            if unknown := sorted(set(body) - set(known[name].settings)):
                raise ValueError(f"{name} has no setting {', '.join(unknown)}")
            found[name] = body
    return found


def listing(rules: Sequence[Rule]) -> str:
    """Every rule in one line of a Markdown table."""
    lines = ["| rule | refuses | severity | level | source |", "|---|---|---|---|---|"]
    lines += [
        f"| `{rule.name}` | {rule.refuses} | {rule.severity} | {rule.level} | {rule.source} |"
        for rule in (*rules, COULD_NOT_JUDGE, EXEMPTIONS)
    ]
    return "\n".join(lines)


def as_json(found: Sequence[Judgement]) -> str:
    """Everything, for the PR check."""
    items = [
        {
            "rule": item.rule.name,
            "severity": item.rule.severity.value,
            "level": item.rule.level.value,
            "outcome": item.outcome.value,
            "urn": item.resource.urn if item.resource else "",
            "address": item.resource.address if item.resource else "stack",
            "path": item.path,
            "message": item.message,
        }
        for item in found
    ]
    return json.dumps({"judgements": items, "counts": dict(_counts(found))}, indent=1)


def as_text(found: Sequence[Judgement]) -> str:
    """What stops the change, then what is advised, then what could not be judged, in numbers."""
    lines = [
        f"{item.rule.level} {item.rule.name} {item.resource.address if item.resource else 'stack'}\n  {item.message}"
        for item in sorted(found, key=lambda item: (not item.stops, item.key))
        if item.outcome is Outcome.REFUSED
    ]
    return "\n".join(
        [*lines, ", ".join(f"{count} {name}" for name, count in sorted(_counts(found).items())) or "clean"]
    )


def _counts(found: Sequence[Judgement]) -> Counter[str]:
    return Counter(
        f"{item.outcome} ({item.rule.level})" if item.outcome is Outcome.REFUSED else item.outcome.value
        for item in found
    )
