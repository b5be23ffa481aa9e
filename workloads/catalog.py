"""Every criterion in one table: the requirement, the check that proves it, its threshold, and what the check needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from workloads.checks import access, limits, network, pod_security, quota, scheduling
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.outcome import Probes

Check = Callable[[Target, Visit], Probes]


class UnknownCriterionError(Exception):
    """Somebody asked for a criterion that is not in the catalog."""

    def __init__(self, where: str, unknown: Iterable[str]) -> None:
        lines: list[str] = []
        for name in unknown:
            near = difflib.get_close_matches(name, BY_ID, n=1, cutoff=0.0)
            lines.append(
                f"{where}: no criterion '{name}'; did you mean '{near[0]}'? `python -m workloads list` shows all"
            )
        super().__init__("\n".join(lines))


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Something a stack must have for a check to make sense."""

    said: str
    met: Callable[[Target], bool]


TENANT = Need(said="a tenant", met=lambda target: len(target.tenants) > 0)
TWO_TENANTS = Need(said="two tenants", met=lambda target: len(target.tenants) > 1)
GPU_POOL = Need(said="a pool with GPUs", met=lambda target: target.accelerator is not None and bool(target.gpu_pools))
GPU_TENANT = Need(said="a tenant with GPUs", met=lambda target: any(one.gpus for one in target.tenants.values()))
TWO_PRIORITIES = Need(
    said="two priority classes of different value that tenants may use",
    met=lambda target: len(set(target.usable_priorities.values())) > 1,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One requirement and how it is proven. Required and threshold are defaults of the product, not of a stack."""

    id: str
    title: str
    check: Check
    needs: tuple[Need, ...]
    required: bool = True
    disruptive: bool = False
    unit: str = "% of probes"
    threshold: float = 100.0

    def obstacle(self, target: Target) -> str | None:
        """Why this stack cannot or may not be checked, if so."""
        missing = [need.said for need in self.needs if not need.met(target)]
        if missing:
            return f"needs {' and '.join(missing)}, which this stack does not have"
        if self.disruptive and not target.rules.disruptive:
            return "disturbs running workloads, and validation.disruptive is false"
        return None


CATALOG: tuple[Criterion, ...] = (
    Criterion(
        id="quota.pod-over-quota-is-refused",
        title="A tenant cannot hold more CPU, memory or GPUs than its quota",
        check=quota.over_quota,
        needs=(TENANT,),
    ),
    Criterion(
        id="quota.exposed-services-are-refused",
        title="A tenant cannot open a load balancer or a node port of its own",
        check=quota.exposed_services,
        needs=(TENANT,),
    ),
    Criterion(
        id="quota.reserved-priority-is-refused",
        title="A tenant cannot use a priority that is reserved for the platform",
        check=quota.reserved_priority,
        needs=(TENANT,),
    ),
    Criterion(
        id="limits.defaults-are-applied",
        title="A container that asks for nothing gets bounded requests and limits",
        check=limits.defaults,
        needs=(TENANT,),
    ),
    Criterion(
        id="pod-security.privileged-pod-is-refused",
        title="A tenant cannot run pods that reach the node beneath them",
        check=pod_security.privileged,
        needs=(TENANT,),
    ),
    Criterion(
        id="access.tenants-are-separate",
        title="A tenant cannot read another tenant's Secrets, and a viewer reads no Secrets",
        check=access.tenants_are_separate,
        needs=(TWO_TENANTS,),
    ),
    Criterion(
        id="network.tenant-is-closed-by-default",
        title="A tenant's network policies deny by default, allow DNS and close instance metadata",
        check=network.closed_by_default,
        needs=(TENANT,),
    ),
    Criterion(
        id="scheduling.gpu-nodes-are-for-gpu-pods",
        title="GPU pods land on GPU nodes, and nothing else does",
        check=scheduling.gpu_nodes_are_for_gpu_pods,
        needs=(GPU_POOL, GPU_TENANT),
    ),
    Criterion(
        id="scheduling.gpu-pod-waits-for-a-gpu",
        title="A GPU pod waits when GPUs run out, and runs when one is freed",
        check=scheduling.gpu_pod_waits,
        needs=(GPU_POOL, GPU_TENANT),
        required=False,
        disruptive=True,
    ),
    Criterion(
        id="scheduling.higher-priority-preempts",
        title="A pod of higher priority takes the place of a lower one, an equal one does not",
        check=scheduling.higher_priority_preempts,
        needs=(GPU_POOL, GPU_TENANT, TWO_PRIORITIES),
        required=False,
        disruptive=True,
    ),
)

BY_ID: Mapping[str, Criterion] = {criterion.id: criterion for criterion in CATALOG}


def select(only: Iterable[str]) -> tuple[Criterion, ...]:
    """The named criteria in the catalog's order; all of them if none is named."""
    wanted = set(only)
    if unknown := sorted(wanted - set(BY_ID)):
        raise UnknownCriterionError("--only", unknown)
    return tuple(criterion for criterion in CATALOG if not wanted or criterion.id in wanted)


def required_ids(target: Target) -> frozenset[str]:
    """The criteria that must pass for this stack: the catalog's defaults, changed by `validation.required`."""
    if unknown := sorted(set(target.rules.required) - set(BY_ID)):
        raise UnknownCriterionError("validation.required", unknown)
    return frozenset(name for name, one in BY_ID.items() if target.rules.required.get(name, one.required))
