"""The VPC: addresses of nodes, pods and control plane, and the ways out. Never gives a node a public address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.clouds import CloudNetwork

from .options import Site

PODS, SERVICES = "pods", "services"  # names of the ranges beside the nodes' own

# private.googleapis.com: Google's services, the token exchange among them, without the internet
# (VPC documentation, "Configure Private Google Access").
PRIVATE_SERVICES = "199.36.153.8/30"
_DOMAINS = ("googleapis.com", "gcr.io", "pkg.dev")  # the last two are registries

_MTU = 8896
_CONTROL_PREFIX = 28
_TTL = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The subnets, cut from the network of the nodes."""

    nodes: str
    control: str  # the control plane's address, nothing else


def plan(network: CloudNetwork) -> Plan:
    """Half for nodes and load balancers, the start of the other half for the control plane."""
    nodes, rest = ipaddress.ip_network(network.nodes).subnets()
    return Plan(nodes=str(nodes), control=str(next(rest.subnets(new_prefix=_CONTROL_PREFIX))))


class GkeNetwork(pulumi.ComponentResource):
    """A VPC with its subnets, its way out, and the way to Google's services that stays inside."""

    network: gcp.compute.Network
    nodes: gcp.compute.Subnetwork
    control: gcp.compute.Subnetwork
    ready: tuple[pulumi.Resource, ...]  # what a node needs to reach anything

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:Network", name, {"region": site.region}, opts)
        self._name, self._site = name, site
        self._own = pulumi.ResourceOptions(parent=self)
        self._plan = plan(site.options.network)
        self.network = gcp.compute.Network(
            name, auto_create_subnetworks=False, routing_mode="REGIONAL", mtu=_MTU, opts=self._own
        )
        self.nodes = self._nodes()
        self.control = gcp.compute.Subnetwork(
            f"{name}-control",
            network=self.network.id,
            region=site.region,
            ip_cidr_range=self._plan.control,
            private_ip_google_access=True,
            opts=self._own,
        )
        self.ready = (self._way_out(), *(record for domain in _DOMAINS for record in self._inside(domain)))
        self.register_outputs({"network": self.network.id})

    def _nodes(self) -> gcp.compute.Subnetwork:
        """Nodes, and the ranges of pods and Services that belong to them."""
        site, network = self._site, self._site.options.network
        logs = gcp.compute.SubnetworkLogConfigArgs(
            aggregation_interval="INTERVAL_5_SEC", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
        )
        ranges = ((PODS, network.pods), (SERVICES, network.services))
        return gcp.compute.Subnetwork(
            f"{self._name}-nodes",
            network=self.network.id,
            region=site.region,
            ip_cidr_range=self._plan.nodes,
            private_ip_google_access=True,
            secondary_ip_ranges=[
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=range_name, ip_cidr_range=cidr)
                for range_name, cidr in ranges
            ],
            log_config=logs if network.flow_logs else None,
            opts=self._own,
        )

    def _way_out(self) -> pulumi.Resource:
        """Nodes and pods leave through NAT; nobody comes in that way."""
        router = gcp.compute.Router(self._name, network=self.network.id, region=self._site.region, opts=self._own)
        return gcp.compute.RouterNat(
            self._name,
            router=router.name,
            region=self._site.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                gcp.compute.RouterNatSubnetworkArgs(name=self.nodes.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            enable_dynamic_port_allocation=True,
            enable_endpoint_independent_mapping=False,  # it excludes dynamic ports
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=self._own,
        )

    def _inside(self, domain: str) -> tuple[pulumi.Resource, ...]:
        """Names of a domain of Google lead to addresses that network policies can name."""
        name = f"{self._name}-{domain.replace('.', '-')}"
        zone = gcp.dns.ManagedZone(
            name,
            dns_name=f"{domain}.",
            description=f"{domain} without the internet",
            visibility="private",
            private_visibility_config=gcp.dns.ManagedZonePrivateVisibilityConfigArgs(
                networks=[gcp.dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=self.network.id)]
            ),
            labels=self._site.labels,
            opts=self._own,
        )
        addresses = [str(address) for address in ipaddress.ip_network(PRIVATE_SERVICES)]
        apex = "private.googleapis.com." if domain == "googleapis.com" else f"{domain}."
        return (
            gcp.dns.RecordSet(
                name, managed_zone=zone.name, name=apex, type="A", ttl=_TTL, rrdatas=addresses, opts=self._own
            ),
            gcp.dns.RecordSet(
                f"{name}-all",
                managed_zone=zone.name,
                name=f"*.{domain}.",
                type="CNAME",
                ttl=_TTL,
                rrdatas=[apex],
                opts=self._own,
            ),
        )
