"""One verb for every environment. The only place outside `stacks` that branches on `Environment`."""

from __future__ import annotations

from typing import assert_never

import pulumi

from .contract import Cluster, ClusterSpec, Environment, Secrets


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Provide the cluster that `spec` describes; imports the SDK of that one environment only."""
    match spec.environment:
        case Environment.EKS:
            from infra.eks import provision as build
        case Environment.AKS:
            from infra.aks import provision as build
        case Environment.GKE:
            from infra.gke import provision as build
        case Environment.ACK:
            from infra.ack import provision as build
        case Environment.VSPHERE:
            from infra.vsphere import provision as build
        case Environment.EXISTING:
            from infra.existing import provision as build
        case Environment.LOCAL:
            from infra.local import provision as build
        case _:
            assert_never(spec.environment)
    return build(spec, secrets, opts)


def options_type(environment: Environment) -> type:
    """The dataclass of `cluster.options` in an environment; importing it imports no SDK."""
    match environment:
        case Environment.EKS:
            from infra.eks.options import EksOptions as Kind
        case Environment.AKS:
            from infra.aks.options import AksOptions as Kind
        case Environment.GKE:
            from infra.gke.options import GkeOptions as Kind
        case Environment.ACK:
            from infra.ack.options import AckOptions as Kind
        case Environment.VSPHERE:
            from infra.vsphere.options import VsphereOptions as Kind
        case Environment.EXISTING:
            from infra.existing.options import ExistingOptions as Kind
        case Environment.LOCAL:
            from infra.local.options import LocalOptions as Kind
        case _:
            assert_never(environment)
    return Kind
