"""The cluster on vSphere as a whole: its parts in their order, and what the contract says about them."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random
import pulumi_tls as tls
import pulumi_vsphere as vsphere

from infra.contract import (
    METADATA_ADDRESSES,
    Bucket,
    Capability,
    Cluster,
    ClusterSpec,
    Identity,
    Ingress,
    Network,
    Owner,
    Secrets,
    Storage,
    Store,
)
from infra.naming import accelerator_of

from .access import VsphereControlPlane
from .keys import VsphereKeys
from .nodes import NodesArgs, VsphereNodes
from .options import Mode
from .place import VspherePlace
from .site import Site
from .storage import VsphereVolumes, buckets, storage
from .supervisor import SupervisorCluster, supervisor_storage

CAPABILITIES = frozenset({Capability.CONTAINERS, Capability.NETWORK_POLICY, Capability.WEBHOOKS})


class VsphereCluster(pulumi.ComponentResource):
    """Everything in vCenter that one cluster is made of."""

    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:infra:VsphereCluster", name, {"datacenter": site.datacenter}, opts)
        vcenter = vsphere.Provider(
            name,
            vsphere_server=site.options.server,
            allow_unverified_ssl=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, providers=[vcenter])
        if site.options.mode is Mode.SUPERVISOR:
            made = SupervisorCluster(name, site, secrets("supervisor"), own)
            self.provider, self.kubeconfig, self.ready = made.provider, made.kubeconfig, made.ready
        else:
            keys, place = VsphereKeys(name, site, self._makers(name)), VspherePlace(name, site, own)
            control = VsphereControlPlane(name, site, keys, place, own)
            nodes = VsphereNodes(name, NodesArgs(site=site, keys=keys, place=place, control=control), own)
            volumes = VsphereVolumes(name, site, control, secrets("vcenter"), own)
            self.provider, self.kubeconfig = control.provider, control.kubeconfig
            self.ready = (*control.machines, *nodes.machines, *volumes.ready)
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _makers(self, name: str) -> pulumi.ResourceOptions:
        """Who makes keys and certificates."""
        own = pulumi.ResourceOptions(parent=self)
        return pulumi.ResourceOptions(
            parent=self, providers=[tls.Provider(name, opts=own), random.Provider(name, opts=own)]
        )


def build(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make the cluster, and say what the platform may rely on."""
    try:
        site = Site.of(spec)
    except ValueError as error:
        raise pulumi.RunError(f"cluster.{error}") from error
    made = VsphereCluster(spec.name, site, secrets, opts)
    stores: Mapping[Store, Bucket] = buckets(site.options.object_store, secrets)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=site.pools,
        accelerator=accelerator_of(site.pools, Owner.PLATFORM),
        storage=_storage(site),
        ingress=Ingress(domain=site.options.domain),
        network=_network(site),
        identity=Identity(),
        artifacts=stores.get(Store.ARTIFACTS),
        scratch=stores.get(Store.SCRATCH),
        capabilities=_capabilities(site),
        provider=made.provider,
        kubeconfig=made.kubeconfig,
        ready=made.ready,
    )


def _storage(site: Site) -> Storage:
    return storage(site) if site.options.supervisor is None else supervisor_storage(site.options.supervisor)


def _network(site: Site) -> Network:
    options = site.options
    if options.supervisor is not None:
        servers = list(options.supervisor.api_networks)
    else:
        servers = [f"{node.address}/32" for node in site.control_nodes()]
    store = options.object_store
    return Network(
        pod_cidr=options.network.pods,
        service_cidr=options.network.services,
        metadata_addresses=METADATA_ADDRESSES,  # none of them exists here; whatever answers there is no friend
        api_server_cidrs=pulumi.Output.from_input(servers),
        node_cidrs=(options.network.nodes,),
        object_store_cidrs=pulumi.Output.from_input([] if store is None else list(store.networks)),
    )


def _capabilities(site: Site) -> frozenset[Capability]:
    """A Supervisor brings a load balancer; kubeadm's nodes have one where they have addresses for it."""
    found = set(CAPABILITIES)
    if site.options.kubeadm is None or site.options.kubeadm.load_balancer is not None:
        found.add(Capability.LOAD_BALANCER)
    if _storage(site).shared is not None:
        found.add(Capability.SHARED_STORAGE)
    if any(pool.together and pool.max > 0 for pool in site.pools.values()):
        found.add(Capability.RDMA)
    return frozenset(found)
