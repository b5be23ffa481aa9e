"""The platform as one component; reads like an installation's table of contents."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi

from infra.contract import Capability, Cluster, Secrets

from . import gpu, install, login, priorities
from .admission import Exempted
from .assembly import Assembly, Site, assemble
from .contract import Platform, PlatformSpec
from .described import described
from .generated import GeneratedSecrets, GeneratedSecretsArgs
from .install import open_crds
from .install import secrets as published
from .priorities import PriorityClasses
from .services import wiring
from .tenancy import TenantArgs, TenantNamespace, stores


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformArgs:
    """What was decided, where it is installed, and who reads secret configuration keys."""

    spec: PlatformSpec
    cluster: Cluster
    secrets: Secrets = field(repr=False)
    exempted: tuple[Exempted, ...] = ()  # accepted violations of rules that the API server keeps


class KubeflowPlatform(pulumi.ComponentResource):
    """Everything that runs in the cluster."""

    platform: Platform

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        spec, cluster = args.spec, args.cluster
        chosen, reasons = source(spec, cluster)
        people = _checked(args, chosen)
        super().__init__("proof:kubeflow:Platform", name, {"tenants": sorted(spec.tenants)}, opts)
        own = pulumi.ResourceOptions(parent=self)
        needed = bool(spec.tenants or chosen.names)  # a stack that only provides a cluster leaves it as it is
        classes = PriorityClasses("priorities", own).ready if needed else ()
        values = (*published.needed(chosen.names), *wiring.values(spec.data, chosen.names))
        generated = GeneratedSecretsArgs(values=values, people=people, rotation=spec.login.rotation)
        made = GeneratedSecrets("generated", generated, own)
        site = Site(
            spec=spec,
            cluster=cluster,
            source=chosen,
            exempted=args.exempted,
            config=args.secrets,
            values=made.values,
            hashes=made.hashes,
        )
        bindings = {
            (space, account): cluster.identity.bind(space, account, grants, own)
            for (space, account), grants in site.data.accounts.items()
        }
        bound = (part for binding in bindings.values() for part in binding.ready)
        assembly = assemble(site, bindings)
        installed = self._install(assembly, chosen, cluster, (*classes, *bound))
        tenants = {
            tenant: TenantNamespace(tenant, _tenant(site, assembly, tenant, installed), own) for tenant in spec.tenants
        }
        self.platform = Platform(
            tenants={tenant: component.tenant for tenant, component in tenants.items()},
            priority_classes={name: value for name, (value, _) in priorities.CLASSES.items()} if needed else {},
            components=tuple(chosen.distribution.components),
            described=described(site, assembly),
            monitoring=site.stack.described,
            left_out=(*reasons, *assembly.plan.left_out),
            logins=made.passwords,
            ready=(*classes, *installed, *(part for one in tenants.values() for part in one.tenant.ready)),
        )
        self.register_outputs({"tenants": sorted(spec.tenants)})

    def _install(
        self, assembly: Assembly, source: install.Source, cluster: Cluster, after: tuple[pulumi.Resource, ...]
    ) -> tuple[pulumi.Resource, ...]:
        """Everything but the tenants; nothing where no component was chosen."""
        if not source.names:
            return ()
        if source.missing:
            pulumi.log.warn(open_crds.absence(assembly.open_kinds, source.names), self)
        args = install.InstallArgs(
            plan=assembly.plan,
            distribution=assembly.reduced.distribution,
            folder=source.folder,
            kubeconfig=cluster.kubeconfig,
            webhooks=Capability.WEBHOOKS in cluster.capabilities,
            containers=Capability.CONTAINERS in cluster.capabilities,
            choices=assembly.choices,
            open_kinds=assembly.open_kinds,
            after=(*cluster.ready, *after),
        )
        return (install.Installation("components", args, pulumi.ResourceOptions(parent=self)).ready,)


def source(spec: PlatformSpec, cluster: Cluster) -> tuple[install.Source, tuple[str, ...]]:
    """The components that fit this cluster, and why others are left out."""
    names, reasons = gpu.select(install.expanded(spec.components), cluster.accelerator, spec.gpu)
    return install.source(names, needed=not spec.allow_absent), reasons


def _checked(args: PlatformArgs, source: install.Source) -> tuple[str, ...]:
    """Who gets a password; ends the program with everything that this cluster cannot do."""
    spec, cluster = args.spec, args.cluster
    people: tuple[str, ...] = ()
    problems = [
        *gpu.problems(spec.gpu, cluster.accelerator, cluster.pools),
        *(wiring.problems(spec.data, cluster, source.names, spec.tenants) if source.names else ()),
    ]
    try:
        people = login.people(spec.login, [tenant.owner for tenant in spec.tenants.values()], source.names)
    except ValueError as error:
        problems.append(f"platform.{error}")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise pulumi.RunError(f"the platform does not fit the cluster; nothing of it was installed:\n{listed}")
    return people


def _tenant(site: Site, assembly: Assembly, name: str, installed: tuple[pulumi.Resource, ...]) -> TenantArgs:
    accelerator = site.cluster.accelerator
    return TenantArgs(
        spec=site.spec.tenants[name],
        gpu_resources=gpu.resources(site.spec.gpu, accelerator, site.cluster.pools),
        fences=assembly.fences,
        identity=site.cluster.identity,
        stores=stores(site.cluster),
        further=assembly.tenants[name],
        after=installed,
    )
