"""What the cluster was when it was judged: server version and nodes, and what about them is simulated."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.api import Api
from workloads.contract import POOL_LABEL, Target
from workloads.gpus import has, ready

SIMULATED_MARK = "kwok.x-k8s.io/node"
SIMULATED_NODES = "simulated nodes (kwok)"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeState:
    """One node."""

    name: str
    pool: str
    ready: bool
    gpus: int
    kubelet: str
    simulated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The cluster before the first check."""

    server: str
    nodes: tuple[NodeState, ...]

    @property
    def unready(self) -> tuple[str, ...]:
        """Nodes that cannot be judged by: a stack that has just come up may still have some."""
        return tuple(node.name for node in self.nodes if not node.ready)

    def standins(self, declared: tuple[str, ...]) -> tuple[str, ...]:
        """What stands in for a real part: as the stack declares it, and as seen on the nodes."""
        said = any(one.startswith("simulated nodes") for one in declared)
        return declared if said or not any(node.simulated for node in self.nodes) else (*declared, SIMULATED_NODES)


def take(api: Api, target: Target) -> Snapshot:
    """Look at the cluster."""
    resource = target.accelerator.resource if target.accelerator else ""
    nodes: list[NodeState] = []
    for node in api.items("/api/v1/nodes"):
        metadata, status = node["metadata"], node.get("status", {})
        marks = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
        nodes.append(
            NodeState(
                name=metadata["name"],
                pool=metadata.get("labels", {}).get(POOL_LABEL, ""),
                ready=ready(node),
                gpus=has(node, resource),
                kubelet=status.get("nodeInfo", {}).get("kubeletVersion", ""),
                simulated=SIMULATED_MARK in marks,
            )
        )
    version = api.get("/version").expect("read the server's version")
    return Snapshot(server=str(version["gitVersion"]), nodes=tuple(sorted(nodes, key=lambda node: node.name)))
