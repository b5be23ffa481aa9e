"""Ways in and out: endpoints, firewalls, network policies, Services, gateways and the mesh."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from . import cel
from .rule import Config, Finding, Setting, Severity, Subject, in_list, of_kind, relation, rule
from .values import Node, network, open_networks

METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "fd00:ec2::254")
_WORLD_PEERS = ("namespaceSelector", "podSelector", "ipBlock")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))
_WORLD_BITS = 3  # policies that open an eighth of all addresses open the world
_POLICIES = "networking.k8s.io/networkpolicies"
# In CEL.
_SHARES = cel.literal([1 / 2**bits for bits in range(13)])  # of all addresses, by the length of a prefix
_BLOCKS = "r.?to.orValue([]).filter(t, has(t.ipBlock)).map(t, t.ipBlock)"
_REACHED = "cidr(b.cidr).containsIP(a) && !b.?except.orValue([]).exists(x, cidr(x).containsIP(a))"
_ALL_REACHED = f"variables.addresses.filter(a, {_REACHED}).join(', ')"
_METADATA = cel.every(_BLOCKS, "b", f"!variables.addresses.exists(a, {_REACHED})", _ALL_REACHED)


def _asked_of_policies() -> Iterator[cel.Ask]:
    """The same in CEL; blocks that overlap count twice, which is stricter."""
    for direction, peers in _DIRECTIONS:
        rules, anywhere = f"object.spec.?{direction}.orValue([])", "size(r.?ports.orValue([])) == 0"
        listed = f"r.?{peers}.orValue([])"
        said = " || ".join(f"has(t.{key})" for key in _WORLD_PEERS)
        yield cel.thing(_POLICIES, f"{direction} of all peers at all ports",
                        f"{rules}.all(r, size({listed}) > 0 || !({anywhere}))")  # fmt: skip
        yield cel.thing(
            _POLICIES, f"a peer of {direction} without any condition", f"{rules}.all(r, {listed}.all(t, {said}))"
        )
        for version in (4, 6):
            blocks = f"{listed}.filter(t, has(t.ipBlock)).map(t, cidr(t.ipBlock.cidr))"
            wide = f"{blocks}.filter(b, b.ip().family() == {version} && b.prefixLength() < 13)"
            share = f"{wide}.map(b, {_SHARES}[b.prefixLength()]).sum()"
            yield cel.thing(
                _POLICIES,
                f"{direction} of nearly all IPv{version} addresses at all ports",
                f"{rules}.all(r, !({anywhere}) || {share} < {1 / 2**_WORLD_BITS})",
            )


@rule(
    refuses="A network policy that lets everybody in, or everything out.",
    why="It is read as a fence and is none.",
    fix="Name peers: a podSelector with a namespaceSelector that selects, or an ipBlock smaller than the world.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.3.2; NSA/CISA Kubernetes Hardening Guidance",
    types=("NetworkPolicy",),
    cluster=tuple(_asked_of_policies()),
)
def network_policy_allows_all(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A rule without peers, a peer without a condition, or networks that cover the world together."""
    for direction, peers in _DIRECTIONS:
        for one in subject.at("spec", direction).items():
            if one.unknown or one.at(peers).unknown:
                continue
            listed = one.at(peers).items()
            if not listed and not one.at("ports").items():
                yield Finding(text=f"{direction} of all peers at all ports", path=one.path)
            for peer in listed:
                if not peer.unknown and not any(peer.at(key).present for key in _WORLD_PEERS):
                    yield Finding(text=f"a peer of {direction} without any condition", path=peer.path)
            if not one.at("ports").items():
                yield from _world(one, listed, direction)


def _world(one: Node, peers: Sequence[Node], direction: str) -> Iterator[Finding]:
    """Blocks with exceptions count as well: a hole of one address fences nothing."""
    blocks = [peer.at("ipBlock", "cidr").text() for peer in peers]
    found = [item for text in blocks if text and (item := network(text)) is not None]
    for version, bits in ((4, 32), (6, 128)):
        nets = [item for item in found if item.version == version]
        covered = sum(item.num_addresses for item in ipaddress.collapse_addresses(nets))  # type: ignore[type-var]
        if covered >= 2 ** (bits - _WORLD_BITS):
            yield Finding(text=f"{direction} of nearly all IPv{version} addresses at all ports", path=one.path)


