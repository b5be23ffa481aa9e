"""Kueue: what flavors of GPUs there are, how much of them is whose, and who may borrow. Starts and stops no job itself.

CPU, memory and pods are one group with one flavor, for machines without GPUs differ in nothing that a job could ask
for. GPUs are a second group, with a flavor for each product and way of getting it. A tenant's nominal quota is the
guaranteed part of its quota; with what it borrows it never holds more than its quota, which its ResourceQuota counts a
second time. The sum of nominal quotas may exceed what the pools hold: then jobs are admitted and wait for machines.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import yaml

from infra.contract import Accelerator, Capacity, Effect, Pool, Taint
from infra.naming import CAPACITY_LABEL, gpu_labels
from infra.objects import Document, document
from kubeflow import priorities
from kubeflow.distribution.documents import Body
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.network.policies import NAMESPACE, TENANT_LABEL
from kubeflow.spec.queues import QueueSpec
from kubeflow.spec.tenants import TenantSpec

FAMILY = "kueue"
PART = "queues"
QUEUE = "default"  # Kueue puts a job that names no queue into the one of this name
_VERSION = "kueue.x-k8s.io/v1beta2"
_COHORT = "tenants"
_EVERYWHERE = "machines"
_PRODUCT = "nvidia.com/gpu.product"

# In this order a job is offered machines: those that are paid for anyway, then cheap ones, then what is always there.
_ORDER = (Capacity.RESERVED, Capacity.SPOT, Capacity.SPOT_OR_ON_DEMAND, Capacity.ON_DEMAND)

# Kinds of jobs that wait in queues, with the component that brings them. Notebooks and models do not wait: somebody
# sits in front of them. Version 1 of MPIJob is missing, for Kueue knows version 2 only.
_FRAMEWORKS: Mapping[str, str | None] = {
    "batch/job": None,
    "jobset.x-k8s.io/jobset": "trainer",
    "trainer.kubeflow.org/trainjob": "trainer",
    "kubeflow.org/jaxjob": "training-operator",
    "kubeflow.org/paddlejob": "training-operator",
    "kubeflow.org/pytorchjob": "training-operator",
    "kubeflow.org/tfjob": "training-operator",
    "kubeflow.org/xgboostjob": "training-operator",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Flavor:
    """GPUs that are alike: one product, gotten in one way."""

    name: str
    product: str
    capacity: Capacity
    gpus: int  # in all pools, at their largest
    taints: tuple[Taint, ...]  # of every such node, besides the accelerator's own


def flavors(pools: Mapping[str, Pool], accelerator: Accelerator | None) -> tuple[Flavor, ...]:
    """The flavors of GPUs among completed pools, in the order in which jobs are offered them."""
    if accelerator is None:
        return ()
    alike: dict[tuple[str, Capacity], list[Pool]] = defaultdict(list)
    for pool in pools.values():
        if pool.gpu is not None:
            alike[gpu_labels(pool)[_PRODUCT], pool.capacity].append(pool)
    found = [
        Flavor(
            name=re.sub(r"[^a-z0-9]+", "-", f"{product}-{capacity.value}".lower()).strip("-"),
            product=product,
            capacity=capacity,
            gpus=sum(pool.max * pool.gpu.count for pool in members if pool.gpu is not None),
            taints=tuple(
                taint
                for taint in members[0].taints
                if taint != accelerator.toleration
                and taint.effect is not Effect.PREFER_NO_SCHEDULE
                and all(taint in pool.taints for pool in members)
            ),
        )
        for (product, capacity), members in alike.items()
    ]
    return tuple(sorted(found, key=lambda flavor: (_ORDER.index(flavor.capacity), flavor.name)))


def objects(
    spec: QueueSpec,
    tenants: Mapping[str, TenantSpec],
    pools: Mapping[str, Pool],
    accelerator: Accelerator | None,
    installed: Collection[str],
) -> Iterator[Planned]:
    """Flavors, priorities, and a ClusterQueue for each tenant; nothing where Kueue is not installed."""
    if FAMILY not in installed:
        return
    found = flavors(pools, accelerator)
    bodies = [document(_VERSION, "ResourceFlavor", _EVERYWHERE)]
    bodies += [_flavor(flavor, accelerator) for flavor in found if accelerator is not None]
    bodies += [_priority(name) for name in priorities.PURPOSES.values()]
    resource = None if accelerator is None else accelerator.resource
    bodies += [_cluster_queue(name, tenant, spec, found, resource) for name, tenant in tenants.items()]
    for body in bodies:
        yield own(PART, Wave.RUNTIMES, body)


def local(namespace: str, installed: Collection[str]) -> Iterator[Document]:
    """The tenant's door to its ClusterQueue."""
    if FAMILY in installed:
        yield document(_VERSION, "LocalQueue", QUEUE, namespace, spec={"clusterQueue": namespace})


