"""What kubeadm and its static pods are told: documents made by pure functions. Makes no resource, holds no secret."""

from __future__ import annotations

import base64
from typing import Any

from infra.objects import Document, document

from .site import API_PORT, Node, Site

FOLDER = "/etc/kubeadm"  # what cloud-init leaves for kubeadm; each attempt to join starts from it
POLICY, ENCRYPTION, LOGS = f"{FOLDER}/audit.yaml", f"{FOLDER}/encryption.yaml", "/var/log/kubernetes"
DISCOVERY, CONTROL_DISCOVERY = f"{FOLDER}/discovery.conf", "/run/kubeadm/admin.conf"
_API = "kubeadm.k8s.io/v1beta4"


def cluster_configuration(site: Site) -> Document:
    """The cluster, as every control-plane node agrees on it."""
    kubeadm, network = site.kubeadm, site.options.network
    found: Document = {
        "apiVersion": _API,
        "kind": "ClusterConfiguration",
        "clusterName": site.name,
        "kubernetesVersion": f"v{site.release}",
        "controlPlaneEndpoint": f"{kubeadm.api_address}:{API_PORT}",
        "networking": {"podSubnet": network.pods, "serviceSubnet": network.services, "dnsDomain": "cluster.local"},
        "apiServer": {
            "certSANs": sorted({kubeadm.api_address, site.api_endpoint.rpartition(":")[0]}),
            "extraArgs": _arguments(
                {
                    "audit-log-maxage": str(site.options.log_days),
                    "audit-log-maxbackup": "100",
                    "audit-log-maxsize": "100",
                    "audit-log-path": f"{LOGS}/audit.log",
                    "audit-policy-file": POLICY,
                    "encryption-provider-config": ENCRYPTION,
                    "profiling": "false",
                }
            ),
            "extraVolumes": [
                _volume("audit-policy", POLICY, kind="File"),
                _volume("encryption", ENCRYPTION, kind="File"),
                _volume("logs", LOGS, kind="DirectoryOrCreate", writable=True),
            ],
        },
        "controllerManager": {"extraArgs": _arguments({"cloud-provider": "external", "profiling": "false"})},
        "scheduler": {"extraArgs": _arguments({"profiling": "false"})},
    }
    return found if kubeadm.registry is None else {**found, "imageRepository": kubeadm.registry}


def init_configuration(node: Node) -> Document:
    """The first node. The token that kubeadm makes by default is written down nowhere and dies in a day."""
    return {
        "apiVersion": _API,
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": API_PORT},
        "nodeRegistration": _registration(node),
    }


def join_configuration(node: Node) -> Document:
    """Any other node. It knows the authority beforehand, so it trusts no server that it meets on its way."""
    control = node.pool is None
    found: Document = {
        "apiVersion": _API,
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": CONTROL_DISCOVERY if control else DISCOVERY}},
        "nodeRegistration": _registration(node),
    }
    if control:
        found["controlPlane"] = {"localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": API_PORT}}
    return found


def kubelet_configuration() -> Document:
    """Every node's kubelet."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "rotateCertificates": True,
        "tlsMinVersion": "VersionTLS12",
    }


def encryption_configuration(key: str) -> Document:
    """Secrets are encrypted in etcd with a key of this cluster's own."""
    providers: list[Document] = [{"aescbc": {"keys": [{"name": "first", "secret": key}]}}, {"identity": {}}]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }


def audit_policy() -> Document:
    """Who did what; never what is in a Secret, and not the chatter of nodes and probes."""
    secret = [{"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]}]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
            {"level": "None", "verbs": ["get", "list", "watch"], "userGroups": ["system:nodes"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "Metadata", "resources": secret},
            {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata"},
        ],
    }


def kube_vip(site: Site) -> Document:
    """Holds the API server's address on one node of the control plane, and those of Services where there are any."""
    settings = {
        "address": site.kubeadm.api_address,
        "cp_enable": "true",
        "cp_namespace": "kube-system",
        "port": str(API_PORT),
        "svc_enable": "true" if site.kubeadm.load_balancer else "false",
        "vip_arp": "true",
        "vip_leaderelection": "true",
        "vip_subnet": "32",
    }
    container: dict[str, Any] = {
        "name": "kube-vip",
        "image": site.kubeadm.kube_vip,
        "args": ["manager"],
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}},
        "volumeMounts": [{"name": "kubeconfig", "mountPath": "/etc/kubernetes/admin.conf"}],
    }
    source = {"path": "/etc/kubernetes/admin.conf", "type": "FileOrCreate"}
    return document(
        "v1",
        "Pod",
        "kube-vip",
        "kube-system",
        spec={
            "containers": [container],
            "hostNetwork": True,
            "hostAliases": [{"hostnames": ["kubernetes"], "ip": "127.0.0.1"}],
            "volumes": [{"name": "kubeconfig", "hostPath": source}],
        },
    )


def certificate_kubeconfig(name: str, server: str, ca: str, certificate: str, key: str) -> Document:
    """A kubeconfig of known values whose user is a certificate; all three are PEM."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(ca)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
            }
        ],
    }


def _registration(node: Node) -> Document:
    """Name, labels and taints; kubeadm itself taints the control plane."""
    arguments = {"cloud-provider": "external", "node-ip": node.address}
    if node.pool is None:
        return {"name": node.name, "kubeletExtraArgs": _arguments(arguments)}
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.pool.labels.items()))
    taints = [
        {"key": taint.key, "effect": taint.effect.value, **({"value": taint.value} if taint.value else {})}
        for taint in node.pool.taints
    ]
    return {
        "name": node.name,
        "taints": taints,
        "kubeletExtraArgs": _arguments({**arguments, "node-labels": labels}),
    }


def _arguments(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


def _volume(name: str, path: str, *, kind: str, writable: bool = False) -> Document:
    return {"name": name, "hostPath": path, "mountPath": path, "pathType": kind, "readOnly": not writable}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
