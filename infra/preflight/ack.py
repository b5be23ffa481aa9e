"""Checks of a cluster on Alibaba Cloud: judgements of the stack file and of what its APIs tell."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from infra.ack.names import policy_name, role_name
from infra.ack.options import CLOUD_SERVICES, AckOptions, Site
from infra.contract import Environment, Store
from infra.naming import Kind

from . import checks, versions
from .alibaba import Alibaba, Facts, OpenApi
from .checks import Amount, Check, Finding, Plan, look, static

_RESERVED: Mapping[str, str] = {
    CLOUD_SERVICES: "Alibaba Cloud's own services (VPC, networks that must not be used)",
    "172.17.0.0/16": "Docker's bridge on ACK nodes",
}
# Attributes of an account in a region (ECS API, DescribeAccountAttributes): limit and use in vCPUs.
_ON_DEMAND = ("max-postpaid-instance-vcpu-count", "used-postpaid-instance-vcpu-count")
_SPOT = ("max-spot-instance-vcpu-count", "used-spot-instance-vcpu-count")
_KEPT = 4  # addresses of a vSwitch that Alibaba Cloud keeps
_NODE_PODS = 110  # addresses that Terway may keep for one node


def make(plan: Plan, api: OpenApi | None = None) -> tuple[Check, ...]:
    """The checks of one cluster."""
    spec, site = plan.spec, Site.of(plan.spec)
    facts = Facts(api or Alibaba(spec.region), spec.region)
    wanted = checks.wanted_zones(site.pools, site.zones)
    identity = "sts:GetCallerIdentity"
    return (
        static("ack.names", checks.names(_names(site))),
        static("ack.networks", checks.networks(site.options.network.cidrs, _RESERVED)),
        static("ack.addresses", _room(site)),
        static("ack.version", versions.judge(Environment.ACK, spec.version, plan.today)),
        static("ack.reach", checks.reach(site.options.network.api_access)),
        look("ack.credentials", identity, lambda: checks.signed_in(lambda: facts.caller["Arn"])),
        look("ack.account", identity, lambda: _account(site.options, facts.caller["AccountId"])),
        look(
            "ack.machines",
            "ecs:DescribeAvailableResource",
            lambda: checks.offered(wanted, {name: facts.zones_of(name) for name in wanted}),
        ),
        look("ack.quota", "ecs:DescribeAccountAttributes, ecs:DescribeInstanceTypes", lambda: _quotas(site, facts)),
        look(
            "ack.offered-version",
            "cs:DescribeKubernetesVersionMetadata",
            lambda: versions.confirmed(site.release, facts.releases(), plan.today),
        ),
        look(
            "ack.reservations",
            "ecs:DescribeElasticityAssurances, ecs:DescribeCapacityReservations",
            lambda: checks.reserved(site.pools, facts.reservation, good=("Active", "Pending")),
        ),
    )


def _names(site: Site) -> dict[Kind, list[str]]:
    longest = ("n" * 63, "a" * 63)
    return {
        Kind.ACK_CLUSTER: [site.name],
        Kind.ACK_POOL: [f"{site.name}-{name}" for name in site.pools],
        Kind.RAM_ROLE: [role_name(site.name, *longest)],
        Kind.RAM_POLICY: [policy_name(site.name, *longest)],
        Kind.OSS_BUCKET: [site.bucket(store) for store in Store],
        Kind.SLS_PROJECT: [site.log_project],
    }


def _room(site: Site) -> Finding:
    """Addresses in each zone; `network.plan` gives nodes an eighth, and pods a quarter, of their network."""
    nodes = ipaddress.ip_network(site.options.network.nodes).num_addresses // 8 - _KEPT
    pods = ipaddress.ip_network(site.options.network.pods).num_addresses // 4 - _KEPT
    rows: list[Amount] = []
    for zone in site.zones:
        most = checks.nodes_in(zone, site.pools, site.zones)
        rows.append(Amount(what=f"node addresses in {zone}", wanted=most, limit=nodes))
        rows.append(Amount(what=f"pod addresses in {zone}", wanted=most * _NODE_PODS, limit=pods))
    return checks.amounts(rows, remedy="choose larger networks: they cannot grow later")


def _account(options: AckOptions, found: str) -> Finding:
    return checks.account("account", "cluster.options.account", wanted=options.account, found=found)


def _quotas(site: Site, facts: Facts) -> Finding:
    """VCPUs of the region, all families together; ECS counts GPU families by request only."""
    limits = facts.attributes((*_ON_DEMAND, *_SPOT))
    vcpus = facts.vcpus(sorted({pool.machine for pool in site.pools.values()}))
    rows: list[Amount] = []
    unknown: list[str] = []
    for kind, (limit, used), machines in (
        ("on demand", _ON_DEMAND, checks.machines(site.pools)),
        ("spot", _SPOT, checks.spot_machines(site.pools)),
    ):
        unknown += [f"{machine}: not known in {site.region}" for machine in machines if machine not in vcpus]
        wanted = sum(count * vcpus.get(machine, 0) for machine, count in machines.items())
        if wanted and limit not in limits:
            unknown.append(f"{limit}: the account tells no limit")
        elif wanted:
            rows.append(Amount(what=f"vCPUs {kind}", wanted=wanted, limit=limits[limit], used=limits.get(used)))
    remedy = f"ask for more in Quota Center (ecs, {site.region}), or lower the pools' `max`"
    return checks.amounts(rows, remedy=remedy, unknown=unknown)
