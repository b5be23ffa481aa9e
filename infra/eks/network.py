"""The VPC: addresses of nodes, pods, load balancers and control plane. Never gives a node a public one."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import pulumi
import pulumi_aws as aws

from infra.clouds import CloudNetwork

from .identity import Statement, attach, service_trust
from .keys import FLOWS_LOG
from .options import Site

_WORLD = "0.0.0.0/0"
_RESERVED = 4  # the first addresses of a subnet, which AWS keeps
_LARGEST_BLOCK = 16  # prefix of the largest network that a VPC takes at once
_HTTPS = 443

# Services that are reached inside the VPC. STS first: its addresses are in network policies, so its place is fixed.
_STS = "sts"
_SERVICES = (
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "eks",
    "elasticloadbalancing",
    "autoscaling",
    "elasticfilesystem",
    "kms",
    "logs",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ZonePlan:
    """The subnets of one zone."""

    nodes: str
    pods: str
    public: str  # load balancers and NAT only
    control: str  # the control plane's network interfaces, nothing else
    endpoints: str  # AWS's services, nothing else

    def endpoint(self, index: int) -> str:
        """The address of the service with this number."""
        return str(ipaddress.ip_network(self.endpoints)[_RESERVED + index])


def plan(network: CloudNetwork, zones: tuple[str, ...]) -> Mapping[str, ZonePlan]:
    """The subnets of each zone, cut from the configured networks; adding a zone at the end moves none."""
    nodes, pods = ipaddress.ip_network(network.nodes), ipaddress.ip_network(network.pods)
    eighths = list(nodes.subnets(prefixlen_diff=3))  # four for nodes, then one of each other kind; one stays free
    public, control, endpoints = (
        islice(eighths[4 + index].subnets(new_prefix=prefix), len(zones)) for index, prefix in enumerate((24, 28, 26))
    )
    columns = zip(zones, eighths[:4], pods.subnets(prefixlen_diff=2), public, control, endpoints, strict=False)
    return {
        zone: ZonePlan(nodes=str(own), pods=str(pod), public=str(lb), control=str(control), endpoints=str(inside))
        for zone, own, pod, lb, control, inside in columns
    }


def blocks(cidr: str) -> tuple[str, ...]:
    """A network in blocks that a VPC takes."""
    network = ipaddress.ip_network(cidr)
    if network.prefixlen >= _LARGEST_BLOCK:
        return (cidr,)
    return tuple(str(block) for block in network.subnets(new_prefix=_LARGEST_BLOCK))


class EksNetwork(pulumi.ComponentResource):
    """A VPC with its subnets, its ways out, and the ways to AWS's services that stay inside."""

    vpc_id: pulumi.Output[str]
    node_subnets: Mapping[str, pulumi.Output[str]]  # by zone
    pod_subnets: Mapping[str, pulumi.Output[str]]
    control_subnets: Mapping[str, pulumi.Output[str]]
    object_store_cidrs: pulumi.Output[list[str]]  # S3, and STS for the token exchange
    ready: tuple[pulumi.Resource, ...]  # what a node needs to reach anything

    def __init__(
        self, name: str, site: Site, logs_key: aws.kms.Key, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("proof:eks:Network", name, {"zones": list(site.zones)}, opts)
        self._name, self._site = name, site
        self._own = pulumi.ResourceOptions(parent=self)
        self._routes: list[pulumi.Resource] = []
        self._plan = plan(site.options.network, site.zones)
        self.vpc_id, self._blocks = self._vpc()
        balancers = {f"kubernetes.io/cluster/{site.name}": "shared"}
        public = self._subnets("public", {**balancers, "kubernetes.io/role/elb": "1"})
        self.node_subnets = self._subnets("nodes", {**balancers, "kubernetes.io/role/internal-elb": "1"})
        self.pod_subnets = self._subnets("pods", {})
        self.control_subnets = self._subnets("control", {})
        endpoints = self._subnets("endpoints", {})
        private = self._ways_out(public)
        self._table("inside", None, {**_named(self.control_subnets, "control"), **_named(endpoints, "endpoints")})
        s3 = self._object_store(private)
        services = self._services(endpoints)
        self.object_store_cidrs = s3.cidr_blocks.apply(
            lambda cidrs: [*sorted(cidrs), *(f"{zone.endpoint(0)}/32" for zone in self._plan.values())]
        )
        if site.options.network.flow_logs:
            self._flow_logs(logs_key)
        self.ready = (*self._routes, s3, *services)
        self.register_outputs({"vpcId": self.vpc_id})

    def _vpc(self) -> tuple[pulumi.Output[str], list[pulumi.Resource]]:
        """The VPC with the pods' blocks; its default security group lets nothing through."""
        network = self._site.options.network
        vpc = aws.ec2.Vpc(
            self._name,
            cidr_block=network.nodes,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": self._name},
            opts=self._own,
        )
        aws.ec2.DefaultSecurityGroup(self._name, vpc_id=vpc.id, ingress=[], egress=[], opts=self._own)
        pods: list[pulumi.Resource] = [
            aws.ec2.VpcIpv4CidrBlockAssociation(
                f"{self._name}-pods-{index}", vpc_id=vpc.id, cidr_block=block, opts=self._own
            )
            for index, block in enumerate(blocks(network.pods))
        ]
        return vpc.id, pods

    def _subnets(self, kind: str, tags: Mapping[str, str]) -> dict[str, pulumi.Output[str]]:
        """One subnet of a kind in each zone; none gives public addresses."""
        made: dict[str, pulumi.Output[str]] = {}
        for zone, cidrs in self._plan.items():
            name = f"{self._name}-{kind}-{zone}"
            made[zone] = aws.ec2.Subnet(
                name,
                vpc_id=self.vpc_id,
                availability_zone=zone,
                cidr_block=getattr(cidrs, kind),
                map_public_ip_on_launch=False,
                tags={"Name": name, **tags},
                opts=pulumi.ResourceOptions(parent=self, depends_on=self._blocks),  # a block is there before its parts
            ).id
        return made

    def _table(
        self, kind: str, route: aws.ec2.RouteTableRouteArgs | None, subnets: Mapping[str, pulumi.Output[str]]
    ) -> aws.ec2.RouteTable:
        """A route table with at most one way out, and the subnets that use it."""
        name = f"{self._name}-{kind}"
        table = aws.ec2.RouteTable(
            name, vpc_id=self.vpc_id, routes=[] if route is None else [route], tags={"Name": name}, opts=self._own
        )
        self._routes += [
            aws.ec2.RouteTableAssociation(
                f"{name}-{subnet}", route_table_id=table.id, subnet_id=identifier, opts=self._own
            )
            for subnet, identifier in subnets.items()
        ]
        return table

    def _ways_out(self, public: Mapping[str, pulumi.Output[str]]) -> list[aws.ec2.RouteTable]:
        """Nodes and pods leave through NAT; nobody comes in that way."""
        site, name = self._site, self._name
        gateway = aws.ec2.InternetGateway(name, vpc_id=self.vpc_id, tags={"Name": name}, opts=self._own)
        out = aws.ec2.RouteTableRouteArgs(cidr_block=_WORLD, gateway_id=gateway.id)
        open_table = self._table("public", out, public)
        nats: dict[str, aws.ec2.NatGateway] = {}
        for zone in site.zones[:1] if site.options.single_nat else site.zones:
            address = aws.ec2.Eip(
                f"{name}-nat-{zone}", domain="vpc", tags={"Name": f"{name}-nat-{zone}"}, opts=self._own
            )
            nats[zone] = aws.ec2.NatGateway(
                f"{name}-{zone}",
                allocation_id=address.id,
                subnet_id=public[zone],
                tags={"Name": f"{name}-{zone}"},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[open_table]),  # or it is made without a way out
            )
        tables: list[aws.ec2.RouteTable] = []
        for zone in site.zones:
            nat = nats[zone] if zone in nats else nats[site.zones[0]]
            through = aws.ec2.RouteTableRouteArgs(cidr_block=_WORLD, nat_gateway_id=nat.id)
            own = {"nodes": self.node_subnets[zone], "pods": self.pod_subnets[zone]}
            tables.append(self._table(f"private-{zone}", through, own))
        return tables

    def _object_store(self, tables: list[aws.ec2.RouteTable]) -> aws.ec2.VpcEndpoint:
        """S3 without NAT: training data costs nothing on its way."""
        return aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._site.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags={"Name": f"{self._name}-s3"},
            opts=self._own,
        )

    def _services(self, subnets: Mapping[str, pulumi.Output[str]]) -> list[pulumi.Resource]:
        """AWS's services at fixed addresses of the VPC, so that network policies can name STS by its own."""
        name, network = self._name, self._site.options.network
        doors = aws.ec2.SecurityGroup(
            f"{name}-endpoints",
            description="AWS services inside the VPC",
            vpc_id=self.vpc_id,
            tags={"Name": f"{name}-endpoints"},
            opts=self._own,
        )
        for kind, cidr in (("nodes", network.nodes), ("pods", network.pods)):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-endpoints-{kind}",
                security_group_id=doors.id,
                description=f"HTTPS from {kind}",
                ip_protocol="tcp",
                from_port=_HTTPS,
                to_port=_HTTPS,
                cidr_ipv4=cidr,
                opts=self._own,
            )
        wanted = (_STS, *(_SERVICES if self._site.options.interface_endpoints else ()))
        return [
            aws.ec2.VpcEndpoint(
                f"{name}-{service.replace('.', '-')}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{self._site.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                security_group_ids=[doors.id],
                subnet_ids=list(subnets.values()),
                subnet_configurations=[
                    aws.ec2.VpcEndpointSubnetConfigurationArgs(subnet_id=subnets[zone], ipv4=cidrs.endpoint(index))
                    for zone, cidrs in self._plan.items()
                ],
                tags={"Name": f"{name}-{service.replace('.', '-')}"},
                opts=self._own,
            )
            for index, service in enumerate(wanted)
        ]

    def _flow_logs(self, key: aws.kms.Key) -> None:
        """Who talked to whom, for as long as logs are kept."""
        name, site = f"{self._name}-flows", self._site
        group = aws.cloudwatch.LogGroup(
            name,
            name=FLOWS_LOG.format(site.name),
            retention_in_days=site.options.log_days,
            kms_key_id=key.arn,
            opts=self._own,
        )
        ours = {"StringEquals": {"aws:SourceAccount": site.options.account}}
        trust = service_trust("vpc-flow-logs.amazonaws.com", ours)
        role = aws.iam.Role(name, assume_role_policy=trust, opts=self._own)
        attach(name, role, self._own, (), group.arn.apply(_write_log))
        aws.ec2.FlowLog(
            name,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": name},
            opts=self._own,
        )


def _named(subnets: Mapping[str, pulumi.Output[str]], kind: str) -> dict[str, pulumi.Output[str]]:
    return {f"{kind}-{zone}": identifier for zone, identifier in subnets.items()}


def _write_log(group: str) -> list[Statement]:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return [{"Effect": "Allow", "Action": actions, "Resource": [group, f"{group}:*"]}]
