"""What a rehearsal changes about a stack, and which operations each change may cause. Edits copies, never files."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]
CLUSTER, PLATFORM = "kubeflow-proof:cluster", "kubeflow-proof:platform"
EVERY = -1  # as many as the stack has of this type
EXTRA = "extra"  # name of the pool that is added
TENANT, LATE_TENANT = "team-rehearsal", "team-late"
# Secret keys that a stack file names but never holds.
SECRETS: Mapping[str, Mapping[str, str]] = {
    "vsphere": {
        "kubeflow-proof:vcenter": '{"user": "rehearsal@vsphere.local", "password": "rehearsed"}',
        "kubeflow-proof:objectStore": '{"accessKey": "rehearsal", "secretKey": "rehearsed"}',
    }
}
_MORE = 2  # nodes
_APART = "vsphere:index/computeClusterVmAntiAffinityRule:ComputeClusterVmAntiAffinityRule"
_REPLACING = ("create-replacement", "delete-replaced", "replace")


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Operations by type, components apart. Whatever is not listed must not happen."""

    creates: Mapping[str, int] = field(default_factory=dict[str, int])
    updates: Mapping[str, int] = field(default_factory=dict[str, int])
    replaces: Mapping[str, int] = field(default_factory=dict[str, int])  # only where that is the documented way


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of the configuration."""

    name: str
    edit: Callable[[Config], None]
    expected: Mapping[str, Expected] = field(default_factory=dict[str, Expected])  # by environment
    model: Callable[[Config], str] | None = None  # or: exactly what the component of this name has


def edited(config: Config, edit: Callable[[Config], None]) -> Config:
    """A changed copy."""
    result = copy.deepcopy(config)
    edit(result)
    return result


def starting(config: Config, components: Iterable[str]) -> Config:
    """The committed configuration as a rehearsal begins: protected, and with these components of upstream."""

    def begin(one: Config) -> None:
        one[CLUSTER]["options"]["deletionProtection"] = True
        one[PLATFORM]["components"] = list(components)

    return edited(config, begin)


def reached_at(config: Config, endpoint: str) -> Config:
    """Where a human says at which address the API server will be, it is the one of the rehearsal."""

    def reach(one: Config) -> None:
        if kubeadm := one[CLUSTER]["options"].get("kubeadm"):
            kubeadm["apiEndpoint"] = endpoint

    return edited(config, reach)


def unprotected(config: Config) -> Config:
    """The same without deletion protection."""
    return edited(config, lambda one: one[CLUSTER]["options"].update(deletionProtection=False))


def with_late_tenant(config: Config) -> Config:
    """The same with one more tenant: objects that only the API server can make."""
    return edited(config, lambda one: _add_tenant(one, LATE_TENANT))


def problems(expected: Expected | None, found: Mapping[tuple[str, str], int], there: Mapping[str, int]) -> list[str]:
    """How planned operations differ from the expected ones; `there`: type -> resources that the stack has."""
    if expected is None:
        unexpected = [key for key in sorted(found) if key[0] not in {"create", "update"}]
        general = [f"{operation} of {found[operation, kind]} {kind} was not expected" for operation, kind in unexpected]
        return general or ([] if found else ["nothing changed"])
    wanted = {("create", kind): count for kind, count in expected.creates.items()}
    wanted |= {("update", kind): _count(kind, count, there) for kind, count in expected.updates.items()}
    for kind, count in expected.replaces.items():
        wanted |= {(operation, kind): _count(kind, count, there) for operation in _REPLACING}
    return [
        f"{operation} of {kind}: found {found.get((operation, kind), 0)}, expected {wanted.get((operation, kind), 0)}"
        for operation, kind in sorted(wanted.keys() | found.keys())
        if found.get((operation, kind), 0) != wanted.get((operation, kind), 0)
    ]


def _count(kind: str, count: int, there: Mapping[str, int]) -> int:
    return there.get(kind, 0) if count == EVERY else count


def like(resources: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    """Type -> number of resources below the component of this name."""
    inside: set[str] = set()
    counts = Counter[str]()
    for one in resources:  # parents stand before their children
        component = one["type"].startswith("proof:")
        if one.get("parent") in inside or (component and one["urn"].endswith(f"::{name}")):
            inside.add(one["urn"])
            if not component and not one["type"].startswith("pulumi:"):
                counts[one["type"]] += 1
    return dict(counts)


def _add_pool(config: Config) -> None:
    pools = config[CLUSTER]["pools"]
    model = next(name for name, pool in pools.items() if pool["role"] == "gpu" and "reservation" not in pool)
    pools[EXTRA] = copy.deepcopy(pools[model])
    if kubeadm := config[CLUSTER]["options"].get("kubeadm"):  # addresses and hosts are named one by one there
        kubeadm["addresses"][EXTRA] = "10.40.0.80-10.40.0.89"
        seats = copy.deepcopy(kubeadm["seats"][model])
        kubeadm["seats"][EXTRA] = [{**seat, "host": f"{EXTRA}-{seat['host']}"} for seat in seats]


def _resize(config: Config) -> None:
    """More nodes in the first pool that is not the system's; in a fixed pool both numbers move."""
    pool = next(pool for pool in config[CLUSTER]["pools"].values() if pool["role"] == "cpu")
    fixed = pool["min"] == pool["max"]
    pool["max"] += _MORE
    if fixed:
        pool["min"] += _MORE


