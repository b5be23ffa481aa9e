"""What may talk to what on both sides: the static proof of each, and the edges and doors that differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from policies.guardrails.rule import Resource
from policies.guardrails.values import MARKS, Special
from rehearsal.changes import CLUSTER, PLATFORM

from .doors import doors
from .previews import Preview

Object = dict[str, Any]
Edge = tuple[str, str, str]  # source, target, ports
_SCRIPT = Path(__file__).with_name("reach.py")
_KINDS = ("NetworkPolicy", "AuthorizationPolicy", "Deployment", "DaemonSet", "StatefulSet", "Job")
_SECONDS = 300
_MOST = 60  # edges that a diagram can hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """One side."""

    edges: frozenset[Edge] = frozenset()
    doors: frozenset[tuple[str, str]] = frozenset()
    findings: tuple[str, ...] = ()  # where policies and table differ
    policies: int = 0
    remade: int = 0  # policies that name a network nobody knows before `up`
    authorizations: int = 0  # that are as the table makes them
    beside: tuple[str, ...] = ()  # AuthorizationPolicies that are made otherwise
    missing: str = ""  # why nothing can be said

    @property
    def holds(self) -> bool:
        """Whether the proof was made and found nothing."""
        return not self.missing and not self.findings


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """Both sides."""

    head: Reach
    base: Reach | None = None

    @property
    def added(self) -> list[Edge]:
        """Flows that only the head has."""
        return sorted(self.head.edges - self.base.edges) if self.base else []

    @property
    def removed(self) -> list[Edge]:
        """Flows that only the base has."""
        return sorted(self.base.edges - self.head.edges) if self.base else []

    @property
    def opened(self) -> list[tuple[str, str]]:
        """Doors that only the head has."""
        return sorted(self.head.doors - self.base.doors) if self.base else []

    @property
    def closed(self) -> list[tuple[str, str]]:
        """Doors that only the base has."""
        return sorted(self.base.doors - self.head.doors) if self.base else []


def reach(root: Path, preview: Preview, *, components: bool) -> Reach:
    """Ask the tree at `root` about what it planned."""
    platform = cast("Object", preview.config.get(PLATFORM) or {})
    question: Object = {
        "objects": _objects(preview.resources),
        "components": platform.get("components") or [] if components else [],
        "platform": {"tenants": platform.get("tenants") or {}},
        "inside": _inside(cast("Object", preview.config.get(CLUSTER) or {})),
    }
    entrances = frozenset(doors(preview.resources))
    try:
        ran = subprocess.run(
            [sys.executable, str(_SCRIPT)],
            input=json.dumps(question),
            cwd=root,
            env={**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        answer = cast("Object", json.loads(ran.stdout)) if ran.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Reach(doors=entrances, missing=type(error).__name__)
    if not answer:
        last = (ran.stderr.strip().splitlines() or ["it wrote no reason"])[-1]
        return Reach(doors=entrances, missing=last.partition(":")[0][:200])  # the rest may hold a value
    called = cast("Object", answer["authorizations"])
    wrong = [f"AuthorizationPolicy {name} is not as the table makes it" for name in called["other"]]
    wrong += [f"AuthorizationPolicy {name} is missing" for name in called["missing"]]
    return Reach(
        edges=frozenset((edge[0], edge[1], edge[2]) for edge in answer["edges"]) | _outside(answer["networks"]),
        doors=entrances,
        findings=(*answer["findings"], *wrong),
        policies=answer["policies"],
        remade=answer["remade"],
        authorizations=called["same"],
        beside=tuple(called["beside"]),
    )


def _outside(networks: Mapping[str, Sequence[str]]) -> frozenset[Edge]:
    """Where the ends outside are, so that a wider network is an edge of its own."""
    return frozenset((f"outside/{end}", cidr, "its network") for end, cidrs in networks.items() for cidr in cidrs)


def _objects(resources: Iterable[Resource]) -> list[Object]:
    return [_plain(dict(one.inputs)) for one in resources if one.kind in _KINDS and _whole(one)]


def _whole(resource: Resource) -> bool:
    metadata: Any = resource.inputs.get("metadata")
    return (
        isinstance(metadata, dict)
        and isinstance(cast("Object", metadata).get("name"), str)
        and "spec" in resource.inputs
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Special):
        return next(iter(sorted(MARKS)))  # some text: what is unknown is no mapping
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("Object", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _inside(cluster: Mapping[str, Any]) -> list[str]:
    """Networks of pods and Services, where a stack file names them."""
    options = cast("Object", cluster.get("options") or {})
    network = cast("Object", options.get("network") or {})
    found = [network.get("pods") or options.get("podCidr"), network.get("services") or options.get("serviceCidr")]
    return [str(one) for one in found if one]


def mermaid(topology: Topology) -> str:
    """The edges that differ, between groups; empty if there are none or too many to be read."""
    lines: dict[str, None] = {}
    for sign, edges in (("+", topology.added), ("-", topology.removed)):
        for source, target, ports in edges:
            lines[_line(_group(source), _group(target), f"{sign} {ports}", gone=sign == "-")] = None
    for sign, found in (("+", topology.opened), ("-", topology.closed)):
        for network, what in found:
            lines[_line(network, what, sign, gone=sign == "-")] = None
    if not lines or len(lines) > _MOST:
        return ""
    return "\n".join(["flowchart LR", *(f"  {line}" for line in lines)])


def _group(end: str) -> str:
    return end if end.startswith("outside/") or end[:1].isdigit() else end.partition("/")[0]


def _line(source: str, target: str, text: str, *, gone: bool) -> str:
    arrow = "-.->" if gone else "-->"
    return f'{_node(source)} {arrow}|"{_quoted(text)}"| {_node(target)}'


def _node(name: str) -> str:
    return f'n_{re.sub("[^A-Za-z0-9]", "_", name)}["{_quoted(name)}"]'


def _quoted(text: str) -> str:
    return text.replace('"', "'").replace("[", "(").replace("]", ")")