@rule(
    refuses="A network policy through which pods reach the address of instance metadata.",
    why="Who reaches it becomes the node: its cloud role, its credentials.",
    fix="Add the address to `except` of the ipBlock.",
    severity=Severity.HIGH,
    source="NSA/CISA Kubernetes Hardening Guidance; CIS EKS 5.4",
    types=("NetworkPolicy",),
    settings={
        "addresses": Setting(type="array", default=list(METADATA), about="addresses that answer with credentials")
    },
    cluster=(cel.thing(_POLICIES, "reaches {}", *cel.every("object.spec.?egress.orValue([])", "r", *_METADATA)),),
)
def network_policy_reaches_metadata(subject: Subject, config: Config) -> Iterator[Finding]:
    """Per block; an exception counts if it covers the address."""
    for one in subject.at("spec", "egress").items():
        for peer in one.at("to").items():
            cidr = peer.at("ipBlock", "cidr")
            block = network(cidr.text()) if cidr.present else None
            if block is None:
                continue
            holes = [hole for text in peer.at("ipBlock", "except").texts() if (hole := network(text)) is not None]
            if peer.at("ipBlock", "except").unknown:
                continue
            open_to = [
                text
                for text in config["addresses"]
                if (address := ipaddress.ip_address(text)) in block and not any(address in hole for hole in holes)
            ]
            if open_to:
                yield Finding(text=f"reaches {', '.join(open_to)}", path=cidr.path)


def closing(subjects: Sequence[Subject]) -> dict[str, set[str]]:
    """Namespaces and the directions that policies close for every pod in them."""
    closed: dict[str, set[str]] = {}
    for subject in of_kind(subjects, "NetworkPolicy"):
        spec = subject.at("spec")
        selector = spec.at("podSelector")
        if selector.unknown or selector.at("matchLabels").entries() or selector.at("matchExpressions").items():
            continue
        types = set(spec.at("policyTypes").texts()) or {"Ingress", *(["Egress"] if spec.at("egress").present else [])}
        closed.setdefault(subject.resource.namespace, set()).update(types)
    return closed


@relation(
    refuses="A namespace whose pods cannot leave, not even to ask for names.",
    why="Every connection by name fails, after the platform is there.",
    fix="Allow UDP and TCP 53 to the cluster's resolver for all pods of the namespace.",
    severity=Severity.MEDIUM,
    source="upstream: Kubernetes, Network Policies",
    types=("NetworkPolicy",),
)
def egress_without_dns(subjects: Sequence[Subject], _config: Config) -> Iterator[Finding]:
    """Only where egress is closed for every pod; ports may be numbers, text or names."""
    resolves: set[str] = set()
    policies = of_kind(subjects, "NetworkPolicy")
    for subject in policies:
        if subject.at("spec", "egress").unknown:  # perhaps this one allows it
            resolves.add(subject.resource.namespace)
        for one in subject.at("spec", "egress").items():
            ports = one.at("ports").items()
            if not ports or any(
                port.at("port").text("53") in {"53", "dns", "dns-udp"} or _spans(port) for port in ports
            ):
                resolves.add(subject.resource.namespace)
    closed = closing(subjects)
    for subject in policies:
        space = subject.resource.namespace
        if "Egress" in closed.get(space, ()) and space not in resolves:
            closed.pop(space)
            yield Finding(text=f"nothing in namespace {space} may ask for names", subject=subject, path="spec.egress")


def _spans(port: Node) -> bool:
    return port.at("port").number(unknown=0) <= 53 <= port.at("endPort").number(unknown=53, absent=0)  # noqa: PLR2004


