"""Pools of nodes as managed node pools, and what scales them. ACK installs drivers; this module only pins a version.

A pool of capacity spot-or-on-demand is two groups under one label. A pool with max 0 has no group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.contract import Capacity, Pool

from .access import AckControlPlane
from .keys import AckKeys
from .network import AckNetwork
from .options import Site

DRIVER_LABEL = "ack.aliyun.com/nvidia-driver-version"
FALLBACK = "_on-demand"  # the second group of a pool that falls back to it; a pool's own name has no underscore

_IMAGE = "AliyunLinux3ContainerOptimized"
_GPU_IMAGE = "AliyunLinux3"  # eRDMA is built for it
_FIRST, _SECOND = "20", "10"  # priorities: the autoscaler tries the higher number first
_Metadata = alicloud.cs.NodePoolInstanceMetadataOptionsArgs


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesArgs:
    """What nodes belong to."""

    site: Site
    control: AckControlPlane
    network: AckNetwork
    keys: AckKeys


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One node pool of ACK."""

    name: str
    spot: bool
    fewest: int


class AckNodes(pulumi.ComponentResource):
    """All node pools of the cluster, and the configuration of its autoscaler."""

    groups: tuple[alicloud.cs.NodePool, ...]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Nodes", name, {"pools": sorted(args.site.pools)}, opts)
        self._name, self._args, self._site = name, args, args.site
        self._own = pulumi.ResourceOptions(parent=self)
        made: dict[Group, alicloud.cs.NodePool] = {}
        for pool_name, pool in self._site.pools.items():
            together = self._side_by_side(pool_name) if pool.together and pool.max > 0 else None
            for group in groups(pool_name, pool):
                made[group] = self._group(group, pool, together)
        self.groups = tuple(made.values())
        self.ready = (*self.groups, self._autoscaler(made))
        self.register_outputs({})

    def _side_by_side(self, pool_name: str) -> alicloud.ecs.EcsDeploymentSet:
        """Nodes close to each other. A deployment set carries no tags."""
        name = f"{self._name}-{pool_name}"
        return alicloud.ecs.EcsDeploymentSet(
            name, deployment_set_name=name, strategy="LowLatency", description=name, opts=self._own
        )

    def _group(self, group: Group, pool: Pool, together: alicloud.ecs.EcsDeploymentSet | None) -> alicloud.cs.NodePool:
        """One node pool; between its limits the number of nodes belongs to the autoscaler. Nobody can log in."""
        zones = pool.zones or self._site.zones
        return alicloud.cs.NodePool(
            group.name,
            cluster_id=self._args.control.cluster.id,
            node_pool_name=group.name,
            vswitch_ids=[self._args.network.node_vswitches[zone] for zone in zones],
            instance_types=[pool.machine],
            instance_charge_type="PostPaid",
            spot_strategy="SpotAsPriceGo" if group.spot else "NoSpot",
            spot_instance_remedy=group.spot,
            compensate_with_on_demand=False,  # or nodes would be dear under a label that says spot
            multi_az_policy="COST_OPTIMIZED" if group.spot else "BALANCE",
            private_pool_options=_reserved(pool),
            image_type=_IMAGE if pool.gpu is None else _GPU_IMAGE,
            runtime_name="containerd",
            install_cloud_monitor=True,
            instance_metadata_options=_Metadata(http_tokens="required"),
            system_disk_category="cloud_essd",
            system_disk_performance_level="PL1",
            system_disk_size=pool.disk_gib,
            system_disk_encrypted=True,
            system_disk_encrypt_algorithm="aes-256",
            system_disk_kms_key=self._args.keys.disks.id,
            scaling_config=alicloud.cs.NodePoolScalingConfigArgs(
                enable=True, min_size=group.fewest, max_size=pool.max, type=_kind(group, pool)
            ),
            management=alicloud.cs.NodePoolManagementArgs(
                enable=True, auto_repair=True, auto_upgrade=False, auto_vul_fix=False, max_unavailable=1
            ),
            deployment_set_id=None if together is None else together.id,
            labels=[
                alicloud.cs.NodePoolLabelArgs(key=key, value=value)
                for key, value in sorted(labels(self._site, pool).items())
            ],
            taints=[
                alicloud.cs.NodePoolTaintArgs(key=taint.key, value=taint.value, effect=taint.effect.value)
                for taint in pool.taints
            ],
            update_nodes=True,  # labels and taints reach nodes that are there already
            tags=self._site.tagged(f"{self._name}-{group.name}"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._args.network.ready),
        )

    def _autoscaler(self, made: Mapping[Group, alicloud.cs.NodePool]) -> alicloud.cs.AutoscalingConfig:
        """Groups that are cheap go first. Without any, whatever leaves the least over."""
        cheap = [pool.scaling_group_id for group, pool in made.items() if group.spot]
        dear = [pool.scaling_group_id for group, pool in made.items() if not group.spot]
        return alicloud.cs.AutoscalingConfig(
            self._name,
            cluster_id=self._args.control.cluster.id,
            scaler_type="cluster-autoscaler",  # the only one that knows priorities
            expander="priority" if cheap else "least-waste",
            priorities={_FIRST: _joined(cheap), _SECOND: _joined(dear)} if cheap else None,  # the system is never spot
            cool_down_duration="10m",
            unneeded_duration="10m",
            scan_interval="30s",
            utilization_threshold="0.5",
            gpu_utilization_threshold="0.5",
            scale_down_enabled=True,
            scale_up_from_zero=True,
            opts=self._own,
        )


def groups(name: str, pool: Pool) -> tuple[Group, ...]:
    """The groups of a pool."""
    if pool.max == 0:
        return ()
    if pool.capacity is Capacity.SPOT_OR_ON_DEMAND:
        return Group(name=name, spot=True, fewest=pool.min), Group(name=f"{name}{FALLBACK}", spot=False, fewest=0)
    return (Group(name=name, spot=pool.capacity is Capacity.SPOT, fewest=pool.min),)


def labels(site: Site, pool: Pool) -> dict[str, str]:
    """Labels of a node. Without the driver's, new nodes get whatever ACK prefers on that day."""
    driver = {DRIVER_LABEL: site.options.gpu_driver} if pool.gpu is not None else dict[str, str]()
    return {**pool.labels, **driver}


def _reserved(pool: Pool) -> alicloud.cs.NodePoolPrivatePoolOptionsArgs | None:
    """Only the pool's reservation, never dearer capacity beside it."""
    if pool.reservation is None:
        return None
    return alicloud.cs.NodePoolPrivatePoolOptionsArgs(
        private_pool_options_id=pool.reservation, private_pool_options_match_criteria="Target"
    )


def _joined(identifiers: Sequence[pulumi.Output[str]]) -> pulumi.Output[str]:
    return pulumi.Output.all(*identifiers).apply(",".join)


def _kind(group: Group, pool: Pool) -> str:
    if group.spot:
        return "spot"
    return "cpu" if pool.gpu is None else "gpu"
