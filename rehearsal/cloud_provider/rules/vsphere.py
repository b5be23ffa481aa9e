"""Rules of vSphere for what a cluster needs."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import Like, OneOf, Rules

_API = "vSphere Web Services API 8.0"
_VM = "vsphere:index/virtualMachine:VirtualMachine"
_LINUX = (
    r"almalinux_|amazonlinux\d_|centos(\d+_)?|coreos|debian\d+_|fedora|fusionos_|kylinlinux_|opensuse|oracleLinux(\d+_)?"
    r"|other(\dx)?Linux|prolinux_|rhel\d+_|rockylinux_|sles\d+_|ubuntu|vmwarePhoton"
)
_SHARES = OneOf(("low", "normal", "high", "custom"), f"{_API}, SharesLevel")

RULES = Rules(
    required={
        _VM: (
            "networkInterfaces",
            "networkInterfaces[].networkId",
            "disks",
            "disks[].label",
            "datastoreId|datastoreClusterId",
            "disks[].size|attach|path",
            "clone.templateUuid",
        ),
        "vsphere:index/folder:Folder": ("datacenterId",),
    },
    needs={_VM: {"pciDeviceIds": ("hostSystemId", "memoryReservation")}},
    values={
        _VM: {
            "firmware": OneOf(("bios", "efi"), f"{_API}, GuestOsDescriptorFirmwareType"),
            "guestId": Like(
                rf"({_LINUX})64Guest",
                "a guest id of 64-bit Linux such as ubuntu64Guest",
                f"{_API}, VirtualMachineGuestOsIdentifier",
            ),
            "scsiType": OneOf(("pvscsi", "lsilogic", "lsilogic-sas", "buslogic"), "vsphere provider, VirtualMachine"),
            "networkInterfaces[].adapterType": OneOf(
                ("vmxnet3", "e1000", "e1000e", "sriov", "vmxnet3vrdma", "pcnet32", "vmxnet2"),
                "vsphere provider, VirtualMachine",
            ),
            "disks[].diskMode": OneOf(
                (
                    "persistent",
                    "independent_persistent",
                    "independent_nonpersistent",
                    "append",
                    "undoable",
                    "nonpersistent",
                ),
                f"{_API}, VirtualDiskMode",
            ),
            "disks[].controllerType": OneOf(("scsi", "sata", "ide", "nvme"), "vsphere provider, VirtualMachine"),
            "latencySensitivity": OneOf(("low", "normal", "medium", "high"), f"{_API}, LatencySensitivity"),
            "cpuShareLevel": _SHARES,
            "memoryShareLevel": _SHARES,
        },
        "vsphere:index/folder:Folder": {
            "type": OneOf(("vm", "host", "datacenter", "datastore", "network"), "vsphere provider, Folder")
        },
        "vsphere:index/resourcePool:ResourcePool": {"cpuShareLevel": _SHARES, "memoryShareLevel": _SHARES},
    },
)
