"""A stack planned by the real engine from an empty state, with the policy pack. Needs no account and opens no secret.

The program is that of a tree; clouds and cluster are the stand-ins of `rehearsal`, for the official plugins of clouds
ask for credentials before they plan. Encrypted configuration stays closed: other values stand in its place.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from policies.guardrails.judge import EXEMPTIONS
from policies.guardrails.rule import Resource
from policies.guardrails.sources import from_preview
from rehearsal.changes import PLATFORM, SECRETS
from rehearsal.engine import PROJECT, Engine, EngineError, Ran

from .findings import Doubt, Exempted, Finding, exempted, from_events, of_stack_file
from .hiding import redacted
from .trees import Tree

Object = dict[str, Any]
_WANTING = re.compile(r"[Mm]issing required configuration variable '([\w:.-]+)'")
_TRIES = 6  # keys that a stack file names nowhere are learnt one by one
_PLACEHOLDER = '{"user": "review", "password": "review", "accessKey": "review", "secretKey": "review"}'
_NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "nowhere", "user": {"token": "none"}}],
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nowhere"}}],
    "current-context": "nowhere",
}
_CLUSTER, _KUBECONFIG = f"{PROJECT}:cluster", f"{PROJECT}:kubeconfig"
PLAN = "plan.json"  # what the engine planned, secrets masked by it
_BESIDE = ("policy ", "an unhandled error occurred: program exited")  # findings, and what only follows an error
_SAID = 1500  # characters of an error


class PreviewError(Exception):
    """A stack cannot be planned; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """One side of the comparison."""

    label: str
    config: Mapping[str, Any] = field(repr=False)
    resources: tuple[Resource, ...] = field(repr=False)
    outputs: Mapping[str, Any] = field(repr=False)
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    exempted: tuple[Exempted, ...]
    judged: bool  # the pack ran to its end
    errors: tuple[str, ...]  # of the program or the engine; what the pack refuses is a finding
    stand_ins: tuple[str, ...]
    closed: tuple[str, ...]  # configuration keys whose values were not opened
    seconds: float

    @property
    def planned(self) -> bool:
        """Whether the plan is whole."""
        return not self.errors and bool(self.resources)

    @property
    def environment(self) -> str:
        """Where the stack's cluster comes from."""
        return str(cast("Object", self.config.get(_CLUSTER) or {}).get("environment", ""))

    @property
    def region(self) -> str:
        """The cluster's region."""
        return str(cast("Object", self.config.get(_CLUSTER) or {}).get("region", ""))


def stack_file(tree: Tree, stack: str) -> Path:
    """The stack file of one side."""
    return tree.root / "stacks" / f"Pulumi.{stack}.yaml"


