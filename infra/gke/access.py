"""The control plane and who may use it. Its public door is open only to networks that somebody named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from infra.kubeconfig import exec_kubeconfig
from infra.objects import KubernetesObject, document

from .identity import GkeNodeAccount
from .keys import GkeKeys
from .network import PODS, SERVICES, GkeNetwork, plan
from .options import Site

_LOGS = ("SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER")

# A new minor version comes when the configuration says so. The date only has to lie in the past.
_FROZEN_SINCE = "2026-01-01T00:00:00Z"
_NIGHTS = ("2026-01-03T00:00:00Z", "2026-01-03T08:00:00Z", "FREQ=WEEKLY;BYDAY=SA,SU")


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlArgs:
    """What a control plane needs, and whose nodes it will have."""

    site: Site
    keys: GkeKeys
    network: GkeNetwork
    nodes: GkeNodeAccount


class GkeControlPlane(pulumi.ComponentResource):
    """A GKE control plane, its administrators, its logs, and the one provider that reaches it."""

    cluster: gcp.container.Cluster
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: ControlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:ControlPlane", name, {"version": args.site.version}, opts)
        self._name, self._args, self._site = name, args, args.site
        self._own = pulumi.ResourceOptions(parent=self)
        log = self._logs()
        self.cluster = self._cluster(log)
        self.kubeconfig = kubeconfig(self._site, self.cluster)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=self._site.cluster_id,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=self._own,
        )
        self.ready = (self._webhooks(), *self._administrators())
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _cluster(self, log: pulumi.Resource) -> gcp.container.Cluster:
        """A regional cluster without nodes: pools are resources of their own."""
        site, options = self._site, self._site.options
        keys, network, nodes = self._args.keys, self._args.network, self._args.nodes
        return gcp.container.Cluster(
            self._name,
            name=site.name,
            location=site.region,
            node_locations=list(options.zones) or None,
            min_master_version=site.version,  # a minor version: GKE takes the newest patch that the channel has
            release_channel=gcp.container.ClusterReleaseChannelArgs(channel="REGULAR"),
            maintenance_policy=maintenance(),
            network=network.network.id,
            subnetwork=network.nodes.id,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=PODS, services_secondary_range_name=SERVICES
            ),
            datapath_provider="ADVANCED_DATAPATH",  # enforces network policies
            enable_multi_networking=True,  # for the GPUs' own network cards; it can only be had at the beginning
            enable_l4_ilb_subsetting=True,
            private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=not options.network.api_access,
                private_endpoint_subnetwork=network.control.id,
            ),
            master_authorized_networks_config=authorized(options.network.api_access),
            anonymous_authentication_config=gcp.container.ClusterAnonymousAuthenticationConfigArgs(mode="LIMITED"),
            rbac_binding_config=gcp.container.ClusterRbacBindingConfigArgs(
                enable_insecure_binding_system_authenticated=False,  # that is everybody with a Google account
                enable_insecure_binding_system_unauthenticated=False,
            ),
            authenticator_groups_config=None
            if options.security_group is None
            else gcp.container.ClusterAuthenticatorGroupsConfigArgs(security_group=options.security_group),
            database_encryption=gcp.container.ClusterDatabaseEncryptionArgs(
                state="ENCRYPTED", key_name=keys.secrets.id
            ),
            workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(workload_pool=site.identity_pool),
            logging_config=gcp.container.ClusterLoggingConfigArgs(enable_components=list(_LOGS)),
            monitoring_config=gcp.container.ClusterMonitoringConfigArgs(
                enable_components=["SYSTEM_COMPONENTS"],
                managed_prometheus=gcp.container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=False),
            ),
            addons_config=addons(),
            gateway_api_config=gcp.container.ClusterGatewayApiConfigArgs(channel="CHANNEL_DISABLED"),
            cost_management_config=gcp.container.ClusterCostManagementConfigArgs(enabled=True),
            enable_shielded_nodes=True,
            # GKE makes a first pool, which is removed; what is known of it is never looked at again.
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=gcp.container.ClusterNodeConfigArgs(
                service_account=nodes.email, boot_disk_kms_key=keys.disks.id
            ),
            resource_labels=site.labels,
            deletion_protection=options.deletion_protection,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=options.deletion_protection,
                depends_on=[log, *keys.ready, *nodes.ready, *network.ready],
                ignore_changes=["initialNodeCount", "nodeConfig", "nodePools", "nodeVersion"],
            ),
        )

    def _logs(self) -> pulumi.Resource:
        """Logs of control plane and connections, as long as the configuration says: usually it is 30 days."""
        site, name = self._site, f"{self._name}-logs"
        bucket = gcp.logging.ProjectBucketConfig(
            name,
            project=site.options.project,
            location=site.region,
            bucket_id=name,
            retention_days=site.options.log_days,
            opts=self._own,
        )
        return gcp.logging.ProjectSink(
            name,
            destination=pulumi.Output.concat("logging.googleapis.com/", bucket.id),
            filter=self._args.network.nodes.name.apply(lambda subnet: log_filter(site, subnet)),
            unique_writer_identity=True,  # a bucket of the same project asks for no right of it
            opts=self._own,
        )

    def _webhooks(self) -> pulumi.Resource:
        """GKE's own rule opens two ports for the control plane; webhooks listen on others."""
        return gcp.compute.Firewall(
            f"{self._name}-webhooks",
            network=self._args.network.network.id,
            description="the API server to webhooks in pods",
            direction="INGRESS",
            source_ranges=[plan(self._site.options.network).control],
            target_service_accounts=[self._args.nodes.email],
            allows=[gcp.compute.FirewallAllowArgs(protocol="tcp")],
            opts=self._own,
        )

    def _administrators(self) -> list[pulumi.Resource]:
        """All rights in this one cluster; IAM's own role of that kind would reach every cluster of the project."""
        in_cluster = pulumi.ResourceOptions(parent=self, provider=self.provider, deleted_with=self.cluster)
        subjects: list[dict[str, str]] = []
        for admin in self._site.options.admins:
            kind, _, address = admin.partition(":")
            gcp.projects.IAMMember(
                f"{self._name}-{kind}-{address.replace('@', '-')}",
                project=self._site.options.project,
                role="roles/container.clusterViewer",  # to ask for the address of the API server
                member=admin,
                opts=self._own,
            )
            of_rbac = "Group" if kind == "group" else "User"
            subjects.append({"apiGroup": "rbac.authorization.k8s.io", "kind": of_rbac, "name": address})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = document(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            "proof-administrators",
            roleRef=role,
            subjects=subjects,
        )
        return [KubernetesObject("administrators", binding, in_cluster)]


