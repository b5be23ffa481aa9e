"""Options of `vsphere` and the pools that it can provide. Imports no SDK."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from infra.clouds import CloudOptions
from infra.contract import Capacity, Pool, Role

from .machines import gpu_problem
from .network import range_problems

CONTROL = "control-plane"  # name of the control plane's addresses and nodes; no pool may be called so
_PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_HOST = r"[a-z0-9][a-z0-9.-]*"
_RANGE = r"[0-9.]+( ?- ?[0-9.]+)?"
_SMALLEST = 2  # processors, and GiB, that kubeadm asks of a control plane
_IPV4 = 4


class Mode(Enum):
    """Who makes the nodes."""

    KUBEADM = "kubeadm"
    SUPERVISOR = "supervisor"


class Cni(Enum):
    """What connects pods and enforces network policies."""

    CILIUM = "cilium"
    CALICO = "calico"


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What pools mean by a machine."""

    cpus: int = field(metadata={"help": "virtual processors", "min": 1, "max": 768, "example": 8})
    memory_gib: int = field(metadata={"help": "memory in GiB", "min": 1, "max": 24_576, "example": 32})
    vgpu: str | None = field(
        default=None, metadata={"help": "vGPU profile, mode supervisor only", "example": "grid_l40s-48c"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """Where one node of a GPU pool sits: nothing moves it from its host."""

    host: str = field(metadata={"help": "ESXi host", "pattern": _HOST, "example": "esx-11.example.com"})
    gpus: tuple[str, ...] = field(metadata={"help": "PCI addresses of its GPUs", "example": "0000:3b:00.0"})
    fabric: tuple[str, ...] = field(
        default=(), metadata={"help": "PCI addresses of its RDMA cards; for `together`", "example": "0000:5e:00.0"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectStore:
    """A given S3-compatible store. The secret key `objectStore` is JSON: {"accessKey": ..., "secretKey": ...}."""

    endpoint: str = field(metadata={"help": "address", "pattern": "https://.+", "example": "https://s3.example.com"})
    region: str = field(default="us-east-1", metadata={"help": "region, as the store calls its own"})
    artifacts: str = field(metadata={"help": "bucket that keeps old versions", "example": "ml-artifacts"})
    scratch: str = field(metadata={"help": "bucket that expires objects by age", "example": "ml-scratch"})
    networks: tuple[str, ...] = field(metadata={"help": "networks of the store", "example": "10.9.0.0/28"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubeadm:
    """What virtual machines need to become a cluster."""

    api_address: str = field(
        metadata={"help": "virtual address of the API server", "pattern": r"[0-9.]+", "example": "10.40.0.10"}
    )
    api_endpoint: str | None = field(
        default=None,
        metadata={
            "help": "host and port at which this program reaches the API server, if not the virtual address",
            "pattern": r"[a-z0-9.-]+:\d{1,5}",
            "example": "ml-api.example.com:6443",
        },
    )
    gateway: str = field(metadata={"help": "gateway of the nodes", "pattern": r"[0-9.]+", "example": "10.40.0.1"})
    resolvers: tuple[str, ...] = field(metadata={"help": "DNS servers of the nodes", "example": "10.0.0.53"})
    clocks: tuple[str, ...] = field(
        default=(), metadata={"help": "NTP servers of the nodes; empty: those of the node image", "example": "10.0.0.1"}
    )
    addresses: Mapping[str, str] = field(
        metadata={
            "help": f"range of addresses for each pool, and for `{CONTROL}`; spare ranges are allowed",
            "example": "10.40.0.20-10.40.0.29",
        }
    )
    load_balancer: str | None = field(
        default=None,
        metadata={
            "help": "range for Services of type LoadBalancer; without it there are none",
            "pattern": _RANGE,
            "example": "10.40.0.200-10.40.0.219",
        },
    )
    control_planes: int = field(default=3, metadata={"help": "nodes of the control plane: 1 or 3", "min": 1, "max": 3})
    control_machine: str = field(metadata={"help": "machine of the control plane", "example": "control"})
    templates: Mapping[str, str] = field(
        metadata={
            "help": "node images (VM templates) by Kubernetes release",
            "keys": r"1\.\d+\.\d+",
            "example": "ubuntu-2404-kube-1.35.4",
        }
    )
    datastore: str = field(metadata={"help": "datastore of the machines", "example": "vsan-ml"})
    port_group: str = field(metadata={"help": "port group of the nodes", "example": "ml-nodes"})
    kube_vip: str = field(
        metadata={
            "help": "image of kube-vip, which holds the virtual addresses",
            "example": "registry.example.com/kube-vip/kube-vip:v1.2.1",
        }
    )
    registry: str | None = field(
        default=None, metadata={"help": "registry with Kubernetes' own images; empty: kubeadm's default"}
    )
    cni: Cni = field(default=Cni.CILIUM, metadata={"help": "what connects pods; the node image brings its manifests"})
    seats: Mapping[str, tuple[Seat, ...]] = field(
        default_factory=dict[str, tuple[Seat, ...]],
        metadata={"help": "where the nodes of each GPU pool sit, one entry for each node"},
    )
    admin_days: int = field(
        default=30,
        metadata={"help": "days that the kubeconfig is valid; `up` renews it in the last third", "min": 3, "max": 365},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Supervisor:
    """A given Supervisor, which makes the nodes. Its kubeconfig is the secret key `supervisor`."""

    id: str = field(metadata={"help": "id of the Supervisor in vCenter", "example": "domain-c8"})
    content_library: str = field(metadata={"help": "id of the content library with node images"})
    releases: Mapping[str, str] = field(
        metadata={
            "help": "VKS releases by Kubernetes minor version",
            "keys": r"1\.\d+",
            "example": "v1.35.2+vmware.1-vkr.1",
        }
    )
    cluster_class: str = field(default="builtin-generic-v3.4.0", metadata={"help": "ClusterClass of VKS"})
    control_planes: int = field(default=3, metadata={"help": "nodes of the control plane: 1 or 3", "min": 1, "max": 3})
    control_machine: str = field(metadata={"help": "machine of the control plane", "example": "control"})
    storage_class: str = field(metadata={"help": "storage class that the storage policy becomes", "example": "vsan-ml"})
    shared_storage_class: str | None = field(default=None, metadata={"help": "storage class for ReadWriteMany volumes"})
    api_networks: tuple[str, ...] = field(
        metadata={"help": "networks of the API server's load balancer and nodes", "example": "10.40.0.0/24"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VsphereOptions(CloudOptions):
    """Options of a cluster on vSphere. `region` is the datacenter."""

    mode: Mode = field(default=Mode.KUBEADM, metadata={"help": "who makes the nodes"})
    server: str = field(metadata={"help": "vCenter", "pattern": _HOST, "example": "vcenter.example.com"})
    compute_cluster: str = field(metadata={"help": "cluster of ESXi hosts", "example": "ml-hosts"})
    storage_policy: str = field(
        metadata={"help": "storage policy of disks and volumes; choose one that encrypts", "example": "vSAN Encrypted"}
    )
    shared_storage_policy: str | None = field(
        default=None, metadata={"help": "storage policy of ReadWriteMany volumes (vSAN File Services), mode kubeadm"}
    )
    machines: Mapping[str, Machine] = field(metadata={"help": "what pools mean by each machine"})
    object_store: ObjectStore | None = field(
        default=None, metadata={"help": "a given object store; without one the platform brings its own"}
    )
    kubeadm: Kubeadm | None = field(default=None, metadata={"help": "for mode kubeadm"})
    supervisor: Supervisor | None = field(default=None, metadata={"help": "for mode supervisor"})

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse what vSphere cannot do, and addresses and devices that two nodes would share."""
        problems = [*self._mode_problems(), *self._own_problems()]
        if self.kubeadm is not None and not problems:
            problems += [f"options.kubeadm.{problem}" for problem in _kubeadm_problems(self, self.kubeadm, pools)]
        for name, pool in pools.items():
            problems += [f"pools.{name}.{problem}" for problem in self._pool_problems(name, pool)]
        if problems:
            raise ValueError("; ".join(problems))

    def _mode_problems(self) -> Iterator[str]:
        given = {Mode.KUBEADM: self.kubeadm, Mode.SUPERVISOR: self.supervisor}
        for mode, found in given.items():
            if (found is not None) != (mode is self.mode):
                state = "missing" if found is None else f"is for mode {mode.value}"
                yield f"options.{mode.value}: {state}; the mode is {self.mode.value}"
        for control in (self.kubeadm, self.supervisor):
            if control is not None and control.control_planes == 2:  # noqa: PLR2004 - two outvote nobody
                yield f"options.{self.mode.value}.controlPlanes: found 2; allowed: 1, 3"
            if control is not None and control.control_machine not in self.machines:
                yield (
                    f"options.{self.mode.value}.controlMachine: found '{control.control_machine}'; "
                    f"allowed: {', '.join(self.machines)}"
                )

    def _own_problems(self) -> Iterator[str]:
        if self.admins:
            yield "options.admins: vSphere's people are none of the cluster's; give rights in the platform's own way"
        if self.network.flow_logs:
            yield "options.network.flowLogs: found true; vSphere keeps no log of connections; allowed: false"
        if self.mode is Mode.SUPERVISOR and self.network.api_access:
            yield "options.network.apiAccess: the Supervisor's load balancer decides; allowed: leave it out"
        for key in ("nodes", "pods", "services"):
            found = ipaddress.ip_network(getattr(self.network, key))
            if found.version != _IPV4:
                yield f"options.network.{key}: found {found}; allowed: IPv4"

    def _pool_problems(self, name: str, pool: Pool) -> Iterator[str]:
        if pool.role is Role.TPU:
            yield "role: vSphere has no TPUs; allowed: system, cpu, gpu"
        if name == CONTROL:
            yield "name: belongs to the control plane; choose another"
        if pool.machine not in self.machines:
            yield f"machine: found '{pool.machine}'; allowed: {', '.join(self.machines)}"
        if pool.capacity is not Capacity.ON_DEMAND:
            yield f"capacity: found {pool.capacity.value}; vSphere sells no machines; allowed: on-demand"
        if pool.min != pool.max:
            yield f"max: found {pool.max}; nothing here adds nodes by itself; allowed: the same as min ({pool.min})"
        if pool.zones:
            yield f"zones: found {', '.join(pool.zones)}; a datacenter has none; allowed: leave it out"
        machine = self.machines.get(pool.machine)
        if pool.gpu is not None and machine is not None:
            yield from self._gpu_problems(name, pool, machine)
        elif pool.together:
            yield "together: found true; only nodes with GPUs have RDMA cards; allowed: false"
        elif machine is not None and machine.vgpu:
            yield f"machine: '{pool.machine}' has a vgpu; give the pool the role gpu"

    def _gpu_problems(self, name: str, pool: Pool, machine: Machine) -> Iterator[str]:
        if self.kubeadm is not None:
            if machine.vgpu is not None:
                yield f"machine: '{pool.machine}' has a vgpu; only mode supervisor can give vGPUs"
            yield from _seat_problems(name, pool, self.kubeadm.seats.get(name, ()))
            return
        if machine.vgpu is None:
            yield f"machine: '{pool.machine}' has no vgpu; a Supervisor gives GPUs as vGPU only"
        if pool.together:
            yield "together: found true; a Supervisor places nodes itself; allowed: false"


def _seat_problems(name: str, pool: Pool, seats: tuple[Seat, ...]) -> Iterator[str]:
    """GPUs that are passed through are whole, and each node says where they are."""
    if pool.gpu is None:
        return
    if problem := gpu_problem(pool.gpu):
        yield problem
    if len(seats) < pool.max:
        yield f"max: found {pool.max}; options.kubeadm.seats.{name} has {len(seats)} entries, one for each node"
    for index, seat in enumerate(seats):
        if len(seat.gpus) != pool.gpu.count:
            yield f"gpu.count: found {pool.gpu.count}; seat {index} has {len(seat.gpus)} GPUs"
        if bool(seat.fabric) != pool.together:
            yield f"together: found {str(pool.together).lower()}; seat {index} has {len(seat.fabric)} RDMA cards"


def _kubeadm_problems(options: VsphereOptions, kubeadm: Kubeadm, pools: Mapping[str, Pool]) -> Iterator[str]:
    control = options.machines[kubeadm.control_machine]
    if min(control.cpus, control.memory_gib) < _SMALLEST:
        yield f"controlMachine: found {control.cpus} CPUs and {control.memory_gib} GiB; allowed: at least 2 of each"
    counts = {CONTROL: kubeadm.control_planes, **{name: pool.max for name, pool in pools.items()}}
    if missing := sorted({name for name, count in counts.items() if count} - set(kubeadm.addresses)):
        yield f"addresses: missing: {', '.join(missing)}"
    ranges = {f"addresses.{name}": text for name, text in kubeadm.addresses.items()}
    ranges |= {"apiAddress": kubeadm.api_address, "gateway": kubeadm.gateway}
    if kubeadm.load_balancer is not None:
        ranges["loadBalancer"] = kubeadm.load_balancer
    yield from range_problems(
        options.network.nodes, ranges, {f"addresses.{name}": count for name, count in counts.items()}
    )
    yield from _device_problems(kubeadm)


def _device_problems(kubeadm: Kubeadm) -> Iterator[str]:
    """A device belongs to one machine: vCenter says so only when the second one starts."""
    seen: dict[tuple[str, str], str] = {}
    for pool, seats in kubeadm.seats.items():
        for index, seat in enumerate(seats):
            here = f"seats.{pool}[{index}]"
            for device in (*seat.gpus, *seat.fabric):
                if not _PCI.fullmatch(device):
                    yield f"{here}: found '{device}'; allowed: a PCI address such as 0000:3b:00.0"
                if (seat.host, device) in seen:
                    yield f"{here}: {device} of {seat.host} is in {seen[seat.host, device]} already"
                seen[seat.host, device] = here