_GATEWAYS = ["istio-system/istio-ingressgateway"]
# In CEL.
_INSIDE = "!(object.spec.?type.orValue('') in ['LoadBalancer', 'NodePort'])"
_GATEWAY = cel.listed("(object.metadata.namespace + '/' + object.metadata.name)", "gateways")
# Knative and KServe lead names of models to the gateways inside. Any other Service of somebody else would be called by
# the ingress gateway itself, with headers that a tenant's own route may set.
_DOORS = tuple(f"{name}-local-gateway.istio-system.svc.cluster.local" for name in ("cluster", "knative"))
_NAME = "object.spec.?externalName.orValue('')"
_STAYS = (
    f"{_NAME}.matches('[.]' + object.metadata.namespace + '[.]svc[.]cluster[.]local[.]?$')"
    f" || {_NAME} in [{', '.join(map(cel.literal, _DOORS))}]"
)


@rule(
    refuses="A Service that is open outside of the cluster and is not the gateway.",
    why="It goes around login, mesh and audit.",
    fix="Use type ClusterIP and a VirtualService, or list the Service in `gateways`.",
    severity=Severity.HIGH,
    source="CIS EKS 5.4.5; CVE-2020-8554",
    types=("Service",),
    settings={
        "gateways": Setting(type="array", default=_GATEWAYS, about="namespace/name of Services that may be open")
    },
    cluster=(
        cel.thing(
            "/services", "a Service of type {} beside the gateway", f"{_INSIDE} || {_GATEWAY}", "object.spec.type"
        ),
        cel.thing("/services", "externalIPs takes traffic of others", "object.spec.?externalIPs.orValue([]) == []"),
        cel.thing(
            "/services",
            "loadBalancerIP takes traffic of others",
            f"object.spec.?loadBalancerIP.orValue('') == '' || {_GATEWAY}",
        ),
        cel.thing(
            "/services",
            "an ExternalName leads out of its namespace past the network policies' review",
            f"object.spec.?type.orValue('') != 'ExternalName' || {_STAYS}",
        ),
    ),
)
def service_open(subject: Subject, config: Config) -> Iterator[Finding]:
    """LoadBalancer, NodePort, external addresses, and names that lead out."""
    spec, resource = subject.at("spec"), subject.resource
    kind = spec.at("type").text()
    gateway = in_list(f"{resource.namespace}/{resource.object_name}", config["gateways"])
    if kind in {"LoadBalancer", "NodePort"} and not gateway:
        yield Finding(text=f"a Service of type {kind} beside the gateway", path=spec.at("type").path)
    for key in ("externalIPs", "loadBalancerIP"):
        if spec.at(key).texts() and not (gateway and key == "loadBalancerIP"):
            yield Finding(text=f"{key} takes traffic of others", path=spec.at(key).path)
    target = spec.at("externalName").text().rstrip(".")
    stays = target.endswith(f".{resource.namespace}.svc.cluster.local") or target in _DOORS
    if kind == "ExternalName" and not stays:
        yield Finding(text="an ExternalName leads out of its namespace past the network policies' review", path="spec")


@rule(
    refuses="A load balancer that takes calls from the whole world by accident.",
    why="The gateway of an internal platform is found within minutes.",
    fix="Set loadBalancerSourceRanges, or make the balancer internal by its annotation.",
    severity=Severity.MEDIUM,
    source="CIS EKS 5.4.5",
    types=("Service",),
    advisory=True,
)
def load_balancer_unfenced(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Clouds say `internal` in different annotations."""
    if subject.at("spec", "type").text() != "LoadBalancer":
        return
    ranges = subject.at("spec", "loadBalancerSourceRanges")
    notes = subject.at("metadata", "annotations")
    if ranges.unknown or notes.unknown:
        return
    internal = any(
        ("internal" in key or "address-type" in key or "load-balancer-type" in key or key.endswith("scheme"))
        and value.text("internal").lower() in {"true", "internal", "intranet"}
        for key, value in notes.entries()
    )
    if open_networks(ranges.texts()) or (not internal and not ranges.texts()):
        yield Finding(text="open to every address", path=ranges.path)


RULES = (network_policy_allows_all, network_policy_reaches_metadata, egress_without_dns, service_open,
         load_balancer_unfenced)  # fmt: skip
