"""The cluster on AWS as a whole: its parts in their order, and what the contract says about them."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

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

from .access import EksControlPlane
from .addons import AddonArgs, EksNodeAddons, EksPlatformAddons
from .autoscaler import AutoscalerArgs, EksAutoscaler
from .identity import EksIdentity
from .keys import EksKeys
from .machines import efa_cards
from .network import EksNetwork, plan
from .nodes import EksNodes, NodesArgs
from .options import Site
from .storage import STORAGE, EksBuckets, EksVolumes, VolumeArgs

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


class EksCluster(pulumi.ComponentResource):
    """Everything in the account that one cluster is made of."""

    network: EksNetwork
    control: EksControlPlane
    nodes: EksNodes
    buckets: EksBuckets
    identity: Identity
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:infra:EksCluster", name, {"region": site.region, "version": site.version}, opts)
        account = aws.Provider(
            name,
            region=site.region,  # pyright: ignore[reportArgumentType] the SDK knows only the regions of its day
            allowed_account_ids=[site.options.account],
            default_tags=aws.ProviderDefaultTagsArgs(tags=site.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, providers=[account])
        keys = EksKeys(name, site, own)
        self.buckets = EksBuckets(name, site, keys, own)
        self.network = EksNetwork(name, site, keys.logs, own)
        self.control = EksControlPlane(name, site, keys, self.network.control_subnets, own)
        tokens = EksIdentity(name, site, self.control.cluster, own)
        self.identity = tokens.on(self.buckets.arns, keys.buckets.arn, account)
        addons = AddonArgs(site=site, control=self.control, identity=tokens)
        first = EksNodeAddons(name, addons, self.network.pod_subnets, own)
        self.nodes = EksNodes(
            name,
            NodesArgs(
                site=site,
                control=self.control,
                network=self.network,
                keys=keys,
                identity=tokens,
                after=first.ready,
            ),
            own,
        )
        EksAutoscaler(name, AutoscalerArgs(site=site, control=self.control, nodes=self.nodes), own)
        later = EksPlatformAddons(name, addons, keys, self.nodes.groups, own)
        volumes = EksVolumes(name, VolumeArgs(site=site, control=self.control, network=self.network, keys=keys), own)
        self.ready = (*self.nodes.groups, *later.ready, *volumes.ready, *self.buckets.ready)
        self.register_outputs({"kubeconfig": self.control.kubeconfig})


def build(spec: ClusterSpec, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make the cluster, and say what the platform may rely on."""
    try:
        site = Site.of(spec)
    except ValueError as error:
        raise pulumi.RunError(f"cluster.{error}") from error
    made = EksCluster(spec.name, site, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=site.pools,
        # The image has driver and container toolkit; it has no device plugin.
        accelerator=accelerator_of(site.pools, Owner.CLOUD, device_plugin=Owner.PLATFORM),
        storage=STORAGE,
        ingress=_ingress(site),
        network=_network(site, made.network),
        identity=made.identity,
        artifacts=made.buckets.buckets[Store.ARTIFACTS],
        scratch=made.buckets.buckets[Store.SCRATCH],
        capabilities=_capabilities(site),
        provider=made.control.provider,
        kubeconfig=made.control.kubeconfig,
        ready=made.ready,
    )


def _ingress(site: Site) -> Ingress:
    """A network load balancer by the control plane's own controller: there is no further one to install."""
    prefix = "service.beta.kubernetes.io/aws-load-balancer"
    return Ingress(
        annotations={
            f"{prefix}-type": "nlb",
            f"{prefix}-internal": "false" if site.options.internet_facing else "true",
            f"{prefix}-cross-zone-load-balancing-enabled": "true",
            f"{prefix}-additional-resource-tags": ",".join(f"{key}={value}" for key, value in site.tags.items()),
        },
        address=AddressKind.HOSTNAME,
        domain=site.options.domain,
    )


def _network(site: Site, made: EksNetwork) -> Network:
    subnets = plan(site.options.network, site.zones).values()
    return Network(
        pod_cidr=site.options.network.pods,
        service_cidr=site.options.network.services,
        metadata_addresses=METADATA_ADDRESSES,
        api_server_cidrs=pulumi.Output.from_input([zone.control for zone in subnets]),
        node_cidrs=tuple(zone.nodes for zone in subnets),
        object_store_cidrs=made.object_store_cidrs,
    )


def _capabilities(site: Site) -> frozenset[Capability]:
    """RDMA is there for pools that are placed together on machines with EFA."""
    fast = any(pool.together and efa_cards(pool.machine) for pool in site.pools.values())
    return CAPABILITIES | ({Capability.RDMA} if fast else set[Capability]())
