"""The control plane and who may use it. Its public door is open only to networks that somebody named."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.kubeconfig import exec_kubeconfig

from .identity import attach, service_trust
from .keys import CONTROL_PLANE_LOG, EksKeys
from .options import Site

_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")


class EksControlPlane(pulumi.ComponentResource):
    """An EKS control plane, its administrators, and the one provider that reaches it."""

    cluster: aws.eks.Cluster
    security_group: pulumi.Output[str]  # of the control plane and of every node
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider

    def __init__(
        self,
        name: str,
        site: Site,
        keys: EksKeys,
        subnets: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("proof:eks:ControlPlane", name, {"version": site.version}, opts)
        self._own = pulumi.ResourceOptions(parent=self)
        role = self._role(name, site, keys)
        log = aws.cloudwatch.LogGroup(
            name,
            name=CONTROL_PLANE_LOG.format(site.name),
            retention_in_days=site.options.log_days,
            kms_key_id=keys.logs.arn,
            opts=self._own,
        )
        self.cluster = aws.eks.Cluster(
            name,
            name=site.name,
            version=site.version,
            role_arn=role[0].arn,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(subnets.values()),
                endpoint_private_access=True,  # or nodes would leave through NAT to reach their own API server
                endpoint_public_access=bool(site.options.network.api_access),
                public_access_cidrs=list(site.options.network.api_access) or None,
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=site.options.network.services
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=keys.secrets.arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(_LOGS),
            bootstrap_self_managed_addons=False,
            deletion_protection=site.options.deletion_protection,
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            zonal_shift_config=aws.eks.ClusterZonalShiftConfigArgs(enabled=True),
            tags={"Name": site.name},
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=site.options.deletion_protection,
                depends_on=[log, *role],  # or EKS makes an unencrypted log itself, or starts without its rights
            ),
        )
        self.security_group = self.cluster.vpc_config.apply(lambda config: config.cluster_security_group_id or "")
        entries = self._administrators(name, site)
        self.kubeconfig = kubeconfig(site, self.cluster)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=site.cluster_arn,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=entries),  # nobody gets in before them
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _role(self, name: str, site: Site, keys: EksKeys) -> tuple[aws.iam.Role, *tuple[pulumi.Resource, ...]]:
        """What the control plane may do in the account."""
        role = aws.iam.Role(f"{name}-control", assume_role_policy=service_trust("eks.amazonaws.com"), opts=self._own)
        use = {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"],
            "Resource": [keys.secrets.arn],
        }
        return role, *attach(f"{name}-control", role, self._own, [site.managed_policy("AmazonEKSClusterPolicy")], [use])

    def _administrators(self, name: str, site: Site) -> list[pulumi.Resource]:
        """Access entries: the only way in. There is no ConfigMap, and no right from having created the cluster."""
        made: list[pulumi.Resource] = []
        for admin in site.options.admins:
            who = f"{name}-{admin.rpartition('::')[2].replace(':', '-').replace('/', '-')}"
            entry = aws.eks.AccessEntry(
                who, cluster_name=self.cluster.name, principal_arn=admin, type="STANDARD", opts=self._own
            )
            made.append(
                aws.eks.AccessPolicyAssociation(
                    who,
                    cluster_name=self.cluster.name,
                    principal_arn=entry.principal_arn,
                    policy_arn=f"arn:{site.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                    access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                    opts=self._own,
                )
            )
        return made


def kubeconfig(site: Site, cluster: aws.eks.Cluster) -> pulumi.Output[str]:
    """A kubeconfig that holds no credential: `aws` makes one for whoever runs it."""
    return exec_kubeconfig(
        name=site.name,
        server=cluster.endpoint,
        ca=cluster.certificate_authority.apply(lambda authority: authority.data or ""),
        command="aws",
        args=["--region", site.region, "eks", "get-token", "--cluster-name", cluster.name, "--output", "json"],
    )
