"""The platform under mocks on clusters that nobody has: everything that one configuration would register."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key  # pyright: ignore[reportPrivateUsage]

from infra.contract import (
    METADATA_ADDRESSES,
    Accelerator,
    Capability,
    Cluster,
    Effect,
    Environment,
    Identity,
    Ingress,
    Network,
    Owner,
    Storage,
    Taint,
)
from kubeflow.contract import Platform, PlatformSpec, TenantSpec
from kubeflow.platform import KubeflowPlatform, PlatformArgs
from tests.support import graph, samples

Json = dict[str, Any]

SIMULATED: frozenset[Capability] = frozenset()  # what the local environment has
REAL = frozenset({Capability.CONTAINERS, Capability.LOAD_BALANCER, Capability.WEBHOOKS})
SPEC = PlatformSpec(
    tenants={"team-a": TenantSpec(owner="ada@example.com"), "team-b": TenantSpec(owner="grace@example.com")},
    components=("default",),
)
ACCELERATOR = Accelerator(
    resource="nvidia.com/gpu",
    toleration=Taint(key="nvidia.com/gpu", value="present", effect=Effect.NO_SCHEDULE),
    driver=Owner.PLATFORM,
    toolkit=Owner.PLATFORM,
    device_plugin=Owner.PLATFORM,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What a platform registered, and what it gave back."""

    graph: graph.Graph
    platform: Platform

    @property
    def bodies(self) -> tuple[Json, ...]:
        """Every Kubernetes object, as the engine is told of it."""
        return tuple(body for _, body in self.named)

    @property
    def named(self) -> tuple[tuple[str, Json], ...]:
        """Every Kubernetes object by the name of its resource."""
        return tuple(
            (item.name, whole(item.inputs))
            for item in self.graph.resources
            if item.type.startswith("kubernetes:") and "metadata" in item.inputs
        )


def whole(inputs: Mapping[str, Any]) -> Json:
    """Inputs with the integers that travel to the engine as doubles, and secrets as what they hide."""
    return json.loads(json.dumps(inputs), parse_float=lambda text: int(float(text)), object_hook=_revealed)


def _revealed(found: Json) -> object:
    return found["value"] if found.get(_special_sig_key) == _special_secret_sig else found


def cluster(capabilities: frozenset[Capability], **changes: Any) -> Cluster:  # noqa: ANN401 - any field
    """A cluster of the sample's pools. Only inside of a program: it has Outputs and a provider."""
    made = Cluster(
        environment=Environment.EXISTING,
        name="sample",
        region="here",
        version="1.35",
        pools=samples.POOLS,
        accelerator=ACCELERATOR,
        storage=Storage(block="standard"),
        ingress=Ingress(),
        network=Network(
            pod_cidr="10.244.0.0/16",
            service_cidr="10.96.0.0/12",
            metadata_addresses=METADATA_ADDRESSES,
            api_server_cidrs=pulumi.Output.from_input(["10.0.0.10/32"]),
            node_cidrs=("10.0.1.0/24",),
        ),
        identity=Identity(),
        artifacts=None,
        capabilities=capabilities,
        provider=kubernetes.Provider("sample", kubeconfig=samples.KUBECONFIG),
        kubeconfig=pulumi.Output.secret(samples.KUBECONFIG),
        ready=(),
    )
    return replace(made, **changes)


def build(
    spec: PlatformSpec,
    capabilities: frozenset[Capability] = SIMULATED,
    config: Mapping[str, str] | None = None,
    **changes: Any,  # noqa: ANN401 - any field of the cluster; `network` is made inside of the program
) -> Built:
    """The platform of this configuration."""
    made: list[Platform] = []

    def program() -> None:
        fields = {name: value() if callable(value) else value for name, value in changes.items()}
        where = cluster(capabilities, **fields)
        args = PlatformArgs(spec=spec, cluster=where, secrets=samples.secrets(config or {}))
        own = pulumi.ResourceOptions(providers=[where.provider])
        made.append(KubeflowPlatform("kubeflow", args, own).platform)

    recorded = graph.run(program)
    return Built(graph=recorded, platform=made[0])


@cache
def usual(capabilities: frozenset[Capability] = SIMULATED) -> Built:
    """The usual installation with two tenants."""
    return build(SPEC, capabilities)
