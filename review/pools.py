"""Node pools and billed parts of a planned stack, in one shape for all clouds. Knows no price."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from policies.guardrails.rule import Resource, Subject
from policies.guardrails.values import Node, first

_POOL, _GPUS = "proof.kubeflow/pool", "nvidia.com/gpu.count"


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Equal nodes that one autoscaler counts; a pool that may be spot or not has two."""

    pool: str  # as the stack file calls it
    machine: str  # empty: unknown
    spot: bool
    least: float
    most: float  # infinite: nobody says how many
    gpus: int  # of each node
    accelerators: Mapping[str, int]  # kind, as the cloud names it -> number in each node

    @property
    def name(self) -> str:
        """Tells the two groups of a pool apart."""
        return f"{self.pool} (spot)" if self.spot else self.pool


def groups(resources: Sequence[Resource], outputs: Mapping[str, Any]) -> list[Group]:
    """The groups of a stack; where no resource is a pool, what the stack says of its pools."""
    by_urn = {one.urn: one for one in resources}
    found = [group for one in resources for group in _groups(one, by_urn)]
    return sorted(found or _declared(outputs), key=lambda one: (one.gpus > 0, one.name))


def _groups(resource: Resource, by_urn: Mapping[str, Resource]) -> Iterator[Group]:
    kind, root = resource.type, Subject(resource).root
    if kind == "aws:eks/nodeGroup:NodeGroup":
        yield _aws(resource, root, by_urn)
    elif kind == "azure-native:containerservice:ManagedCluster":
        yield from (_azure(one) for one in root.at("agentPoolProfiles").items())
    elif kind == "azure-native:containerservice:AgentPool":
        yield _azure(root)
    elif kind == "gcp:container/nodePool:NodePool":
        yield _google(root)
    elif kind == "alicloud:cs/nodePool:NodePool":
        labels = {one.at("key").text(): one.at("value").text() for one in root.at("labels").items()}
        scaling = root.at("scalingConfig")
        spot = root.at("spotStrategy").text("NoSpot") not in ("", "NoSpot")
        least, most = (
            first(scaling.at("minSize"), root.at("desiredSize")),
            first(scaling.at("maxSize"), root.at("desiredSize")),
        )
        yield _group(resource.name, labels, root.at("instanceTypes").texts(), (least, most), spot=spot)


def _aws(resource: Resource, root: Node, by_urn: Mapping[str, Resource]) -> Group:
    """A launch template may say the machine in place of the group."""
    templates = [by_urn[urn] for urn in resource.dependencies if urn in by_urn and "launchTemplate" in by_urn[urn].type]
    machines = root.at("instanceTypes").texts() or [
        text for one in templates for text in Subject(one).at("instanceType").texts()
    ]
    scaling = root.at("scalingConfig")
    bounds = scaling.at("minSize"), scaling.at("maxSize")
    spot = root.at("capacityType").text() == "SPOT"
    return _group(resource.name, _labels(root.at("labels")), machines, bounds, spot=spot)


def _azure(root: Node) -> Group:
    scaled = root.at("enableAutoScaling").flag(unknown=True)
    bounds = (root.at("minCount"), root.at("maxCount")) if scaled else (root.at("count"), root.at("count"))
    name = first(root.at("agentPoolName"), root.at("name")).text()
    spot = root.at("scaleSetPriority").text() == "Spot"
    return _group(name, _labels(root.at("nodeLabels")), root.at("vmSize").texts(), bounds, spot=spot)


def _google(root: Node) -> Group:
    """Bounds count all zones, or each of them."""
    config, scaling = root.at("nodeConfig"), root.at("autoscaling")
    total = scaling.at("totalMaxNodeCount").present
    zones = 1 if total else max(1, len(root.at("nodeLocations").items()))
    fixed = first(root.at("nodeCount"), root.at("initialNodeCount"))
    low = first(scaling.at("totalMinNodeCount"), scaling.at("minNodeCount"), fixed)
    high = first(scaling.at("totalMaxNodeCount"), scaling.at("maxNodeCount"), fixed)
    parts = {one.at("type").text(): int(one.at("count").number(0, 0)) for one in config.at("guestAccelerators").items()}
    spot = config.at("spot").flag(unknown=False)
    return _group(
        root.at("name").text(), _labels(config.at("labels")), config.at("machineType").texts(), (low, high),
        spot=spot, zones=zones, accelerators=parts,
    )  # fmt: skip


