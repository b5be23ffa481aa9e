"""Pools of nodes as GKE's node pools, scaled by GKE itself. Drivers come from GKE; this module never installs any.

A pool of capacity spot-or-on-demand is two node pools under one label: GKE's autoscaler takes the cheaper one while it
can. A pool with max 0 has no node pool: GKE knows none that can never have a node.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.contract import Capacity, Effect, Pool

from .access import GkeControlPlane
from .identity import GkeNodeAccount
from .keys import GkeKeys
from .machines import MACHINES, boot_disk, hosts, rdma
from .options import FALLBACK, Site

_EFFECTS = {
    Effect.NO_SCHEDULE: "NO_SCHEDULE",
    Effect.PREFER_NO_SCHEDULE: "PREFER_NO_SCHEDULE",
    Effect.NO_EXECUTE: "NO_EXECUTE",
}
_IMAGE = "COS_CONTAINERD"
_EVERYTHING = "https://www.googleapis.com/auth/cloud-platform"  # scopes are no rights: the account's roles are
_NodeConfig = gcp.container.NodePoolNodeConfigArgs


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesArgs:
    """What nodes belong to, and who they are."""

    site: Site
    control: GkeControlPlane
    keys: GkeKeys
    account: GkeNodeAccount


class GkeNodes(pulumi.ComponentResource):
    """All node pools of the cluster."""

    groups: tuple[gcp.container.NodePool, ...]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:Nodes", name, {"pools": sorted(args.site.pools)}, opts)
        self._args, self._site = args, args.site
        self.groups = tuple(
            self._group(group_name, pool, fewest, spot=spot)
            for pool_name, pool in self._site.pools.items()
            if pool.max > 0
            for group_name, spot, fewest in capacities(pool_name, pool)
        )
        self.register_outputs({})

    def _group(self, name: str, pool: Pool, fewest: int, *, spot: bool) -> gcp.container.NodePool:
        """One node pool; the number of its nodes belongs to the autoscaler once it is there."""
        scarce = spot or pool.gpu is not None or pool.tpu is not None
        return gcp.container.NodePool(
            name,
            cluster=self._args.control.cluster.id,
            location=self._site.region,
            node_locations=list(pool.zones) or None,
            version=self._args.control.cluster.master_version,  # nodes follow the control plane in the same update
            initial_node_count=math.ceil(fewest / self._site.zone_count(pool)),  # of each zone
            autoscaling=gcp.container.NodePoolAutoscalingArgs(
                total_min_node_count=fewest,
                total_max_node_count=pool.max,
                location_policy="ANY" if scarce else "BALANCED",
            ),
            management=gcp.container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
            upgrade_settings=gcp.container.NodePoolUpgradeSettingsArgs(
                strategy="SURGE",
                # Nobody has a spare GPU node: the old one goes before the new one comes.
                max_surge=0 if scarce else 1,
                max_unavailable=1 if scarce else 0,
            ),
            network_config=gcp.container.NodePoolNetworkConfigArgs(
                enable_private_nodes=True,
                accelerator_network_profile="auto" if _fast(pool) else None,
            ),
            placement_policy=placement(pool),
            node_config=self._node(pool, spot=spot),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(self._args.control.ready),
                ignore_changes=["initialNodeCount"],
            ),
        )

    def _node(self, pool: Pool, *, spot: bool) -> _NodeConfig:
        """How a node of the pool is made: encrypted disk, verified start, metadata out of the reach of pods."""
        machine = MACHINES.get(pool.machine)
        disks = 0 if machine is None else machine.local_disks
        return _NodeConfig(
            machine_type=pool.machine,
            image_type=_IMAGE,
            disk_type=boot_disk(pool.machine),
            disk_size_gb=pool.disk_gib,
            boot_disk_kms_key=self._args.keys.disks.id,
            ephemeral_storage_local_ssd_config=gcp.container.NodePoolNodeConfigEphemeralStorageLocalSsdConfigArgs(
                local_ssd_count=disks
            )
            if disks
            else None,
            service_account=self._args.account.email,
            oauth_scopes=[_EVERYTHING],
            workload_metadata_config=gcp.container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            shielded_instance_config=gcp.container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            kubelet_config=gcp.container.NodePoolNodeConfigKubeletConfigArgs(
                insecure_kubelet_readonly_port_enabled="FALSE"
            ),
            spot=spot,
            reservation_affinity=reservation(pool),
            guest_accelerators=accelerators(pool),
            gvnic=gcp.container.NodePoolNodeConfigGvnicArgs(enabled=True),
            fast_socket=gcp.container.NodePoolNodeConfigFastSocketArgs(enabled=True)
            if pool.together and pool.gpu is not None and not _fast(pool)
            else None,
            gpudirect_strategy="RDMA" if _fast(pool) else None,
            labels=dict(pool.labels),
            taints=[
                gcp.container.NodePoolNodeConfigTaintArgs(
                    key=taint.key, value=taint.value, effect=_EFFECTS[taint.effect]
                )
                for taint in pool.taints
            ],
            resource_labels=self._site.labels,
        )


def _fast(pool: Pool) -> bool:
    """Whether GPUs of several nodes reach each other by RDMA."""
    return pool.together and rdma(pool.machine)


def capacities(name: str, pool: Pool) -> tuple[tuple[str, bool, int], ...]:
    """The node pools of a pool: name, whether it is spot, fewest nodes. No other pool may bear the second name."""
    if pool.capacity is Capacity.SPOT_OR_ON_DEMAND:
        return (name, True, pool.min), (f"{name}{FALLBACK}", False, 0)
    return ((name, pool.capacity is Capacity.SPOT, pool.min),)


def placement(pool: Pool) -> gcp.container.NodePoolPlacementPolicyArgs | None:
    """Nodes side by side. Reserved capacity lies where it was reserved; a slice of several nodes is always one."""
    if pool.tpu is not None:
        several = hosts(pool.tpu) > 1
        return (
            gcp.container.NodePoolPlacementPolicyArgs(type="COMPACT", tpu_topology=pool.tpu.topology)
            if several
            else None
        )
    if not pool.together or pool.capacity is Capacity.RESERVED:
        return None
    return gcp.container.NodePoolPlacementPolicyArgs(type="COMPACT")


def reservation(pool: Pool) -> gcp.container.NodePoolNodeConfigReservationAffinityArgs | None:
    """Only the pool's reservation, never dearer capacity beside it."""
    if pool.reservation is None:
        return None
    return gcp.container.NodePoolNodeConfigReservationAffinityArgs(
        consume_reservation_type="SPECIFIC_RESERVATION",
        key="compute.googleapis.com/reservation-name",
        values=[pool.reservation],
    )


def accelerators(pool: Pool) -> list[gcp.container.NodePoolNodeConfigGuestAcceleratorArgs] | None:
    """The GPUs of a node, with the driver that GKE holds to be right for its version."""
    if pool.gpu is None:
        return None
    return [
        gcp.container.NodePoolNodeConfigGuestAcceleratorArgs(
            type=MACHINES[pool.machine].accelerator,
            count=pool.gpu.count,
            gpu_driver_installation_config=gcp.container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
                gpu_driver_version="DEFAULT"
            ),
        )
    ]
