"""The `local` environment: a real control plane on this machine with simulated nodes. For trying out and for tests.

`identity.py` and `network.py` are absent: there is no cloud to be a principal of, and nobody routes packets.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from infra.contract import (
    Capability,
    Cluster,
    ClusterSpec,
    Identity,
    Ingress,
    Network,
    Owner,
    Secrets,
    Storage,
    options_of,
)
from infra.kubeconfig import KubeconfigError, read
from infra.naming import accelerator_of, complete_pool

from .control_plane import SERVICE_CIDR
from .nodes import POD_NETWORK, nodes
from .options import LocalOptions
from .storage import BLOCK, SHARED, storage_classes, volumes

ROOT = Path(__file__).resolve().parents[2]
CAPABILITIES = frozenset({Capability.MANAGED_DRIVER, Capability.SHARED_STORAGE})


class LocalCluster(pulumi.ComponentResource):
    """The objects that a cloud would have made: nodes and storage classes."""

    provider: kubernetes.Provider
    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, spec: ClusterSpec, kubeconfig: pulumi.Output[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("proof:infra:LocalCluster", name, {"name": spec.name, "version": spec.version}, opts)
        options = options_of(spec, LocalOptions)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=kubeconfig,
            cluster_identifier=f"local/{spec.name}",
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            # Local runs skip checkpoints: after a crash the server knows objects that the state does not.
            upsert_existing_objects=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, provider=self.provider)
        self.ready = (
            *storage_classes(own),
            *volumes(options.volumes, own),
            *nodes(spec.pools, options.machines, spec.region, own),
        )
        self.register_outputs({"nodes": sum(pool.min for pool in spec.pools.values())})


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Give the simulated machines of `spec` to the control plane that `make cluster` started."""
    del secrets  # the control plane's kubeconfig lies beside the checkout
    options = options_of(spec, LocalOptions)
    pools = {name: complete_pool(name, pool) for name, pool in spec.pools.items()}
    try:
        text = read(ROOT / options.kubeconfig, key="cluster.options.kubeconfig")
    except KubeconfigError as error:
        raise pulumi.RunError(f"{error}; `make cluster` starts the local control plane and writes it") from error
    kubeconfig = pulumi.Output.secret(text)
    made = LocalCluster(spec.name, replace(spec, pools=pools), kubeconfig, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=pools,
        accelerator=accelerator_of(pools, Owner.CLOUD),
        storage=Storage(block=BLOCK, shared=SHARED),
        ingress=Ingress(),
        network=Network(
            pod_cidr=f"{POD_NETWORK}.0.0/16",
            service_cidr=SERVICE_CIDR,
            metadata_addresses=(),
            api_server_cidrs=pulumi.Output.from_input(["127.0.0.1/32"]),
            node_cidrs=("127.0.0.0/8",),
        ),
        identity=Identity(),
        artifacts=None,
        capabilities=CAPABILITIES,
        provider=made.provider,
        kubeconfig=kubeconfig,
        ready=made.ready,
    )
