"""The other mode: a given Supervisor makes the nodes (VKS) from a Cluster object. The only way to vGPUs.

It makes namespace, machine classes and cluster, never the Supervisor itself: the provider can neither update nor
import one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_vsphere as vsphere

from infra.contract import Pool, Storage
from infra.objects import Document, KubernetesObject, document

from .options import Machine, Supervisor
from .site import Site

_MIB = 1024
_CLASSES = "vmware-system-vks-public"  # where VKS keeps its ClusterClasses


def supervisor_storage(given: Supervisor) -> Storage:
    """Classes that the Supervisor hands into the cluster."""
    return Storage(block=given.storage_class, shared=given.shared_storage_class)


class SupervisorCluster(pulumi.ComponentResource):
    """A namespace of the Supervisor with a cluster in it."""

    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, site: Site, kubeconfig: pulumi.Output[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("proof:vsphere:SupervisorCluster", name, {"version": site.version}, opts)
        given = _given(site)
        own, protect = pulumi.ResourceOptions(parent=self), site.options.deletion_protection
        kept = pulumi.ResourceOptions(parent=self, protect=protect)
        policy = vsphere.get_policy_output(name=site.options.storage_policy, opts=pulumi.InvokeOptions(parent=self)).id
        classes = [_machine_class(name, machine, site.options.machines[machine], own) for machine in used(site)]
        namespace = vsphere.Namespace(
            name,
            name=name,
            supervisor=given.id,
            storage_policies=[policy],
            vm_services=[
                vsphere.NamespaceVmServiceArgs(
                    content_libraries=[given.content_library], vm_classes=[item.name for item in classes]
                )
            ],
            opts=kept,
        )
        door = kubernetes.Provider(
            f"{name}-supervisor",
            kubeconfig=kubeconfig,
            cluster_identifier=f"vsphere/{site.options.server}/{given.id}",
            namespace=namespace.name,
            opts=own,
        )
        inside = pulumi.ResourceOptions(parent=self, provider=door)
        cluster = KubernetesObject(
            name,
            cluster_document(name, site),
            pulumi.ResourceOptions.merge(
                inside,
                pulumi.ResourceOptions(
                    protect=protect, depends_on=[namespace], custom_timeouts=pulumi.CustomTimeouts(create="60m")
                ),
            ),
        )
        written = kubernetes.core.v1.Secret.get(
            f"{name}-kubeconfig",
            f"{name}/{name}-kubeconfig",
            opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[cluster])),
        )
        self.kubeconfig = pulumi.Output.secret(written.data.apply(lambda data: _decoded(data["value"])))
        self.provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            cluster_identifier=f"vsphere/{site.options.server}/{given.id}/{name}",
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=own,
        )
        self.ready = (cluster,)
        self.register_outputs({"kubeconfig": self.kubeconfig})


def used(site: Site) -> tuple[str, ...]:
    """Machines that the cluster needs a class for."""
    return tuple(dict.fromkeys((_given(site).control_machine, *(pool.machine for pool in site.pools.values()))))


def cluster_document(name: str, site: Site) -> Document:
    """The Cluster object; it counts as made when its API server answers."""
    given, network = _given(site), site.options.network
    topology = {
        "classRef": {"name": given.cluster_class, "namespace": _CLASSES},
        "version": given.releases[site.version],
        "variables": [
            {"name": "vmClass", "value": class_name(name, given.control_machine)},
            {"name": "storageClass", "value": given.storage_class},
        ],
        "controlPlane": {"replicas": given.control_planes},
        "workers": {
            "machineDeployments": [_deployment(name, pool_name, pool, given) for pool_name, pool in site.pools.items()]
        },
    }
    networks = {"pods": {"cidrBlocks": [network.pods]}, "services": {"cidrBlocks": [network.services]}}
    return document(
        "cluster.x-k8s.io/v1beta2",
        "Cluster",
        name,
        name,
        metadata={"labels": site.tags, "annotations": {"pulumi.com/waitFor": "condition=Available"}},
        spec={"clusterNetwork": networks, "topology": topology},
    )


def class_name(cluster: str, machine: str) -> str:
    """Classes belong to a whole vCenter, so their names begin with the cluster's."""
    return f"{cluster}-{machine}"


def _deployment(name: str, pool_name: str, pool: Pool, given: Supervisor) -> Mapping[str, Any]:
    """One pool; space for images and scratch data is a volume of its own."""
    volume = {
        "name": "containerd",
        "mountPath": "/var/lib/containerd",
        "capacity": f"{pool.disk_gib}Gi",
        "storageClass": given.storage_class,
    }
    taints = [
        {"key": item.key, "effect": item.effect.value, **({"value": item.value} if item.value else {})}
        for item in pool.taints
    ]
    overrides = [
        {"name": "vmClass", "value": class_name(name, pool.machine)},
        {"name": "volumes", "value": [volume]},
        {"name": "node", "value": {"labels": dict(pool.labels), "taints": taints}},
    ]
    return {
        "class": "node-pool",
        "name": pool_name,
        "replicas": pool.max,
        "variables": {"overrides": overrides},
    }


def _machine_class(
    cluster: str, name: str, machine: Machine, opts: pulumi.ResourceOptions
) -> vsphere.VirtualMachineClass:
    whole = class_name(cluster, name)
    return vsphere.VirtualMachineClass(
        whole,
        name=whole,
        cpus=machine.cpus,
        memory=machine.memory_gib * _MIB,
        memory_reservation=100 if machine.vgpu else None,
        vgpu_devices=[machine.vgpu] if machine.vgpu else None,
        opts=opts,
    )


def _given(site: Site) -> Supervisor:
    if site.options.supervisor is None:
        raise TypeError("the mode is not supervisor")
    return site.options.supervisor


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
