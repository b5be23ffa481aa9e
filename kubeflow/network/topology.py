"""What is connected to what, as data for drawings: the network, identities and storage. Pure; draws nothing itself.

The network is the table of flows as it holds in one cluster. Name resolution is left out, for every workload has it.
Each element is small and stands for itself, so that a service more changes few lines of what is drawn from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeflow.spec.tenants import Opening, TenantSpec

from .flows import Flow, Outside, Peer, Workload
from .table import FLOWS, TENANCY
from .workloads import DNS

Document = dict[str, Any]

NAMES_PORT = 53
TENANTS = "tenants"

# Groups from the outside inwards and out again: identifier, title, and the namespaces whose workloads are in it.
_GROUPS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("callers", "Callers", frozenset()),
    ("door", "Door and login", frozenset({"istio-system", "oauth2-proxy", "auth", "cert-manager"})),
    ("kubeflow", "Kubeflow", frozenset({"kubeflow", "kubeflow-system"})),
    ("serving", "Serving", frozenset({"knative-serving"})),
    (TENANTS, "Tenants", frozenset()),
    ("data", "Data services", frozenset({"mlflow", "feast", "feast-operator-system"})),
    ("monitoring", "Monitoring", frozenset({"monitoring", "observability"})),
    ("cluster", "Cluster", frozenset({"kube-system", "kueue-system", "gpu-operator"})),
    ("outside", "Outside", frozenset()),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One end of edges."""

    id: str
    group: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """The same connection from several sources to one target."""

    sources: tuple[str, ...]
    target: str
    label: str  # ports, a right, a size
    why: str
    opening: bool = False  # a hole that somebody asked for, or that has to be
    tenant: str | None = None  # whose it is


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One drawing: groups in their order, nodes by name."""

    title: str
    groups: tuple[tuple[str, str], ...]  # identifier, title
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def document(self) -> Document:
        """As the stack outputs hold it; what is empty or false is left out."""
        return {
            "title": self.title,
            "groups": [{"id": name, "title": title} for name, title in self.groups],
            "nodes": [
                {"id": one.id, "group": one.group, **({"note": one.note} if one.note else {})} for one in self.nodes
            ],
            "edges": [
                {
                    "from": list(one.sources), "to": one.target, "label": one.label, "why": one.why,
                    **({"opening": True} if one.opening else {}),
                    **({"tenant": one.tenant} if one.tenant is not None else {}),
                }
                for one in self.edges
            ],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the drawings of one stack are made from. Wholly plain."""

    installed: frozenset[str]  # families of components
    tenants: Mapping[str, TenantSpec]
    outside: frozenset[Outside]  # ends outside of pods that have networks in this cluster
    objects: Sequence[Mapping[str, Any]] = field(default=(), repr=False)  # the plan: it knows the volumes
    rights: Mapping[tuple[str, str], Sequence[str]] = field(
        default_factory=dict[tuple[str, str], Sequence[str]]
    )  # of service accounts in the object store: namespace and name -> `write prefix/`
    store: str = ""  # scheme of the environment's object store; empty: none, or it is not used


def topology(facts: Facts) -> Document:
    """All drawings of one stack."""
    return {
        "network": network(facts).document(),
        "identity": identity(facts).document(),
        "storage": storage(facts).document(),
    }


def network(facts: Facts) -> Layer:
    """Who may open connections to whom. Ends that have no network in this cluster are unreachable, and not drawn."""
    ports: dict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    groups: dict[str, str] = {}
    for flow in (*FLOWS, *TENANCY):
        if flow.port == NAMES_PORT or not (_is_there(flow.source, facts) and _is_there(flow.target, facts)):
            continue
        for end, group in (
            (flow.source, _group(flow.source, "callers")),
            (flow.target, _group(flow.target, "outside")),
        ):
            groups.setdefault(_id(end), group)
        key = _id(flow.source), _id(flow.target), flow.why, flow.source is Outside.ANYWHERE
        ports[key].append(_port(flow))
    edges = [*_merged(ports), *_openings(facts.tenants)]
    for edge in edges:
        if edge.tenant is not None:
            groups.setdefault(edge.sources[0], TENANTS)
            groups.setdefault(edge.target, "outside")
    return Layer(
        title="Network: who may open a connection to whom",
        groups=_used([(name, title) for name, title, _ in _GROUPS], groups.values()),
        nodes=_nodes(groups),
        edges=tuple(edges),
    )


def _is_there(end: Peer, facts: Facts) -> bool:
    if isinstance(end, Workload):
        if end.component is not None:
            return end.component in facts.installed
        return bool(facts.tenants) if end.namespace is None else end != DNS
    return end is Outside.ANYWHERE or end in facts.outside


def _group(end: Peer, elsewhere: str) -> str:
    if not isinstance(end, Workload):
        return elsewhere
    if end.namespace is None:
        return TENANTS
    return next(name for name, _, spaces in _GROUPS if end.namespace in spaces)


def _id(end: Peer) -> str:
    return end.value if isinstance(end, Outside) else str(end)


def _port(flow: Flow) -> str:
    return "every port" if flow.port is None else f"{flow.protocol} {flow.port}"


