"""Given buckets, and what the storage driver and the cloud provider need in the cluster. Makes no bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import pulumi
import yaml

from infra.contract import Bucket, Secrets, Storage, Store
from infra.objects import KubernetesObject, document, install_classes, storage_class

from .access import VsphereControlPlane
from .options import ObjectStore
from .site import Site

BLOCK, SHARED = "vsphere", "vsphere-files"

_DRIVER, _DRIVER_NAMESPACE = "csi.vsphere.vmware.com", "vmware-system-csi"
_SYSTEM = "kube-system"


def storage(site: Site) -> Storage:
    """Names of the classes that `VsphereVolumes` makes."""
    return Storage(block=BLOCK, shared=SHARED if site.options.shared_storage_policy else None)


class VsphereVolumes(pulumi.ComponentResource):
    """Storage classes, and the in-cluster settings of what the node image brings."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        site: Site,
        control: VsphereControlPlane,
        account: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("proof:vsphere:Volumes", name, {"block": BLOCK}, opts)
        own = pulumi.ResourceOptions(parent=self, provider=control.provider)
        self.ready = (
            *_driver_settings(site, account, own),
            *_provider_settings(site, account, own),
            *_address_settings(site, own),
            *storage_classes(site, own),
        )
        self.register_outputs({})


def storage_classes(site: Site, opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """Disks by policy, the default; files by policy where vSAN serves them."""
    options = site.options
    disk = {"storagepolicyname": options.storage_policy}
    classes = [storage_class(BLOCK, _DRIVER, default=True, parameters=disk, allowVolumeExpansion=True)]
    if options.shared_storage_policy is not None:
        files = {"storagepolicyname": options.shared_storage_policy, "csi.storage.k8s.io/fstype": "nfs4"}
        classes.append(
            storage_class(
                SHARED, _DRIVER, default=False, binding="Immediate", parameters=files, allowVolumeExpansion=True
            )
        )
    return install_classes(opts, *classes)


def _driver_settings(
    site: Site, account: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    mounts = {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}  # its pods mount volumes on the nodes
    namespace = KubernetesObject("csi", document("v1", "Namespace", _DRIVER_NAMESPACE, metadata=mounts), opts)
    text = account.apply(lambda found: driver_config(site, found))
    secret = document(
        "v1", "Secret", "vsphere-config-secret", _DRIVER_NAMESPACE, type="Opaque", stringData={"csi-vsphere.conf": text}
    )
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[namespace]))
    return namespace, KubernetesObject("csi-account", secret, after)


def _provider_settings(
    site: Site, account: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    server = site.options.server
    given = account.apply(read_account)
    login = {
        f"{server}.username": given.apply(lambda found: found[0]),
        f"{server}.password": given.apply(lambda found: found[1]),
    }
    name = "vsphere-cloud-secret"
    entry = {"server": server, "datacenters": [site.datacenter], "secretName": name, "secretNamespace": _SYSTEM}
    config = {"global": {"port": 443, "insecureFlag": False}, "vcenter": {server: entry}}
    return (
        KubernetesObject(
            "cloud-account",
            document("v1", "Secret", name, _SYSTEM, type="Opaque", stringData=login),
            opts,
        ),
        KubernetesObject(
            "cloud-config",
            document(
                "v1",
                "ConfigMap",
                "vsphere-cloud-config",
                _SYSTEM,
                data={"vsphere.conf": yaml.safe_dump(config, sort_keys=False)},
            ),
            opts,
        ),
    )


def _address_settings(site: Site, opts: pulumi.ResourceOptions) -> tuple[pulumi.Resource, ...]:
    """Addresses that Services of type LoadBalancer get."""
    if site.kubeadm.load_balancer is None:
        return ()
    data = {"range-global": site.kubeadm.load_balancer.replace(" ", "")}
    return (KubernetesObject("load-balancer", document("v1", "ConfigMap", "kubevip", _SYSTEM, data=data), opts),)


def driver_config(site: Site, account: str) -> str:
    """The storage driver's settings in the form that it reads (an INI of its own kind)."""
    user, password = read_account(account)
    lines = (
        "[Global]",
        f"cluster-id = {_quoted(site.name)}",
        f"[VirtualCenter {_quoted(site.options.server)}]",
        f"user = {_quoted(user)}",
        f"password = {_quoted(password)}",
        f"datacenters = {_quoted(site.datacenter)}",
        'port = "443"',
        'insecure-flag = "false"',
    )
    return "\n".join((*lines, ""))


def read_account(text: str) -> tuple[str, str]:
    """User and password from the secret key `vcenter`; the message shows neither."""
    return _halves(text, key="vcenter", names=("user", "password"))


def buckets(given: ObjectStore | None, secrets: Secrets) -> Mapping[Store, Bucket]:
    """The given buckets; empty without an object store."""
    if given is None:
        return {}
    key = secrets("objectStore").apply(_proven)
    return {
        store: Bucket(
            scheme="s3",
            name=pulumi.Output.from_input(name),
            uri=pulumi.Output.from_input(f"s3://{name}"),
            endpoint=pulumi.Output.from_input(given.endpoint),
            region=given.region,
            credential=pulumi.Output.secret(key),
        )
        for store, name in ((Store.ARTIFACTS, given.artifacts), (Store.SCRATCH, given.scratch))
    }


def _proven(text: str) -> str:
    _halves(text, key="objectStore", names=("accessKey", "secretKey"))
    return text


def _halves(text: str, *, key: str, names: tuple[str, str]) -> tuple[str, str]:
    problem = f'kubeflow-proof:{key}: allowed: JSON like {{"{names[0]}": ..., "{names[1]}": ...}}'
    try:
        found: object = json.loads(text)
    except ValueError:
        raise pulumi.RunError(problem) from None  # the text is a secret, and the first error quotes it
    if not isinstance(found, dict):
        raise pulumi.RunError(problem)
    first, second = (cast("dict[str, object]", found).get(name) for name in names)
    if not isinstance(first, str) or not isinstance(second, str):
        raise pulumi.RunError(problem)
    return first, second


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
