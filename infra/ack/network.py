"""The VPC: addresses of nodes, pods, load balancers and control plane. Never gives a node a public one."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import pulumi
import pulumi_alicloud as alicloud

from infra.clouds import CloudNetwork

from .logs import AckLogs
from .options import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class ZonePlan:
    """The vSwitches of one zone."""

    nodes: str
    pods: str
    public: str  # load balancers and NAT only
    control: str  # the control plane's network interfaces, nothing else


def plan(network: CloudNetwork, zones: tuple[str, ...]) -> Mapping[str, ZonePlan]:
    """The vSwitches of each zone, cut from the configured networks; adding a zone at the end moves none."""
    nodes, pods = ipaddress.ip_network(network.nodes), ipaddress.ip_network(network.pods)
    eighths = list(nodes.subnets(prefixlen_diff=3))  # four for nodes, then one of each other kind; two stay free
    public, control = (
        islice(eighths[4 + index].subnets(new_prefix=prefix), len(zones)) for index, prefix in enumerate((24, 26))
    )
    columns = zip(zones, eighths[:4], pods.subnets(prefixlen_diff=2), public, control, strict=False)
    return {
        zone: ZonePlan(nodes=str(own), pods=str(pod), public=str(balancers), control=str(control))
        for zone, own, pod, balancers, control in columns
    }


class AckNetwork(pulumi.ComponentResource):
    """A VPC with its vSwitches, its way out, and the way to OSS that stays inside."""

    vpc_id: pulumi.Output[str]
    node_vswitches: Mapping[str, pulumi.Output[str]]  # by zone
    pod_vswitches: Mapping[str, pulumi.Output[str]]
    public_vswitches: Mapping[str, pulumi.Output[str]]
    control_vswitches: Mapping[str, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]  # what a node needs to reach anything

    def __init__(self, name: str, site: Site, logs: AckLogs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Network", name, {"zones": list(site.zones)}, opts)
        self._name, self._site = name, site
        self._own = pulumi.ResourceOptions(parent=self)
        self._plan = plan(site.options.network, site.zones)
        vpc = alicloud.vpc.Network(
            name, vpc_name=name, cidr_block=site.options.network.nodes, tags=site.tagged(name), opts=self._own
        )
        self.vpc_id = vpc.id
        pods = alicloud.vpc.Ipv4CidrBlock(
            f"{name}-pods", vpc_id=vpc.id, secondary_cidr_block=site.options.network.pods, opts=self._own
        )
        self.node_vswitches = self._vswitches("nodes")
        self.pod_vswitches = self._vswitches("pods", pods)
        self.public_vswitches = self._vswitches("public")
        self.control_vswitches = self._vswitches("control")
        store = alicloud.vpc.GatewayEndpoint(
            name,
            gateway_endpoint_name=f"{name}-oss",
            service_name=f"com.aliyun.{site.region}.oss",
            vpc_id=vpc.id,
            route_tables=[vpc.route_table_id],
            tags=site.tagged(f"{name}-oss"),
            opts=self._own,
        )
        self.ready = (*self._way_out(), store)
        if logs.flows is not None:
            self._flow_log(logs, logs.flows)
        self.register_outputs({"vpcId": self.vpc_id})

    def _vswitches(self, kind: str, *after: pulumi.Resource) -> dict[str, pulumi.Output[str]]:
        """One vSwitch of a kind in each zone."""
        made: dict[str, pulumi.Output[str]] = {}
        for zone, cidrs in self._plan.items():
            name = f"{self._name}-{kind}-{zone}"
            made[zone] = alicloud.vpc.Switch(
                name,
                vswitch_name=name,
                vpc_id=self.vpc_id,
                zone_id=zone,
                cidr_block=getattr(cidrs, kind),
                tags=self._site.tagged(name),
                opts=pulumi.ResourceOptions(parent=self, depends_on=after),  # a block is there before its parts
            ).id
        return made

    def _way_out(self) -> list[pulumi.Resource]:
        """Nodes and pods leave through NAT; nobody comes in that way. The gateway survives the loss of its zone."""
        name, site = f"{self._name}-nat", self._site
        gateway = alicloud.vpc.NatGateway(
            name,
            nat_gateway_name=name,
            nat_type="Enhanced",
            network_type="internet",
            payment_type="PayAsYouGo",
            internet_charge_type="PayByLcu",
            vpc_id=self.vpc_id,
            vswitch_id=self.public_vswitches[site.zones[0]],
            tags=site.tagged(name),
            opts=self._own,
        )
        address = alicloud.ecs.EipAddress(
            name,
            address_name=name,
            payment_type="PayAsYouGo",
            internet_charge_type="PayByTraffic",
            bandwidth=str(site.options.nat_mbps),
            tags=site.tagged(name),
            opts=self._own,
        )
        bound = alicloud.ecs.EipAssociation(
            name, allocation_id=address.id, instance_id=gateway.id, instance_type="Nat", opts=self._own
        )
        leaving = {
            f"{kind}-{zone}": vswitch
            for kind, vswitches in (("nodes", self.node_vswitches), ("pods", self.pod_vswitches))
            for zone, vswitch in vswitches.items()
        }
        return [
            alicloud.vpc.SnatEntry(
                f"{name}-{kind}",
                snat_entry_name=f"{name}-{kind}",
                snat_table_id=gateway.snat_table_ids,
                source_vswitch_id=vswitch,
                snat_ip=address.ip_address,
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=[bound]
                ),  # refused for an address that is not there
            )
            for kind, vswitch in leaving.items()
        ]

    def _flow_log(self, logs: AckLogs, store: alicloud.log.Store) -> None:
        """Who talked to whom, for as long as logs are kept."""
        name = f"{self._name}-flows"
        alicloud.vpc.FlowLog(
            name,
            flow_log_name=name,
            resource_type="VPC",
            resource_id=self.vpc_id,
            traffic_type="All",
            project_name=logs.project,
            log_store_name=store.logstore_name,
            status="Active",
            tags=self._site.tagged(name),
            opts=self._own,
        )
