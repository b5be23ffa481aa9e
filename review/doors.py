"""Who may come in from outside of the cluster: networks of the API server, of balancers, of rules at the edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from policies.guardrails.rule import Resource, Subject
from policies.guardrails.values import Node

_ANYBODY, _SERVER = "0.0.0.0/0", "API server"


def doors(resources: Sequence[Resource]) -> list[tuple[str, str]]:
    """(network, what it may reach), each once; a network that is not known is no door here, but a doubt of the pack."""
    return sorted({pair for one in resources for pair in _doors(Subject(one))})


def _doors(one: Subject) -> Iterator[tuple[str, str]]:
    kind = one.resource.type
    if kind in _API_SERVERS:
        yield from _API_SERVERS[kind](one)
    elif kind in _RULES:
        inwards, what = _RULES[kind]
        if one.at("type").text() != "egress" and one.at("direction").text() != "EGRESS":
            for key in inwards:
                yield from _each(one.at(key), f"{what} {one.resource.name}{_port(one.at('fromPort'))}")
    elif kind == "kubernetes:core/v1:Service" and one.at("spec", "type").text() == "LoadBalancer":
        yield from _each(one.at("spec", "loadBalancerSourceRanges"), one.resource.address, open_if_absent=True)


def _aws(one: Subject) -> Iterator[tuple[str, str]]:
    config = one.at("vpcConfig")
    if config.at("endpointPublicAccess").flag(unknown=True, absent=True):
        yield from _each(config.at("publicAccessCidrs"), _SERVER, open_if_absent=True)


def _azure(one: Subject) -> Iterator[tuple[str, str]]:
    profile = one.at("apiServerAccessProfile")
    if not profile.at("enablePrivateCluster").flag(unknown=False):
        yield from _each(profile.at("authorizedIPRanges"), _SERVER, open_if_absent=True)


def _google(one: Subject) -> Iterator[tuple[str, str]]:
    for block in one.at("masterAuthorizedNetworksConfig", "cidrBlocks").items():
        yield from _each(block.at("cidrBlock"), _SERVER)


def _each(place: Node, what: str, *, open_if_absent: bool = False) -> Iterator[tuple[str, str]]:
    texts = place.texts()
    yield from ((text, what) for text in texts)
    if open_if_absent and not place.present:
        yield _ANYBODY, what


def _port(place: Node) -> str:
    text = place.text()
    return f":{text}" if text else ""


_API_SERVERS: Mapping[str, Callable[[Subject], Iterator[tuple[str, str]]]] = {
    "aws:eks/cluster:Cluster": _aws,
    "azure-native:containerservice:ManagedCluster": _azure,
    "gcp:container/cluster:Cluster": _google,
}
# Type of a rule at the edge -> its networks, and what it is a rule of.
_RULES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (("cidrIpv4", "cidrIpv6"), "security group"),
    "alicloud:ecs/securityGroupRule:SecurityGroupRule": (("cidrIp", "ipv6CidrIp"), "security group"),
    "gcp:compute/firewall:Firewall": (("sourceRanges",), "firewall"),
}
