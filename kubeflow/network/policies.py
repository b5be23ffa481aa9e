"""NetworkPolicies made from the table of flows. Pure, and the only author of the platform's policies.

Upstream ships policies of its own. They are dropped, not kept beside these: policies are additive, so theirs (the whole
namespace may reach every pod of it, for one) would only open again what the table leaves closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .flows import Addresses, Flow, Network, Outside, Peer, Protocol, Workload
from .table import FLOWS
from .workloads import WORKLOADS

Document = dict[str, Any]
Port = tuple[Protocol, int | None]

NAMESPACE = "kubernetes.io/metadata.name"  # the one label of a namespace that nobody but the API server can set
TENANT_LABEL = {"app.kubernetes.io/part-of": "kubeflow-profile"}
SHARED_NAMESPACES = frozenset({"kube-system"})  # not the platform's: its own pods there are fenced, nobody else's


def platform(installed: Collection[str], addresses: Addresses) -> tuple[Document, ...]:
    """The policies of the platform's namespaces; their names depend on the installed components only."""
    ours = [workload for workload in WORKLOADS if workload.component in installed and workload.namespace]
    spaces = sorted({str(workload.namespace) for workload in ours} - SHARED_NAMESPACES)
    closed = (_policy(space, "default-deny", {}, ingress=[], egress=[]) for space in spaces)
    return (*closed, *_fences(ours, FLOWS, installed, addresses))


def tenant(namespace: str, installed: Collection[str], addresses: Addresses) -> tuple[Document, ...]:
    """What a tenant's namespace needs for Kubeflow's own traffic, besides the policies that close it."""
    theirs = [workload for workload in WORKLOADS if workload.namespace is None]
    return tuple(_fences(theirs, FLOWS, installed, addresses, namespace=namespace))


def selector(workload: Workload) -> Document:
    """The label selector of a workload's pods."""
    expressions = [{"key": key, "operator": "Exists"} for key in workload.having]
    return {
        **({"matchLabels": dict(workload.labels)} if workload.labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def block(cidr: str, addresses: Addresses) -> Document:
    """A network in a policy's words, without what no opening ever includes."""
    carved = [str(inner) for inner in addresses.carved(cidr)]
    return {"ipBlock": {"cidr": cidr, **({"except": carved} if carved else {})}}


def _fences(
    workloads: Iterable[Workload],
    flows: Iterable[Flow],
    installed: Collection[str],
    addresses: Addresses,
    namespace: str | None = None,
) -> Iterator[Document]:
    """One policy for each workload that has flows or is the platform's own."""
    incoming: dict[Workload, dict[Peer, set[Port]]] = defaultdict(lambda: defaultdict(set))
    outgoing: dict[Workload, dict[Peer, set[Port]]] = defaultdict(lambda: defaultdict(set))
    for flow in flows:
        if _exists(flow.source, installed) and _exists(flow.target, installed):
            port: Port = (flow.protocol, flow.port)
            if isinstance(flow.target, Workload):
                incoming[flow.target][flow.source].add(port)
            if isinstance(flow.source, Workload):
                outgoing[flow.source][flow.target].add(port)
    for workload in workloads:
        space = workload.namespace or namespace
        if space is None or (workload.namespace is None and not (incoming[workload] or outgoing[workload])):
            continue
        name = workload.name if workload.namespace else f"platform-{workload.name}"
        yield _policy(
            space,
            name,
            selector(workload),
            ingress=list(_rules(incoming[workload], "from", addresses)),
            egress=list(_rules(outgoing[workload], "to", addresses)),
        )


def _exists(peer: Peer, installed: Collection[str]) -> bool:
    return not isinstance(peer, Workload) or peer.component is None or peer.component in installed


def _policy(namespace: str, name: str, pods: Document, *, ingress: list[Document], egress: list[Document]) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": ingress} if ingress else {}),
            **({"egress": egress} if egress else {}),
        },
    }


def _rules(peers: Mapping[Peer, set[Port]], word: str, addresses: Addresses) -> Iterator[Document]:
    """One rule for each set of ports, with all peers that share it."""
    shared: dict[tuple[Port, ...], list[Document]] = defaultdict(list)
    open_to_all = peers.get(Outside.ANYWHERE, set())
    for peer, ports in peers.items():
        needed = ports if peer is Outside.ANYWHERE else ports - open_to_all
        shared[tuple(sorted(needed, key=str))] += _peers(peer, addresses)
    for ports, documents in shared.items():
        if ports and documents:
            every = any(port is None for _, port in ports)
            listed = [{"protocol": protocol, "port": port} for protocol, port in ports]
            yield {**({} if every else {"ports": listed}), **({} if {} in documents else {word: documents})}


def _peers(peer: Peer, addresses: Addresses) -> list[Document]:
    """A peer in a policy's words; the empty document stands for anywhere."""
    match peer:
        case Outside.ANYWHERE:
            return [{}]
        case Outside():
            return [block(cidr, addresses) for cidr in addresses.networks.get(peer, ())]
        case Network():
            return [block(peer.cidr, addresses)]
        case Workload():
            labels = {NAMESPACE: peer.namespace} if peer.namespace else TENANT_LABEL
            pods = selector(peer)
            return [{"namespaceSelector": {"matchLabels": dict(labels)}, **({"podSelector": pods} if pods else {})}]
