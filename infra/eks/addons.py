"""EKS add-ons: what every node runs, and what has to run before tenants come. Never updates one unasked.

An add-on whose version is not in the options stays as EKS first installed it. Looking up "the latest" would plan
updates that nobody asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.objects import KubernetesObject, document

from .access import EksControlPlane
from .identity import EksIdentity, Principal, Statement
from .keys import EksKeys
from .options import Site

_SYSTEM = "kube-system"
_NETWORK_SETTINGS = {
    "enableNetworkPolicy": "true",
    "env": {
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true",  # pods have a network of their own
        "ENI_CONFIG_LABEL_DEF": "topology.kubernetes.io/zone",
        "ENABLE_PREFIX_DELEGATION": "true",
        "WARM_PREFIX_TARGET": "1",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AddonArgs:
    """Where add-ons go, and who they are."""

    site: Site
    control: EksControlPlane
    identity: EksIdentity


class EksNodeAddons(pulumi.ComponentResource):
    """What has to be there before the first node: without it nodes never become ready."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        args: AddonArgs,
        pod_subnets: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("proof:eks:NodeAddons", name, {"zones": sorted(pod_subnets)}, opts)
        own = pulumi.ResourceOptions(parent=self)
        role, rights = args.identity.role(
            f"{name}-network",
            Principal(namespace=_SYSTEM, account="aws-node"),
            managed=[args.site.managed_policy("AmazonEKS_CNI_Policy")],
            opts=own,
        )
        network = _addon(name, args, "vpc-cni", own, role=role, after=rights, settings=_NETWORK_SETTINGS)
        proxy = _addon(name, args, "kube-proxy", own)
        in_cluster = pulumi.ResourceOptions(
            parent=self,
            provider=args.control.provider,
            deleted_with=args.control.cluster,
            depends_on=[network],  # brings the kind
        )
        places = [
            KubernetesObject(
                f"pods-{zone}",
                document(
                    "crd.k8s.amazonaws.com/v1alpha1",
                    "ENIConfig",
                    zone,
                    spec={"subnet": subnet, "securityGroups": [args.control.security_group]},
                ),
                in_cluster,
            )
            for zone, subnet in pod_subnets.items()
        ]
        self.ready = (network, proxy, *places)
        self.register_outputs({})


class EksPlatformAddons(pulumi.ComponentResource):
    """What needs nodes to become healthy: names, disks, file systems, metrics."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        args: AddonArgs,
        keys: EksKeys,
        nodes: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("proof:eks:PlatformAddons", name, {"version": args.site.version}, opts)
        own = pulumi.ResourceOptions(parent=self)
        disks, disk_rights = args.identity.role(
            f"{name}-disks",
            Principal(namespace=_SYSTEM, account="ebs-csi-controller-sa"),
            managed=[args.site.managed_policy("service-role/AmazonEBSCSIDriverPolicy")],
            statements=keys.disks.arn.apply(disk_statements),
            opts=own,
        )
        files, file_rights = args.identity.role(
            f"{name}-files",
            Principal(namespace=_SYSTEM, account="efs-csi-controller-sa"),
            managed=[args.site.managed_policy("service-role/AmazonEFSCSIDriverPolicy")],
            opts=own,
        )
        self.ready = (
            _addon(name, args, "coredns", own, after=nodes),
            _addon(name, args, "metrics-server", own, after=nodes),
            _addon(name, args, "aws-ebs-csi-driver", own, role=disks, after=[*nodes, *disk_rights]),
            _addon(name, args, "aws-efs-csi-driver", own, role=files, after=[*nodes, *file_rights]),
        )
        self.register_outputs({})


def disk_statements(key: str) -> list[Statement]:
    """The disk driver uses the key of the disks; grants on it go to AWS's own services only."""
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext"]
    grants = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        {"Effect": "Allow", "Action": use, "Resource": [key]},
        {"Effect": "Allow", "Action": ["kms:CreateGrant"], "Resource": [key], "Condition": grants},
    ]


def _addon(
    name: str,
    args: AddonArgs,
    addon: str,
    opts: pulumi.ResourceOptions,
    *,
    role: aws.iam.Role | None = None,
    after: Sequence[pulumi.Resource] = (),
    settings: Mapping[str, object] | None = None,
) -> aws.eks.Addon:
    return aws.eks.Addon(
        f"{name}-{addon}",
        addon_name=addon,
        cluster_name=args.control.cluster.name,
        addon_version=args.site.options.addon_versions.get(addon),
        configuration_values=None if settings is None else json.dumps(settings, sort_keys=True),
        service_account_role_arn=None if role is None else role.arn,
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="PRESERVE",
        tags={"Name": f"{name}-{addon}"},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )
