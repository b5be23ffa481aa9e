"""Checks of a cluster on Azure: judgements of the stack file and of what Azure Resource Manager tells."""

from __future__ import annotations

import ipaddress

from infra.aks.machines import infiniband_cards
from infra.aks.names import account_name, agent_pool_name, identity_name
from infra.aks.options import AksOptions, Site
from infra.clouds import groups_at_most
from infra.contract import Environment
from infra.naming import Kind

from . import checks, versions
from .azure import Arm, Facts, ResourceManager
from .checks import Amount, Check, Finding, Plan, look, static
from .documents import Json

PROVIDERS = (
    "Microsoft.Compute",
    "Microsoft.ContainerService",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
)
_SPOT_CORES = "lowPriorityCores"
_KEPT = 5  # addresses of a subnet that Azure keeps
_SURGE = 1  # nodes that a pool has besides while it is upgraded


def make(plan: Plan, arm: Arm | None = None) -> tuple[Check, ...]:
    """The checks of one cluster."""
    spec, site = plan.spec, Site.of(plan.spec)
    options = site.options
    facts = Facts(arm or ResourceManager(), options.subscription, spec.region)
    read, compute = "Microsoft.Resources/subscriptions/read", "Microsoft.Compute"
    wanted = checks.wanted_zones(site.pools, site.zones)
    return (
        static("aks.names", checks.names(_names(site))),
        static("aks.networks", checks.networks(options.network.cidrs, {})),
        static("aks.addresses", _room(site)),
        static("aks.version", versions.judge(Environment.AKS, spec.version, plan.today)),
        static("aks.reach", checks.reach(options.network.api_access)),
        look("aks.credentials", read, lambda: checks.signed_in(lambda: f"tenant {facts.subscription['tenantId']}")),
        look("aks.subscription", read, lambda: _subscription(options, facts.subscription)),
        look(
            "aks.providers",
            "Microsoft.Resources/subscriptions/providers/read",
            lambda: checks.enabled(
                PROVIDERS, facts.providers(), good="Registered", remedy="az provider register --namespace NAME"
            ),
        ),
        look(
            "aks.features",
            "Microsoft.Features/providers/features/read",
            lambda: checks.enabled(
                _features(site),
                {name: facts.feature(name) for name in _features(site)},
                good="Registered",
                remedy="az feature register --namespace NAMESPACE --name NAME, then register the namespace again",
            ),
        ),
        look("aks.machines", f"{compute}/skus/read", lambda: checks.offered(wanted, facts.zones_of(set(wanted)))),
        look("aks.quota", f"{compute}/skus/read, {compute}/locations/usages/read", lambda: _quotas(site, facts)),
        look(
            "aks.offered-version",
            "Microsoft.ContainerService/locations/kubernetesversions/read",
            lambda: versions.confirmed(spec.version, dict.fromkeys(facts.versions()), plan.today),
        ),
        look(
            "aks.reservations",
            f"{compute}/capacityReservationGroups/capacityReservations/read",
            lambda: _reservations(site, facts),
        ),
    )


def _names(site: Site) -> dict[Kind, list[str]]:
    return {
        Kind.AKS_CLUSTER: [site.name],
        Kind.AKS_POOL: [agent_pool_name(name) for name in site.pools],
        Kind.AZURE_GROUP: [site.group, site.node_group],
        Kind.AZURE_ACCOUNT: [
            account_name(site.options.subscription, site.name, store) for store in ("artifacts", "scratch", "files")
        ],
        Kind.AZURE_IDENTITY: [identity_name("n" * 63, "a" * 63)],
    }


def _room(site: Site) -> Finding:
    """A quarter of the network is the nodes' (`network.plan`); each node takes a /24 of the pods' network."""
    nodes = ipaddress.ip_network(site.options.network.nodes).num_addresses // 4 - _KEPT
    pods = ipaddress.ip_network(site.options.network.pods).num_addresses // 256
    most = groups_at_most(site.pools) + _SURGE * len(site.pools)
    rows = [
        Amount(what="node addresses", wanted=most, limit=nodes),
        Amount(what="/24 blocks for pods", wanted=most, limit=pods),
    ]
    return checks.amounts(rows, remedy="choose larger networks: they cannot grow later")


def _features(site: Site) -> list[str]:
    """Features of the subscription that the plan relies on."""
    together = any(pool.together and infiniband_cards(pool.machine) for pool in site.pools.values())
    return [
        *(["Microsoft.Compute/EncryptionAtHost"] if site.options.host_encryption else []),
        *(["Microsoft.ContainerService/AKSInfinibandSupport"] if together else []),
    ]


def _subscription(options: AksOptions, found: Json) -> Finding:
    if found["state"] != "Enabled":
        return checks.failed(f"subscription {options.subscription} is {found['state']}", "ask who pays for it")
    return checks.account("tenant", "cluster.options.tenant", wanted=options.tenant, found=found["tenantId"])


def _quotas(site: Site, facts: Facts) -> Finding:
    usages, sizes = facts.usages(), facts.sizes
    sums: dict[str, int] = {}
    unknown: list[str] = []
    for machine, count in checks.machines(site.pools).items():
        if machine in sizes:
            sums[sizes[machine].family] = sums.get(sizes[machine].family, 0) + count * sizes[machine].vcpus
        else:
            unknown.append(f"{machine}: not sold in {site.region}")
    spot = checks.spot_machines(site.pools)
    if cores := sum(count * sizes[machine].vcpus for machine, count in spot.items() if machine in sizes):
        sums[_SPOT_CORES] = cores
    rows: list[Amount] = []
    for family, wanted in sums.items():
        used = usages.get(family.lower())
        if used is None:
            unknown.append(f"{family}: Azure names no quota for it")
        else:
            rows.append(Amount(what=f"vCPUs of {family}", wanted=wanted, limit=used[1], used=used[0]))
    remedy = f"ask for more in the portal (Quotas, Compute, {site.region}), or lower the pools' `max`"
    return checks.amounts(rows, remedy=remedy, unknown=unknown)


def _reservations(site: Site, facts: Facts) -> Finding:
    """A group may hold reservations of several machines: the pool's own is what counts."""
    machines = {pool.reservation: pool.machine for pool in site.pools.values()}
    return checks.reserved(site.pools, lambda group: facts.reservation(group, machines[group]), good=("Succeeded",))
