"""What a criterion is: a requirement, its limit, and the ways to measure it. Knows no check and no software."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from workloads.backends.process.bench import Bench
from workloads.cluster import Visit
from workloads.contract import CONTAINERS, Target
from workloads.outcome import Better, Probes

SHARE = "% of probes"  # the unit of criteria whose claims must all hold

InCluster = Callable[[Target, Visit], Probes]
OnBench = Callable[[Bench], Probes]


class Backend(Enum):
    """Where a criterion can be measured."""

    CLUSTER = "cluster"
    PROCESS = "process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Something a stack must have for a check to make sense."""

    said: str
    met: Callable[[Target], bool]
    chosen: bool = False  # a stack may do without it, and is then held to nothing that needs it


TENANT = Need(said="a tenant", met=lambda target: len(target.tenants) > 0)
TWO_TENANTS = Need(said="two tenants", met=lambda target: len(target.tenants) > 1)
GPU_POOL = Need(
    said="a pool with GPUs",
    met=lambda target: target.accelerator is not None and bool(target.gpu_pools),
    chosen=True,
)
GPU_TENANT = Need(said="a tenant with GPUs", met=lambda target: any(one.gpus for one in target.tenants.values()))
TWO_PRIORITIES = Need(
    said="two priority classes of different value that tenants may use",
    met=lambda target: len(set(target.usable_priorities.values())) > 1,
)
RUNNING_CONTAINERS = Need(
    said="nodes that run containers", met=lambda target: CONTAINERS in target.capabilities, chosen=True
)
COMPONENTS = Need(said="components of upstream", met=lambda target: bool(target.components), chosen=True)


def image(name: str) -> Need:
    """An image that somebody has to build from workloads/images, and push where the cluster's nodes can pull it."""
    return Need(said=f"the image validation.images.{name}", met=lambda target: name in target.rules.images)


DOOR = Need(
    said="a gateway that something outside of the cluster reaches",
    met=lambda target: target.door is not None and target.door.outside,
)


def component(name: str) -> Need:
    """A part of the platform that is installed."""
    return Need(said=f"the component {name}", met=lambda target: name in target.components, chosen=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One requirement and how it is proven. Required and threshold are defaults of the product, not of a stack."""

    id: str
    title: str
    clause: str  # of the requirement document: "3 Model Serving"
    cluster: InCluster | None = None
    process: OnBench | None = None
    place: str = "the cluster's API server"  # what the cluster check looks at
    bench_place: str = ""  # what the process check looks at instead
    needs: tuple[Need, ...] = ()
    required: bool = True
    disruptive: bool = False
    unit: str = SHARE
    threshold: float = 100.0
    better: Better = Better.HIGHER
    unmeasured: str = ""  # why there is no check, where there is none

    def obstacle(self, target: Target) -> str | None:
        """Why this stack's cluster cannot or may not be checked, if so."""
        if self.cluster is None:
            return self.unmeasured
        missing = [need.said for need in self.needs if not need.met(target)]
        if missing:
            return f"needs {' and '.join(missing)}, which this stack does not have"
        if self.disruptive and not target.rules.disruptive:
            return "disturbs running workloads, and validation.disruptive is false"
        return None

    def backend(self, target: Target, allowed: frozenset[Backend]) -> tuple[Backend | None, str]:
        """Where it is measured, the cluster before this machine; or nowhere, and why."""
        obstacle = self.obstacle(target)
        if obstacle is None and Backend.CLUSTER in allowed:
            return Backend.CLUSTER, self.place
        if self.process is not None and Backend.PROCESS in allowed:
            return Backend.PROCESS, self.bench_place
        return None, obstacle or "this run leaves the cluster alone (--backend)"

    def measurable(self, target: Target) -> bool:
        """Whether a stack of this kind can be held to it: nobody can train in containers that do not run."""
        if self.process is not None and CONTAINERS not in target.capabilities:
            return True
        return self.cluster is not None and all(need.met(target) for need in self.needs if need.chosen)
