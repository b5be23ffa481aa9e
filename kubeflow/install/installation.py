"""A plan as Pulumi resources, wave after wave.

A wave opens when its gate does. The gate is a value in the engine's own store that depends on every object of the wave,
and each object of the next wave depends on that one gate: an edge for each object, where a dependency on components
would write the names of all their children into the state of every dependent. What a gate waits for is what the
Kubernetes provider waits for: Deployments available, claims bound. Webhooks have a gate of their own, which asks them.
What does not get there within its deadline fails the update once, with the cause, and no later wave starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.objects import KubernetesObject
from kubeflow.distribution import Distribution

from . import definitions
from .crds import CrdSet, CrdSetArgs
from .gates import Gate, GateArgs, guarded
from .loader import Plan
from .planned import Planned
from .preconditions import Preconditions, PreconditionsArgs
from .waves import Wave

_DEADLINE = pulumi.CustomTimeouts(create="10m", update="10m", delete="10m")


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallArgs:
    """What is installed, and what the cluster can do. All but the kubeconfig and values inside of objects is plain."""

    plan: Plan
    distribution: Distribution  # upstream's components, as they are cached
    folder: str  # of the cache, relative to the repository
    kubeconfig: pulumi.Input[str] = field(repr=False)
    webhooks: bool  # the API server can reach webhooks that run in pods
    containers: bool  # pods run; then namespaces outlive a destroy, for volumes and models of people are in them
    choices: Mapping[str, str] = field(default_factory=dict[str, str])  # product -> manage or reuse
    open_kinds: Sequence[str] = ()  # definitions that nobody brings and that the plan's objects need
    after: Sequence[pulumi.Resource] = field(default=(), repr=False)  # nodes, storage classes, priority classes


class Component(pulumi.ComponentResource):
    """One upstream component: the parent of its objects, in whichever wave they are."""

    def __init__(self, name: str, sha256: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:kubeflow:Component", name, {"sha256": sha256}, opts)
        self.register_outputs({})


class Part(pulumi.ComponentResource):
    """One part of the platform that is no component of upstream: the parent of its objects."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:kubeflow:Part", name, {}, opts)
        self.register_outputs({})


class Installation(pulumi.ComponentResource):
    """Everything of a plan. `ready` is the last gate: whoever depends on it comes after everything."""

    ready: pulumi.Resource

    def __init__(self, name: str, args: InstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        components = args.distribution.components
        props = {"release": args.distribution.release, "components": sorted(components)}
        super().__init__("proof:kubeflow:Installation", name, props, opts)
        own = pulumi.ResourceOptions(parent=self)
        self._args = args
        # Stacks refuse default providers; this one runs in the program's own environment and needs no configuration.
        self._runner = pulumi.ProviderResource("pulumi-python", "crds", {}, own)
        named = dict.fromkeys((*components, *(item.component for item in args.plan.objects)))
        self._parents: dict[str, pulumi.Resource] = {
            part: Component(part, components[part].sha256, own) if part in components else Part(part, own)
            for part in named
        }
        self.ready = self._definitions()
        for wave in Wave:
            self.ready = self._wave(wave)
        if args.plan.left_out:
            text = "objects of the chosen components are left out, listed in this component's outputs"
            pulumi.log.info(f"{len(args.plan.left_out)} {text}", self)
        self.register_outputs({"objects": len(args.plan.objects), "leftOut": list(args.plan.left_out)})

    def _behind(self, *gates: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._runner, depends_on=list(gates))

    def _definitions(self) -> pulumi.Resource:
        args = self._args
        conditions = PreconditionsArgs(kubeconfig=args.kubeconfig, choices=args.choices)
        first = Preconditions("preconditions", conditions, self._behind(*args.after))
        rendered = {name: part for name, part in args.distribution.components.items() if part.crds}
        crds = [definitions.prepared(crd, webhooks=args.webhooks) for part in rendered.values() for crd in part.crds]
        crd_args = CrdSetArgs(
            kubeconfig=args.kubeconfig,
            folder=args.folder,
            components={name: part.sha256 for name, part in rendered.items()},
            crds={crd["metadata"]["name"]: crd for crd in crds},
            open=args.open_kinds,
            webhooks=args.webhooks,
        )
        return CrdSet("crds", crd_args, self._behind(first))

    def _wave(self, wave: Wave) -> pulumi.Resource:
        """Register the objects of a wave behind the gate before: first what pods mount, then the workloads.

        Nothing of the first part waits for a pod. Together they could block each other: the engine works on a limited
        number of objects at a time, and as many waiting workloads would keep their own ServiceAccounts from coming.
        """
        gate, args = self.ready, self._args
        label = f"wave-{wave:02}-{wave.name.lower()}"
        for step, waits in (("parts", False), ("workloads", True)):
            objects = [item for item in args.plan.wave(wave) if item.waits is waits]
            if objects:
                made = [self._object(item, gate) for item in objects]
                counted = {"components": sorted({item.component for item in objects}), "objects": len(objects)}
                own = pulumi.ResourceOptions(parent=self, depends_on=made)
                gate = pulumi.Stash(f"{label}-{step}", opts=own, input=counted)
            if webhooks := guarded(objects):
                components = args.distribution.components
                users = {item.component for item in objects} & components.keys()
                versions = {name: components[name].sha256 for name in sorted(users)}
                gate_args = GateArgs(kubeconfig=args.kubeconfig, webhooks=webhooks, versions=versions)
                gate = Gate(f"{label}-webhooks", gate_args, self._behind(gate))
        return gate

    def _object(self, item: Planned, gate: pulumi.Resource) -> KubernetesObject:
        options = pulumi.ResourceOptions(
            parent=self._parents[item.component],
            depends_on=[gate],
            ignore_changes=item.ignore_changes,
            custom_timeouts=_DEADLINE,
            retain_on_delete=self._args.containers and item.body["kind"] == "Namespace",
        )
        return KubernetesObject(item.name, item.body, options)
