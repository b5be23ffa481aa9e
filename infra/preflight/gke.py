"""Checks of a cluster on Google Cloud: judgements of the stack file and of what its APIs tell."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial

from infra.clouds import groups_at_most
from infra.contract import Capacity, Environment, Pool
from infra.gke.machines import MACHINES
from infra.gke.options import FALLBACK, GkeOptions, Site, account_id
from infra.naming import Kind

from . import checks, versions
from .checks import Amount, Check, Finding, Plan, Reservation, look, static
from .documents import Json
from .google import Facts, GoogleApis, Rest

SERVICES = (
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "dns.googleapis.com",
    "file.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
)
# GPUs as the Compute API calls them -> what their quota of a region is called. Newer ones have no such quota:
# Cloud Quotas counts them by family (Compute Engine, allocation quotas).
_METRICS: Mapping[str, str] = {
    "nvidia-l4": "NVIDIA_L4_GPUS",
    "nvidia-tesla-a100": "NVIDIA_A100_GPUS",
    "nvidia-a100-80gb": "NVIDIA_A100_80GB_GPUS",
    "nvidia-h100-80gb": "NVIDIA_H100_GPUS",
}
_EVERYWHERE = "GPUS_ALL_REGIONS"
_RESERVED = {"172.17.0.0/16": "Docker's bridge on GKE nodes (VPC-native clusters, IP ranges)"}
_KEPT = 4  # addresses of a subnet that Google Cloud keeps


def make(plan: Plan, rest: Rest | None = None) -> tuple[Check, ...]:
    """The checks of one cluster."""
    spec, site = plan.spec, Site.of(plan.spec)
    asked: Rest = GoogleApis() if rest is None else rest
    facts = Facts(asked, site.options.project, spec.region)
    wanted = checks.wanted_zones(site.pools, site.options.zones)
    return (
        static("gke.names", checks.names(_names(site))),
        static("gke.networks", checks.networks(site.options.network.cidrs, _RESERVED)),
        static("gke.addresses", _room(site)),
        static("gke.version", versions.judge(Environment.GKE, spec.version, plan.today)),
        look("gke.credentials", "gcloud auth application-default login", lambda: checks.signed_in(asked.caller)),
        look("gke.project", "resourcemanager.projects.get", lambda: _project(site.options, facts.project)),
        look(
            "gke.services",
            "serviceusage.services.get",
            lambda: checks.enabled(
                SERVICES, facts.services(SERVICES), good="ENABLED", remedy="gcloud services enable NAME"
            ),
        ),
        look(
            "gke.machines",
            "compute.machineTypes.list",
            lambda: checks.offered(wanted, {name: frozenset(facts.machine(name)) for name in wanted}),
        ),
        look("gke.quota", "compute.projects.get, compute.regions.get", lambda: _quotas(site, facts)),
        look(
            "gke.offered-version",
            "container.clusters.list",
            lambda: versions.confirmed(spec.version, dict.fromkeys(facts.versions()), plan.today),
        ),
        look("gke.reservations", "compute.reservations.get", lambda: _reservations(site.pools, facts)),
    )


def _names(site: Site) -> dict[Kind, list[str]]:
    both = Capacity.SPOT_OR_ON_DEMAND
    fallbacks = [f"{name}{FALLBACK}" for name, pool in site.pools.items() if pool.capacity is both]
    return {
        Kind.GKE_CLUSTER: [site.name],
        Kind.GKE_POOL: [*site.pools, *fallbacks],
        Kind.GCP_ACCOUNT: [account_id(site.name)],
        Kind.GCP_NETWORK: [f"{site.name}-control-1234567"],
    }


def _room(site: Site) -> Finding:
    """Half of the network is the nodes' (`network.plan`); each node takes a /24 of the pods' network."""
    nodes = ipaddress.ip_network(site.options.network.nodes).num_addresses // 2 - _KEPT
    pods = ipaddress.ip_network(site.options.network.pods).num_addresses // 256
    most = groups_at_most(site.pools)
    rows = [
        Amount(what="node addresses", wanted=most, limit=nodes),
        Amount(what="/24 blocks for pods", wanted=most, limit=pods),
    ]
    return checks.amounts(rows, remedy="choose larger networks: they cannot grow later")


def _project(options: GkeOptions, found: Json) -> Finding:
    if found["state"] != "ACTIVE":
        return checks.failed(f"project {options.project} is {found['state']}", "choose a project that lives")
    number = found["name"].removeprefix("projects/")
    key = "cluster.options.projectNumber"
    return checks.account("project number", key, wanted=options.project_number, found=number)


def _quotas(site: Site, facts: Facts) -> Finding:
    """GPUs by model; processors of machines without any are counted by family, which the region's list names."""
    quotas = facts.quotas()
    sums: dict[str, int] = {}
    unknown: list[str] = []
    for prefix, machines in (("", checks.machines(site.pools)), ("PREEMPTIBLE_", checks.spot_machines(site.pools))):
        for name, count in machines.items():
            metric, amount = _demand(name, facts)
            if metric is None:
                unknown.append(f"{name}: see its family in Cloud Quotas")
                continue
            chosen = f"{prefix}{metric}" if f"{prefix}{metric}" in quotas else metric
            sums[chosen] = sums.get(chosen, 0) + count * amount
            if name in MACHINES and not prefix:
                sums[_EVERYWHERE] = sums.get(_EVERYWHERE, 0) + count * amount
    unknown += [f"{metric}: the region names no such quota" for metric in sums if metric not in quotas]
    rows = [
        Amount(what=metric, wanted=wanted, limit=quotas[metric][1], used=quotas[metric][0])
        for metric, wanted in sums.items()
        if metric in quotas
    ]
    remedy = f"ask for more in the console (IAM, Quotas, {site.region}), or lower the pools' `max`"
    return checks.amounts(rows, remedy=remedy, unknown=unknown)


def _demand(machine: str, facts: Facts) -> tuple[str | None, int]:
    """The quota that a machine counts against, and how much of it."""
    if machine in MACHINES:
        return _METRICS.get(MACHINES[machine].accelerator), MACHINES[machine].gpus
    family = machine.partition("-")[0].upper()
    cpus = facts.machine(machine)
    if not cpus or machine.startswith("ct"):
        return None, 0
    return ("CPUS" if family in ("E2", "N1") else f"{family}_CPUS"), max(cpus.values())


def _reservations(pools: Mapping[str, Pool], facts: Facts) -> Finding:
    zones = {pool.reservation: pool.zones[0] for pool in pools.values() if pool.reservation is not None}

    def look_up(name: str, zones: Mapping[str, str]) -> Reservation | None:
        return facts.reservation(name, zones[name])

    return checks.reserved(pools, partial(look_up, zones=zones), good=("READY",))
