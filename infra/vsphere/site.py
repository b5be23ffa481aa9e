"""Plain facts about one cluster on vSphere that all of its parts share. Imports no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.contract import ClusterSpec, Pool, options_of
from infra.naming import complete_pool

from .network import plan
from .options import CONTROL, Kubeadm, Machine, Seat, VsphereOptions

API_PORT = 6443
_HOST_NAME = 63


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node, before it is a virtual machine."""

    name: str
    address: str
    machine: Machine
    disk_gib: int
    pool_name: str | None = None  # None: control plane
    pool: Pool | None = None
    seat: Seat | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Plain facts about one cluster."""

    name: str
    datacenter: str
    version: str
    pools: Mapping[str, Pool]
    options: VsphereOptions

    @classmethod
    def of(cls, spec: ClusterSpec) -> Site:
        """The facts that follow from a spec; ValueError where names are too long or there is no node image."""
        options = options_of(spec, VsphereOptions)
        site = cls(
            name=spec.name,
            datacenter=spec.region,
            version=spec.version,
            pools={name: complete_pool(name, pool) for name, pool in spec.pools.items()},
            options=options,
        )
        for name, pool in {**spec.pools, CONTROL: None}.items():
            longest = node_name(spec.name, name, (pool.max if pool else 1) - 1)
            if len(longest) > _HOST_NAME:
                raise ValueError(
                    f"pools.{name}: '{longest}' has {len(longest)} characters; a host name has {_HOST_NAME}"
                )
        if options.kubeadm is not None:
            _ = site.release
        elif options.supervisor is not None and spec.version not in options.supervisor.releases:
            raise ValueError(_unknown("supervisor.releases", spec.version, options.supervisor.releases))
        return site

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that can carry any."""
        return self.options.ownership.tags(self.name, "vsphere")

    @property
    def kubeadm(self) -> Kubeadm:
        """Options of this mode; `check` has seen that they are there."""
        if self.options.kubeadm is None:
            raise TypeError("the mode is not kubeadm")
        return self.options.kubeadm

    @property
    def release(self) -> str:
        """The newest release of the minor version for which there is a node image."""
        fitting = [item for item in self.kubeadm.templates if item.startswith(f"{self.version}.")]
        if not fitting:
            raise ValueError(_unknown("kubeadm.templates", self.version, self.kubeadm.templates))
        return max(fitting, key=lambda item: int(item.rpartition(".")[2]))

    @property
    def api_endpoint(self) -> str:
        """Where this program reaches the API server."""
        return self.kubeadm.api_endpoint or f"{self.kubeadm.api_address}:{API_PORT}"

    def control_nodes(self) -> tuple[Node, ...]:
        """The control plane's nodes in their order."""
        machine = self.options.machines[self.kubeadm.control_machine]
        addresses = plan(self.kubeadm.addresses, {CONTROL: self.kubeadm.control_planes})[CONTROL]
        return tuple(
            Node(name=node_name(self.name, CONTROL, index), address=address, machine=machine, disk_gib=100)
            for index, address in enumerate(addresses)
        )

    def pool_nodes(self, pool_name: str) -> tuple[Node, ...]:
        """The nodes of a pool in their order."""
        pool = self.pools[pool_name]
        if pool.max == 0:
            return ()
        seats = self.kubeadm.seats.get(pool_name, ()) if pool.gpu is not None else ()
        addresses = plan(self.kubeadm.addresses, {pool_name: pool.max})[pool_name]
        return tuple(
            Node(
                name=node_name(self.name, pool_name, index),
                address=address,
                machine=self.options.machines[pool.machine],
                disk_gib=pool.disk_gib,
                pool_name=pool_name,
                pool=pool,
                seat=seats[index] if seats else None,
            )
            for index, address in enumerate(addresses)
        )


def node_name(cluster: str, pool: str, index: int) -> str:
    """Name of a node, of its machine and of its host: what certificates and Kubernetes know it by."""
    return f"{cluster}-{pool}-{max(index, 0)}"


def _unknown(key: str, version: str, known: Mapping[str, str]) -> str:
    return f"options.{key}: nothing for Kubernetes {version}; found {', '.join(known) or 'none'}"
