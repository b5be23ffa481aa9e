"""Where the machines go: what is found in vCenter, and folder, resource pools and tags of our own around it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_vsphere as vsphere

from infra.contract import Pool

from .options import CONTROL
from .site import Site

_TAGGED = ("VirtualMachine", "Folder", "ResourcePool")


class VspherePlace(pulumi.ComponentResource):
    """A folder, a resource pool for each role, tags; and the ids of what is given."""

    datacenter: pulumi.Output[str]
    cluster: pulumi.Output[str]
    datastore: pulumi.Output[str]
    network: pulumi.Output[str]
    policy: pulumi.Output[str]
    template: pulumi.Output[vsphere.GetVirtualMachineResult]
    folder: pulumi.Output[str]
    tags: tuple[pulumi.Output[str], ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:vsphere:Place", name, {"datacenter": site.datacenter}, opts)
        self._name, self._asks = name, pulumi.InvokeOptions(parent=self)
        self._own = pulumi.ResourceOptions(parent=self)
        kubeadm, options = site.kubeadm, site.options
        self.datacenter = vsphere.get_datacenter_output(name=site.datacenter, opts=self._asks).id
        here = self.datacenter
        found = vsphere.get_compute_cluster_output(name=options.compute_cluster, datacenter_id=here, opts=self._asks)
        self.cluster = found.id
        self.datastore = vsphere.get_datastore_output(name=kubeadm.datastore, datacenter_id=here, opts=self._asks).id
        self.network = vsphere.get_network_output(name=kubeadm.port_group, datacenter_id=here, opts=self._asks).id
        self.policy = vsphere.get_policy_output(name=options.storage_policy, opts=self._asks).id
        self.template = vsphere.get_virtual_machine_output(
            name=kubeadm.templates[site.release], datacenter_id=here, opts=self._asks
        )
        self.tags = self._tags(site.tags)
        folder = vsphere.Folder(
            name,
            path=name,
            type="vm",
            datacenter_id=here,
            tags=list(self.tags),
            opts=pulumi.ResourceOptions(parent=self, protect=options.deletion_protection),
        )
        self.folder = folder.path
        self._pools = {
            role: vsphere.ResourcePool(
                f"{name}-{role}",
                name=f"{name}-{role}",
                parent_resource_pool_id=found.resource_pool_id,
                cpu_share_level="high" if role == CONTROL else "normal",
                memory_share_level="high" if role == CONTROL else "normal",
                tags=list(self.tags),
                opts=self._own,
            ).id
            for role in dict.fromkeys((CONTROL, *(pool.role.value for pool in site.pools.values())))
        }
        self._hosts = {host: self._host(host) for host in _hosts(site)}
        self.register_outputs({"folder": self.folder})

    def resource_pool(self, pool: Pool | None) -> pulumi.Output[str]:
        """Where machines of a role share processors and memory; None: the control plane."""
        return self._pools[CONTROL if pool is None else pool.role.value]

    def host(self, name: str) -> pulumi.Output[str]:
        """The id of a host with GPUs."""
        return self._hosts[name]

    def _host(self, name: str) -> pulumi.Output[str]:
        return vsphere.get_host_output(name=name, datacenter_id=self.datacenter, opts=self._asks).id

    def _tags(self, tags: Mapping[str, str]) -> tuple[pulumi.Output[str], ...]:
        """Tags are objects in vCenter: a category for each key, of this cluster alone, with its one value."""
        made: list[pulumi.Output[str]] = []
        for key, value in tags.items():
            name = f"{self._name}-{key}"
            category = vsphere.TagCategory(
                name, name=name, cardinality="SINGLE", associable_types=list(_TAGGED), opts=self._own
            )
            made.append(vsphere.Tag(name, name=value, category_id=category.id, opts=self._own).id)
        return tuple(made)


def _hosts(site: Site) -> tuple[str, ...]:
    """Hosts that a node of this cluster is bound to."""
    nodes = [node for name, pool in site.pools.items() if pool.gpu for node in site.pool_nodes(name)]
    return tuple(dict.fromkeys(node.seat.host for node in nodes if node.seat is not None))
