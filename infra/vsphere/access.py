"""The control plane and who may use it: its machines, the administrator's kubeconfig, and the one provider."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_vsphere as vsphere

from .keys import Pair, VsphereKeys
from .kubeadm import certificate_kubeconfig
from .launch import Authorities, control_user_data, fingerprint, metadata
from .place import VspherePlace
from .site import Node, Site
from .vm import MachineArgs, virtual_machine

# Files below /etc/kubernetes/pki, in the order of `_authorities`.
_FILES = (
    "ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key",
)  # fmt: skip


class VsphereControlPlane(pulumi.ComponentResource):
    """Machines that begin a cluster or join it, one after another, on different hosts."""

    machines: tuple[vsphere.VirtualMachine, ...]
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider

    def __init__(
        self, name: str, site: Site, keys: VsphereKeys, place: VspherePlace, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("proof:vsphere:ControlPlane", name, {"release": site.release}, opts)
        self._site, self._place = site, place
        self._secrets = _authorities(keys)
        made: list[vsphere.VirtualMachine] = []
        for node in site.control_nodes():
            made.append(self._machine(node, made))
        self.machines = tuple(made)
        if len(made) > 1:
            vsphere.ComputeClusterVmAntiAffinityRule(
                name,
                name=f"{name}-control-plane",
                compute_cluster_id=place.cluster,
                virtual_machine_ids=[machine.id for machine in made],
                mandatory=True,  # two on one host would be lost together, and etcd with them
                opts=pulumi.ResourceOptions(parent=self),
            )
        admin = keys.administrator(site.kubeadm.admin_days)
        self.kubeconfig = kubeconfig(site.name, f"https://{site.api_endpoint}", keys.cluster.certificate, admin)
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=f"vsphere/{site.options.server}/{site.datacenter}/{site.name}",
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=made[:1]),  # its address answers from then on
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _machine(self, node: Node, before: Sequence[vsphere.VirtualMachine]) -> vsphere.VirtualMachine:
        """One node; etcd takes one new member at a time, so each waits for the one before."""
        site, told = self._site, metadata(self._site, node)
        blank = Authorities(files=dict.fromkeys(_FILES, ""), secrets="")
        args = MachineArgs(
            site=site,
            place=self._place,
            node=node,
            user_data=self._secrets.apply(lambda found: control_user_data(site, node, found)),
            metadata=told,
            fingerprint=fingerprint(told, control_user_data(site, node, blank)),
        )
        # Of three, one can be replaced; a single one takes all data with it. The keys stop whoever destroys them all.
        protect = site.options.deletion_protection and site.kubeadm.control_planes == 1
        return virtual_machine(args, pulumi.ResourceOptions(parent=self, protect=protect, depends_on=list(before[-1:])))


def kubeconfig(name: str, server: str, ca: pulumi.Output[str], user: Pair) -> pulumi.Output[str]:
    """A kubeconfig whose user is a certificate; a secret Output of JSON."""
    parts = pulumi.Output.all(ca=ca, certificate=user.certificate, key=user.key)
    return pulumi.Output.secret(
        parts.apply(lambda found: json.dumps(certificate_kubeconfig(name=name, server=server, **found)))
    )


def _authorities(keys: VsphereKeys) -> pulumi.Output[Authorities]:
    pairs = (keys.cluster, keys.etcd, keys.front_proxy)
    texts = [part for pair in pairs for part in (pair.certificate, pair.key)]
    texts += [keys.accounts.public_key_pem, keys.accounts.private_key_pem, keys.secrets]
    return pulumi.Output.secret(
        pulumi.Output.all(*texts).apply(
            lambda found: Authorities(files=dict(zip(_FILES, found, strict=False)), secrets=found[-1])
        )
    )
