"""One virtual machine of a node. Its disk follows the storage policy; its GPUs bind it to a host."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_vsphere as vsphere

from .launch import encoded
from .machines import window_gib
from .place import VspherePlace
from .site import Node, Site

_MIB = 1024
_MINUTES = 30  # for a machine to start and join; then it has failed


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineArgs:
    """What one node is made of."""

    site: Site
    place: VspherePlace
    node: Node
    user_data: pulumi.Output[str]  # secret
    metadata: str
    fingerprint: str


def virtual_machine(args: MachineArgs, opts: pulumi.ResourceOptions) -> vsphere.VirtualMachine:
    """A machine that is there when its node has joined; another one takes its address only after it is gone."""
    node, place, memory = args.node, args.place, args.node.machine.memory_gib * _MIB
    settings: dict[str, pulumi.Input[str]] = {
        "guestinfo.metadata": encoded(args.metadata),
        "guestinfo.metadata.encoding": "base64",
        "guestinfo.userdata": pulumi.Output.secret(args.user_data.apply(encoded)),
        "guestinfo.userdata.encoding": "base64",
    }
    devices = [] if node.seat is None else [*node.seat.gpus, *node.seat.fabric]
    if node.pool is not None and node.pool.gpu is not None:
        settings["pciPassthru.use64bitMMIO"] = "TRUE"
        settings["pciPassthru.64bitMMIOSizeGB"] = str(window_gib(node.pool.gpu))
    return vsphere.VirtualMachine(
        node.name,
        name=node.name,
        resource_pool_id=place.resource_pool(node.pool),
        folder=place.folder,
        datastore_id=place.datastore,
        storage_policy_id=place.policy,
        host_system_id=None if node.seat is None else place.host(node.seat.host),
        num_cpus=node.machine.cpus,
        memory=memory,
        memory_reservation=memory if devices else None,  # devices write into it by themselves
        memory_reservation_locked_to_max=True if devices else None,
        pci_device_ids=devices or None,
        guest_id=place.template.guest_id,
        firmware="efi",
        efi_secure_boot_enabled=not devices,  # the GPU driver that the operator builds is signed by nobody
        enable_disk_uuid=True,  # or the storage driver cannot tell volumes apart
        clone=vsphere.VirtualMachineCloneArgs(template_uuid=place.template.id),
        network_interfaces=[
            vsphere.VirtualMachineNetworkInterfaceArgs(network_id=place.network, adapter_type="vmxnet3")
        ],
        disks=[
            vsphere.VirtualMachineDiskArgs(
                label="disk0",
                size=node.disk_gib,
                unit_number=0,
                thin_provisioned=True,
                storage_policy_id=place.policy,
            )
        ],
        extra_config=settings,
        extra_config_reboot_required=False,
        replace_trigger=args.fingerprint,
        tags=list(place.tags),
        ignored_guest_ips=[args.site.kubeadm.api_address],
        wait_for_guest_net_timeout=_MINUTES,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )
