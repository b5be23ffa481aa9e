"""The cluster on Google Cloud as a whole: its parts in their order, and what the contract says about them."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.contract import (
    METADATA_ADDRESSES,
    Capability,
    Cluster,
    ClusterSpec,
    Identity,
    Ingress,
    Network,
    Owner,
    Quirks,
    Store,
)
from infra.naming import accelerator_of

from .access import ControlArgs, GkeControlPlane
from .identity import GkeNodeAccount, identity
from .keys import GkeKeys
from .machines import rdma
from .network import PRIVATE_SERVICES, GkeNetwork, plan
from .nodes import GkeNodes, NodesArgs
from .options import Site
from .storage import STORAGE, GkeBuckets, GkeVolumes

CAPABILITIES = frozenset(
    {
        Capability.AUTOSCALING,
        Capability.CONTAINERS,
        Capability.LOAD_BALANCER,
        Capability.MANAGED_DRIVER,
        Capability.NETWORK_POLICY,
        Capability.SHARED_STORAGE,
        Capability.SPOT,
        Capability.WEBHOOKS,
        Capability.WORKLOAD_IDENTITY,
    }
)
_DRIVER_ROOT = "/home/kubernetes/bin/nvidia"  # where GKE's installer puts the driver on a node
_METADATA = "169.254.169.252"  # where GKE's own metadata server listens, behind the usual address


class GkeCluster(pulumi.ComponentResource):
    """Everything in the project that one cluster is made of."""

    control: GkeControlPlane
    nodes: GkeNodes
    buckets: GkeBuckets
    identity: Identity
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:infra:GkeCluster", name, {"region": site.region, "version": site.version}, opts)
        project = gcp.Provider(
            name,
            project=site.options.project,
            region=site.region,
            default_labels=site.labels,
            add_pulumi_attribution_label=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, providers=[project])
        keys = GkeKeys(name, site, own)
        self.buckets = GkeBuckets(name, site, keys, own)
        network = GkeNetwork(name, site, own)
        account = GkeNodeAccount(name, site, own)
        self.control = GkeControlPlane(name, ControlArgs(site=site, keys=keys, network=network, nodes=account), own)
        self.identity = identity(site, self.buckets.names, project, self.control.cluster)
        self.nodes = GkeNodes(name, NodesArgs(site=site, control=self.control, keys=keys, account=account), own)
        volumes = GkeVolumes(name, self.control, network, keys, own)
        self.ready = (*self.nodes.groups, *volumes.ready, *self.buckets.ready)
        self.register_outputs({"kubeconfig": self.control.kubeconfig})


def build(spec: ClusterSpec, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make the cluster, and say what the platform may rely on."""
    try:
        site = Site.of(spec)
    except ValueError as error:
        raise pulumi.RunError(f"cluster.{error}") from error
    made = GkeCluster(spec.name, site, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=site.pools,
        # GKE's device plugin brings the driver with it, so neither can be had without the other.
        accelerator=accelerator_of(site.pools, Owner.CLOUD, toolkit=Owner.PLATFORM, driver_root=_DRIVER_ROOT),
        storage=STORAGE,
        ingress=_ingress(site),
        network=_network(site),
        identity=made.identity,
        artifacts=made.buckets.buckets[Store.ARTIFACTS],
        scratch=made.buckets.buckets[Store.SCRATCH],
        quirks=Quirks(critical_pods_quota=True),
        capabilities=_capabilities(site),
        provider=made.control.provider,
        kubeconfig=made.control.kubeconfig,
        ready=made.ready,
    )


def _ingress(site: Site) -> Ingress:
    """A passthrough load balancer by GKE's own controller: there is no further one to install."""
    internal = {"networking.gke.io/load-balancer-type": "Internal"}
    external = {"cloud.google.com/l4-rbs": "enabled"}
    return Ingress(
        annotations=external if site.options.internet_facing else internal,
        domain=site.options.domain,
    )


def _network(site: Site) -> Network:
    subnets = plan(site.options.network)
    return Network(
        pod_cidr=site.options.network.pods,
        service_cidr=site.options.network.services,
        metadata_addresses=(*METADATA_ADDRESSES, _METADATA),
        api_server_cidrs=pulumi.Output.from_input([subnets.control]),
        node_cidrs=(subnets.nodes,),
        object_store_cidrs=pulumi.Output.from_input([PRIVATE_SERVICES]),
    )


def _capabilities(site: Site) -> frozenset[Capability]:
    """RDMA is there for pools that are placed together on machines that have it."""
    fast = any(pool.together and rdma(pool.machine) for pool in site.pools.values())
    return CAPABILITIES | ({Capability.RDMA} if fast else set[Capability]())
