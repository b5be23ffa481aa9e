"""The topology as the stack outputs hold it (`platform.topology`), and views of it. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

TENANTS = "tenants"  # the group whose pods every tenant has
_TEMPLATE = "tenant/"  # nodes that stand for the pods of any tenant


class TopologyError(Exception):
    """The outputs hold no topology that can be drawn; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """The same connection from several sources to one target."""

    sources: tuple[str, ...]
    target: str
    label: str
    why: str
    opening: bool
    tenant: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One drawing: groups in their order, nodes by name."""

    id: str
    title: str
    groups: tuple[tuple[str, str], ...]  # identifier, title
    nodes: Mapping[str, str]  # identifier -> group
    edges: tuple[Edge, ...]

    def members(self, group: str) -> list[str]:
        """The nodes of a group."""
        return [name for name, where in self.nodes.items() if where == group]

    def between(self) -> dict[tuple[str, str], list[tuple[str, Edge]]]:
        """The connections between every two groups, those that everybody knows of: openings are told apart."""
        found: dict[tuple[str, str], list[tuple[str, Edge]]] = {}
        for edge in self.edges:
            for source in () if edge.opening else edge.sources:
                key = self.nodes[source], self.nodes[edge.target]
                found.setdefault(key, []).append((source, edge))
        order = [name for name, _ in self.groups]
        return dict(sorted(found.items(), key=lambda row: (order.index(row[0][0]), order.index(row[0][1]))))

    @property
    def openings(self) -> tuple[Edge, ...]:
        """The holes, with their reasons."""
        return tuple(edge for edge in self.edges if edge.opening)


def layers(topology: object) -> tuple[Layer, ...]:
    """Every layer of the outputs; raises TopologyError for what was not written by this version."""
    if not isinstance(topology, dict):
        raise TopologyError("the outputs hold no topology: bring the stack up with this version first")
    found = cast("Mapping[str, Mapping[str, Any]]", topology)
    try:
        return tuple(_layer(name, body) for name, body in found.items())
    except (AttributeError, KeyError, TypeError) as error:
        raise TopologyError(f"the outputs' topology is not whole: {type(error).__name__}: {error}") from error


def _layer(name: str, body: Mapping[str, Any]) -> Layer:
    made = Layer(
        id=name,
        title=body["title"],
        groups=tuple((group["id"], group["title"]) for group in body["groups"]),
        nodes={node["id"]: node["group"] for node in sorted(body["nodes"], key=lambda node: str(node["id"]))},
        edges=tuple(
            Edge(
                sources=tuple(edge["from"]), target=edge["to"], label=edge["label"], why=edge["why"],
                opening=edge.get("opening", False), tenant=edge.get("tenant"),
            )
            for edge in body["edges"]
        ),
    )  # fmt: skip
    ends = {end for edge in made.edges for end in (*edge.sources, edge.target)}
    if unknown := sorted(ends - set(made.nodes)):
        raise TopologyError(f"the outputs' topology has edges of unknown nodes: {', '.join(unknown)}")
    return made


def tenant_view(layer: Layer, tenant: str) -> Layer:
    """What one tenant can reach and who can reach it: what all tenants have, and its own openings."""
    kept = tuple(edge for edge in layer.edges if _concerns(edge, tenant))
    used = {end for edge in kept for end in (*edge.sources, edge.target)}
    nodes = {name: group for name, group in layer.nodes.items() if name in used}
    return Layer(
        id=f"{layer.id}-{tenant}",
        title=f"{layer.title}: {tenant}",
        groups=tuple((name, title) for name, title in layer.groups if name in nodes.values()),
        nodes=nodes,
        edges=tuple(_only(edge, layer) for edge in kept),
    )


def _concerns(edge: Edge, tenant: str) -> bool:
    if edge.tenant is not None:
        return edge.tenant == tenant
    return any(end.startswith(_TEMPLATE) for end in (*edge.sources, edge.target))


def _only(edge: Edge, layer: Layer) -> Edge:
    """Of the sources of an edge to elsewhere, the tenant's own."""
    if edge.tenant is not None or layer.nodes[edge.target] == TENANTS:
        return edge
    return replace(edge, sources=tuple(source for source in edge.sources if source.startswith(_TEMPLATE)))
