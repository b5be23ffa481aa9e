"""One verb for every environment. The only place outside `stacks` that branches on `Environment`."""

from __future__ import annotations

from typing import assert_never

import pulumi

from .contract import Cluster, ClusterSpec, Environment, Secrets

AVAILABLE = (Environment.EXISTING, Environment.LOCAL)


class EnvironmentNotAvailableError(ValueError):
    """The environment has a name in the contract but no implementation in this release."""

    def __init__(self, environment: Environment) -> None:
        available = ", ".join(item.value for item in AVAILABLE)
        super().__init__(f"environment '{environment.value}' is not available in this release; available: {available}")


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Provide the cluster that `spec` describes; imports the SDK of that one environment only."""
    match spec.environment:
        case Environment.LOCAL:
            from infra.local import provision as build
        case Environment.EXISTING:
            from infra.existing import provision as build
        case Environment.EKS | Environment.AKS | Environment.GKE | Environment.ACK | Environment.VSPHERE:
            raise EnvironmentNotAvailableError(spec.environment)
        case _:
            assert_never(spec.environment)
    return build(spec, secrets, opts)


def options_type(environment: Environment) -> type:
    """The dataclass of `cluster.options` in an environment; importing it imports no SDK."""
    match environment:
        case Environment.LOCAL:
            from infra.local.options import LocalOptions as Kind
        case Environment.EXISTING:
            from infra.existing.options import ExistingOptions as Kind
        case Environment.EKS | Environment.AKS | Environment.GKE | Environment.ACK | Environment.VSPHERE:
            raise EnvironmentNotAvailableError(environment)
        case _:
            assert_never(environment)
    return Kind