def _last_tenant(config: Config) -> str:
    """The tenant after which the new one is modelled."""
    return [name for name in config[PLATFORM]["tenants"] if name not in {TENANT, LATE_TENANT}][-1]


def _add_tenant(config: Config, name: str = TENANT) -> None:
    tenants = config[PLATFORM]["tenants"]
    tenants[name] = copy.deepcopy(tenants[_last_tenant(config)])


def _upgrade(config: Config) -> None:
    major, _, minor = str(config[CLUSTER]["version"]).partition(".")
    later = config[CLUSTER]["version"] = f"{major}.{int(minor) + 1}"
    if kubeadm := config[CLUSTER]["options"].get("kubeadm"):  # a node image for each release
        kubeadm["templates"][f"{later}.1"] = f"node-image-{later}.1"


# By environment. The extra pool is a copy of the stack file's first GPU pool: two groups where it may be spot or not.
_POOL = {
    "eks": Expected(
        creates={
            "aws:autoscaling/tag:Tag": 2,
            "aws:ec2/launchTemplate:LaunchTemplate": 1,
            "aws:eks/nodeGroup:NodeGroup": 2,
        }
    ),
    "aks": Expected(
        creates={"azure-native:containerservice:AgentPool": 2},
        updates={"kubernetes:core/v1:ConfigMap": 1},  # the order of the autoscaler's pools
    ),
    "gke": Expected(creates={"gcp:container/nodePool:NodePool": 2}),
    "ack": Expected(
        creates={"alicloud:cs/nodePool:NodePool": 2},
        updates={"alicloud:cs/autoscalingConfig:AutoscalingConfig": 1},  # the order of its pools
    ),
    "vsphere": Expected(
        creates={
            "tls:index/certRequest:CertRequest": 1,  # each node joins with a certificate of its own
            "tls:index/locallySignedCert:LocallySignedCert": 1,
            "tls:index/privateKey:PrivateKey": 1,
            "vsphere:index/drsVmOverride:DrsVmOverride": 1,
            "vsphere:index/virtualMachine:VirtualMachine": 1,
        }
    ),
}
_SIZE = {
    "eks": Expected(updates={"aws:eks/nodeGroup:NodeGroup": 1}),
    "aks": Expected(updates={"azure-native:containerservice:AgentPool": 1}),
    "gke": Expected(updates={"gcp:container/nodePool:NodePool": 1}),
    "ack": Expected(updates={"alicloud:cs/nodePool:NodePool": 1}),
    "vsphere": Expected(
        creates={
            "tls:index/certRequest:CertRequest": _MORE,
            "tls:index/locallySignedCert:LocallySignedCert": _MORE,
            "tls:index/privateKey:PrivateKey": _MORE,
            "vsphere:index/virtualMachine:VirtualMachine": _MORE,
        },
        updates={_APART: 1},
    ),
}
_VERSION = {
    "eks": Expected(
        updates={
            "aws:eks/cluster:Cluster": EVERY,
            "aws:eks/nodeGroup:NodeGroup": EVERY,
            "kubernetes:apps/v1:Deployment": 1,  # the autoscaler has the cluster's version
        }
    ),
    "aks": Expected(
        updates={
            "azure-native:containerservice:AgentPool": EVERY,
            "azure-native:containerservice:ManagedCluster": EVERY,
        }
    ),
    "gke": Expected(
        updates={"gcp:container/cluster:Cluster": EVERY, "gcp:container/nodePool:NodePool": EVERY},
    ),
    "ack": Expected(updates={"alicloud:cs/managedKubernetes:ManagedKubernetes": EVERY}),
    "vsphere": Expected(  # docs/environments/vsphere.md: upgrades replace machines
        updates={_APART: EVERY},
        replaces={
            "vsphere:index/drsVmOverride:DrsVmOverride": EVERY,
            "vsphere:index/virtualMachine:VirtualMachine": EVERY,
        },
    ),
}
# For environments that a table lacks only the general rules hold: something changes, nothing is deleted or replaced.
CHANGES = (
    Change(name="add a GPU pool", edit=_add_pool, expected=_POOL),
    Change(name="resize a pool", edit=_resize, expected=_SIZE),
    Change(name="new tenant", edit=_add_tenant, model=_last_tenant),
    Change(name="Kubernetes minor upgrade", edit=_upgrade, expected=_VERSION),
)
