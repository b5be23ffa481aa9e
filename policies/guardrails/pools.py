"""Node pools of five clouds in one shape: GPUs, taints, bounds, tags. A machine type is judged by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .rule import Subject
from .values import Node, first

POOL_TYPES = (
    "aws:eks/nodeGroup:NodeGroup",
    "azure-native:containerservice:ManagedCluster",
    "azure-native:containerservice:AgentPool",
    "azure-native:containerservice/",  # the same types at a version of their own
    "gcp:container/nodePool:NodePool",
    "gcp:container/cluster:Cluster",
    "alicloud:cs/nodePool:NodePool",
    "vsphere:index/virtualMachine:VirtualMachine",
)
# Families with GPUs, as the clouds name them.
_MACHINES = re.compile(
    r"(?i)(p[2-9][a-z-]*|g[3-9][a-z]*|trn\d[a-z]*)\.\d*[a-z]+"  # AWS; Graviton's families end otherwise
    r"|standard_n[cdvp].*"  # Azure
    r"|(a[234]|g[24])-.+|ct\d.+"  # Google Cloud
    r"|ecs\.(gn|vgn|sgn|ebmgn|scc[gh]n|ebmscc.*g)\S+"  # Alibaba Cloud
)


class Bound(Enum):
    """A maximum that is no number."""

    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePool:
    """A pool, wherever it was declared."""

    node: Node
    machines: tuple[str, ...]
    gpu: bool
    tainted: bool  # True, too, if it cannot be known
    most: float | Bound
    zones: int  # a cloud may count the maximum per zone
    tags: frozenset[str] | None  # in lower case; None if they cannot be known


def pools_of(subject: Subject) -> Iterator[NodePool]:
    """The pools that a resource declares; a cluster may have some inline."""
    kind, root = subject.resource.type, subject.root
    if kind == "aws:eks/nodeGroup:NodeGroup":
        yield _pool(root, root.at("instanceTypes"), root.at("scalingConfig", "maxSize"), tags=("tags", "tagsAll"))
    elif kind.startswith("azure-native:containerservice") and kind.endswith(":ManagedCluster"):
        yield from (_azure(pool) for pool in root.at("agentPoolProfiles").items())
    elif kind.startswith("azure-native:containerservice") and kind.endswith(":AgentPool"):
        yield _azure(root)
    elif kind == "gcp:container/nodePool:NodePool":
        yield _google(root)
    elif kind == "gcp:container/cluster:Cluster":
        yield from (_google(pool) for pool in root.at("nodePools").items())
    elif kind == "alicloud:cs/nodePool:NodePool":
        most = first(root.at("scalingConfig", "maxSize"), root.at("desiredSize"))
        yield _pool(root, root.at("instanceTypes"), most, tags=("tags",))


def _pool(root: Node, machines: Node, most: Node, *, tags: tuple[str, ...], taints: Node | None = None) -> NodePool:
    names = tuple(machines.texts())
    marks = [key for key, _ in root.at("labels").entries()] + [
        item.at("key").text() for item in root.at("labels").items() if root.at("labels").listed
    ]
    gpu = (
        any(_MACHINES.fullmatch(name) for name in names)
        or any(mark.startswith("nvidia.com/gpu") for mark in marks)
        or "NVIDIA" in root.at("amiType").text().upper()
    )
    return NodePool(
        node=root,
        machines=names,
        gpu=gpu,
        tainted=_tainted(root.at("taints") if taints is None else taints),
        most=_bound(most),
        zones=1,
        tags=_tags(*(root.at(key) for key in tags)),
    )


def _azure(pool: Node) -> NodePool:
    scaled = pool.at("enableAutoScaling").flag(unknown=True)
    machine = pool.at("vmSize")
    return NodePool(
        node=pool,
        machines=tuple(machine.texts()),
        gpu=_MACHINES.fullmatch(machine.text()) is not None,
        tainted=_tainted(pool.at("nodeTaints")),
        most=_bound(pool.at("maxCount") if scaled else pool.at("count")),
        zones=1,
        tags=_tags(pool.at("tags")),
    )


def _google(pool: Node) -> NodePool:
    config = pool.at("nodeConfig")
    machine = config.at("machineType")
    scaling = pool.at("autoscaling")
    per_zone = scaling.at("maxNodeCount")
    zones = max(1, len(pool.at("nodeLocations").items()))
    total = first(scaling.at("totalMaxNodeCount"), per_zone, pool.at("nodeCount"), pool.at("initialNodeCount"))
    return NodePool(
        node=pool,
        machines=tuple(machine.texts()),
        gpu=_MACHINES.fullmatch(machine.text()) is not None or bool(config.at("guestAccelerators").items()),
        tainted=_tainted(config.at("taints")),
        most=_bound(total),
        zones=zones if per_zone.present and not scaling.at("totalMaxNodeCount").present else 1,
        tags=_tags(config.at("resourceLabels"), pool.at("resourceLabels")),
    )


def _tainted(taints: Node) -> bool:
    if taints.unknown:
        return True
    keeps = ("NO_SCHEDULE", "NoSchedule", "NO_EXECUTE", "NoExecute")
    return any(
        item.unknown or item.text().endswith((":NoSchedule", ":NoExecute")) or item.at("effect").text(keeps[0]) in keeps
        for item in taints.items()
    )


def _bound(most: Node) -> float | Bound:
    number = most.number(unknown=math.inf)
    if number == math.inf:
        return Bound.UNKNOWN
    return Bound.NONE if math.isnan(number) else number


def _tags(*places: Node) -> frozenset[str] | None:
    if any(place.unknown for place in places):
        return None
    return frozenset(key.lower() for place in places for key, _ in place.entries())
