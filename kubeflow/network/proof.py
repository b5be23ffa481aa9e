"""The static proof: what policies admit between every two ends, compared with the declared flows on every port."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from . import ends
from .ends import End
from .flows import Addresses, Flow, Network, Outside, Peer, Protocol, Workload, contains
from .semantics import EVERY_PORT, Address, Direction, Pod, Policy, Ports, admitted, isolating, ports, ranges
from .table import FLOWS, TENANCY
from .workloads import TENANT


class Kind(Enum):
    """How an edge differs from the table."""

    MISSING = "missing"  # declared, and closed at this end; or a pod is fenced that is not the platform's
    EXTRA = "extra"  # open from end to end, and not declared
    LOOSE = "loose"  # admitted at this end, not declared, and closed at the other end only


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One edge that differs from the table, seen from the end whose policies are at fault."""

    kind: Kind
    direction: Direction
    source: str
    target: str
    ports: tuple[str, ...]
    policies: tuple[str, ...]  # those that decide at that end; none: the end is open

    def __str__(self) -> str:
        policies = ", ".join(self.policies) or "no policy selects it"
        return (
            f"{self.kind.value}: {self.source} -> {self.target} on {', '.join(self.ports)} "
            f"({self.direction.value.lower()} policies: {policies})"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The ends of one platform and the flows declared between them."""

    ends: tuple[End, ...]
    unknown: tuple[str, ...]  # rendered controllers that the table lacks
    absent: tuple[str, ...]  # workloads of installed components that nothing renders
    addresses: Addresses
    flows: Mapping[tuple[Peer, Peer], Ports]

    def findings(self, policies: Sequence[Policy], only: Collection[End] | None = None) -> Iterator[Finding]:
        """Every difference between policies and table, at all ends or only at some."""
        others = (*self.ends, *self._frontier(policies))
        reach = _Reach(policies)
        for end in self.ends if only is None else only:
            for other in others:
                for direction in Direction:
                    yield from self._compare(reach, direction, end, other)

    def _compare(self, reach: _Reach, direction: Direction, end: End, other: End) -> Iterator[Finding]:
        source, target = (other, end) if direction is Direction.INGRESS else (end, other)
        expected = self._expected(direction, source, target) if end.fenced else EVERY_PORT
        actual = reach.admitted(direction, end, other)
        if actual == expected:
            return
        opened, closed = actual & ~expected, expected & ~actual
        opposite = Direction.EGRESS if direction is Direction.INGRESS else Direction.INGRESS
        through = opened & reach.admitted(opposite, other, end)
        for kind, chosen in ((Kind.MISSING, closed), (Kind.EXTRA, through), (Kind.LOOSE, opened & ~through)):
            if chosen:
                yield Finding(
                    kind=kind,
                    direction=direction,
                    source=source.name,
                    target=target.name,
                    ports=ranges(chosen),
                    policies=tuple(f"{one.namespace}/{one.name}" for one in reach.policies(direction, end)),
                )

    def _expected(self, direction: Direction, source: End, target: End) -> Ports:
        """What the table has at one half of an edge. Only the receiving half can admit anybody."""
        anybody = self._between((Outside.ANYWHERE,), target.roles) if direction is Direction.INGRESS else 0
        if TENANT in source.roles and TENANT in target.roles and not _same_namespace(source, target):
            return anybody
        return anybody | self._between(source.roles, target.roles)

    def _between(self, sources: Iterable[Peer], targets: Iterable[Peer]) -> Ports:
        found: Ports = 0
        for source in sources:
            for target in targets:
                found |= self.flows.get((source, target), 0)
        return found

    def _frontier(self, policies: Sequence[Policy]) -> tuple[End, ...]:
        """An address from each side of every boundary that policies, tenants or the cluster draw."""
        openings = frozenset(target for _, target in self.flows if isinstance(target, Network))
        drawn = {*self.addresses.metadata, *self.addresses.inside, *(opening.cidr for opening in openings)}
        drawn.update(cidr for cidrs in self.addresses.networks.values() for cidr in cidrs)
        for block in (block for policy in policies for block in _blocks(policy)):
            drawn.update((block["cidr"], *(block.get("except") or ())))
        return _address_ends(frozenset(drawn), self.addresses, openings)


class _Reach:
    """What a set of policies admits, with the policies of each end looked up once."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._by_namespace: dict[str, list[Policy]] = defaultdict(list)
        for policy in policies:
            self._by_namespace[policy.namespace].append(policy)
        self._found: dict[tuple[Direction, str], tuple[Policy, ...]] = {}

    def policies(self, direction: Direction, end: End) -> tuple[Policy, ...]:
        key = direction, end.name
        if key not in self._found:
            pod = end.endpoint
            nearby = self._by_namespace.get(pod.namespace, ()) if isinstance(pod, Pod) else ()
            self._found[key] = isolating(nearby, pod, direction) if isinstance(pod, Pod) else ()
        return self._found[key]

    def admitted(self, direction: Direction, end: End, other: End) -> Ports:
        if isinstance(end.endpoint, Address):
            return EVERY_PORT
        return admitted(self.policies(direction, end), direction, end.endpoint, other.endpoint)


def opening(namespace: str, cidr: str, port: int, protocol: Protocol, why: str) -> Flow:
    """A tenant's declared way out, as a flow."""
    return Flow(
        source=Workload(name="declared", namespace=namespace),
        target=Network(cidr=cidr),
        port=port,
        protocol=protocol,
        why=why,
        evidence="the tenant's specification",
    )


def model(
    objects: Iterable[Mapping[str, Any]],
    installed: Collection[str],
    tenants: Mapping[str, Sequence[Flow]],
    addresses: Addresses,
) -> Model:
    """The platform that rendered objects (each with its namespace), tenants and their declared ways out make up."""
    rendered, unknown, absent = ends.rendered(objects, installed, addresses)
    flows: dict[tuple[Peer, Peer], Ports] = defaultdict(int)
    for flow in (*FLOWS, *TENANCY, *(flow for declared in tenants.values() for flow in declared)):
        chosen = EVERY_PORT if flow.port is None else ports(flow.protocol, flow.port, flow.port)
        flows[flow.source, flow.target] |= chosen
    return Model(
        ends=(*rendered, *ends.others(installed, tenants, addresses)),
        unknown=unknown,
        absent=absent,
        addresses=addresses,
        flows=flows,
    )


def _same_namespace(one: End, other: End) -> bool:
    return (
        isinstance(one.endpoint, Pod)
        and isinstance(other.endpoint, Pod)
        and one.endpoint.namespace == other.endpoint.namespace
    )


@cache
def _address_ends(drawn: frozenset[str], addresses: Addresses, openings: frozenset[Network]) -> tuple[End, ...]:
    """The first address of each stretch within which nothing changes, with the networks that it belongs to."""
    found: set[str] = set()
    for network in map(ipaddress.ip_network, drawn):
        found.add(str(network[0]))
        if int(network[-1]) < 2**network.max_prefixlen - 1:
            found.add(str(network[-1] + 1))
    named: list[tuple[Peer, str]] = [(opening, opening.cidr) for opening in openings]
    named += [(outside, cidr) for outside, cidrs in addresses.networks.items() for cidr in cidrs]
    return tuple(
        End(
            name=f"address {address}",
            endpoint=Address(address=address),
            roles=frozenset(peer for peer, cidr in named if _includes(addresses, cidr, address)),
            fenced=False,
        )
        for address in sorted(found)
    )


def _includes(addresses: Addresses, cidr: str, address: str) -> bool:
    host = ipaddress.ip_network(address)
    return contains(ipaddress.ip_network(cidr), host) and not any(
        contains(inner, host) for inner in addresses.carved(cidr)
    )


def _blocks(policy: Policy) -> Iterator[Mapping[str, Any]]:
    for rules in policy.rules.values():
        for rule in rules:
            yield from (peer["ipBlock"] for peer in rule.peers if "ipBlock" in peer)
