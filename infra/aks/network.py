"""The virtual network: addresses of nodes, control plane and storage. Never gives a node a public one.

Pods have addresses that exist inside the cluster only (overlay), so the network holds none of theirs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity, network, privatedns

from infra.clouds import CloudNetwork
from infra.contract import Store

from .identity import BuiltIn, Right, assign
from .options import Site

_RESERVED = 4  # the first addresses of a subnet, which Azure keeps
_RESOLVER = 10  # of the Services' network
_WATCHERS = "NetworkWatcherRG"  # where Azure keeps the one watcher of each region

# Services at fixed addresses of the network, so that network policies can name them. Places are fixed: add at the end.
DOORS = tuple((store.value, service) for store in Store for service in ("blob", "dfs"))
FILES = ("files", "file")

# Entra ID answers at the same addresses all over the world: login.microsoftonline.com is item 56 of the list "Office
# 365 URLs and IP address ranges", IPv4. Microsoft announces changes of that list a month ahead.
TOKEN_EXCHANGE = ("20.20.32.0/19", "20.190.128.0/18", "20.231.128.0/19", "40.126.0.0/18")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The subnets of the network."""

    nodes: str  # and internal load balancers
    control: str  # the control plane's addresses, nothing else
    endpoints: str  # Azure's services, nothing else

    def endpoint(self, index: int) -> str:
        """The address of the service with this number."""
        return str(ipaddress.ip_network(self.endpoints)[_RESERVED + index])


def plan(given: CloudNetwork) -> Plan:
    """Subnets cut from the configured network: a quarter for nodes, a little for the others; half stays free."""
    nodes, rest, *_ = ipaddress.ip_network(given.nodes).subnets(prefixlen_diff=2)
    control, *_ = rest.subnets(new_prefix=28)
    _, endpoints, *_ = rest.subnets(new_prefix=26)
    return Plan(nodes=str(nodes), control=str(control), endpoints=str(endpoints))


def resolver_address(services: str) -> str:
    """The address of the cluster's own name service."""
    return str(ipaddress.ip_network(services)[_RESOLVER])


