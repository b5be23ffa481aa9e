"""Pools of nodes as virtual machines, as many as their pool says: nothing here adds one by itself.

GPUs are passed through whole; whatever drives them is the platform's. A machine with devices stays on its host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_vsphere as vsphere

from infra.contract import Pool

from .access import VsphereControlPlane
from .keys import VsphereKeys
from .kubeadm import certificate_kubeconfig
from .launch import fingerprint, metadata, worker_user_data
from .place import VspherePlace
from .site import API_PORT, Node, Site
from .vm import MachineArgs, virtual_machine


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesArgs:
    """What nodes belong to."""

    site: Site
    keys: VsphereKeys
    place: VspherePlace
    control: VsphereControlPlane


class VsphereNodes(pulumi.ComponentResource):
    """All machines of all pools."""

    machines: tuple[vsphere.VirtualMachine, ...]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:vsphere:Nodes", name, {"pools": sorted(args.site.pools)}, opts)
        self._name, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        made: list[vsphere.VirtualMachine] = []
        for pool_name, pool in args.site.pools.items():
            machines = [self._machine(node) for node in args.site.pool_nodes(pool_name)]
            self._spread(pool_name, pool, machines)
            made += machines
        self.machines = tuple(made)
        self.register_outputs({"nodes": len(made)})

    def _machine(self, node: Node) -> vsphere.VirtualMachine:
        """One node, which joins as itself."""
        site, told = self._args.site, metadata(self._args.site, node)
        server = f"https://{site.kubeadm.api_address}:{API_PORT}"
        pair = self._args.keys.node(node.name)
        parts = pulumi.Output.all(self._args.keys.cluster.certificate, pair.certificate, pair.key)
        machine = virtual_machine(
            MachineArgs(
                site=site,
                place=self._args.place,
                node=node,
                user_data=parts.apply(
                    lambda found: worker_user_data(
                        site, node, json.dumps(certificate_kubeconfig(site.name, server, *found))
                    )
                ),
                metadata=told,
                fingerprint=fingerprint(told, worker_user_data(site, node, "")),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[self._args.control.machines[0]]),
        )
        if node.seat is not None:
            vsphere.DrsVmOverride(
                node.name,
                compute_cluster_id=self._args.place.cluster,
                virtual_machine_id=machine.id,
                drs_enabled=False,  # a machine with devices cannot move
                opts=self._own,
            )
        return machine

    def _spread(self, pool_name: str, pool: Pool, machines: list[vsphere.VirtualMachine]) -> None:
        """On different hosts where there are enough; machines with devices sit where they sit."""
        if pool.gpu is not None or len(machines) < 2:  # noqa: PLR2004 - one has nobody to keep away from
            return
        vsphere.ComputeClusterVmAntiAffinityRule(
            f"{self._name}-{pool_name}",
            name=f"{self._name}-{pool_name}",
            compute_cluster_id=self._args.place.cluster,
            virtual_machine_ids=[machine.id for machine in machines],
            mandatory=False,
            opts=self._own,
        )