def preview(
    tree: Tree, stack: str, tools: Path, folder: Path, *, pack: Path | None, components: bool = True
) -> Preview:
    """Plan one side in folders below `folder`; an error of the program is part of the answer."""
    config = _config(stack_file(tree, stack))
    chosen, hidden = _closed(config, folder)
    if not components:
        chosen[PLATFORM] = {**chosen.get(PLATFORM, {}), "components": []}
    asked = ("--json", "--show-sames", *(("--policy-pack", str(pack)) if pack else ()))
    try:
        engine = Engine(folder / "engine", tools, stack, {}, tree.root)
        ran = _ran(engine, chosen, hidden, asked)
    except (EngineError, OSError, subprocess.TimeoutExpired) as error:
        raise PreviewError(f"the engine cannot plan {stack}: {error}") from error
    events = list(_events(folder / "engine" / "events.json"))
    plan = _plan(ran.text)
    (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
    resources = tuple(from_preview(plan))
    findings, doubts = from_events(events, {one.urn: one.address for one in resources})
    if not components:
        findings = [one for one in findings if not _needless(one)]
    today = dt.datetime.now(dt.UTC).date()
    in_file = of_stack_file(stack_file(tree, stack).name, config, today) if pack else []
    return Preview(
        label=tree.label,
        config=config,
        resources=resources,
        outputs=_outputs(events),
        findings=(*sorted((*in_file, *findings), key=lambda one: one.order),),
        doubts=tuple(doubts),
        exempted=tuple(exempted(config, today)),
        judged=any("policyAnalyzeStackSummaryEvent" in one for one in events),
        errors=tuple(redacted(one, config) for one in _errors(ran.errors)),
        stand_ins=tuple(sorted(ran.stand_ins)),
        closed=tuple(sorted(hidden)),
        seconds=ran.seconds,
    )


def _needless(finding: Finding) -> bool:
    """An exemption that nothing needs, which cannot be told where objects are left out."""
    return finding.rule == EXEMPTIONS.name and "is not needed" in finding.what


def _ran(engine: Engine, config: Object, hidden: dict[str, str], asked: Sequence[str]) -> Ran:
    """One whole run; secret keys that a stack file names nowhere are learnt from runs that miss them."""
    engine.configure(config, hidden)
    ran = engine.preview(*asked)
    for _ in range(_TRIES):
        wanting = _WANTING.search("\n".join(ran.errors) + ran.text if ran.code else "")
        if wanting is None or wanting[1] in hidden:
            return ran
        hidden[wanting[1]] = _PLACEHOLDER
        engine.configure(config, hidden)
        ran = engine.preview(*asked)
    return ran


def _config(file: Path) -> Object:
    try:
        document = cast("object", yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise PreviewError(f"{file.name} cannot be read: {type(error).__name__}") from error
    if not isinstance(document, dict) or not isinstance(cast("Object", document).get("config"), dict):
        raise PreviewError(f"{file.name}: no mapping `config` in it")
    return cast("Object", document)["config"]


def _closed(config: Object, folder: Path) -> tuple[Object, dict[str, str]]:
    """The configuration with other values where something is encrypted or lies outside of the repository."""
    nowhere = yaml.safe_dump(_NOWHERE)
    encrypted = [key for key, value in config.items() if isinstance(value, dict) and "secure" in value]
    hidden = {key: nowhere if key == _KUBECONFIG else _PLACEHOLDER for key in encrypted}
    cluster = cast("Object", config.get(_CLUSTER) or {})
    hidden |= SECRETS.get(str(cluster.get("environment")), {})
    chosen: Object = {key: value for key, value in config.items() if key not in encrypted}
    environment, options = cluster.get("environment"), cast("Object", cluster.get("options") or {})
    if environment == "existing" and "kubeconfigPath" not in options:  # it may come from another stack's outputs
        hidden[_KUBECONFIG] = nowhere
        alone = {key: value for key, value in options.items() if key != "stack"}
        chosen[_CLUSTER] = {**cluster, "options": alone}
    if environment == "local" or "kubeconfigPath" in options:
        file = folder / "nowhere.kubeconfig"
        file.write_text(nowhere, encoding="utf-8")
        name = "kubeconfig" if environment == "local" else "kubeconfigPath"
        chosen[_CLUSTER] = {**cluster, "options": {**options, name: str(file)}}
    return chosen, hidden


def _plan(text: str) -> Object:
    """The JSON document in what a preview printed; warnings may stand around it."""
    start = text.find('{\n    "')
    with contextlib.suppress(ValueError):
        found: object = json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else {}
        return cast("Object", found)
    return {}


def _events(log: Path) -> Iterator[Object]:
    for line in (log.read_text(encoding="utf-8") if log.exists() else "").splitlines():
        with contextlib.suppress(ValueError):  # the last line of a run that was ended
            yield json.loads(line)


def _outputs(events: list[Object]) -> Object:
    """What the stack exports, as far as a preview knows it."""
    for event in reversed(events):
        step = cast("Object", cast("Object", event.get("resOutputsEvent") or {}).get("metadata") or {})
        if step.get("type") == "pulumi:pulumi:Stack":
            return cast("Object", cast("Object", step.get("new") or {}).get("outputs") or {})
    return {}


def _errors(said: tuple[str, ...]) -> Iterator[str]:
    """Errors but for those of policies, and what only says that there were some."""
    for text in said:
        if not text.startswith(_BESIDE) and text not in ("preview failed", "update failed"):
            yield text if len(text) <= _SAID else f"{text[:_SAID]} ..."
