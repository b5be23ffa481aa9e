"""What a flow is: two ends, a port, a protocol, and why. Refuses a flow without a reason, and any metadata address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Protocol = Literal["TCP", "UDP", "SCTP"]
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
LAST_PORT = 65535

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Outside(Enum):
    """Ends that are no pods. All but ANYWHERE are networks that a cluster or its owner names in `Addresses`."""

    ANYWHERE = "anywhere"  # a source only: a caller whose address cannot be known in advance
    API_SERVER = "API server"
    CERTIFICATE_AUTHORITY = "certificate authority"
    DATABASE = "database"
    ISSUER = "OIDC issuer"
    NODES = "nodes"
    OBJECT_STORE = "object store"
    REGISTRY = "image registry"
    RESOLVER = "node-local resolver"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Pods that are alike. Those of a platform component are named as their controller is, and get a policy."""

    name: str
    namespace: str | None  # None: the namespace of every tenant
    labels: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    having: tuple[str, ...] = ()  # label keys that such a pod has, whatever the value
    component: str | None = None  # None: not installed by the platform, which therefore makes no policy for it
    mesh: bool = False  # the pod carries a sidecar
    made_by: str = ""  # the controller that makes such pods; empty where upstream's objects hold their template

    def __str__(self) -> str:
        return f"{self.namespace or 'tenant'}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """One network that a tenant declared."""

    cidr: str

    def __str__(self) -> str:
        return self.cidr


Peer = Workload | Outside | Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Connections that the source opens to a port of the target's pods (not of its Service)."""

    source: Peer
    target: Peer
    port: int | None  # None: every port of every protocol
    protocol: Protocol = "TCP"
    why: str
    evidence: str  # where upstream or the standard says so

    def __post_init__(self) -> None:
        """Refuse what no policy could say, and what nobody could review."""
        if self.port is not None and not 1 <= self.port <= LAST_PORT:
            raise ValueError(f"{self}: port {self.port} is not in 1..{LAST_PORT}")
        if not self.why.strip() or not self.evidence.strip():
            raise ValueError(f"{self}: a flow needs its reason and its evidence")
        if self.target is Outside.ANYWHERE:
            raise ValueError(f"{self}: nothing may reach everywhere; name a network")
        if not any(isinstance(end, Workload) for end in (self.source, self.target)):
            raise ValueError(f"{self}: neither end is a workload, so no policy could hold it")

    def __str__(self) -> str:
        ends = [end.value if isinstance(end, Outside) else str(end) for end in (self.source, self.target)]
        return f"{ends[0]} -> {ends[1]} {'every port' if self.port is None else f'{self.protocol} {self.port}'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the ends outside of pods are in one cluster. An end without networks is unreachable."""

    metadata: tuple[str, ...]  # instance metadata: carved out of every network that holds it
    inside: tuple[str, ...]  # networks of pods and Services: carved out of every larger network
    networks: Mapping[Outside, tuple[str, ...]] = field(hash=False)

    def __post_init__(self) -> None:
        """Refuse a network of nothing but a metadata address, and one for ANYWHERE."""
        if Outside.ANYWHERE in self.networks:
            raise ValueError("`anywhere` has no networks of its own")
        for end, cidrs in self.networks.items():
            for cidr in cidrs:
                network = ipaddress.ip_network(cidr)
                if any(network == host for host in self.hosts()):
                    raise ValueError(f"{end.value}: {cidr} is the instance metadata address")

    def hosts(self) -> tuple[IPNetwork, ...]:
        """The metadata addresses, as networks of one address."""
        return tuple(ipaddress.ip_network(address) for address in self.metadata)

    def carved(self, cidr: str) -> tuple[IPNetwork, ...]:
        """What an opening to a network never includes: metadata addresses, pods and Services of this cluster."""
        network = ipaddress.ip_network(cidr)
        candidates = (*self.hosts(), *(ipaddress.ip_network(inner) for inner in self.inside))
        return tuple(inner for inner in candidates if inner != network and contains(network, inner))


def contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    """Whether every address of the one is in the other; networks of different families share none."""
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)
