"""What NetworkPolicies mean, decided exactly for every port. Knows nothing of flows, and reads no cluster.

The clauses are those of the API reference of `networking.k8s.io/v1`:

- NetworkPolicySpec: "The array of rules is applied to any pods selected by this field. An empty selector matches all
  pods in the policy's namespace. Multiple network policies can select the same set of pods. In this case, the ingress
  rules for each are combined additively."
- policyTypes: "If this field is not specified, it will default based on the existence of ingress or egress rules;
  policies that contain an egress section are assumed to affect egress, and all policies (whether or not they contain
  an ingress section) are assumed to affect ingress." (An empty egress list counts as none, as the API server's own
  defaulting has it.)
- ingress, egress: traffic is allowed to a pod that no policy selects for the direction, "or if the traffic matches at
  least one rule across all of the NetworkPolicy objects whose podSelector matches the pod".
- rule: "This field is a list; if this field is empty or missing, this rule matches all" ports, sources, destinations.
- NetworkPolicyPeer: podSelector alone selects pods "in the policy's own namespace", namespaceSelector alone "all pods
  in the namespaces", both together the pods that match both; "If [ipBlock] is set then neither of the other fields can
  be".
- NetworkPolicyPort: "If this field is not provided, this matches all port names and numbers"; endPort needs a numeric
  port; protocol defaults to TCP; a name is resolved on the pod at the receiving end.
- IPBlock: `except` are addresses that "should not be included within the rule".
- LabelSelector: matchLabels and matchExpressions are ANDed; NotIn also selects what lacks the key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

from .flows import LAST_PORT, PROTOCOLS, IPNetwork, Protocol, contains

Document = Mapping[str, Any]
Ports = int  # one bit for each port of each protocol, so that sets of ports are compared exactly and at once

_SPAN = LAST_PORT + 1


class Direction(Enum):
    """Which half of a connection a policy decides about; the value is `policyTypes`' word for it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@cache
def ports(protocol: Protocol, first: int, last: int) -> Ports:
    """The set of the ports from first to last."""
    return ((1 << (last - first + 1)) - 1) << (PROTOCOLS.index(protocol) * _SPAN + first)


EVERY_PORT: Ports = sum(ports(protocol, 1, LAST_PORT) for protocol in PROTOCOLS)


def ranges(chosen: Ports) -> tuple[str, ...]:
    """A set of ports in words: `TCP 80`, `UDP 1-65535`."""
    if chosen == EVERY_PORT:
        return ("every port",)
    found: list[str] = []
    for number, protocol in enumerate(PROTOCOLS):
        left = (chosen >> (number * _SPAN)) & ((1 << _SPAN) - 1)
        while left:
            first = (left & -left).bit_length() - 1
            filled = (left >> first) + 1
            length = (filled & -filled).bit_length() - 1
            found.append(f"{protocol} {first}" if length == 1 else f"{protocol} {first}-{first + length - 1}")
            left &= ~(((1 << length) - 1) << first)
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """What policies can see of a pod."""

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    named_ports: Mapping[str, tuple[Protocol, int]] = field(default_factory=dict[str, tuple[Protocol, int]])
    address: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """An end that is no pod."""

    address: str


Endpoint = Pod | Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One ingress or egress rule: peers and ports, as the API has them."""

    peers: Sequence[Document]
    ports: Sequence[Document]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A NetworkPolicy, with its defaults filled in."""

    namespace: str
    name: str
    selector: Document
    rules: Mapping[Direction, tuple[Rule, ...]]  # a direction that is absent is one that the policy says nothing about

    def selects(self, pod: Pod) -> bool:
        """Whether the policy is about this pod."""
        return pod.namespace == self.namespace and matches(self.selector, pod.labels)


def parse(document: Document) -> Policy:
    """A policy from its document."""
    spec = document["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    rules: dict[Direction, tuple[Rule, ...]] = {}
    for direction, section, peers in ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to")):
        if direction.value in types:
            rules[direction] = tuple(
                Rule(peers=rule.get(peers) or (), ports=rule.get("ports") or ()) for rule in spec.get(section) or ()
            )
    metadata = document["metadata"]
    return Policy(
        namespace=metadata["namespace"], name=metadata["name"], selector=spec.get("podSelector") or {}, rules=rules
    )


def matches(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects labels; an empty one selects all."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    requirements: Sequence[Document] = selector.get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _satisfied(requirement, labels) for requirement in requirements
    )


def _satisfied(requirement: Document, labels: Mapping[str, str]) -> bool:
    key, operator, values = requirement["key"], requirement["operator"], requirement.get("values") or ()
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            raise ValueError(f"operator {operator}: allowed are In, NotIn, Exists, DoesNotExist")


def isolating(policies: Iterable[Policy], pod: Pod, direction: Direction) -> tuple[Policy, ...]:
    """The policies that decide about a pod in a direction; without any, everything is allowed."""
    return tuple(policy for policy in policies if direction in policy.rules and policy.selects(pod))


def admitted(policies: Sequence[Policy], direction: Direction, pod: Pod, other: Endpoint) -> Ports:
    """Ports on which this pod may be reached by (ingress) or may reach (egress) the other, if the other agrees.

    `policies` are those that isolate the pod in the direction.
    """
    if not policies:
        return EVERY_PORT
    receiver = pod if direction is Direction.INGRESS else other
    found: Ports = 0
    for policy in policies:
        for rule in policy.rules[direction]:
            if not rule.peers or any(_is_peer(peer, policy.namespace, other) for peer in rule.peers):
                found |= _ports(rule, receiver)
    return found


def _is_peer(peer: Document, namespace: str, other: Endpoint) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        return other.address is not None and _in_block(block, other.address)
    if isinstance(other, Address):
        return False
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if spaces is None and pods is None:
        raise ValueError(f"a peer of a policy in {namespace} names neither pods, namespaces nor an ipBlock")
    in_space = other.namespace == namespace if spaces is None else matches(spaces, other.namespace_labels)
    return in_space and (pods is None or matches(pods, other.labels))


def _in_block(block: Document, address: str) -> bool:
    host = _network(address)
    return contains(_network(block["cidr"]), host) and not any(
        contains(_network(inner), host) for inner in block.get("except") or ()
    )


@cache
def _network(cidr: str) -> IPNetwork:
    return ipaddress.ip_network(cidr)


def _ports(rule: Rule, receiver: Endpoint) -> Ports:
    if not rule.ports:
        return EVERY_PORT
    found: Ports = 0
    for port in rule.ports:
        protocol: Protocol = port.get("protocol") or "TCP"
        number = port.get("port")
        if number is None:
            found |= ports(protocol, 1, LAST_PORT)
        elif isinstance(number, int):
            found |= ports(protocol, number, port.get("endPort") or number)
        elif isinstance(receiver, Pod) and receiver.named_ports.get(number, ("", 0))[0] == protocol:
            named = receiver.named_ports[number][1]
            found |= ports(protocol, named, named)
    return found
