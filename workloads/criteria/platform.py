"""Criteria about what is up, and what tenants may hold, see and do: all of them asked of the cluster itself."""

from __future__ import annotations

from workloads.checks import access, core, limits, network, pod_security, quota, scheduling
from workloads.criterion import COMPONENTS, GPU_POOL, GPU_TENANT, TENANT, TWO_PRIORITIES, TWO_TENANTS, Criterion

CORE: tuple[Criterion, ...] = (
    Criterion(
        id="core.components-are-up",
        title="Everything that was installed is up; what nobody installed does not count as up",
        clause="1 Platform Setup and Resource Management",
        cluster=core.components_are_up,
        place="what controllers and kubelets report to the API server; on simulated nodes nothing runs in pods",
        needs=(COMPONENTS,),
    ),
)

PLATFORM: tuple[Criterion, ...] = (
    Criterion(
        id="quota.pod-over-quota-is-refused",
        title="A tenant cannot hold more CPU, memory or GPUs than its quota",
        clause="1 Platform Setup and Resource Management",
        cluster=quota.over_quota,
        needs=(TENANT,),
    ),
    Criterion(
        id="quota.exposed-services-are-refused",
        title="A tenant cannot open a load balancer or a node port of its own",
        clause="1 Platform Setup and Resource Management",
        cluster=quota.exposed_services,
        needs=(TENANT,),
    ),
    Criterion(
        id="quota.reserved-priority-is-refused",
        title="A tenant cannot use a priority that is reserved for the platform",
        clause="1 Platform Setup and Resource Management",
        cluster=quota.reserved_priority,
        needs=(TENANT,),
    ),
    Criterion(
        id="limits.defaults-are-applied",
        title="A container that asks for nothing gets bounded requests and limits",
        clause="1 Platform Setup and Resource Management",
        cluster=limits.defaults,
        needs=(TENANT,),
    ),
    Criterion(
        id="pod-security.privileged-pod-is-refused",
        title="A tenant cannot run pods that reach the node beneath them",
        clause="7 Networking, Security",
        cluster=pod_security.privileged,
        needs=(TENANT,),
    ),
    Criterion(
        id="access.tenants-are-separate",
        title="A tenant cannot read another tenant's Secrets, and a viewer reads no Secrets",
        clause="7 Networking, Security",
        cluster=access.tenants_are_separate,
        needs=(TWO_TENANTS,),
    ),
    Criterion(
        id="network.tenant-is-closed-by-default",
        title="A tenant's network policies deny by default, allow DNS and close instance metadata",
        clause="7 Networking, Egress",
        cluster=network.closed_by_default,
        needs=(TENANT,),
    ),
    Criterion(
        id="scheduling.gpu-nodes-are-for-gpu-pods",
        title="GPU pods land on GPU nodes, and nothing else does",
        clause="1 Platform Setup and Resource Management",
        cluster=scheduling.gpu_nodes_are_for_gpu_pods,
        needs=(GPU_POOL, GPU_TENANT),
    ),
    Criterion(
        id="scheduling.gpu-pod-waits-for-a-gpu",
        title="A GPU pod waits when GPUs run out, and runs when one is freed",
        clause="1 Platform Setup and Resource Management",
        cluster=scheduling.gpu_pod_waits,
        needs=(GPU_POOL, GPU_TENANT),
        required=False,
        disruptive=True,
    ),
    Criterion(
        id="scheduling.higher-priority-preempts",
        title="A pod of higher priority takes the place of a lower one, an equal one does not",
        clause="1 Platform Setup and Resource Management",
        cluster=scheduling.higher_priority_preempts,
        needs=(GPU_POOL, GPU_TENANT, TWO_PRIORITIES),
        required=False,
        disruptive=True,
    ),
)
