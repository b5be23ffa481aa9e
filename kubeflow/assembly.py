"""Everything that is installed on one cluster, put together from its parts. Pure but for the values that flow through.

The order of changes matters in three places: images are rewritten before any value flows into an object, upstream's
objects are complete before their accounts and requests are counted, and ours are placed as theirs are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from urllib.parse import urlsplit

import pulumi

from infra.contract import Binding, Capability, Cluster, Secrets
from infra.objects import Document, document
from kubeflow import admission, autoscaling, gateway, gpu, login, mesh, observability, profiles, queues, quotas
from kubeflow.contract import PlatformSpec
from kubeflow.distribution.table import CURRENT
from kubeflow.install import Source, conflicts, images, open_crds, placement, secrets
from kubeflow.install.credentials import published_credentials
from kubeflow.install.loader import Change, InstallError, Plan, arranged, rendering, stepped
from kubeflow.install.mesh_transforms import MeshChanges
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step
from kubeflow.install.waves import Wave
from kubeflow.network import authorization
from kubeflow.network import objects as network
from kubeflow.services import identity, object_store, registry
from kubeflow.services.wiring import DataServices

GATEWAY = "kubeflow/kubeflow-gateway"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One platform on one cluster: what was decided, what is there, and the secret values."""

    spec: PlatformSpec
    cluster: Cluster
    source: Source
    exempted: tuple[admission.Exempted, ...]  # accepted violations of rules that the API server keeps
    config: Secrets = field(repr=False)  # secret configuration keys
    values: Mapping[str, pulumi.Output[str]] = field(repr=False)  # generated
    hashes: Mapping[str, pulumi.Output[str]] = field(repr=False)  # of people's passwords, by address

    @property
    def families(self) -> frozenset[str]:
        """What is installed or reused, as the table of workloads names it."""
        return self.source.families

    @property
    def door(self) -> gateway.Door:
        """The gateway."""
        return gateway.door(self.spec.gateway, self.cluster)

    @property
    def where(self) -> placement.Placement:
        """The nodes of the platform."""
        return placement.placement(self.cluster.pools, self.cluster.accelerator, self.cluster.quirks)

    @property
    def pulls(self) -> images.Images:
        """How images are named."""
        return images.chosen(self.spec.images, CURRENT)

    @property
    def tokens(self) -> tuple[gateway.TokenIssuer, ...]:
        """Who vouches for service accounts; nobody whose keys the mesh cannot fetch, for its network is closed."""
        issuer = self.cluster.identity.issuer
        reachable = issuer is not None and bool(self.spec.network.issuer)
        return (gateway.TokenIssuer(issuer=issuer),) if issuer is not None and reachable else ()

    @property
    def people(self) -> dict[str, tuple[str, ...]]:
        """Who may call what runs in each tenant's namespace."""
        return {name: (tenant.owner, *tenant.contributors) for name, tenant in self.spec.tenants.items()}

    @property
    def stack(self) -> observability.Stack:
        """The monitoring."""
        block = self.cluster.storage.block
        facts = observability.of(self.cluster, self.spec.tenants, self.families, self.spec.monitoring)
        return observability.Stack(
            spec=self.spec.monitoring, storage_class=block, installed=self.families, facts=facts,
            traced_percent=self.spec.mesh.traced_percent,
        )  # fmt: skip

    @property
    def data(self) -> DataServices:
        """The data services."""
        return DataServices(
            spec=self.spec.data,
            cluster=self.cluster,
            components=self.source.names,
            values=self.values,
            secrets=self.config,
            hosts=self.door.names,
            gateway=GATEWAY if "kubeflow-istio-resources" in self.families else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """What `install` installs, and what belongs to the tenants."""

    plan: Plan
    reduced: conflicts.Reduced
    choices: Mapping[str, str]  # product that a cluster may already have -> manage or reuse
    open_kinds: tuple[str, ...]  # definitions that nobody brings and that the platform's own objects need
    tenants: Mapping[str, tuple[Planned, ...]]  # by namespace
    fences: network.Fences
    callers: authorization.Callers


def assemble(site: Site, bindings: Mapping[identity.Account, Binding]) -> Assembly:
    """The plan; ends the program, with every reason, where something cannot be installed as it is."""
    reduced = conflicts.without_reused(site.source.distribution, site.spec.existing)
    fences = network.fences(site.families, site.cluster.network, _networks(site))
    try:
        upstream = rendering(
            reduced.distribution,
            webhooks=Capability.WEBHOOKS in site.cluster.capabilities,
            containers=Capability.CONTAINERS in site.cluster.capabilities,
            changes=_changes(site, bindings),
            homes={registry.COMPONENT: site.spec.data.registry.tenants},
        )
        objects = [*upstream.objects, *(_finished(site, item) for item in _own(site, fences))]
        callers = _callers(site, objects)
        objects += _counted(site, objects, callers)
        mine, theirs = _divided(objects, site.spec.tenants)
        mine += _homes(mine) if site.source.missing else ()
        plan = Plan(
            objects=arranged(mine, upstream.cluster_scoped, reduced.namespaces),
            left_out=(*reduced.left_out, *upstream.left_out),
        )
        everything = [item.body for item in (*plan.objects, *chain.from_iterable(theirs.values()))]
        images.check(site.spec.images, CURRENT, everything, site.pulls.digests)
    except (InstallError, images.ImagesError) as error:
        raise pulumi.RunError(f"platform: {error}") from error
    if site.stack.facts is not None:
        _refuse(observability.problems(site.stack.facts), "monitoring names what is not there")
    if site.source.names and not site.source.missing:
        _refuse(gpu.conflicts(site.cluster.accelerator, everything), "each part of the GPU software has one owner")
    _refuse(published_credentials(upstream.objects), "these objects hold passwords that upstream publishes")
    return Assembly(
        plan=plan, reduced=reduced,
        choices=conflicts.choices(site.source.distribution.components, site.spec.existing),
        open_kinds=_open_kinds((*everything, *_in_tenants(site)), reduced), tenants=theirs, fences=fences,
        callers=callers,
    )  # fmt: skip


def _changes(site: Site, bindings: Mapping[identity.Account, Binding]) -> tuple[Change, ...]:
    """What the parts change about upstream's objects, in order."""
    spec, cluster, installed = site.spec, site.cluster, site.families
    mesh_changes = MeshChanges(mesh=spec.mesh, door=site.door, installed=installed)
    plain = (
        Step(apply=site.pulls.apply, why="images come from where this cluster may pull them"),
        Step(apply=network.without_upstreams, why="policies add up, and upstream's are wider than ours"),
        Step(apply=profiles.without_example, why="upstream's example tenant belongs to a published user"),
        Step(apply=profiles.without_guards, why="nobody changes what fences their own namespace"),
        Step(apply=profiles.known_people(spec.tenants.values()), why="people read with kubectl what pods read"),
        Step(apply=queues.configured(spec.queues, installed), why="only tenants' jobs wait in queues"),
        Step(
            apply=autoscaling.models(spec.autoscaling, shrinks=Capability.AUTOSCALING in cluster.capabilities),
            why="an idle machine costs as much as a busy one",
        ),
        Step(apply=autoscaling.copies(spec.autoscaling), why="what every request passes is there twice"),
        Step(apply=lambda body, _context: mesh_changes.apply(body), why="the mesh is closed"),
        *observability.steps(site.stack),
        *gpu.steps(spec.gpu, cluster.accelerator, cluster.pools),
    )
    flowing = (*site.data.steps(), *identity.steps(bindings), *placement.steps(site.where))

    def secret(item: Planned, _context: Context) -> Planned:
        return secrets.replaced(item, site.values, rotation=spec.login.rotation)

    if login.COMPONENT not in site.source.names:
        return (stepped(plain), secret, stepped(flowing))
    entrance = login.login(spec.login, site.door.domain, site.hashes, site.config)

    def enter(item: Planned, _context: Context) -> Planned:
        return login.changed(item, entrance)

    return (stepped(plain), secret, enter, stepped(flowing))


def _own(site: Site, fences: network.Fences) -> Iterator[Planned]:
    """What the platform adds, whatever upstream's objects are."""
    spec, cluster, installed = site.spec, site.cluster, site.families
    mirrors = tuple(spec.images.mirrors.values())
    yield from admission.objects(
        admission.Guarded(spec=spec.admission, people=site.people, mirrors=mirrors, exempted=site.exempted)
    )
    yield from network.policies(fences)
    yield from secrets.additions(site.source.names, site.values)
    yield from site.data.objects()
    if "istio" in installed:
        yield from gateway.objects(site.door, spec.tenants, site.config, site.tokens)
        yield from mesh.objects(spec.mesh, installed, tuple(_externals(site)))
    if gpu.FAMILY in installed:
        yield from gpu.objects(spec.gpu, cluster.accelerator, cluster.pools)
    yield from queues.objects(spec.queues, spec.tenants, cluster.pools, cluster.accelerator, installed)
    yield from observability.monitors(installed, tuple(spec.tenants))
    yield from observability.objects(site.stack, site.config)


def _finished(site: Site, item: Planned) -> Planned:
    """An object of the platform's own with its images and its place."""
    return placement.place(replace(item, body=site.pulls.apply(item.body)), site.where)


def _callers(site: Site, objects: Iterable[Planned]) -> authorization.Callers:
    return authorization.Callers(
        installed=site.families,
        accounts=authorization.accounts(item.body for item in objects),
        people=site.people,
        tokens_inside=gateway.asks_for_tokens(site.door, site.tokens),
    )


def _counted(site: Site, objects: list[Planned], callers: authorization.Callers) -> Iterator[Planned]:
    """What is made from all the other objects: who may call whom, budgets, quotas, credentials of registries."""
    if "istio" in site.families:
        for body in (*authorization.platform(callers), *authorization.doors(site.door.domain, callers.people)):
            yield own("authorization", Wave.AUTHENTICATION, body)
    yield from placement.budgets(site.where, (item.body for item in objects))
    fixed = [item for item in objects if item.component != registry.COMPONENT]
    yield from quotas.objects(fixed, site.where.nodes, critical=site.cluster.quirks.critical_pods_quota)
    if site.spec.images.pull_secret is not None:
        spaces = {item.body["metadata"]["namespace"] for item in objects if item.body["kind"] in _WITH_PODS}
        yield from images.credentials({*spaces, *site.spec.tenants}, site.config(site.spec.images.pull_secret))
    for tenant in site.spec.tenants:
        yield from (own(_TENANTS, Wave.PROFILES, body) for body in object_store.tenant(tenant, site.data.store))
        if "istio" in site.families:
            yield from (own(_TENANTS, Wave.PROFILES, body) for body in authorization.tenant(tenant, callers))


_TENANTS = "tenants"
_WITH_PODS = frozenset({"CronJob", "DaemonSet", "Deployment", "Job", "StatefulSet"})


def _divided(
    objects: Iterable[Planned], tenants: Iterable[str]
) -> tuple[list[Planned], Mapping[str, tuple[Planned, ...]]]:
    """The platform's objects, and those that live in tenants' namespaces."""
    theirs: dict[str, list[Planned]] = {name: [] for name in tenants}
    mine: list[Planned] = []
    for item in objects:
        theirs.get(item.body["metadata"].get("namespace", ""), mine).append(item)
    return mine, {name: tuple(items) for name, items in theirs.items()}


def _externals(site: Site) -> Iterator[mesh.External]:
    """The hosts outside of the cluster that the configuration names."""
    for name, connector in site.spec.login.connectors.items():
        host = urlsplit(connector.issuer).hostname or connector.issuer
        yield mesh.External(name=f"login-{name}", hosts=(host,), why="identity provider")
    for purpose, server, port in site.data.outside:
        yield mesh.External(
            name=purpose, hosts=(server.host,), port=server.port or port, protocol="TCP", why="managed database"
        )
    bucket = site.cluster.artifacts
    if bucket is not None and site.data.in_bucket:
        yield mesh.External(name="artifacts", hosts=(object_store.host_of(bucket.endpoint),), why="artifacts")


def _networks(site: Site) -> network.NetworkSpec:
    """The declared networks, with those of identity providers."""
    declared = site.spec.network
    providers = [cidr for connector in site.spec.login.connectors.values() for cidr in connector.networks]
    return replace(declared, issuer=tuple(dict.fromkeys((*declared.issuer, *providers))))


def _in_tenants(site: Site) -> Iterator[Document]:
    """What `tenancy` makes of kinds that components bring."""
    for name, tenant in site.spec.tenants.items():
        yield from profiles.objects(name, tenant, site.families, {})
        yield from queues.local(name, site.families)


def _open_kinds(bodies: Iterable[Document], reduced: conflicts.Reduced) -> tuple[str, ...]:
    brought = {crd["metadata"]["name"] for part in reduced.distribution.components.values() for crd in part.crds}
    return tuple(name for name in open_crds.needed(bodies) if name not in brought)


def _homes(objects: Iterable[Planned]) -> Iterator[Planned]:
    """The namespaces that upstream would have brought."""
    spaces = {item.body["metadata"].get("namespace", "default") for item in objects} - {"default", "kube-system"}
    for name in sorted(spaces):
        yield own("namespaces", Wave.NAMESPACES, document("v1", "Namespace", name))


def _refuse(problems: Iterable[str], what: str) -> None:
    listed = "\n".join(f"  {problem}" for problem in problems)
    if listed:
        raise pulumi.RunError(f"platform: {what}:\n{listed}")