def _group(
    name: str,
    labels: Mapping[str, str],
    machines: Sequence[str],
    bounds: tuple[Node, Node],
    *,
    spot: bool,
    zones: int = 1,
    accelerators: Mapping[str, int] | None = None,
) -> Group:
    count = labels.get(_GPUS, "")
    return Group(
        pool=labels.get(_POOL) or name,
        machine=machines[0] if len(machines) == 1 else "",
        spot=spot,
        least=zones * bounds[0].number(unknown=0, absent=0),
        most=zones * bounds[1].number(unknown=math.inf, absent=math.inf),
        gpus=int(count) if count.isdecimal() else sum((accelerators or {}).values()),
        accelerators=accelerators or {},
    )


def _labels(place: Node) -> dict[str, str]:
    return {key: value.text() for key, value in place.entries()}


def _declared(outputs: Mapping[str, Any]) -> Iterator[Group]:
    """Pools as the stack's outputs describe them: of machines that nobody rents."""
    cluster = cast("dict[str, Any]", outputs.get("cluster") or {})
    pools = cluster.get("pools")
    for name, pool in cast("dict[str, dict[str, Any]]", pools if isinstance(pools, dict) else {}).items():
        gpu = cast("dict[str, Any]", pool.get("gpu") or {})
        yield Group(
            pool=name,
            machine=str(pool.get("machine", "")),
            spot=False,
            least=float(pool.get("min", 0)),
            most=float(pool.get("max", math.inf)),
            gpus=int(gpu.get("count", 0)),
            accelerators={},
        )


# Type of a resource -> the billed part that it is, and how many of it.
_PARTS: Mapping[str, tuple[str, Callable[[Subject], float]]] = {
    "aws:eks/cluster:Cluster": ("control plane", lambda _one: 1),
    "azure-native:containerservice:ManagedCluster": ("control plane", lambda _one: 1),
    "gcp:container/cluster:Cluster": ("control plane", lambda _one: 1),
    "alicloud:cs/managedKubernetes:ManagedKubernetes": ("control plane", lambda _one: 1),
    "aws:ec2/natGateway:NatGateway": ("NAT gateway", lambda _one: 1),
    "azure-native:network:NatGateway": ("NAT gateway", lambda _one: 1),
    "gcp:compute/routerNat:RouterNat": ("NAT gateway", lambda _one: 1),
    "alicloud:vpc/natGateway:NatGateway": ("NAT gateway", lambda _one: 1),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "interface endpoint, per zone",
        lambda one: len(one.at("subnetIds").items()) if one.at("vpcEndpointType").text() == "Interface" else 0,
    ),
    "azure-native:network:PrivateEndpoint": ("private endpoint", lambda _one: 1),
    "aws:ec2/eip:Eip": ("public address", lambda _one: 1),
    "azure-native:network:PublicIPAddress": ("public address", lambda _one: 1),
    "alicloud:ecs/eipAddress:EipAddress": ("public address", lambda _one: 1),
    "alicloud:nlb/loadBalancer:LoadBalancer": ("load balancer", lambda _one: 1),
    "kubernetes:core/v1:Service": (
        "load balancer",
        lambda one: 1 if one.at("spec", "type").text() == "LoadBalancer" else 0,
    ),
    "aws:kms/key:Key": ("key", lambda _one: 1),
    "azure-native:keyvault:Key": ("key", lambda _one: 1),
    "gcp:kms/cryptoKey:CryptoKey": ("key", lambda _one: 1),
    "alicloud:kms/key:Key": ("key", lambda _one: 1),
    "aws:efs/fileSystem:FileSystem": ("file system", lambda _one: 1),
    "alicloud:nas/fileSystem:FileSystem": ("file system", lambda _one: 1),
    "azure-native:storage:StorageAccount": ("storage account", lambda _one: 1),
    "aws:s3/bucket:Bucket": ("bucket", lambda _one: 1),
    "gcp:storage/bucket:Bucket": ("bucket", lambda _one: 1),
    "alicloud:oss/bucket:Bucket": ("bucket", lambda _one: 1),
    "kubernetes:core/v1:PersistentVolumeClaim": (
        "GiB of volumes",
        lambda one: one.at("spec", "resources", "requests", "storage").number(0, 0) / 2**30,
    ),
}


def parts(resources: Sequence[Resource]) -> dict[str, float]:
    """Billed parts that are no nodes: what -> how many."""
    found = Counter[str]()
    for one in resources:
        if one.type in _PARTS:
            name, count = _PARTS[one.type]
            found[name] += count(Subject(one))  # type: ignore[assignment] # GiB may be a fraction
    return {name: count for name, count in sorted(found.items()) if count}
