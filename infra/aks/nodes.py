"""Pools of nodes as agent pools. GPU pools get no driver from AKS: the platform brings it.

A pool of capacity spot-or-on-demand is two agent pools under one label; which one grows first is told to the
autoscaler, which AKS runs. A pool with max 0 has none: AKS knows no agent pool that can never have a node.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute
from pulumi_azure_native import containerservice as aks

from infra.contract import Capacity
from infra.objects import KubernetesObject, document

from .access import AksControlPlane
from .agents import MOST_PODS, Group, groups, mode, priorities, taint_text, upgrades
from .identity import BuiltIn, Right, assign
from .options import Site

_ANY_PRICE = -1.0  # up to the price on demand


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesArgs:
    """What nodes belong to."""

    site: Site
    group: pulumi.Input[str]
    control: AksControlPlane
    subnet: pulumi.Input[str]


class AksNodes(pulumi.ComponentResource):
    """All agent pools of the cluster but the first, one after the other, and their order for the autoscaler."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Nodes", name, {"pools": sorted(args.site.pools)}, opts)
        self._name, self._args, self._site = name, args, args.site
        self._own = pulumi.ResourceOptions(parent=self)
        made: list[pulumi.Resource] = []
        for group in groups(self._site):
            made.append(self._pool(group, made[-1:]))
        order = KubernetesObject(
            "autoscaler-priorities",
            document(
                "v1",
                "ConfigMap",
                "cluster-autoscaler-priority-expander",
                "kube-system",
                data={"priorities": priorities(self._site)},
            ),
            pulumi.ResourceOptions(parent=self, provider=args.control.provider, deleted_with=args.control.cluster),
        )
        self.ready = (*made, order)
        self.register_outputs({})

    def _pool(self, group: Group, before: list[pulumi.Resource]) -> aks.AgentPool:
        """One agent pool; Azure refuses two changes of one cluster at once, and counts them by the minute."""
        site, pool = self._site, group.pool
        together = self._together(group)
        spot = group.spot
        return aks.AgentPool(
            f"{group.pool_name}-{'spot' if spot else 'steady'}",
            resource_group_name=self._args.group,
            resource_name_=self._args.control.cluster.name,
            agent_pool_name=group.name,
            mode=mode(pool),
            vm_size=pool.machine,
            os_type=aks.OSType.LINUX,
            os_sku=aks.OSSKU.UBUNTU,
            os_disk_size_gb=pool.disk_gib,
            orchestrator_version=site.version,
            availability_zones=list(pool.zones or site.zones),
            vnet_subnet_id=self._args.subnet,
            enable_node_public_ip=False,
            enable_encryption_at_host=site.options.host_encryption,
            enable_auto_scaling=True,
            count=group.fewest,
            min_count=group.fewest,
            max_count=pool.max,
            max_pods=MOST_PODS,
            node_labels=group.labels,
            node_taints=[taint_text(taint) for taint in group.taints],
            gpu_profile=None if pool.gpu is None else aks.GPUProfileArgs(driver=aks.GPUDriver.NONE),
            scale_set_priority=aks.ScaleSetPriority.SPOT if spot else None,
            scale_set_eviction_policy=aks.ScaleSetEvictionPolicy.DELETE if spot else None,
            spot_max_price=_ANY_PRICE if spot else None,
            capacity_reservation_group_id=pool.reservation,
            proximity_placement_group_id=None if together is None else together[0].id,
            upgrade_settings=upgrades(pool, spot=spot),
            tags=site.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*before, *(together or ())],
                ignore_changes=["count"],  # the autoscaler's
            ),
        )

    def _together(self, group: Group) -> tuple[compute.ProximityPlacementGroup, pulumi.Resource] | None:
        """Nodes side by side. Reserved capacity lies where it was reserved, and takes no placement group."""
        pool = group.pool
        if not pool.together or pool.capacity is Capacity.RESERVED:
            return None
        name = f"{self._name}-{group.pool_name}"
        place = compute.ProximityPlacementGroup(
            f"{name}-{'spot' if group.spot else 'steady'}",
            resource_group_name=self._args.group,
            proximity_placement_group_type=compute.ProximityPlacementGroupType.STANDARD,
            zones=list(pool.zones),
            intent=compute.ProximityPlacementGroupPropertiesIntentArgs(vm_sizes=[pool.machine]),
            tags=self._site.tags,
            opts=self._own,
        )
        who = self._args.control.principals.cluster.principal_id
        right = f"{name}-{'spot' if group.spot else 'steady'}"
        return place, assign(self._site, right, Right(who, BuiltIn.CONTRIBUTOR, place.id), self._own)
