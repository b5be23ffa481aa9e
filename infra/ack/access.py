"""The control plane and who may use it. Its public door is open only to networks that somebody named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypedDict, Unpack

import pulumi
import pulumi_alicloud as alicloud
import pulumi_kubernetes as kubernetes

from infra.kubeconfig import exec_kubeconfig

from .keys import AckKeys
from .logs import AckLogs
from .network import AckNetwork
from .options import Site

_LOGS = ("apiserver", "kcm", "scheduler", "ccm", "controlplane-events")
_API_PORT = 6443
_WORLD = "0.0.0.0/0"
# Network policies on the data plane of elastic network interfaces; ACK takes this at creation only.
_TRUNKING = {"ENITrunking": "false"}
_NETWORK_SETTINGS = {"IPVlan": "true", "NetworkPolicy": "true", **_TRUNKING}
_Endpoint = alicloud.cs.ManagedKubernetesControlPlaneEndpointsConfigLoadBalancersConfigArgs
_Leftover = alicloud.cs.ManagedKubernetesDeleteOptionArgs
_Authority = alicloud.cs.outputs.ManagedKubernetesCertificateAuthority


class _Rule(TypedDict):
    """What a rule of a security group does, and with whom."""

    policy: str
    priority: int
    ip_protocol: str
    port_range: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlArgs:
    """What the control plane stands on."""

    site: Site
    keys: AckKeys
    logs: AckLogs
    network: AckNetwork


class AckControlPlane(pulumi.ComponentResource):
    """A managed Pro control plane, its administrators, and the one provider that reaches it."""

    cluster: alicloud.cs.ManagedKubernetes
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider

    def __init__(self, name: str, args: ControlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:ControlPlane", name, {"release": args.site.release}, opts)
        site = args.site
        self._own = pulumi.ResourceOptions(parent=self)
        door = self._public_door(f"{name}-api", args) if site.options.network.api_access else None
        self.cluster = alicloud.cs.ManagedKubernetes(
            name,
            name=site.name,
            cluster_spec="ack.pro.small",
            profile="Default",
            version=site.release,
            vswitch_ids=list(args.network.control_vswitches.values()),
            pod_vswitch_ids=list(args.network.pod_vswitches.values()),
            service_cidr=site.options.network.services,
            proxy_mode="nftables",
            new_nat_gateway=False,  # or ACK makes one that nobody manages
            slb_internet_enabled=False,  # that door is open to the world
            control_plane_endpoints_config=alicloud.cs.ManagedKubernetesControlPlaneEndpointsConfigArgs(
                load_balancers_configs=[
                    _Endpoint(endpoint_type="private"),
                    *([] if door is None else [_Endpoint(endpoint_type="public", load_balancer_id=door.id)]),
                ]
            ),
            is_enterprise_security_group=True,
            enable_rrsa=True,
            encryption_provider_key=args.keys.secrets.id,
            disable_encryption=False,  # the key alone does nothing
            control_plane_log_components=list(_LOGS),
            control_plane_log_project=args.logs.project,
            control_plane_log_ttl=str(site.options.log_days),
            audit_log_config=alicloud.cs.ManagedKubernetesAuditLogConfigArgs(
                enabled=True, sls_project_name=args.logs.project
            ),
            addons=_first_addons(),
            deletion_protection=site.options.deletion_protection,
            delete_options=_leftovers(),
            tags=site.tagged(site.name),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=site.options.deletion_protection,
                additional_secret_outputs=["certificateAuthorities"],  # the deployer's client key comes with the CA
                depends_on=args.network.ready,
            ),
        )
        entries = self._administrators(name, site)
        self.kubeconfig = kubeconfig(site, self.cluster)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=site.cluster_id,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=entries),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _public_door(self, name: str, args: ControlArgs) -> alicloud.nlb.LoadBalancer:
        """A load balancer of ours for ACK to put in front of the API server: its security group is the list."""
        site = args.site
        group = alicloud.ecs.SecurityGroup(
            name,
            security_group_name=name,
            description="who may reach the API server",
            vpc_id=args.network.vpc_id,
            security_group_type="normal",
            tags=site.tagged(name),
            opts=self._own,
        )

        # Without a rule that refuses, a load balancer accepts whatever no rule mentions.
        others = self._rule(
            f"{name}-others", group, _WORLD, policy="drop", priority=100, ip_protocol="all", port_range="-1/-1"
        )
        people = [
            self._rule(
                f"{name}-{cidr.replace('/', '-')}",
                group,
                cidr,
                policy="accept",
                priority=1,
                ip_protocol="tcp",
                port_range=f"{_API_PORT}/{_API_PORT}",
            )
            for cidr in site.options.network.api_access
        ]
        return alicloud.nlb.LoadBalancer(
            name,
            load_balancer_name=name,
            address_type="Internet",
            vpc_id=args.network.vpc_id,
            zone_mappings=[
                alicloud.nlb.LoadBalancerZoneMappingArgs(zone_id=zone, vswitch_id=vswitch)
                for zone, vswitch in args.network.public_vswitches.items()
            ],
            security_group_ids=[group.id],
            tags=site.tagged(name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[others, *people]),  # closed before it is there
        )

    def _rule(
        self, name: str, group: alicloud.ecs.SecurityGroup, cidr: str, **what: Unpack[_Rule]
    ) -> alicloud.ecs.SecurityGroupRule:
        return alicloud.ecs.SecurityGroupRule(
            name, security_group_id=group.id, type="ingress", cidr_ip=cidr, **what, opts=self._own
        )

    def _administrators(self, name: str, site: Site) -> list[pulumi.Resource]:
        """Rights inside the cluster; RAM alone gives none. Who creates the cluster has them already."""
        made: list[pulumi.Resource] = []
        for admin in site.options.admins:
            kind, _, number = admin.partition("/")
            made.append(
                alicloud.cs.KubernetesPermission(
                    f"{name}-{kind}-{number}",
                    uid=number,
                    permissions=[
                        alicloud.cs.KubernetesPermissionPermissionArgs(
                            cluster=self.cluster.id,
                            role_type="cluster",
                            role_name="admin",
                            is_custom=False,
                            is_ram_role=kind == "role",
                        )
                    ],
                    opts=self._own,
                )
            )
        return made


def _first_addons() -> list[alicloud.cs.ManagedKubernetesAddonArgs]:
    """What nodes need from their first second, and what nobody asked for."""
    addon = alicloud.cs.ManagedKubernetesAddonArgs
    return [
        addon(name="terway-eniip", config=json.dumps(_NETWORK_SETTINGS, sort_keys=True)),
        addon(name="terway-controlplane", config=json.dumps(_TRUNKING)),
        addon(name="csi-plugin"),
        addon(name="managed-csiprovisioner"),
        addon(name="nginx-ingress-controller", disabled=True),
        addon(name="arms-prometheus", disabled=True),
        addon(name="logtail-ds", disabled=True),
    ]


def _leftovers() -> list[_Leftover]:
    """What goes with the cluster: ACK keeps most of it unless told. The log project is ours, and goes by our hand."""
    return [
        *(_Leftover(resource_type=kind, delete_mode="delete") for kind in ("SLB", "ALB", "SLS_Data")),
        _Leftover(resource_type="SLS_ControlPlane", delete_mode="retain"),
    ]


def kubeconfig(site: Site, cluster: alicloud.cs.ManagedKubernetes) -> pulumi.Output[str]:
    """A kubeconfig that holds no credential: `ack-ram-tool` gets a certificate of hours for whoever runs it."""
    public = bool(site.options.network.api_access)
    # The getter warns in favour of a look-up that hands out a client certificate at each preview; the CA is only here.
    authorities: pulumi.Output[list[_Authority]] = pulumi.get(cluster, "certificate_authorities")  # pyright: ignore[reportUnknownMemberType] the SDK leaves it untyped
    return exec_kubeconfig(
        name=site.name,
        server=cluster.connections.apply(
            lambda found: (found[0].api_server_internet if public else found[0].api_server_intranet) or ""
        ),
        ca=authorities.apply(lambda found: found[0].cluster_cert or ""),
        command="ack-ram-tool",
        args=[
            "credential-plugin", "get-credential", "--cluster-id", cluster.id, "--region-id", site.region,
            "--api-version", "v1beta1", "--log-level", "error",
        ],
    )  # fmt: skip
