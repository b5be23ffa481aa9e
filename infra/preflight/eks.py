"""Checks of a cluster on AWS: judgements of the stack file and of what the account tells."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from infra.contract import Environment
from infra.eks.options import EksOptions, Site
from infra.naming import Kind

from . import checks, versions
from .aws import Account, Aws, Caller
from .checks import Amount, Check, Finding, Plan, look, static

# Quotas of EC2 in vCPUs (Service Quotas, service ec2), on demand and spot: letters of the machine type -> codes.
_FAMILIES: Mapping[str, tuple[str, str, str]] = {
    "p": ("P", "L-417A185B", "L-7212CCBC"),
    "g": ("G and VT", "L-DB2E81BA", "L-3819A6DF"),
    "vt": ("G and VT", "L-DB2E81BA", "L-3819A6DF"),
    **dict.fromkeys("acdhimrtz", ("Standard", "L-1216C47A", "L-34B43A08")),
}
_ADDRESSES = "L-0263D0A3"  # Elastic IPs of a region
_RESERVED = {"172.17.0.0/16": "Docker's bridge on EKS nodes (EKS best practices, IP addresses)"}
_KEPT = 5  # addresses of a subnet that AWS keeps
_NODE_BLOCKS = 8  # /28 blocks that vpc-cni takes for the 110 pods of a node, with one to spare
_BLOCK = 16
_ROLE = re.compile(r"arn:[a-z-]+:sts::(\d{12}):assumed-role/([^/]+)/.*")


def make(plan: Plan, account: Account | None = None) -> tuple[Check, ...]:
    """The checks of one cluster."""
    spec, site = plan.spec, Site.of(plan.spec)
    cloud: Account = Aws(spec.region) if account is None else account
    caller, quota = checks.once(cloud.caller), "servicequotas:GetServiceQuota"
    wanted = checks.wanted_zones(site.pools, site.zones)
    return (
        static("eks.names", checks.names(_names(site))),
        static("eks.networks", checks.networks(site.options.network.cidrs, _RESERVED)),
        static("eks.addresses", _room(site)),
        static("eks.version", versions.judge(Environment.EKS, spec.version, plan.today)),
        static("eks.reach", checks.reach(site.options.network.api_access)),
        look("eks.credentials", "sts:GetCallerIdentity", lambda: checks.signed_in(lambda: caller().arn)),
        look("eks.account", "sts:GetCallerIdentity", lambda: _account(site.options, caller())),
        look("eks.admin", "sts:GetCallerIdentity", lambda: _admin(site.options, caller())),
        look(
            "eks.machines",
            "ec2:DescribeInstanceTypeOfferings",
            lambda: checks.offered(wanted, cloud.zones_of(sorted(wanted))),
        ),
        look("eks.quota", f"{quota}, ec2:DescribeInstanceTypes", lambda: _quotas(site, cloud)),
        look("eks.elastic-ips", f"{quota}, ec2:DescribeAddresses", lambda: _addresses(site, cloud)),
        look(
            "eks.offered-version",
            "eks:DescribeClusterVersions",
            lambda: versions.confirmed(spec.version, cloud.versions(), plan.today),
        ),
        look(
            "eks.reservations",
            "ec2:DescribeCapacityReservations",
            lambda: checks.reserved(site.pools, cloud.reservation, good=("active", "scheduled")),
        ),
    )


def _names(site: Site) -> dict[Kind, list[str]]:
    groups = [f"{name}{end}" for name in site.pools for end in ("", "_on-demand")]
    return {
        Kind.EKS_CLUSTER: [site.name],
        Kind.EKS_NODE_GROUP: groups,
        Kind.AWS_KEY_ALIAS: [f"{site.name}-{purpose}" for purpose in ("secrets", "logs", "disks", "buckets")],
    }


def _room(site: Site) -> Finding:
    """Addresses in each zone; `network.plan` gives nodes an eighth, and pods a quarter, of their network."""
    nodes = ipaddress.ip_network(site.options.network.nodes).num_addresses // 8 - _KEPT
    blocks = (ipaddress.ip_network(site.options.network.pods).num_addresses // 4 - _KEPT) // _BLOCK
    rows: list[Amount] = []
    for zone in site.zones:
        most = checks.nodes_in(zone, site.pools, site.zones)
        rows.append(Amount(what=f"node addresses in {zone}", wanted=most, limit=nodes))
        rows.append(Amount(what=f"/28 blocks for pods in {zone}", wanted=most * _NODE_BLOCKS, limit=blocks))
    return checks.amounts(rows, remedy="choose larger networks: they cannot grow later")


def _account(options: EksOptions, caller: Caller) -> Finding:
    return checks.account("account", "cluster.options.account", wanted=options.account, found=caller.account)


def _admin(options: EksOptions, caller: Caller) -> Finding:
    """Who creates the cluster has no right in it unless it is named."""
    role = _ROLE.fullmatch(caller.arn)
    mine = caller.arn if role is None else f":{role[1]}:role/{role[2]}"
    # The path of a role is no part of an assumed role's ARN.
    named = [re.sub(r":role/(?:.*/)?", ":role/", admin) for admin in options.admins]
    if any(admin == mine or admin.endswith(mine) for admin in named):
        return checks.passed("who is signed in will be an administrator of the cluster")
    return checks.failed(
        f"{caller.arn} is not among cluster.options.admins: it could not install anything", "add its role, or its user"
    )


def _family(machine: str) -> tuple[str, str, str] | None:
    letters = re.match(r"[a-z]+", machine)
    return None if letters is None else _FAMILIES.get(letters[0]) or _FAMILIES.get(letters[0][0])


def _quotas(site: Site, cloud: Account) -> Finding:
    """The sum of the pools' maxima for each family. Service Quotas does not tell what is in use already."""
    rows: list[Amount] = []
    unknown: list[str] = []
    vcpus = cloud.vcpus(sorted({pool.machine for pool in site.pools.values()}))
    for kind, index, machines in (
        ("on demand", 1, checks.machines(site.pools)),
        ("spot", 2, checks.spot_machines(site.pools)),
    ):
        sums: dict[tuple[str, str], int] = {}
        for machine, count in machines.items():
            family = _family(machine)
            if family is None or machine not in vcpus:
                unknown.append(f"{machine}: no quota is known for it")
                continue
            key = (family[0], family[index])
            sums[key] = sums.get(key, 0) + count * vcpus[machine]
        for (family_name, code), wanted in sums.items():
            what = f"vCPUs of {family_name}, {kind} ({code})"
            rows.append(Amount(what=what, wanted=wanted, limit=cloud.quota("ec2", code)))
    remedy = (
        f"ask for more at Service Quotas in {site.region}, or lower the pools' `max`; what runs already counts, too"
    )
    return checks.amounts(rows, remedy=remedy, unknown=unknown)


def _addresses(site: Site, cloud: Account) -> Finding:
    wanted = 1 if site.options.single_nat else len(site.zones)
    row = Amount(what="Elastic IPs", wanted=wanted, limit=cloud.quota("ec2", _ADDRESSES), used=cloud.addresses())
    return checks.amounts([row], remedy="release unused ones, set cluster.options.singleNat, or ask for more")
