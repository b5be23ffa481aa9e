"""Where in a stack file something was decided: the line of a pool, a tenant or an option. Shows no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import yaml

from policies.guardrails.rule import Resource, Subject

from .findings import Finding

_PROJECT = "kubeflow-proof:"
_POOL = "proof.kubeflow/pool"
# Rule, or the beginning of one -> the key that decides.
_OPTIONS = (
    ("api-endpoint-open", "cluster.options.network.apiAccess"),
    ("ingress-open", "cluster.options.network"),
    ("network-policy", "platform.network"),
    ("load-balancer", "cluster.options.internetFacing"),
    ("service-open", "cluster.options.internetFacing"),
    ("deletion-unprotected", "cluster.options.deletionProtection"),
    ("cluster-admin", "cluster.options.admins"),
    ("cost-ceiling", "cluster.pools"),
    ("exemptions", "policies.exemptions"),
    ("image", "platform.images"),
)


@dataclass(frozen=True, slots=True)
class Places:
    """Lines of one stack file by key, such as `cluster.pools.h100`."""

    lines: Mapping[str, int]

    def line(self, key: str) -> int:
        """The line of a key, or of the nearest one above it that is there; the first line if none is."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key.rpartition(".")[0]
        return 1

    def of(self, finding: Finding, resource: Resource | None) -> int:
        """The line that somebody has to look at."""
        if resource is not None:
            pool = _pool(resource)
            if pool and f"cluster.pools.{pool}" in self.lines:
                return self.line(f"cluster.pools.{pool}")
            if resource.namespace and f"platform.tenants.{resource.namespace}" in self.lines:
                return self.line(f"platform.tenants.{resource.namespace}")
        found = next((key for rule, key in _OPTIONS if finding.rule.startswith(rule)), "")
        if not found and finding.path.startswith(_PROJECT):
            found = finding.path.removeprefix(_PROJECT)
        inside = resource is not None and resource.kind
        return self.line(found or ("platform" if inside else "cluster.options"))


def places(text: str) -> Places:
    """The lines of a stack file's text; none if it is no YAML."""
    lines: dict[str, int] = {}
    try:
        root = cast("yaml.Node | None", yaml.compose(text, Loader=yaml.CSafeLoader))  # type: ignore[no-untyped-call]
    except yaml.YAMLError:
        return Places({})
    waiting: list[tuple[str, yaml.Node | None]] = [("", root)]
    while waiting:
        key, node = waiting.pop()
        if not isinstance(node, yaml.MappingNode):
            continue
        for name, value in node.value:
            word = str(name.value).removeprefix(_PROJECT)
            path = word if key in ("", "config") else f"{key}.{word}"
            lines.setdefault(path, name.start_mark.line + 1)
            waiting.append((path, value))
    return Places(lines)


def _pool(resource: Resource) -> str:
    """The pool that a resource is labelled with, whatever its cloud calls labels."""
    root = Subject(resource).root
    for place in (root.at("labels"), root.at("nodeLabels"), root.at("nodeConfig", "labels")):
        listed = (item.at("value").text() for item in place.items() if item.at("key").text() == _POOL)
        found = next(listed, "") if place.listed else place.at(_POOL).text()
        if found:
            return found
    return ""
