"""What a vCenter tells before machines are made in it, through pyVmomi. Judges nothing, keeps no password."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

from .checks import CannotLookError, NoCredentialsError
from .sdk import load

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Image:
    """A VM template."""

    is_template: bool
    efi: bool
    hardware: int  # version of its virtual hardware


@dataclass(frozen=True, slots=True)
class Host:
    """An ESXi host of the compute cluster."""

    cpus: int  # threads
    memory_gib: int
    working: bool  # connected, and not in maintenance
    devices: Mapping[str, bool]  # PCI address -> passthrough is active


@dataclass(frozen=True, slots=True)
class Hosts:
    """The compute cluster."""

    drs: bool
    free_memory_gib: float | None  # that its resource pool has not promised; None: not told
    hosts: Mapping[str, Host]


class VCenter(Protocol):
    """One datacenter, looked at."""

    def caller(self) -> str:
        """Who is signed in."""
        ...

    def image(self, name: str) -> Image | None:
        """A machine or template."""
        ...

    def datastore(self, name: str) -> float | None:
        """Free GiB of a datastore that can be used; None if there is none."""
        ...

    def network(self, name: str) -> bool:
        """Whether there is a port group."""
        ...

    def hosts(self, cluster: str) -> Hosts | None:
        """A compute cluster."""
        ...


class PyVmomi:
    """A vCenter as the user in VSPHERE_USER; the same variables as the provider's own."""

    def __init__(self, server: str, datacenter: str) -> None:
        self._server, self._datacenter = server, datacenter

    def caller(self) -> str:
        """Who is signed in."""
        return self._content.sessionManager.currentSession.userName

    def image(self, name: str) -> Image | None:
        """A machine or template."""
        found = self._named("VirtualMachine", name)
        if found is None:
            return None
        config = found.config
        hardware = int(config.version.removeprefix("vmx-"))
        return Image(is_template=config.template, efi=config.firmware == "efi", hardware=hardware)

    def datastore(self, name: str) -> float | None:
        """Free GiB of a datastore that can be used; None if there is none."""
        found = self._named("Datastore", name)
        if found is None or not found.summary.accessible or found.summary.maintenanceMode not in (None, "normal"):
            return None
        return found.summary.freeSpace / _GIB

    def network(self, name: str) -> bool:
        """Whether there is a port group."""
        return self._named("Network", name) is not None

    def hosts(self, cluster: str) -> Hosts | None:
        """A compute cluster."""
        found = self._named("ClusterComputeResource", cluster)
        if found is None:
            return None
        free = found.resourcePool.runtime.memory.unreservedForVm
        return Hosts(
            drs=bool(found.configuration.drsConfig.enabled),
            free_memory_gib=None if free is None else free / _GIB,
            hosts={host.name: _host(host) for host in found.host},
        )

    @cached_property
    def _content(self) -> Any:  # noqa: ANN401 - the SDK may be absent
        connect, vim = load("vsphere", "pyVim.connect"), load("vsphere", "pyVmomi").vim
        user, password = os.environ.get("VSPHERE_USER"), os.environ.get("VSPHERE_PASSWORD")
        sign_in = "set VSPHERE_USER and VSPHERE_PASSWORD"
        if not user or not password:
            raise NoCredentialsError("no vCenter credentials", sign_in)
        tls = ssl.create_default_context()
        if os.environ.get("VSPHERE_ALLOW_UNVERIFIED_SSL", "").lower() == "true":
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        try:
            session = connect.SmartConnect(host=self._server, user=user, pwd=password, sslContext=tls)
        except vim.fault.InvalidLogin as error:
            raise NoCredentialsError(f"{self._server} refuses {user}", sign_in) from error
        except (OSError, vim.fault.VimFault) as error:
            raise CannotLookError(f"{self._server} cannot be asked: {type(error).__name__}") from error
        return session.RetrieveContent()

    @cached_property
    def _place(self) -> Any:  # noqa: ANN401 - the SDK may be absent
        vim = load("vsphere", "pyVmomi").vim
        for found in self._all(self._content.rootFolder, vim.Datacenter):
            if found.name == self._datacenter:
                return found
        raise CannotLookError(f"{self._server} has no datacenter {self._datacenter}", "see cluster.region")

    def _named(self, kind: str, name: str) -> Any:  # noqa: ANN401 - the SDK may be absent
        place, own = self._place, name.rpartition("/")[2]
        wanted = getattr(load("vsphere", "pyVmomi").vim, kind)
        return next((item for item in self._all(place, wanted) if item.name == own), None)

    def _all(self, root: Any, kind: Any) -> list[Any]:  # noqa: ANN401 - the SDK may be absent
        view = self._content.viewManager.CreateContainerView(root, [kind], recursive=True)
        try:
            return list(view.view)
        finally:
            view.Destroy()


def _host(host: Any) -> Host:  # noqa: ANN401 - the SDK may be absent
    hardware, runtime = host.hardware, host.runtime
    passthrough = cast("list[Any]", host.config.pciPassthruInfo if host.config else [])
    return Host(
        cpus=hardware.cpuInfo.numCpuThreads,
        memory_gib=hardware.memorySize // _GIB,
        working=runtime.connectionState == "connected" and not runtime.inMaintenanceMode,
        devices={item.id: bool(getattr(item, "passthruActive", False)) for item in passthrough},
    )
