"""Upstream's components as Pulumi resources, wave after wave.

A wave opens when its gate does. The gate is a value in the engine's own store that depends on every object of the wave,
and each object of the next wave depends on that one gate: an edge for each object, where a dependency on components
would write the names of all their children into the state of every dependent. What a gate waits for is what the
Kubernetes provider waits for: Deployments available, claims bound, webhooks with their CA. A part that does not get
there within the deadline fails the update once, with the provider's own cause, and no later wave starts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.objects import KubernetesObject
from kubeflow.contract import DEFAULT_COMPONENTS
from kubeflow.distribution import CacheMissingError, Distribution, load
from kubeflow.distribution.cache import ROOT, VariantError, directory
from kubeflow.distribution.table import CURRENT, components

from . import definitions
from .crds import CrdSet, CrdSetArgs
from .credentials import published_credentials
from .loader import InstallError, Plan, Planned, plan
from .waves import Wave

_DEADLINE = pulumi.CustomTimeouts(create="10m", update="10m", delete="10m")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Cached components and where they lie."""

    distribution: Distribution
    folder: str  # of the cache, relative to the repository


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallArgs:
    """What is installed, and what the cluster can do. All but the kubeconfig is plain."""

    source: Source
    kubeconfig: pulumi.Input[str] = field(repr=False)
    webhooks: bool  # the API server can reach webhooks that run in pods
    containers: bool  # pods run; then namespaces outlive a destroy, for volumes and models of people are in them
    after: Sequence[pulumi.Resource] = field(default=(), repr=False)  # nodes, storage classes, priority classes


@functools.cache
def source(chosen: tuple[str, ...]) -> Source | None:
    """What the configuration key `platform.components` stands for; an incomplete cache ends the program."""
    if not chosen:
        return None
    usual = tuple(component.name for component in components(CURRENT) if component.default)
    names = [name for choice in chosen for name in (usual if choice == DEFAULT_COMPONENTS else (choice,))]
    folder = directory(CURRENT)
    try:
        found = load(CURRENT, dict.fromkeys(names), folder=folder)
    except (CacheMissingError, VariantError) as error:
        raise pulumi.RunError(f"platform.components: {error}") from error
    return Source(distribution=found, folder=str(folder.relative_to(ROOT)))


class Component(pulumi.ComponentResource):
    """One upstream component: the parent of its objects, in whichever wave they are."""

    def __init__(self, name: str, sha256: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:kubeflow:Component", name, {"sha256": sha256}, opts)
        self.register_outputs({})


class Installation(pulumi.ComponentResource):
    """All chosen components. `ready` is the last gate: whoever depends on it comes after everything."""

    ready: pulumi.Resource
    left_out: tuple[str, ...]

    def __init__(self, name: str, args: InstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        planned = _planned(args)
        names = sorted(args.source.distribution.components)
        props = {"release": args.source.distribution.release, "components": names}
        super().__init__("proof:kubeflow:Installation", name, props, opts)
        parents = {
            component: Component(component, rendered.sha256, pulumi.ResourceOptions(parent=self))
            for component, rendered in args.source.distribution.components.items()
        }
        self.left_out = planned.left_out
        self.ready = self._definitions(args)
        for wave in Wave:
            self.ready = self._wave(wave, planned, parents, args)
        if self.left_out:
            text = "objects of the chosen components are left out, listed in this component's outputs"
            pulumi.log.info(f"{len(self.left_out)} {text}", self)
        self.register_outputs({"objects": len(planned.objects), "leftOut": list(self.left_out)})

    def _definitions(self, args: InstallArgs) -> pulumi.Resource:
        rendered = {name: part for name, part in args.source.distribution.components.items() if part.crds}
        crds = [definitions.prepared(crd, webhooks=args.webhooks) for part in rendered.values() for crd in part.crds]
        # Stacks refuse default providers; this one runs in the program's own environment and needs no configuration.
        runner = pulumi.ProviderResource("pulumi-python", "crds", {}, pulumi.ResourceOptions(parent=self))
        crd_args = CrdSetArgs(
            kubeconfig=args.kubeconfig,
            folder=args.source.folder,
            components={name: part.sha256 for name, part in rendered.items()},
            crds={crd["metadata"]["name"]: crd for crd in crds},
            webhooks=args.webhooks,
        )
        own = pulumi.ResourceOptions(parent=self, provider=runner, depends_on=list(args.after))
        return CrdSet("crds", crd_args, own)

    def _wave(
        self, wave: Wave, planned: Plan, parents: Mapping[str, pulumi.Resource], args: InstallArgs
    ) -> pulumi.Resource:
        """Register the objects of a wave behind the gate before: first what pods mount, then the workloads.

        Nothing of the first part waits for a pod. Together they could block each other: the engine works on a limited
        number of objects at a time, and as many waiting workloads would keep their own ServiceAccounts from coming.
        """
        gate = self.ready
        label = f"wave-{wave:02}-{wave.name.lower()}"
        for step, waits in (("parts", False), ("workloads", True)):
            objects = [item for item in planned.wave(wave) if item.waits is waits]
            if objects:
                made = [self._object(item, gate, parents[item.component], args) for item in objects]
                counted = {"components": sorted({item.component for item in objects}), "objects": len(objects)}
                own = pulumi.ResourceOptions(parent=self, depends_on=made)
                gate = pulumi.Stash(f"{label}-{step}", opts=own, input=counted)
        return gate

    def _object(
        self, item: Planned, gate: pulumi.Resource, parent: pulumi.Resource, args: InstallArgs
    ) -> KubernetesObject:
        options = pulumi.ResourceOptions(
            parent=parent,
            depends_on=[gate],
            ignore_changes=item.ignore_changes,
            custom_timeouts=_DEADLINE,
            retain_on_delete=args.containers and item.body["kind"] == "Namespace",
        )
        return KubernetesObject(item.name, item.body, options)


def _planned(args: InstallArgs) -> Plan:
    """The plan, or the end of the program: before the first resource of the installation."""
    published = published_credentials(args.source.distribution)
    if published and args.containers:
        listed = "\n".join(f"  {place}" for place in published)
        raise pulumi.RunError(
            "platform.components: these objects hold passwords that upstream publishes, and this release cannot "
            f"replace them yet; on a cluster that runs containers they would let anybody in:\n{listed}"
        )
    try:
        return plan(args.source.distribution, webhooks=args.webhooks, containers=args.containers)
    except InstallError as error:
        raise pulumi.RunError(f"platform.components: {error}") from error
