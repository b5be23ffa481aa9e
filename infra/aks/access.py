"""The control plane and who may use it. Its public door is open only to networks that somebody named."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml
from pulumi_azure_native import containerservice as aks

from infra.kubeconfig import exec_kubeconfig, server_of

from .agents import first_profile
from .identity import AksPrincipals, BuiltIn, Right, assign
from .keys import AksKeys
from .logs import AksLogs
from .names import guid
from .network import AksNetwork, resolver_address
from .options import Site

# What an Entra ID token has to be for: every AKS cluster of the world (kubelogin, README).
_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
_LOGS = (
    "kube-apiserver",
    "kube-audit-admin",
    "guard",
    "kube-controller-manager",
    "kube-scheduler",
    "cluster-autoscaler",
)
_UPDATES = {"control": "aksManagedAutoUpgradeSchedule", "nodes": "aksManagedNodeOSUpgradeSchedule"}
_CLEAN_HOURS = 48


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlArgs:
    """What the control plane stands on."""

    site: Site
    group: pulumi.Input[str]
    keys: AksKeys
    logs: AksLogs
    network: AksNetwork
    principals: AksPrincipals


class AksControlPlane(pulumi.ComponentResource):
    """An AKS control plane with its first pool, its administrators, and the one provider that reaches it."""

    cluster: aks.ManagedCluster
    principals: AksPrincipals
    issuer: pulumi.Output[str]  # stands in every token of the cluster
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider

    def __init__(self, name: str, args: ControlArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:ControlPlane", name, {"version": args.site.version}, opts)
        self._args, self.principals, site = args, args.principals, args.site
        self._own = pulumi.ResourceOptions(parent=self)
        self.cluster = aks.ManagedCluster(
            name,
            resource_group_name=args.group,
            resource_name_=site.name,
            node_resource_group=site.node_group,
            node_resource_group_profile=aks.ManagedClusterNodeResourceGroupProfileArgs(
                restriction_level=aks.RestrictionLevel.READ_ONLY
            ),
            dns_prefix=site.name,
            kubernetes_version=site.version,
            sku=aks.ManagedClusterSKUArgs(name=aks.ManagedClusterSKUName.BASE, tier=aks.ManagedClusterSKUTier.STANDARD),
            identity=aks.ManagedClusterIdentityArgs(
                type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.principals.cluster.id]
            ),
            identity_profile={"kubeletidentity": self._node_identity()},
            agent_pool_profiles=[first_profile(site, args.network.node_subnet)],
            aad_profile=self._people(),
            disable_local_accounts=True,
            enable_rbac=True,
            api_server_access_profile=self._door(),
            network_profile=self._network(),
            security_profile=self._security(),
            disk_encryption_set_id=args.keys.disks.id,
            oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            storage_profile=_drivers(),
            auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel=aks.UpgradeChannel.PATCH,  # never another minor version unasked
                node_os_upgrade_channel=aks.NodeOSUpgradeChannel.NODE_IMAGE,
            ),
            auto_scaler_profile=aks.ManagedClusterPropertiesAutoScalerProfileArgs(expander=aks.Expander.PRIORITY),
            tags=site.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=site.options.deletion_protection,
                depends_on=[*self._rights(name), *args.keys.readable, *args.network.ready, *args.principals.ready],
                ignore_changes=["agentPoolProfiles[0].count"],  # the autoscaler's
            ),
        )
        args.logs.keep(f"{name}-control", self.cluster.id, _LOGS)
        self._windows(name)
        self.issuer = self.cluster.oidc_issuer_profile.apply(_issuer)
        self.kubeconfig = self._kubeconfig()
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=site.cluster_id,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=self._own,
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _rights(self, name: str) -> list[pulumi.Resource]:
        """What the control plane may do: use the key of its secrets, join disks to theirs, use reserved machines."""
        args, who = self._args, self._args.principals.cluster.principal_id
        scopes = {
            f"{name}-secrets-key": (BuiltIn.KEY_USER, args.keys.secrets.id),
            f"{name}-vault": (BuiltIn.VAULT_CONTRIBUTOR, args.keys.vault.id),  # AKS makes its own door to the vault
            f"{name}-disks": (BuiltIn.READER, args.keys.disks.id),
        }
        reserved = {pool.reservation for pool in args.site.pools.values() if pool.reservation is not None}
        made: list[pulumi.Resource] = [
            assign(args.site, right, Right(who, role, scope), self._own) for right, (role, scope) in scopes.items()
        ]
        made += [
            assign(args.site, f"{name}-reserved-{guid(group)[:8]}", Right(who, BuiltIn.CONTRIBUTOR, group), self._own)
            for group in sorted(reserved)
        ]
        return made

    def _node_identity(self) -> aks.UserAssignedIdentityArgs:
        nodes = self._args.principals.nodes
        return aks.UserAssignedIdentityArgs(
            resource_id=nodes.id, client_id=nodes.client_id, object_id=nodes.principal_id
        )

    def _people(self) -> aks.ManagedClusterAADProfileArgs:
        """People come with Entra ID accounts; there is no certificate that would let anybody in."""
        options = self._args.site.options
        return aks.ManagedClusterAADProfileArgs(
            managed=True,
            enable_azure_rbac=True,
            tenant_id=options.tenant,
            admin_group_object_ids=list(options.admins),
        )

    def _door(self) -> aks.ManagedClusterAPIServerAccessProfileArgs:
        """The API server has addresses inside the network; a public one only for named networks."""
        known = list(self._args.site.options.network.api_access)
        return aks.ManagedClusterAPIServerAccessProfileArgs(
            enable_vnet_integration=True,
            subnet_id=self._args.network.control_subnet,
            enable_private_cluster=not known,
            enable_private_cluster_public_fqdn=None if known else False,
            private_dns_zone=None if known else "system",
            authorized_ip_ranges=known or None,
            disable_run_command=True,  # a way in that no network closes
        )

    def _network(self) -> aks.ContainerServiceNetworkProfileArgs:
        network = self._args.site.options.network
        return aks.ContainerServiceNetworkProfileArgs(
            network_plugin=aks.NetworkPlugin.AZURE,
            network_plugin_mode=aks.NetworkPluginMode.OVERLAY,
            network_dataplane=aks.NetworkDataplane.CILIUM,
            network_policy=aks.NetworkPolicy.CILIUM,
            outbound_type=aks.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
            load_balancer_sku=aks.LoadBalancerSku.STANDARD,
            pod_cidr=network.pods,
            service_cidr=network.services,
            dns_service_ip=resolver_address(network.services),
        )

    def _security(self) -> aks.ManagedClusterSecurityProfileArgs:
        keys = self._args.keys
        return aks.ManagedClusterSecurityProfileArgs(
            azure_key_vault_kms=aks.AzureKeyVaultKmsArgs(
                enabled=True,
                key_id=keys.secrets.key_uri_with_version,
                key_vault_network_access=aks.KeyVaultNetworkAccessTypes.PRIVATE,
                key_vault_resource_id=keys.vault.id,
            ),
            workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
            image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=_CLEAN_HOURS),
        )

    def _windows(self, name: str) -> None:
        """When AKS may update: the night to Sunday, UTC."""
        for what, window in _UPDATES.items():
            aks.MaintenanceConfiguration(
                f"{name}-{what}",
                resource_group_name=self._args.group,
                resource_name_=self.cluster.name,
                config_name=window,
                maintenance_window=aks.MaintenanceWindowArgs(
                    schedule=aks.ScheduleArgs(
                        weekly=aks.WeeklyScheduleArgs(day_of_week=aks.WeekDay.SUNDAY, interval_weeks=1)
                    ),
                    start_time="00:00",
                    duration_hours=6,
                    utc_offset="+00:00",
                ),
                opts=self._own,
            )

    def _kubeconfig(self) -> pulumi.Output[str]:
        """A kubeconfig that holds no credential: kubelogin makes one for whoever runs it."""
        site = self._args.site
        # The id, for it is known in every preview after the first; only this call tells the certificate authority.
        found = aks.list_managed_cluster_user_credentials_output(
            resource_group_name=site.group,
            resource_name=self.cluster.id.apply(lambda _: site.name),
            format="exec",
            opts=pulumi.InvokeOptions(parent=self),
        )
        text = found.kubeconfigs.apply(lambda items: base64.b64decode(items[0].value).decode())
        return exec_kubeconfig(
            name=site.name,
            server=text.apply(lambda given: server_of(given, origin="AKS")),
            ca=text.apply(authority_of),
            command="kubelogin",
            args=[
                "get-token",
                "--login",
                site.options.login.value,
                "--tenant-id",
                site.options.tenant,
                "--server-id",
                _SERVER,
            ],
        )


def _issuer(profile: aks.outputs.ManagedClusterOIDCIssuerProfileResponse | None) -> str:
    """The address that stands in every token of the cluster."""
    return "" if profile is None else profile.issuer_url


def authority_of(text: str) -> str:
    """The certificate authority of the one cluster in a kubeconfig that AKS wrote, as base64."""
    config: dict[str, Any] = yaml.safe_load(text)
    return str(config["clusters"][0]["cluster"]["certificate-authority-data"])


def _drivers() -> aks.ManagedClusterStorageProfileArgs:
    return aks.ManagedClusterStorageProfileArgs(
        disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True),
        file_csi_driver=aks.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=True),
        snapshot_controller=aks.ManagedClusterStorageProfileSnapshotControllerArgs(enabled=True),
    )
