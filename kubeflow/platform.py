"""The platform as one component; reads like an installation's table of contents."""

from __future__ import annotations

import pulumi

from infra.contract import Capability, Cluster

from . import install, priorities
from .contract import Platform, PlatformSpec
from .priorities import PriorityClasses
from .tenancy import TenantArgs, TenantNamespace


class KubeflowPlatform(pulumi.ComponentResource):
    """Everything that runs in the cluster."""

    platform: Platform

    def __init__(
        self, name: str, spec: PlatformSpec, cluster: Cluster, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        source = install.source(spec.components)
        super().__init__("proof:kubeflow:Platform", name, {"tenants": sorted(spec.tenants)}, opts)
        own = pulumi.ResourceOptions(parent=self)
        classes = PriorityClasses("priorities", own)
        installed = None
        if source is not None:
            args = install.InstallArgs(
                source=source,
                kubeconfig=cluster.kubeconfig,
                webhooks=Capability.WEBHOOKS in cluster.capabilities,
                containers=Capability.CONTAINERS in cluster.capabilities,
                after=(*cluster.ready, *classes.ready),
            )
            installed = install.Installation("components", args, own)
        gpu_resource = cluster.accelerator.resource if cluster.accelerator is not None else None
        tenants = {
            tenant: TenantNamespace(tenant, TenantArgs(spec=tenant_spec, gpu_resource=gpu_resource), own)
            for tenant, tenant_spec in spec.tenants.items()
        }
        self.platform = Platform(
            tenants={tenant: component.tenant for tenant, component in tenants.items()},
            priority_classes={name: value for name, (value, _) in priorities.CLASSES.items()},
            components=() if source is None else tuple(source.distribution.components),
            left_out=() if installed is None else installed.left_out,
            ready=(
                *classes.ready,
                *(() if installed is None else (installed.ready,)),
                *(part for component in tenants.values() for part in component.tenant.ready),
            ),
        )
        self.register_outputs({"tenants": sorted(spec.tenants)})
