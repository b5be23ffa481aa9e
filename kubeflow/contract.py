"""`PlatformSpec` in, `Platform` out: what a human decides about the platform and what later parts may rely on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.contract import METADATA_ADDRESSES

from .distribution import table
from .install.source import DEFAULT_COMPONENTS
from .spec.admission import AdmissionSpec
from .spec.autoscaling import AutoscalingSpec
from .spec.components import ExistingSpec
from .spec.data import DataSpec
from .spec.gateway import GatewaySpec
from .spec.gpu import GpuSpec
from .spec.images import ImagesSpec
from .spec.login import LoginSpec
from .spec.mesh import MeshSpec
from .spec.monitoring import MonitoringSpec
from .spec.network import NetworkSpec
from .spec.queues import QueueSpec
from .spec.tenants import ContainerDefaults, Opening, PodSecurity, Protocol, Quota, TenantSpec, check_names

__all__ = [
    "DEFAULT_COMPONENTS", "METADATA_ADDRESSES", "ContainerDefaults", "Opening", "Platform", "PlatformSpec",
    "PodSecurity", "Protocol", "Quota", "Tenant", "TenantSpec",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformSpec:
    """What a human decides about the platform. Wholly plain."""

    tenants: Mapping[str, TenantSpec] = field(
        metadata={"help": "teams by namespace name", "keys": "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"}
    )
    components: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": f"upstream components to install (`python -m kubeflow.distribution list`); '{DEFAULT_COMPONENTS}' "
            "stands for all of the usual installation",
            "example": DEFAULT_COMPONENTS,
        },
    )

    allow_absent: bool = field(
        default=False,
        metadata={
            "help": "go on where upstream's objects are not cached: only their kinds and the platform's own objects "
            "are installed then; for machines without a network"
        },
    )
    existing: ExistingSpec = field(
        default=ExistingSpec(), metadata={"help": "components that the cluster may already have"}
    )
    gateway: GatewaySpec = field(default=GatewaySpec(), metadata={"help": "the one way in: name, certificate, callers"})
    login: LoginSpec = field(default=LoginSpec(), metadata={"help": "who may log in, and how"})
    mesh: MeshSpec = field(default=MeshSpec(), metadata={"help": "traffic between pods; mutual TLS is strict"})
    network: NetworkSpec = field(default=NetworkSpec(), metadata={"help": "where the parties outside are"})
    images: ImagesSpec = field(default=ImagesSpec(), metadata={"help": "where images are pulled from"})
    gpu: GpuSpec = field(default=GpuSpec(), metadata={"help": "how GPUs are shared and measured"})
    queues: QueueSpec = field(default=QueueSpec(), metadata={"help": "how tenants share idle machines"})
    autoscaling: AutoscalingSpec = field(default=AutoscalingSpec(), metadata={"help": "copies of models and gateways"})
    data: DataSpec = field(default=DataSpec(), metadata={"help": "databases, object stores and data services"})
    monitoring: MonitoringSpec = field(default=MonitoringSpec(), metadata={"help": "metrics, logs and traces"})
    admission: AdmissionSpec = field(
        default=AdmissionSpec(), metadata={"help": "rules that the API server keeps in tenants' namespaces"}
    )

    def __post_init__(self) -> None:
        """Refuse tenants whose namespace belongs to somebody else, and components that no release has."""
        known = [component.name for component in table.components(table.CURRENT)]
        unknown = [name for name in self.components if name not in (DEFAULT_COMPONENTS, *known)]
        if unknown:
            near = {match for name in unknown for match in difflib.get_close_matches(name, known)}
            meant = f"; did you mean {', '.join(sorted(near))}?" if near else ""
            raise ValueError(f"components: {table.CURRENT} has no {', '.join(unknown)}{meant}")
        check_names(self.tenants)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """What a finished tenant gives back."""

    namespace: str
    gpus: int
    service_accounts: Mapping[str, str]  # role (contributor, viewer) -> name
    ready: tuple[pulumi.Resource, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """What the platform gives back to outputs, validation and dashboards."""

    tenants: Mapping[str, Tenant]
    priority_classes: Mapping[str, int]
    components: tuple[str, ...]  # of upstream that are installed
    described: Mapping[str, Any]  # addresses, mesh, images, drawings, as the stack outputs hold them; plain
    monitoring: Mapping[str, Any]  # what dashboards and alerts are made from; plain
    left_out: tuple[str, ...]  # objects of these components that this cluster cannot use, as component/kind/name
    logins: Mapping[str, pulumi.Output[str]] = field(repr=False)  # generated passwords of people, by address; secret
    ready: tuple[pulumi.Resource, ...] = field(repr=False)
