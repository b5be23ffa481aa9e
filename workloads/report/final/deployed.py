"""What was deployed, how it is connected, and how it is protected, from the stack's outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workloads.report.blocks import Block, Drawn, Heading, Items, Part, grid
from workloads.report.markup import details
from workloads.report.stack import Stack
from workloads.topology import Layer, chart, tenant_view
from workloads.topology.svg import drawing

_NOTHING = "The outputs of this stack do not say: it was brought up by an older version, or nothing of it is installed."


def parts(stack: Stack) -> Iterator[Part]:
    """The parts that need no run."""
    yield Part(id="deployed", title="What was deployed", blocks=[*_cluster(stack), *_platform(stack)])
    yield Part(id="topology", title="Topology", blocks=list(_topology(stack)))


def _cluster(stack: Stack) -> Iterator[Block]:
    cluster = stack.cluster
    yield (
        f"Cluster {cluster['name']} in {cluster['region']}, environment {stack.environment}, "
        f"Kubernetes {cluster['version']}; capabilities: {', '.join(cluster['capabilities']) or 'none'}."
    )
    rows = [
        (
            name,
            pool["role"],
            pool["machine"],
            f"{pool['min']} to {pool['max']}",
            _gpus(pool),
            ", ".join(pool["zones"]) or "-",
        )
        for name, pool in cluster["pools"].items()
    ]
    yield grid("Pools of nodes", ("pool", "role", "machine", "nodes", "GPUs of a node", "zones"), rows)
    classes = [(purpose, name or "none") for purpose, name in cluster["storage"].items()]
    yield grid("Storage classes", ("for", "class"), classes)


def _gpus(pool: dict[str, Any]) -> str:
    gpu = pool["gpu"]
    return "-" if gpu is None else f"{gpu['count']} \N{MULTIPLICATION SIGN} {gpu['product']}, {gpu['memoryMib']} MiB"


def _platform(stack: Stack) -> Iterator[Block]:
    rows = [
        (name, tenant["namespace"], tenant["gpus"], ", ".join(tenant["serviceAccounts"].values()))
        for name, tenant in stack.tenants.items()
    ]
    yield grid("Tenants", ("tenant", "namespace", "GPUs at most", "service accounts"), rows)
    yield grid("Priority classes", ("class", "value"), stack.priorities.items())
    versions = stack.versions.get("components", {})
    known = [(name, versions.get(name, "-")) for name in stack.components]
    yield grid(
        f"Components of Kubeflow {stack.versions.get('release', '')}", ("component", "version"), known, folded=True
    )
    yield Heading(text="Left out of upstream's objects")
    yield Items(items=stack.left_out)


def _topology(stack: Stack) -> Iterator[Block]:
    if not stack.layers:
        yield _NOTHING
        return
    for layer in stack.layers:
        yield Heading(text=layer.title)
        yield _drawn(layer)
        yield _connections(layer)
    views = [tenant_view(layer, tenant) for tenant in stack.tenants for layer in stack.layers if layer.id == "network"]
    for view in views:
        text = f"### {view.title}\n\n```mermaid\n{chart(view)}```"
        yield Drawn(page=details(view.title, drawing(view)), text=text)


def _drawn(layer: Layer) -> Drawn:
    return Drawn(page=drawing(layer), text=f"```mermaid\n{chart(layer)}```")


def _connections(layer: Layer) -> Block:
    rows = [
        (edge.target, ", ".join(edge.sources), edge.label, ("opening: " if edge.opening else "") + edge.why)
        for edge in sorted(layer.edges, key=lambda edge: (edge.target, edge.sources))
    ]
    return grid(f"{layer.title}, in full", ("to", "from", "what", "why"), rows, folded=True)


def security(stack: Stack, *, proofs: Iterator[Block]) -> Part:
    """What protects the platform, and what is exempt from it."""
    return Part(id="security", title="Security posture", blocks=[*_mesh(stack), *_policies(stack), *proofs])


def _mesh(stack: Stack) -> Iterator[Block]:
    if not stack.mesh:
        yield "No mesh is installed, or the outputs do not describe it."
        return
    places: dict[str, int] = {}
    for one in stack.mesh["workloads"]:
        places[one["place"]] = places.get(one["place"], 0) + 1
    told = ", ".join(f"{count} {place}" for place, count in sorted(places.items()))
    yield (
        f"Mutual TLS is {stack.mesh['mutualTls']}, TLS {stack.mesh['minimumTls']} at least between proxies. "
        f"Workloads by their place towards the mesh: {told}."
    )
    outside = [(one["name"], one["place"], one["reason"]) for one in stack.mesh["workloads"]]
    yield grid("Mutual TLS: every workload and its place", ("workload", "place", "reason"), outside, folded=True)
    rows = [(one["workload"], one["port"], one["mode"], one["reason"]) for one in stack.mesh["exemptions"]]
    yield grid("Exemptions: ports that take callers without an identity", ("workload", "port", "mode", "reason"), rows)


def _policies(stack: Stack) -> Iterator[Block]:
    if stack.policies:
        yield grid("Objects that fence", ("kind", "number"), stack.policies.items())
    openings = [
        (", ".join(edge.sources), edge.target, edge.label, edge.why)
        for layer in stack.layers
        for edge in layer.openings
    ]
    yield grid("Openings, each with its reason", ("from", "to", "what", "why"), openings, folded=len(openings) > 12)  # noqa: PLR2004
