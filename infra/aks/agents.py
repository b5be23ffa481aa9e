"""How an agent pool is made: the parts that follow from its pool. Makes no resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import yaml
from pulumi_azure_native import containerservice as aks

from infra.contract import Capacity, Pool, Role, Taint

from .names import agent_pool_name
from .options import SPOT_MARK, SPOT_TAINT, Site

MOST_PODS = 110  # on one node: what Kubernetes is tested with

_DRAIN_MINUTES = 60
_FIRST, _LAST = 50, 10  # priorities of the autoscaler


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One agent pool: the whole of a pool, or a part of it."""

    name: str
    pool_name: str
    pool: Pool
    spot: bool
    fewest: int

    @property
    def taints(self) -> tuple[Taint, ...]:
        """Taints of these nodes: AKS marks interruptible ones, and no others."""
        return tuple(taint for taint in self.pool.taints if self.spot or taint != SPOT_TAINT)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of these nodes."""
        return {**self.pool.labels, **({SPOT_MARK: SPOT_TAINT.value} if self.spot else {})}


def first_profile(site: Site, subnet: pulumi.Input[str]) -> aks.ManagedClusterAgentPoolProfileArgs:
    """The pool that is made together with the control plane. Its name never changes, so its machine cannot either."""
    pool = site.pools[site.first]
    return aks.ManagedClusterAgentPoolProfileArgs(
        name=agent_pool_name(site.first),
        mode=aks.AgentPoolMode.SYSTEM,
        type=aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        vm_size=pool.machine,
        os_type=aks.OSType.LINUX,
        os_sku=aks.OSSKU.UBUNTU,
        os_disk_size_gb=pool.disk_gib,
        orchestrator_version=site.version,
        availability_zones=list(pool.zones or site.zones),
        vnet_subnet_id=subnet,
        enable_node_public_ip=False,
        enable_encryption_at_host=site.options.host_encryption,
        enable_auto_scaling=True,
        count=pool.min,
        min_count=pool.min,
        max_count=pool.max,
        max_pods=MOST_PODS,
        node_labels=dict(pool.labels),
        node_taints=[taint_text(taint) for taint in pool.taints],
        capacity_reservation_group_id=pool.reservation,
        upgrade_settings=upgrades(pool, spot=False),
        tags=site.tags,
    )


def groups(site: Site) -> tuple[Group, ...]:
    """The agent pools of all pools but the first."""
    return tuple(
        group
        for name, pool in site.pools.items()
        if name != site.first and pool.max > 0
        for group in parts(name, pool, site.zones)
    )


def parts(name: str, pool: Pool, zones: tuple[str, ...]) -> tuple[Group, ...]:
    """The agent pools of one pool: cheap nodes, dear nodes, or both."""
    kinds = {Capacity.SPOT: (True,), Capacity.SPOT_OR_ON_DEMAND: (True, False)}.get(pool.capacity, (False,))
    fixed = (
        pool.machine,
        ",".join(pool.zones or zones),
        str(pool.disk_gib),
        str(pool.together),
        pool.reservation or "",
    )
    return tuple(
        Group(
            name=agent_pool_name(name, "spot" if spot else "steady", *fixed),
            pool_name=name,
            pool=pool,
            spot=spot,
            fewest=pool.min if spot is kinds[0] else 0,
        )
        for spot in kinds
    )


def mode(pool: Pool) -> aks.AgentPoolMode:
    """AKS puts its own pods on system pools, and keeps such a pool from being empty."""
    return aks.AgentPoolMode.SYSTEM if pool.role is Role.SYSTEM and pool.min > 0 else aks.AgentPoolMode.USER


def upgrades(pool: Pool, *, spot: bool) -> aks.AgentPoolUpgradeSettingsArgs | None:
    """Nobody has a spare GPU node: the old one goes before the new one comes. Spot nodes have no settings."""
    if spot:
        return None
    if pool.gpu is None:
        return aks.AgentPoolUpgradeSettingsArgs(max_surge="1", drain_timeout_in_minutes=_DRAIN_MINUTES)
    return aks.AgentPoolUpgradeSettingsArgs(max_surge="0", max_unavailable="1", drain_timeout_in_minutes=_DRAIN_MINUTES)


def taint_text(taint: Taint) -> str:
    """A taint as AKS writes it."""
    return f"{taint.key}={taint.value}:{taint.effect.value}"


def priorities(site: Site) -> str:
    """Cheap nodes before dear ones: patterns of scale sets, which AKS calls aks-POOL-NUMBER-vmss, by priority."""
    spot = [f"^aks-{group.name}-.*" for group in groups(site) if group.spot]
    ordered = {_LAST: [".*"], **({_FIRST: spot} if spot else {})}
    return yaml.safe_dump(ordered)