def _flavor(flavor: Flavor, accelerator: Accelerator) -> Document:
    toleration = _taint(accelerator.toleration)
    tolerated = (
        {**toleration, "operator": "Equal"} if accelerator.toleration.value else {**toleration, "operator": "Exists"}
    )
    spec: Document = {
        "nodeLabels": {_PRODUCT: flavor.product, CAPACITY_LABEL: flavor.capacity.value},
        "tolerations": [tolerated],
    }
    if flavor.taints:
        spec["nodeTaints"] = [_taint(taint) for taint in flavor.taints]
    return document(_VERSION, "ResourceFlavor", flavor.name, spec=spec)


def _taint(taint: Taint) -> Document:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, "effect": taint.effect.value, **value}


def _priority(name: str) -> Document:
    value, description = priorities.CLASSES[name]
    return document(_VERSION, "WorkloadPriorityClass", name, value=value, description=description)


def _cluster_queue(
    name: str, tenant: TenantSpec, spec: QueueSpec, found: Sequence[Flavor], resource: str | None
) -> Document:
    part, quota = Decimal(spec.guaranteed) / 100, tenant.quota
    general = [
        _share("cpu", quota.cpu.value, part, step=Decimal("0.001")),
        _share("memory", quota.memory.value, part),
        _share("pods", Decimal(quota.pods), part),
    ]
    groups = [_group([(_EVERYWHERE, general)])]
    if resource is not None and found:
        owned = spread(math.ceil(quota.gpus * part), [flavor.gpus for flavor in found])
        gpus = [
            (flavor.name, [_limits(resource, Decimal(nominal), Decimal(quota.gpus - nominal))])
            for flavor, nominal in zip(found, owned, strict=True)
        ]
        groups.append(_group(gpus))
    return document(
        _VERSION,
        "ClusterQueue",
        name,
        spec={
            "cohortName": _COHORT,
            "namespaceSelector": {"matchLabels": {NAMESPACE: name}},
            "queueingStrategy": "BestEffortFIFO",
            "preemption": {"reclaimWithinCohort": "Any", "withinClusterQueue": "LowerPriority"},
            "resourceGroups": groups,
        },
    )


def spread(total: int, sizes: Sequence[int]) -> list[int]:
    """Whole GPUs over flavors in proportion to what there is of each; the remainder goes where most is cut off."""
    every = sum(sizes)
    if not every:
        return [total, *([0] * (len(sizes) - 1))]
    owned = [total * size // every for size in sizes]
    cut = sorted(range(len(sizes)), key=lambda index: (-(total * sizes[index] % every), index))
    for index in cut[: total - sum(owned)]:
        owned[index] += 1
    return owned


def _share(name: str, quota: Decimal, part: Decimal, step: Decimal = Decimal(1)) -> Document:
    nominal = quota * part // step * step
    return _limits(name, nominal, quota - nominal)


def _limits(name: str, nominal: Decimal, borrowed: Decimal) -> Document:
    return {"name": name, "nominalQuota": _text(name, nominal), "borrowingLimit": _text(name, borrowed)}


def _text(name: str, amount: Decimal) -> str:
    """A quantity as the API server writes it."""
    if amount != amount.to_integral_value():
        return f"{int(amount * 1000)}m"
    whole = int(amount)
    for suffix, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)) if name == "memory" and whole else ():
        if whole % size == 0:
            return f"{whole // size}{suffix}"
    return str(whole)


def _group(members: Sequence[tuple[str, list[Document]]]) -> Document:
    covered = [resource["name"] for resource in members[0][1]]
    return {
        "coveredResources": covered,
        "flavors": [{"name": name, "resources": resources} for name, resources in members],
    }


_MANAGER, _CONFIG, _KEY = "kueue-controller-manager", "kueue-manager-config", "controller_manager_config.yaml"
_READ_AT_START = "proof.kubeflow/config"


def configured(spec: QueueSpec, installed: Collection[str]) -> Callable[[Body, object], Body]:
    """A transform: Kueue manages jobs of tenants only, of the kinds that wait, and shares fairly if that is wanted."""
    ours: dict[str, Any] = {
        "integrations": {"frameworks": frameworks(installed)},
        "managedJobsNamespaceSelector": {"matchLabels": dict(TENANT_LABEL)},
        "metrics": {"bindAddress": ":8443", "enableClusterQueueResources": True},
    }
    if spec.fair_sharing:
        strategies = ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]
        ours["fairSharing"] = {"preemptionStrategies": strategies}
    mark = hashlib.sha256(yaml.safe_dump(ours).encode()).hexdigest()[:16]

    def apply(body: Body, _context: object) -> Body:
        match body["kind"], body["metadata"]["name"]:
            case "ConfigMap", name if name == _CONFIG:
                settings = cast("dict[str, Any]", yaml.safe_load(body["data"][_KEY]))
                body["data"][_KEY] = yaml.safe_dump({**settings, **ours}, sort_keys=True)
            case "Deployment", name if name == _MANAGER:  # reads its configuration once: a new one is a new pod
                metadata = body["spec"]["template"]["metadata"]
                metadata["annotations"] = {**(metadata.get("annotations") or {}), _READ_AT_START: mark}
            case _:
                pass
        return body

    return apply


def frameworks(installed: Collection[str]) -> list[str]:
    """The kinds of jobs that wait in queues where these components are installed."""
    return [name for name, component in _FRAMEWORKS.items() if component is None or component in installed]