def _merged(ports: Mapping[tuple[str, str, str, bool], Sequence[str]]) -> Iterator[Edge]:
    """Sources that have the same ports of one target for the same reason are one edge."""
    rows: dict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    for (source, target, why, opening), found in ports.items():
        rows[target, ", ".join(found), why, opening].append(source)
    for (target, label, why, opening), sources in sorted(rows.items()):
        yield Edge(sources=tuple(sorted(sources)), target=target, label=label, why=why, opening=opening)


def _openings(tenants: Mapping[str, TenantSpec]) -> Iterator[Edge]:
    """The ways out that tenants declared."""
    for name, tenant in sorted(tenants.items()):
        for opening in sorted(tenant.egress, key=_place):
            label = f"{opening.protocol.value} {opening.port}"
            yield Edge(
                sources=(f"tenant {name}",),
                target=opening.cidr,
                label=label,
                why=opening.reason,
                opening=True,
                tenant=name,
            )


def _place(opening: Opening) -> tuple[str, int]:
    return opening.cidr, opening.port


def identity(facts: Facts) -> Layer:
    """Who is who: people by the login, workloads by their service accounts, both with what they may do."""
    edges = (*_people(facts.tenants), *_accounts(facts))
    groups: dict[str, str] = {}
    for edge in edges:
        for source in edge.sources:
            groups.setdefault(source, "people" if "@" in source else "accounts")
        groups.setdefault(edge.target, "spaces" if edge.target.startswith("namespace ") else "outside")
    titles = (("people", "People"), ("accounts", "Service accounts"), ("spaces", "Namespaces"), ("outside", "Outside"))
    return Layer(
        title="Identity: who may do what where",
        groups=_used(titles, groups.values()),
        nodes=_nodes(groups),
        edges=tuple(edges),
    )


def _people(tenants: Mapping[str, TenantSpec]) -> Iterator[Edge]:
    for name, tenant in sorted(tenants.items()):
        for role, people, may in (
            ("owner", (tenant.owner,), "owns the namespace and names its contributors"),
            ("contributor", tenant.contributors, "creates and changes workloads, calls models"),
            ("viewer", tenant.viewers, "looks, but not at Secrets"),
        ):
            if people:
                sources = tuple(sorted(people))
                yield Edge(sources=sources, target=f"namespace {name}", label=role, why=may, tenant=name)


def _accounts(facts: Facts) -> Iterator[Edge]:
    """Service accounts of tenants by their roles, and every account that the environment's object store knows."""
    for name in sorted(facts.tenants):
        for role in ("editor", "viewer"):
            account = f"{name}/default-{role}"
            may = "what pods of the team do" if role == "editor" else "what pods of the team read"
            yield Edge(sources=(account,), target=f"namespace {name}", label=role, why=may, tenant=name)
    for (space, account), rights in sorted(facts.rights.items()):
        tenant = space if space in facts.tenants else None
        why = "the platform's own artifacts" if tenant is None else "the team's own artifacts, and nobody else's"
        for right in rights:
            bucket = f"{facts.store or 'object store'} bucket"
            yield Edge(sources=(f"{space}/{account}",), target=bucket, label=right, why=why, tenant=tenant)


def storage(facts: Facts) -> Layer:
    """What is kept where: volumes with their classes and sizes, and the object store."""
    edges = list(_volumes(facts.objects))
    if facts.store:
        edges.append(
            Edge(sources=("artifacts",), target=f"{facts.store} bucket", label="objects", why="pipelines and models")
        )
    groups: dict[str, str] = {}
    for edge in edges:
        for source in edge.sources:
            groups.setdefault(source, "claims")
        groups.setdefault(edge.target, "places")
    return Layer(
        title="Storage: what is kept where",
        groups=_used((("claims", "What is kept"), ("places", "Classes and stores")), groups.values()),
        nodes=_nodes(groups),
        edges=tuple(edges),
    )


def _volumes(objects: Iterable[Mapping[str, Any]]) -> Iterator[Edge]:
    """Claims of the plan, and templates of claims."""
    found: list[Edge] = []
    for body in (body for body in objects if body["kind"] in ("PersistentVolumeClaim", "StatefulSet")):
        templates: Sequence[Mapping[str, Any]] = body["spec"].get("volumeClaimTemplates") or ()
        for claim in (body,) if body["kind"] == "PersistentVolumeClaim" else templates:
            wanted: Mapping[str, Any] = claim["spec"]
            modes: Sequence[str] = wanted.get("accessModes") or ()
            owner: Mapping[str, Any] = body["metadata"]
            found.append(
                Edge(
                    sources=(f"{owner.get('namespace', 'default')}/{owner['name']}",),
                    target=f"class {wanted.get('storageClassName') or 'of the cluster by default'}",
                    label=str(wanted["resources"]["requests"]["storage"]),
                    why=", ".join(modes),
                )
            )
    yield from sorted(found, key=lambda edge: edge.sources)


def _nodes(groups: Mapping[str, str]) -> tuple[Node, ...]:
    return tuple(Node(id=name, group=group) for name, group in sorted(groups.items()))


def _used(groups: Iterable[tuple[str, str]], wanted: Collection[str]) -> tuple[tuple[str, str], ...]:
    return tuple(group for group in groups if group[0] in wanted)
