"""The cluster on Alibaba Cloud as a whole: its parts in their order, and what the contract says about them."""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from infra.contract import (
    METADATA_ADDRESSES,
    AddressKind,
    Capability,
    Cluster,
    ClusterSpec,
    Identity,
    Ingress,
    Network,
    Owner,
    Store,
)
from infra.naming import accelerator_of

from .access import AckControlPlane, ControlArgs
from .addons import AckAddons, AddonArgs, fast
from .identity import IdentityArgs, identity
from .keys import AckKeys
from .logs import AckLogs
from .network import AckNetwork, plan
from .nodes import AckNodes, NodesArgs
from .options import Site
from .storage import STORAGE, AckBuckets, AckVolumes, VolumeArgs

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


class AckCluster(pulumi.ComponentResource):
    """Everything in the account that one cluster is made of."""

    control: AckControlPlane
    buckets: AckBuckets
    identity: Identity
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:infra:AckCluster", name, {"region": site.region, "release": site.release}, opts)
        account = alicloud.Provider(name, region=site.region, opts=pulumi.ResourceOptions(parent=self))
        own = pulumi.ResourceOptions(parent=self, providers=[account])
        keys = AckKeys(name, site, own)
        self.buckets = AckBuckets(name, site, keys, own)
        logs = AckLogs(name, site, own)
        network = AckNetwork(name, site, logs, own)
        self.control = AckControlPlane(name, ControlArgs(site=site, keys=keys, logs=logs, network=network), own)
        self.identity = identity(
            IdentityArgs(
                site=site,
                cluster=self.control.cluster,
                buckets=self.buckets.names,
                key=keys.buckets.arn,
                account=account,
            )
        )
        nodes = AckNodes(name, NodesArgs(site=site, control=self.control, network=network, keys=keys), own)
        addons = AckAddons(name, AddonArgs(site=site, control=self.control, nodes=nodes), own)
        volumes = AckVolumes(name, VolumeArgs(site=site, control=self.control, network=network, keys=keys), own)
        self.ready = (*nodes.ready, *addons.ready, *volumes.ready, *self.buckets.ready)
        self.register_outputs({"kubeconfig": self.control.kubeconfig})


def build(spec: ClusterSpec, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make the cluster, and say what the platform may rely on."""
    try:
        site = Site.of(spec)
    except ValueError as error:
        raise pulumi.RunError(f"cluster.{error}") from error
    made = AckCluster(spec.name, site, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=site.pools,
        accelerator=accelerator_of(site.pools, Owner.CLOUD),  # driver, container toolkit and device plugin
        storage=STORAGE,
        ingress=_ingress(site),
        network=_network(site),
        identity=made.identity,
        artifacts=made.buckets.buckets[Store.ARTIFACTS],
        scratch=made.buckets.buckets[Store.SCRATCH],
        capabilities=_capabilities(site),
        provider=made.control.provider,
        kubeconfig=made.control.kubeconfig,
        ready=made.ready,
    )


def _ingress(site: Site) -> Ingress:
    """A classic load balancer by the control plane's own controller: a network one asks for vSwitches by their ids."""
    prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer"
    return Ingress(
        annotations={
            f"{prefix}-address-type": "internet" if site.options.internet_facing else "intranet",
            f"{prefix}-instance-charge-type": "PayByCLCU",
            f"{prefix}-additional-resource-tags": ",".join(f"{key}={value}" for key, value in site.tags.items()),
        },
        address=AddressKind.IP,
        domain=site.options.domain,
    )


def _network(site: Site) -> Network:
    zones = plan(site.options.network, site.zones).values()
    return Network(
        pod_cidr=site.options.network.pods,
        service_cidr=site.options.network.services,
        metadata_addresses=METADATA_ADDRESSES,
        api_server_cidrs=pulumi.Output.from_input([zone.control for zone in zones]),
        node_cidrs=tuple(zone.nodes for zone in zones),
        object_store_cidrs=pulumi.Output.from_input(list(site.options.cloud_services)),
    )


def _capabilities(site: Site) -> frozenset[Capability]:
    """RDMA is there for pools that are placed together on machines that have it."""
    rdma = any(fast(pool) for pool in site.pools.values())
    return CAPABILITIES | ({Capability.RDMA} if rdma else set[Capability]())
