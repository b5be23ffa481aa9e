"""The `existing` environment: a cluster that somebody else provides. Creates nothing in it but a provider.

`network.py`, `nodes.py`, `identity.py`, `storage.py` and `access.py` are absent: all of it is given, as options.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pulumi
import pulumi_kubernetes as kubernetes

from infra.contract import (
    METADATA_ADDRESSES,
    Bucket,
    Capability,
    Cluster,
    ClusterSpec,
    Identity,
    Ingress,
    Network,
    Secrets,
    Storage,
    options_of,
)
from infra.kubeconfig import KubeconfigError, read, server_of
from infra.naming import accelerator_of, complete_pool

from .options import ExistingOptions, GivenStore


class ExistingCluster(pulumi.ComponentResource):
    """The door into a given cluster."""

    provider: kubernetes.Provider

    def __init__(self, name: str, kubeconfig: pulumi.Output[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:infra:ExistingCluster", name, {"name": name}, opts)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=kubeconfig,
            cluster_identifier=f"existing/{name}",
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Open the given cluster. `ready` holds its provider: nobody can wait for nodes that are not ours."""
    options = options_of(spec, ExistingOptions)
    pools = {name: complete_pool(name, pool) for name, pool in spec.pools.items()}
    kubeconfig, store = _kubeconfig(options, secrets), options.object_store
    made = ExistingCluster(spec.name, kubeconfig, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=pools,
        accelerator=accelerator_of(pools, options.gpu_owner, device_plugin=options.device_plugin_owner),
        storage=Storage(
            block=options.block_storage_class,
            shared=options.shared_storage_class,
            scratch=options.scratch_storage_class,
        ),
        ingress=Ingress(annotations=options.ingress_annotations, address=options.address, domain=options.domain),
        network=Network(
            pod_cidr=options.pod_cidr,
            service_cidr=options.service_cidr,
            metadata_addresses=METADATA_ADDRESSES,
            api_server_cidrs=pulumi.Output.from_input(list(options.api_server_cidrs)),
            node_cidrs=options.node_cidrs,
            resolver=options.resolver,
            object_store_cidrs=pulumi.Output.from_input(list(options.object_store_cidrs)),
        ),
        identity=Identity(),
        artifacts=None if store is None else _bucket(store, store.artifacts, secrets),
        scratch=None if store is None or store.scratch is None else _bucket(store, store.scratch, secrets),
        capabilities=_capabilities(options),
        provider=made.provider,
        kubeconfig=kubeconfig,
        ready=(made.provider,),
    )


def _capabilities(options: ExistingOptions) -> frozenset[Capability]:
    """What was declared; a shared class that is named is a capability, too."""
    shared = {Capability.SHARED_STORAGE} if options.shared_storage_class is not None else set[Capability]()
    return frozenset(options.capabilities) | shared


def _kubeconfig(options: ExistingOptions, secrets: Secrets) -> pulumi.Output[str]:
    if options.kubeconfig_path is not None:
        try:
            return pulumi.Output.secret(read(Path(options.kubeconfig_path), key="cluster.options.kubeconfigPath"))
        except KubeconfigError as error:
            raise pulumi.RunError(str(error)) from error
    if options.stack is not None:
        source = pulumi.StackReference(options.stack)
        found: pulumi.Output[str] = source.require_output("kubeconfig")
        return pulumi.Output.secret(found.apply(lambda text: _proven(text, f"output kubeconfig of {options.stack}")))
    return secrets("kubeconfig").apply(lambda text: _proven(text, "kubeflow-proof:kubeconfig"))


def _proven(text: str, origin: str) -> str:
    server_of(text, origin=origin)
    return text


def _bucket(store: GivenStore, name: str, secrets: Secrets) -> Bucket:
    return Bucket(
        scheme="s3",
        name=pulumi.Output.from_input(name),
        uri=pulumi.Output.from_input(f"s3://{name}"),
        endpoint=pulumi.Output.from_input(store.endpoint),
        region=store.region,
        credential=pulumi.Output.secret(secrets("objectStore").apply(_keyed)),
    )


def _keyed(text: str) -> str:
    """The text, if it holds a pair of keys; the message shows none of it."""
    try:
        found: object = json.loads(text)
    except ValueError:
        found = None
    keys = cast("dict[str, object]", found) if isinstance(found, dict) else dict[str, object]()
    if not all(isinstance(keys.get(name), str) for name in ("accessKey", "secretKey")):
        raise pulumi.RunError('kubeflow-proof:objectStore: allowed: JSON like {"accessKey": ..., "secretKey": ...}')
    return text