class AksNetwork(pulumi.ComponentResource):
    """A network with its way out, and the ways to storage that stay inside."""

    id: pulumi.Output[str]
    node_subnet: pulumi.Output[str]
    control_subnet: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]  # what a node needs to reach anything

    def __init__(
        self,
        name: str,
        site: Site,
        group: pulumi.Input[str],
        cluster: managedidentity.UserAssignedIdentity,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("proof:aks:Network", name, {"zones": list(site.zones)}, opts)
        self._name, self._site, self._group = name, site, group
        self._own = pulumi.ResourceOptions(parent=self)
        self._plan = plan(site.options.network)
        self._network = network.VirtualNetwork(
            name,
            resource_group_name=group,
            address_space=network.AddressSpaceArgs(address_prefixes=[site.options.network.nodes]),
            tags=site.tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["subnets"]),  # they are resources of their own
        )
        self.id = self._network.id
        gateway = self._way_out()
        nodes = self._subnet("nodes", self._plan.nodes, after=[gateway], gateway=gateway)
        delegation = network.DelegationArgs(name="aks", service_name="Microsoft.ContainerService/managedClusters")
        control = self._subnet("control", self._plan.control, after=[nodes], delegation=delegation)
        self._endpoints = self._subnet("endpoints", self._plan.endpoints, after=[control])
        self.node_subnet, self.control_subnet = nodes.id, control.id
        joins = Right(cluster.principal_id, BuiltIn.NETWORK_CONTRIBUTOR, self.id)
        rights = assign(site, f"{name}-network", joins, self._own)
        self._zones = {service: self._zone(service) for service in ("blob", "dfs", "file")}
        self.ready = (nodes, control, rights)
        self.register_outputs({"networkId": self.id})

    def _way_out(self) -> network.NatGateway:
        """Nodes and pods leave through NAT; nobody comes in that way. One gateway: a subnet takes no more."""
        address = network.PublicIPAddress(
            f"{self._name}-nat",
            resource_group_name=self._group,
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            tags=self._site.tags,
            opts=self._own,
        )
        return network.NatGateway(
            self._name,
            resource_group_name=self._group,
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=address.id)],
            tags=self._site.tags,
            opts=self._own,
        )

    def _subnet(
        self,
        kind: str,
        cidr: str,
        *,
        after: list[pulumi.Resource],
        gateway: network.NatGateway | None = None,
        delegation: network.DelegationArgs | None = None,
    ) -> network.Subnet:
        """A subnet without a way out of its own; Azure refuses two changes of one network at once, so one by one."""
        return network.Subnet(
            f"{self._name}-{kind}",
            resource_group_name=self._group,
            virtual_network_name=self._network.name,
            subnet_name=kind,
            address_prefix=cidr,
            default_outbound_access=False,
            nat_gateway=None if gateway is None else network.SubResourceArgs(id=gateway.id),
            delegations=None if delegation is None else [delegation],
            private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.DISABLED,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    def _zone(self, service: str) -> privatedns.PrivateZone:
        """Names of a storage service, as this network sees them."""
        zone = privatedns.PrivateZone(
            f"{self._name}-{service}",
            resource_group_name=self._group,
            location="global",
            private_zone_name=f"privatelink.{service}.core.windows.net",
            tags=self._site.tags,
            opts=self._own,
        )
        privatedns.VirtualNetworkLink(
            f"{self._name}-{service}",
            resource_group_name=self._group,
            location="global",
            private_zone_name=zone.name,
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=self.id),
            tags=self._site.tags,
            opts=self._own,
        )
        return zone

    def door(
        self, purpose: str, service: str, account: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> pulumi.Resource:
        """Put a storage account into the network, at its planned address."""
        name = f"{self._name}-{purpose}-{service}"
        link = network.PrivateLinkServiceConnectionArgs(
            name=service, private_link_service_id=account, group_ids=[service]
        )
        place = network.PrivateEndpointIPConfigurationArgs(
            name=service,
            group_id=service,
            member_name=service,
            private_ip_address=self._plan.endpoint((*DOORS, FILES).index((purpose, service))),
        )
        endpoint = network.PrivateEndpoint(
            name,
            resource_group_name=self._group,
            subnet=network.SubnetArgs(id=self._endpoints.id),
            private_link_service_connections=[link],
            ip_configurations=[place],
            tags=self._site.tags,
            opts=opts,
        )
        record = network.PrivateDnsZoneConfigArgs(name=service, private_dns_zone_id=self._zones[service].id)
        return network.PrivateDnsZoneGroup(
            name,
            resource_group_name=self._group,
            private_endpoint_name=endpoint.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[record],
            opts=opts,
        )

    def keep_flows(
        self, account: pulumi.Input[str], writer: managedidentity.UserAssignedIdentity, after: pulumi.Resource
    ) -> None:
        """Who talked to whom, for as long as the account keeps it. The watcher is there since the network is."""
        network.FlowLog(
            f"{self._name}-flows",
            resource_group_name=_WATCHERS,
            network_watcher_name=f"NetworkWatcher_{self._site.region}",
            location=self._site.region,
            target_resource_id=self.id,
            storage_id=account,
            enabled=True,
            format=network.FlowLogFormatParametersArgs(type=network.FlowLogFormatType.JSON, version=2),
            identity=network.ManagedServiceIdentityArgs(
                type=network.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[writer.id]
            ),
            tags=self._site.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )


def opened(given: CloudNetwork) -> Mapping[str, str]:
    """Addresses of the object store, by account and service."""
    planned = plan(given)
    return {f"{purpose}.{service}": planned.endpoint(index) for index, (purpose, service) in enumerate(DOORS)}
