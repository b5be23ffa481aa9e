"""Checks of a cluster on vSphere: judgements of the stack file and of what the vCenter tells."""

from __future__ import annotations

from collections.abc import Iterator

from infra.contract import Environment
from infra.naming import Kind
from infra.vsphere.options import CONTROL, Kubeadm, Machine, Mode
from infra.vsphere.site import Site, node_name

from . import checks, versions
from .checks import Amount, Check, Finding, Plan, look, static
from .vcenter import Host, Hosts, PyVmomi, VCenter

_HARDWARE = 17  # UEFI guests with large passthrough devices
_CONTROL_DISK = 100  # GiB, as in `Site.control_nodes`
_READ = "System.View and System.Read on the datacenter"


def make(plan: Plan, vcenter: VCenter | None = None) -> tuple[Check, ...]:
    """The checks of one cluster; a Supervisor answers for its own machines."""
    spec, site = plan.spec, Site.of(plan.spec)
    options = site.options
    asked: VCenter = PyVmomi(options.server, site.datacenter) if vcenter is None else vcenter
    hosts = checks.once(lambda: asked.hosts(options.compute_cluster))
    always = (
        static("vsphere.names", checks.names(_names(site))),
        static("vsphere.networks", checks.networks(_networks(site), {})),
        static("vsphere.version", versions.judge(Environment.VSPHERE, spec.version, plan.today)),
        look("vsphere.credentials", "VSPHERE_USER, VSPHERE_PASSWORD", lambda: checks.signed_in(asked.caller)),
        look("vsphere.cluster", _READ, lambda: _cluster(options.compute_cluster, hosts())),
    )
    if options.mode is not Mode.KUBEADM:
        return always
    kubeadm = site.kubeadm
    return (
        *always,
        look("vsphere.template", _READ, lambda: _template(kubeadm.templates[site.release], asked)),
        look("vsphere.network", _READ, lambda: _network(kubeadm.port_group, asked)),
        look("vsphere.datastore", _READ, lambda: _datastore(site, kubeadm, asked)),
        look("vsphere.resource-pool", _READ, lambda: _resources(site, kubeadm, hosts())),
        look("vsphere.gpus", _READ, lambda: _devices(kubeadm, hosts())),
    )


def _networks(site: Site) -> dict[str, str]:
    return {key: getattr(site.options.network, key) for key in ("nodes", "pods", "services")}


def _names(site: Site) -> dict[Kind, list[str]]:
    counts = {name: pool.max for name, pool in site.pools.items()} | {CONTROL: 3}
    machines = [node_name(site.name, name, count - 1) for name, count in counts.items() if count]
    return {Kind.VSPHERE_MACHINE: machines, Kind.VSPHERE_FOLDER: [site.name]}


def _cluster(name: str, found: Hosts | None) -> Finding:
    if found is None:
        return checks.failed(f"there is no compute cluster {name}", "see cluster.options.computeCluster")
    working = [host for host in found.hosts.values() if host.working]
    if not working:
        return checks.failed(f"{name} has {len(found.hosts)} hosts, and none of them works", "bring one back")
    if not found.drs:
        return checks.failed(f"DRS is off in {name}: rules of placement would not hold", "switch DRS on")
    return checks.passed(f"{name}: {len(working)} of {len(found.hosts)} hosts work")


def _template(name: str, vcenter: VCenter) -> Finding:
    found = vcenter.image(name)
    if found is None:
        return checks.failed(f"there is no template {name}", "build it with image-builder; see cluster.options.kubeadm")
    problems = [
        *([] if found.is_template else [f"{name} is a machine and no template"]),
        *([] if found.efi else [f"{name} starts by BIOS; nodes start by EFI"]),
        *([] if found.hardware >= _HARDWARE else [f"{name} has virtual hardware {found.hardware}; least: {_HARDWARE}"]),
    ]
    return checks.failed(problems, "build the template anew") if problems else checks.passed(f"{name} fits")


def _network(name: str, vcenter: VCenter) -> Finding:
    if vcenter.network(name):
        return checks.passed(f"port group {name} is there")
    return checks.failed(f"there is no port group {name}", "see cluster.options.kubeadm.portGroup")


def _datastore(site: Site, kubeadm: Kubeadm, vcenter: VCenter) -> Finding:
    free = vcenter.datastore(kubeadm.datastore)
    if free is None:
        reason = f"there is no datastore {kubeadm.datastore}, or it cannot be used"
        return checks.failed(reason, "see cluster.options.kubeadm.datastore")
    disks = kubeadm.control_planes * _CONTROL_DISK + sum(pool.max * pool.disk_gib for pool in site.pools.values())
    row = Amount(what=f"GiB in {kubeadm.datastore}", wanted=disks, limit=round(free))
    return checks.amounts([row], remedy="free space, or lower diskGib; volumes of claims come on top")


def _machines(site: Site, kubeadm: Kubeadm) -> Iterator[tuple[Machine, int]]:
    yield site.options.machines[kubeadm.control_machine], kubeadm.control_planes
    for pool in site.pools.values():
        yield site.options.machines[pool.machine], pool.max


def _resources(site: Site, kubeadm: Kubeadm, found: Hosts | None) -> Finding:
    """Memory is counted against what is promised to nobody; processors may be shared, so they are counted whole."""
    if found is None:
        return checks.failed("there is no compute cluster", "see cluster.options.computeCluster")
    working = [host for host in found.hosts.values() if host.working]
    all_memory = sum(host.memory_gib for host in working)
    wanted = list(_machines(site, kubeadm))
    memory = sum(machine.memory_gib * count for machine, count in wanted)
    cpus = sum(machine.cpus * count for machine, count in wanted)
    limit = all_memory if found.free_memory_gib is None else min(all_memory, found.free_memory_gib)
    rows = [
        Amount(what="GiB of memory", wanted=memory, limit=round(limit)),
        Amount(what="threads", wanted=cpus, limit=sum(host.cpus for host in working)),
    ]
    return checks.amounts(rows, remedy="fewer or smaller nodes, or more hosts")


def _devices(kubeadm: Kubeadm, found: Hosts | None) -> Finding:
    """Every device that a node shall get is in its host, and switched to passthrough."""
    hosts = dict[str, Host]() if found is None else found.hosts
    problems: list[str] = []
    count = 0
    for pool, seats in kubeadm.seats.items():
        for index, seat in enumerate(seats):
            key = f"seats.{pool}[{index}]"
            host = hosts.get(seat.host)
            if host is None:
                problems.append(f"{key}: {seat.host} is no host of the compute cluster")
                continue
            if not host.working:
                problems.append(f"{key}: {seat.host} does not work")
            for device in (*seat.gpus, *seat.fabric):
                count += 1
                if device not in host.devices:
                    problems.append(f"{key}: {seat.host} has no device {device}")
                elif not host.devices[device]:
                    problems.append(f"{key}: {device} of {seat.host} is not switched to passthrough")
    if problems:
        return checks.failed(problems, "correct cluster.options.kubeadm.seats, or switch the devices in vCenter")
    return checks.passed(f"{count} devices are there and switched to passthrough" if count else "no node has a GPU")
