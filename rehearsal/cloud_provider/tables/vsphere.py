"""Package `vsphere`: identifiers, outputs and answers in the form that vCenter gives them."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import Table

_NAMED = (
    "Datacenter",
    "Datastore",
    "Network",
    "ResourcePool",
    "ContentLibrary",
    "ContentLibraryItem",
    "Policy",
)

TABLE = Table(
    default_id="${h8}-${h17}",
    ids={
        "vsphere:index/folder:Folder": "group-v${octet}",
        "vsphere:index/resourcePool:ResourcePool": "resgroup-${octet}",
        "vsphere:index/virtualMachine:VirtualMachine": "4200${h8}-${h17}",
    },
    common={"uuid": "${h32}", "moid": "vm-${octet}"},
    outputs={
        "vsphere:index/virtualMachine:VirtualMachine": {
            "defaultIpAddress": "10.0.0.${octet}",
            "guestIpAddresses": ["10.0.0.${octet}"],
            "powerState": "on",
        },
    },
    force_new={"vsphere:index/virtualMachine:VirtualMachine": frozenset({"clone"})},
    in_place={"vsphere:index/virtualMachine:VirtualMachine": frozenset({"name"})},
    config_force_new=frozenset({"vsphereServer"}),
    invokes={
        **{
            f"vsphere:index/get{kind}:get{kind}": {"id": f"{kind.lower()}-${{h8}}", "name": "${name}"}
            for kind in _NAMED
        },
        "vsphere:index/getHost:getHost": {"id": "host-${octet}", "resourcePoolId": "resgroup-${octet}"},
        "vsphere:index/getFolder:getFolder": {"id": "group-v${octet}"},
        "vsphere:index/getComputeCluster:getComputeCluster": {
            "id": "domain-c${octet}",
            "resourcePoolId": "resgroup-${octet}",
        },
        "vsphere:index/getHostPciDevice:getHostPciDevice": {
            "id": "0000:3b:00.0",
            "name": "NVIDIA GPU",
        },
        "vsphere:index/getVirtualMachine:getVirtualMachine": {
            "id": "${h32}",
            "uuid": "${h32}",
            "guestId": "ubuntu64Guest",
            "firmware": "efi",
            "scsiType": "pvscsi",
            "hardwareVersion": 21,
            "numCpus": 4,
            "memory": 8192,
            "disks": [{"size": 40, "thinProvisioned": True, "eagerlyScrub": False, "label": "disk0", "unitNumber": 0}],
            "networkInterfaceTypes": ["vmxnet3"],
        },
    },
)