def authorized(networks: Sequence[str]) -> gcp.container.ClusterMasterAuthorizedNetworksConfigArgs:
    """Who may come through the public door; an empty list is nobody, an absent one would be everybody."""
    return gcp.container.ClusterMasterAuthorizedNetworksConfigArgs(
        cidr_blocks=[
            gcp.container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=cidr) for cidr in networks
        ],
        gcp_public_cidrs_access_enabled=False,
        private_endpoint_enforcement_enabled=False,  # the list is for the public door; inside, routes decide
    )


def maintenance() -> gcp.container.ClusterMaintenancePolicyArgs:
    """Patches at weekends; minor versions when the configuration says so."""
    start, end, recurrence = _NIGHTS
    return gcp.container.ClusterMaintenancePolicyArgs(
        recurring_window=gcp.container.ClusterMaintenancePolicyRecurringWindowArgs(
            start_time=start, end_time=end, recurrence=recurrence
        ),
        maintenance_exclusions=[
            gcp.container.ClusterMaintenancePolicyMaintenanceExclusionArgs(
                exclusion_name="minor-versions-by-configuration",
                start_time=_FROZEN_SINCE,
                exclusion_options=gcp.container.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs(
                    scope="NO_MINOR_UPGRADES", end_time_behavior="UNTIL_END_OF_SUPPORT"
                ),
            )
        ],
    )


def addons() -> gcp.container.ClusterAddonsConfigArgs:
    """Drivers of disks and file servers. No DNS cache on nodes: pods may reach no link-local address."""
    return gcp.container.ClusterAddonsConfigArgs(
        gce_persistent_disk_csi_driver_config=gcp.container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(
            enabled=True
        ),
        gcp_filestore_csi_driver_config=gcp.container.ClusterAddonsConfigGcpFilestoreCsiDriverConfigArgs(enabled=True),
        dns_cache_config=gcp.container.ClusterAddonsConfigDnsCacheConfigArgs(enabled=False),
    )


def log_filter(site: Site, subnet: str) -> str:
    """What goes into the cluster's own log bucket."""
    labels = f'resource.labels.cluster_name="{site.name}" AND resource.labels.location="{site.region}"'
    control = f'(resource.type=("k8s_cluster" OR "k8s_control_plane_component") AND {labels})'
    return f'{control} OR (log_id("compute.googleapis.com/vpc_flows") AND resource.labels.subnetwork_name="{subnet}")'


def kubeconfig(site: Site, cluster: gcp.container.Cluster) -> pulumi.Output[str]:
    """A kubeconfig that holds no credential: Google's plugin makes one for whoever runs it."""
    return exec_kubeconfig(
        name=site.name,
        server=pulumi.Output.concat("https://", cluster.endpoint),
        ca=cluster.master_auth.apply(lambda found: found.cluster_ca_certificate or ""),
        command="gke-gcloud-auth-plugin",
        provide_cluster_info=True,
    )
