"""The cluster on Azure as a whole: its parts in their order, and what the contract says about them."""

from __future__ import annotations

import pulumi
import pulumi_azure_native as azure
from pulumi_azure_native import resources

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
    Quirks,
    Store,
)
from infra.naming import accelerator_of

from .access import AksControlPlane, ControlArgs
from .identity import AksIdentity, AksPrincipals
from .keys import AksKeys
from .logs import AksLogs
from .machines import infiniband_cards
from .network import TOKEN_EXCHANGE, AksNetwork, opened, plan
from .nodes import AksNodes, NodesArgs
from .options import Site
from .storage import STORAGE, AksBuckets, AksFlows, AksVolumes, StoreArgs

CAPABILITIES = frozenset(
    {
        Capability.AUTOSCALING,
        Capability.CONTAINERS,
        Capability.LOAD_BALANCER,
        Capability.NETWORK_POLICY,
        Capability.SHARED_STORAGE,
        Capability.SPOT,
        Capability.WEBHOOKS,
        Capability.WORKLOAD_IDENTITY,
    }
)

# The platform behind every machine of Azure: name service, health probes, and what an extension of the machine is
# told, credentials included. Nodes need it; pods ask the cluster's own name service, and have no business there.
_PLATFORM_ADDRESS = "168.63.129.16"


class AksCluster(pulumi.ComponentResource):
    """Everything in the subscription that one cluster is made of."""

    control: AksControlPlane
    buckets: AksBuckets
    identity: Identity
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        light = pulumi.ResourceOptions(transformations=[without_aliases])
        super().__init__(
            "proof:infra:AksCluster",
            name,
            {"region": site.region, "version": site.version},
            pulumi.ResourceOptions.merge(opts, light),
        )
        account = azure.Provider(
            name,
            subscription_id=site.options.subscription,
            tenant_id=site.options.tenant,
            location=site.region,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, providers=[account])
        group = resources.ResourceGroup(
            name,
            resource_group_name=site.group,
            tags=site.tags,
            opts=pulumi.ResourceOptions(parent=self, provider=account, protect=site.options.deletion_protection),
        )
        logs = AksLogs(name, site, group.name, own)
        keys = AksKeys(name, site, group.name, logs, own)
        principals = AksPrincipals(name, site, group.name, own)
        network = AksNetwork(name, site, group.name, principals.cluster, own)
        stores = StoreArgs(site=site, group=group.name, keys=keys, network=network)
        self.buckets = AksBuckets(name, stores, own)
        if site.options.network.flow_logs:
            AksFlows(name, stores, own)
        self.control = AksControlPlane(
            name,
            ControlArgs(site=site, group=group.name, keys=keys, logs=logs, network=network, principals=principals),
            own,
        )
        tokens = AksIdentity(name, site, group, self.control.issuer, own)
        self.identity = tokens.on(
            self.buckets.ids, pulumi.ResourceOptions(provider=account, transformations=[without_aliases])
        )
        nodes = AksNodes(
            name,
            NodesArgs(site=site, group=group.name, control=self.control, subnet=network.node_subnet),
            own,
        )
        volumes = AksVolumes(name, stores, self.control, own)
        self.ready = (self.control.cluster, *nodes.ready, *volumes.ready, *self.buckets.ready)
        self.register_outputs({"kubeconfig": self.control.kubeconfig})


def without_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Drop the SDK's aliases: each resource has one for every version of its API, some forty, and each costs time.

    They are for programs that name a version in a type; none of these resources ever had such a type.
    """
    if args.type_.startswith("azure-native:"):
        args.opts.aliases = None
    return pulumi.ResourceTransformationResult(props=args.props, opts=args.opts)


def build(spec: ClusterSpec, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make the cluster, and say what the platform may rely on."""
    try:
        site = Site.of(spec)
    except ValueError as error:
        raise pulumi.RunError(f"cluster.{error}") from error
    made = AksCluster(spec.name, site, opts)
    return Cluster(
        environment=spec.environment,
        name=spec.name,
        region=spec.region,
        version=spec.version,
        pools=site.pools,
        # The node image has the container toolkit; it gets neither driver nor device plugin.
        accelerator=accelerator_of(site.pools, Owner.PLATFORM, toolkit=Owner.CLOUD, device_plugin=Owner.PLATFORM),
        storage=STORAGE,
        ingress=_ingress(site),
        network=_network(site),
        identity=made.identity,
        artifacts=made.buckets.buckets[Store.ARTIFACTS],
        scratch=made.buckets.buckets[Store.SCRATCH],
        # AKS edits the namespace selectors of webhooks without this label, and every preview would set them back.
        quirks=Quirks(webhook_labels={"admissions.enforcer/disabled": "true"}),
        capabilities=_capabilities(site),
        provider=made.control.provider,
        kubeconfig=made.control.kubeconfig,
        ready=made.ready,
    )


def _ingress(site: Site) -> Ingress:
    """A standard load balancer by AKS's own controller. Asked by HTTP, the gateway would seem ill: it knows no `/`."""
    prefix = "service.beta.kubernetes.io/azure"
    tags = ",".join(f"{key}={value}" for key, value in site.tags.items())
    facing = site.options.internet_facing
    return Ingress(
        annotations={
            f"{prefix}-load-balancer-internal": "false" if facing else "true",
            f"{prefix}-load-balancer-health-probe-protocol": "tcp",
            **({f"{prefix}-pip-tags": tags} if facing else {}),
        },
        address=AddressKind.IP,
        domain=site.options.domain,
    )


def _network(site: Site) -> Network:
    subnets, given = plan(site.options.network), site.options.network
    doors = [f"{address}/32" for address in opened(given).values()]
    return Network(
        pod_cidr=given.pods,
        service_cidr=given.services,
        metadata_addresses=(*METADATA_ADDRESSES, _PLATFORM_ADDRESS),
        api_server_cidrs=pulumi.Output.from_input([subnets.control]),
        node_cidrs=(subnets.nodes,),
        object_store_cidrs=pulumi.Output.from_input([*doors, *TOKEN_EXCHANGE]),
    )


def _capabilities(site: Site) -> frozenset[Capability]:
    """RDMA is there for pools that are placed together on machines with InfiniBand."""
    fast = any(pool.together and infiniband_cards(pool.machine) for pool in site.pools.values())
    return CAPABILITIES | ({Capability.RDMA} if fast else set[Capability]())
