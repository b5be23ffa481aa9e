"""Pools of nodes as managed node groups. Drivers come with the node image; this module never installs any.

A pool of capacity spot-or-on-demand is two groups under one label. A pool with max 0 has no group: EKS knows none
that can never have a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.contract import Capacity, Effect, Pool

from .access import EksControlPlane
from .identity import EksIdentity, Principal, Statement, attach, service_trust
from .keys import EksKeys
from .launch import efa, hidden_resources, interfaces, market, reservation, user_data
from .network import EksNetwork
from .options import Site

_IMAGE = "AL2023_x86_64_STANDARD"
_GPU_IMAGE = "AL2023_x86_64_NVIDIA"
_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
_EFFECTS = {
    Effect.NO_SCHEDULE: "NO_SCHEDULE",
    Effect.PREFER_NO_SCHEDULE: "PREFER_NO_SCHEDULE",
    Effect.NO_EXECUTE: "NO_EXECUTE",
}
AUTOSCALER = Principal(namespace="kube-system", account="cluster-autoscaler")
FALLBACK = "_on-demand"  # the second group of a pool that falls back to it; a pool's own name has no underscore

# On nodes with this label the autoscaler waits for GPUs to show up; else it would start more nodes meanwhile.
_ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesArgs:
    """What nodes belong to, and what has to be there before the first one."""

    site: Site
    control: EksControlPlane
    network: EksNetwork
    keys: EksKeys
    identity: EksIdentity
    after: Sequence[pulumi.Resource]


class EksNodes(pulumi.ComponentResource):
    """All node groups of the cluster, and the role of whatever scales them."""

    groups: tuple[aws.eks.NodeGroup, ...]
    autoscaler_role: pulumi.Output[str]

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:eks:Nodes", name, {"pools": sorted(args.site.pools)}, opts)
        self._name, self._args, self._site = name, args, args.site
        self._own = pulumi.ResourceOptions(parent=self)
        self._role = aws.iam.Role(f"{name}-node", assume_role_policy=service_trust("ec2.amazonaws.com"), opts=self._own)
        rights = attach(f"{name}-node", self._role, self._own, [self._site.managed_policy(item) for item in _POLICIES])
        self._after = [*args.after, *args.network.ready, *rights]
        pools = {pool_name: pool for pool_name, pool in self._site.pools.items() if pool.max > 0}
        fast = self._fast_network() if any(efa(pool) for pool in pools.values()) else None
        groups: list[aws.eks.NodeGroup] = []
        for pool_name, pool in pools.items():
            template = self._template(pool_name, pool, fast)
            for group_name, capacity, fewest in capacities(pool_name, pool, self._site.options.capacity_blocks):
                groups.append(self._group(group_name, pool, capacity, fewest, template))
        self.groups = tuple(groups)
        scaler, _ = args.identity.role(
            f"{name}-autoscaler", AUTOSCALER, statements=autoscaler_statements(self._site), opts=self._own
        )
        self.autoscaler_role = scaler.arn
        self.register_outputs({"autoscalerRole": self.autoscaler_role})

    def _fast_network(self) -> aws.ec2.SecurityGroup:
        """EFA needs a group that lets everything through to itself, both ways; a rule for addresses does not count."""
        name = f"{self._name}-efa"
        group = aws.ec2.SecurityGroup(
            name,
            description="EFA traffic between nodes of one pool",
            vpc_id=self._args.network.vpc_id,
            tags={"Name": name},  # no cluster tag: two groups with it on one node break load balancers
            opts=self._own,
        )
        self._after += [
            rule(
                name,
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                ip_protocol="-1",
                description="nodes of one pool",
                opts=self._own,
            )
            for rule in (aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule)
        ]
        return group

    def _template(self, pool_name: str, pool: Pool, fast: aws.ec2.SecurityGroup | None) -> aws.ec2.LaunchTemplate:
        """How a node of the pool starts: encrypted disk, IMDSv2 out of the reach of pods, our tags on all it makes."""
        name, groups = f"{self._name}-{pool_name}", [self._args.control.security_group]
        cards = [] if fast is None else interfaces(pool, [*groups, fast.id])
        tags = {**self._site.tags, "Name": name}
        return aws.ec2.LaunchTemplate(
            name,
            update_default_version=True,
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=pool.disk_gib,
                        encrypted="true",
                        kms_key_id=self._args.keys.disks.arn,
                        delete_on_termination="true",
                    ),
                )
            ],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            network_interfaces=cards or None,
            vpc_security_group_ids=None if cards else groups,
            user_data=user_data(pool),
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume", "network-interface")
            ],
            tags={"Name": name},
            instance_type=pool.machine,  # here and not in the group, so that another machine rolls through it
            placement=self._placement(name, pool),
            capacity_reservation_specification=reservation(pool),
            instance_market_options=market(pool, self._site.options.capacity_blocks),
            opts=self._own,
        )

    def _placement(self, name: str, pool: Pool) -> aws.ec2.LaunchTemplatePlacementArgs | None:
        """Nodes side by side. Reserved capacity lies where it was reserved."""
        if not pool.together or pool.capacity is Capacity.RESERVED:
            return None
        group = aws.ec2.PlacementGroup(name, strategy="cluster", tags={"Name": name}, opts=self._own)
        return aws.ec2.LaunchTemplatePlacementArgs(group_name=group.name)

    def _group(
        self, name: str, pool: Pool, capacity: str, fewest: int, template: aws.ec2.LaunchTemplate
    ) -> aws.eks.NodeGroup:
        """One managed node group; the number of its nodes belongs to the autoscaler once it is there."""
        zones = pool.zones or self._site.zones
        group = aws.eks.NodeGroup(
            name,
            cluster_name=self._args.control.cluster.name,
            version=self._site.version,
            node_role_arn=self._role.arn,
            subnet_ids=[self._args.network.node_subnets[zone] for zone in zones],
            ami_type=_IMAGE if pool.gpu is None else _GPU_IMAGE,
            capacity_type=capacity,
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(min_size=fewest, max_size=pool.max, desired_size=fewest),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(
                max_unavailable=1,
                # Nobody has a spare GPU node: the old one goes before the new one comes.
                update_strategy="DEFAULT" if pool.gpu is None else "MINIMAL",
            ),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            labels=labels(pool),
            taints=[
                aws.eks.NodeGroupTaintArgs(key=taint.key, value=taint.value or None, effect=_EFFECTS[taint.effect])
                for taint in pool.taints
            ],
            tags={"Name": f"{self._name}-{name}"},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=self._after,
                ignore_changes=["scalingConfig.desiredSize"],
            ),
        )
        self._tell_autoscaler(name, pool, group)
        return group

    def _tell_autoscaler(self, name: str, pool: Pool, group: aws.eks.NodeGroup) -> None:
        """What the autoscaler cannot see of a group without nodes: EKS tells it labels and taints, not these."""
        scaling_group = group.resources.apply(lambda found: (found[0].autoscaling_groups or [])[0].name or "")
        for resource, amount in hidden_resources(pool).items():
            aws.autoscaling.Tag(
                f"{name}-{resource.rpartition('/')[2]}",
                autoscaling_group_name=scaling_group,
                tag=aws.autoscaling.TagTagArgs(
                    key=f"k8s.io/cluster-autoscaler/node-template/resources/{resource}",
                    value=amount,
                    propagate_at_launch=False,
                ),
                opts=self._own,
            )


def capacities(name: str, pool: Pool, blocks: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    """The groups of a pool: name, how EC2 is asked, fewest nodes."""
    if pool.capacity is Capacity.SPOT_OR_ON_DEMAND:
        return (name, "SPOT", pool.min), (f"{name}{FALLBACK}", "ON_DEMAND", 0)
    if pool.capacity is Capacity.SPOT:
        return ((name, "SPOT", pool.min),)
    return ((name, "CAPACITY_BLOCK" if pool.reservation in blocks else "ON_DEMAND", pool.min),)


def labels(pool: Pool) -> dict[str, str]:
    """Labels of a node."""
    return {**pool.labels, **({} if pool.gpu is None else {_ACCELERATOR_LABEL: pool.gpu.product.lower()})}


def autoscaler_statements(site: Site) -> list[Statement]:
    """Look at everything, change only groups of this cluster."""
    look: Mapping[str, object] = {
        "Effect": "Allow",
        "Action": [
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:GetInstanceTypesFromInstanceRequirements",
        ],
        "Resource": ["*"],  # these actions know no resources
    }
    groups = {"Effect": "Allow", "Action": ["eks:DescribeNodegroup"], "Resource": [_node_groups(site)]}
    ours = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{site.name}": "owned"}}
    change: Mapping[str, object] = {
        "Effect": "Allow",
        "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
        "Resource": [site.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/eks-*")],
        "Condition": ours,
    }
    return [look, groups, change]


def _node_groups(site: Site) -> str:
    return site.arn("eks", f"nodegroup/{site.name}/*/*")
