"""Whether a tenant's NetworkPolicies close it by default. Reads the live objects; sends no packet."""

from __future__ import annotations

import ipaddress

from workloads.api import Json
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import Probes

METADATA_ADDRESSES = ("169.254.169.254", "169.254.170.23", "100.100.100.200", "fd00:ec2::254")
DNS_PORT = 53


def closed_by_default(target: Target, visit: Visit) -> Probes:
    """Each tenant has default-deny both ways and a way to DNS, and no policy opens the way to instance metadata."""
    probes = Probes()
    for tenant in target.tenants.values():
        space = tenant.namespace
        policies = visit.api.items(f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies")
        names = ", ".join(policy["metadata"]["name"] for policy in policies) or "no NetworkPolicy"
        for way in ("Ingress", "Egress"):
            held = any(denies(policy, way) for policy in policies)
            probes.negative(f"{way.lower()} of every pod in {space} is denied by default", held=held, saw=names)
        probes.positive(f"every pod in {space} may ask DNS", held=any(map(opens_dns, policies)), saw=names)
        leaks = [f"{one['metadata']['name']} reaches {address}" for one in policies for address in reached(one)]
        claim = f"no NetworkPolicy in {space} reaches an instance metadata address"
        probes.negative(claim, held=not leaks, saw="; ".join(leaks) or names)
    if "network_policy" in target.capabilities:
        probes.note("policies were read, not tried with packets")
    else:
        probes.note("policies were read, not tried with packets; this cluster stores them without enforcing them")
    return probes


def denies(policy: Json, way: str) -> bool:
    """Whether a policy selects every pod and lets nothing through."""
    spec = policy["spec"]
    return not spec.get("podSelector") and way in spec.get("policyTypes", []) and not spec.get(way.lower())


def opens_dns(policy: Json) -> bool:
    """Whether a policy lets every pod ask DNS over both protocols."""
    spec = policy["spec"]
    if spec.get("podSelector"):
        return False
    ports = [port for rule in spec.get("egress", []) for port in rule.get("ports", [])]
    return {("UDP", DNS_PORT), ("TCP", DNS_PORT)} <= {(port.get("protocol", "TCP"), port.get("port")) for port in ports}


def reached(policy: Json) -> list[str]:
    """The metadata addresses that a policy lets pods reach on any port."""
    rules = policy["spec"].get("egress", [])
    return [address for address in METADATA_ADDRESSES if any(_rule_reaches(rule, address) for rule in rules)]


def _rule_reaches(rule: Json, address: str) -> bool:
    peers = rule.get("to")
    return not peers or any(_block_holds(peer["ipBlock"], address) for peer in peers if "ipBlock" in peer)


def _block_holds(block: Json, address: str) -> bool:
    wanted = ipaddress.ip_address(address)
    if wanted not in ipaddress.ip_network(block["cidr"], strict=False):
        return False
    return not any(wanted in ipaddress.ip_network(inner, strict=False) for inner in block.get("except", []))
