"""The platform as it is installed: upstream's objects, transformed, ours beside them, and the policies for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pulumi

from infra.contract import METADATA_ADDRESSES, Network, Owner
from kubeflow.contract import Opening, PlatformSpec, TenantSpec
from kubeflow.distribution import CacheMissingError, Distribution, load, table
from kubeflow.install.loader import Plan, arranged, rendering
from kubeflow.install.planned import Planned
from kubeflow.network import proof
from kubeflow.network.flows import Addresses, Outside
from kubeflow.spec.network import NetworkSpec
from tests.support import assembled

Json = dict[str, Any]

DEFAULT = tuple(one.name for one in table.components(table.CURRENT) if one.default)
TENANTS = {
    "team-a": TenantSpec(
        owner="ada",
        egress=(
            Opening(cidr="10.20.0.0/24", port=6379, reason="feature store"),
            Opening(cidr="10.192.0.0/10", port=443, reason="a careless one: pods are in the middle of it"),
        ),
    ),
    "team-b": TenantSpec(owner="grace"),
}
NETWORKS: Mapping[Outside, tuple[str, ...]] = {
    Outside.API_SERVER: ("10.0.0.10/32",),
    Outside.CERTIFICATE_AUTHORITY: ("198.51.100.0/25",),
    Outside.DATABASE: ("10.10.0.0/24", "fd10::/64"),
    Outside.ISSUER: ("203.0.113.8/32",),
    Outside.NODES: ("10.0.1.0/24",),
    Outside.OBJECT_STORE: ("169.254.0.0/16",),  # a careless owner: the metadata addresses are in the middle
    Outside.REGISTRY: ("198.51.100.128/25",),
    Outside.RESOLVER: ("192.0.2.20/32",),
}
EVERYWHERE: Mapping[Outside, tuple[str, ...]] = dict.fromkeys(NETWORKS, ("0.0.0.0/0", "::/0")) | {
    Outside.RESOLVER: NETWORKS[Outside.RESOLVER]
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One choice of components with everything that is said about their network."""

    installed: frozenset[str]
    objects: tuple[Json, ...]  # upstream's and ours, definitions included
    policies: tuple[Json, ...]  # all that are installed, those that close tenants included
    generated: tuple[Json, ...]  # those of them that are made from the table
    model: proof.Model


def missing() -> str:
    """Why upstream's objects are not at hand; empty if they are."""
    try:
        load(table.CURRENT, DEFAULT)
    except CacheMissingError as error:
        return str(error)
    return ""


def plan(distribution: Distribution, *, webhooks: bool, containers: bool) -> Plan:
    """Upstream's objects alone, as the transforms leave them."""
    found = rendering(distribution, webhooks=webhooks, containers=containers)
    return Plan(objects=arranged(found.objects, found.cluster_scoped), left_out=found.left_out)


@cache
def planned(names: tuple[str, ...] = DEFAULT) -> tuple[Planned, ...]:
    """Upstream's objects as they are registered on a cluster that runs containers."""
    return plan(load(table.CURRENT, names), webhooks=True, containers=True).objects


@cache
def case(names: tuple[str, ...] = DEFAULT, *, careless: bool = False) -> Case:
    """The platform made of these components, in a cluster whose networks are as declared or all of the world."""
    networks = EVERYWHERE if careless else NETWORKS
    installed = frozenset(one.family or one.name for one in table.components(table.CURRENT) if one.name in names)
    definitions = [crd for rendered in load(table.CURRENT, names).components.values() for crd in rendered.crds]
    bodies = assembly(names, networks).bodies
    made = tuple(body for body in bodies if body["kind"] == "NetworkPolicy")
    addresses = Addresses(metadata=METADATA_ADDRESSES, inside=("10.244.0.0/16", "10.96.0.0/12"), networks=networks)
    openings = {
        name: [proof.opening(name, one.cidr, one.port, one.protocol.value, one.reason) for one in spec.egress]
        for name, spec in TENANTS.items()
    }
    objects = (*bodies, *definitions)
    return Case(
        installed=installed,
        objects=objects,
        policies=made,
        generated=tuple(
            one
            for one in made
            if one["metadata"]["namespace"] not in TENANTS or one["metadata"]["name"].startswith("platform-")
        ),
        model=proof.model(objects, installed, openings, addresses),
    )


def assembly(names: tuple[str, ...], networks: Mapping[Outside, tuple[str, ...]]) -> assembled.Built:
    """Everything that is installed of these components, and beside them, on a cluster that runs containers."""

    def network() -> Network:
        return Network(
            pod_cidr="10.244.0.0/16",
            service_cidr="10.96.0.0/12",
            metadata_addresses=METADATA_ADDRESSES,
            api_server_cidrs=pulumi.Output.from_input(list(networks[Outside.API_SERVER])),
            node_cidrs=networks[Outside.NODES],
            resolver=networks[Outside.RESOLVER][0].partition("/")[0],
            object_store_cidrs=pulumi.Output.from_input(list(networks[Outside.OBJECT_STORE])),
        )

    spec = PlatformSpec(
        tenants=TENANTS,
        components=names,
        network=NetworkSpec(
            issuer=networks[Outside.ISSUER],
            certificate_authority=networks[Outside.CERTIFICATE_AUTHORITY],
            database=networks[Outside.DATABASE],
            registry=networks[Outside.REGISTRY],
        ),
    )
    owner = Owner.CLOUD if "gpu-operator-cloud" in names else Owner.PLATFORM
    accelerator = replace(assembled.ACCELERATOR, driver=owner, toolkit=owner)
    return assembled.build(spec, assembled.REAL, network=network, accelerator=accelerator)
