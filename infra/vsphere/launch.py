"""How a node starts: cloud-init as data, the same for the same node. Makes no resource and asks nothing.

A machine counts as made when its guest tools report an address, and they start only after the node has joined. So
whoever waits for the machine waits for the node.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import kubeadm
from .site import API_PORT, Node, Site

_SCRIPTS = Path(__file__).parent / "scripts"
_TOOLS = "open-vm-tools.service"
_PROGRAM, _ADDONS = "/usr/local/sbin/start-node", "/usr/local/sbin/apply-addons"
MANIFESTS = "/usr/share/kubernetes/addons"  # where the node image keeps the manifests of what runs in the cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorities:
    """Certificates and keys of the control plane, as PEM, and the key of Secrets."""

    files: Mapping[str, str]  # below /etc/kubernetes/pki
    secrets: str


def control_user_data(site: Site, node: Node, authorities: Authorities) -> str:
    """A node of the control plane: it joins the others if there are any; the first one begins."""
    nodes = site.control_nodes()
    pki = [_file(f"{kubeadm.FOLDER}/pki/{name}", text, "0600") for name, text in sorted(authorities.files.items())]
    others = [item.address for item in nodes if item.name != node.name]
    settings = {
        "NAME": node.name,
        "FIRST": "true" if node == nodes[0] else "false",
        "SERVERS": " ".join([site.kubeadm.api_address, *others]),
    }
    return _cloud_config(
        site,
        [
            *pki,
            _yaml(f"{kubeadm.FOLDER}/init.yaml", *_init(site, node)),
            _yaml(f"{kubeadm.FOLDER}/join.yaml", kubeadm.join_configuration(node)),
            _yaml(kubeadm.POLICY, kubeadm.audit_policy()),
            _yaml(kubeadm.ENCRYPTION, kubeadm.encryption_configuration(authorities.secrets)),
            _yaml(f"{kubeadm.FOLDER}/kube-vip.yaml", kubeadm.kube_vip(site)),
            _file("/etc/kubeadm/settings", "".join(f'{name}="{value}"\n' for name, value in settings.items())),
            _file("/etc/kubeadm/addons", "".join(f"{MANIFESTS}/{name}\n" for name in addons(site))),
            _file("/etc/nftables.d/api.nft", door(site)),
            _unit("api-door", "nft -f /etc/nftables.d/api.nft", "Before=kubelet.service"),
            _unit("cluster-addons", _ADDONS, "After=kubelet.service", retry=True),
            _file(_PROGRAM, _script("control-plane.sh"), "0700"),
            _file(_ADDONS, _script("addons.sh"), "0700"),
        ],
        [
            "systemctl enable --now api-door.service",
            _PROGRAM,
            "systemctl enable --now --no-block cluster-addons.service",
        ],
    )


def worker_user_data(site: Site, node: Node, credential: str) -> str:
    """Any other node; `credential` is the kubeconfig that it joins with."""
    return _cloud_config(
        site,
        [
            _file(kubeadm.DISCOVERY, credential, "0600"),
            _yaml(f"{kubeadm.FOLDER}/join.yaml", kubeadm.join_configuration(node)),
            _file(_PROGRAM, _script("worker.sh"), "0700"),
        ],
        [_PROGRAM],
    )


def metadata(site: Site, node: Node) -> str:
    """Name and address; cloud-init wipes the user data from where every process of the guest could read it."""
    prefix = ipaddress.ip_network(site.options.network.nodes).prefixlen
    card = {
        "match": {"driver": "vmxnet3"},
        "dhcp4": False,
        "dhcp6": False,
        "addresses": [f"{node.address}/{prefix}"],
        "routes": [{"to": "default", "via": site.kubeadm.gateway}],
        "nameservers": {"addresses": list(site.kubeadm.resolvers)},
    }
    return _dump(
        {
            "instance-id": node.name,
            "local-hostname": node.name,
            "cleanup-guestinfo": ["userdata", "vendordata"],
            "network": {"version": 2, "ethernets": {"nodes": card}},
        }
    )


def fingerprint(*texts: str) -> str:
    """Changes with what a node is told besides credentials; a node that would be told something else is replaced."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def door(site: Site) -> str:
    """Who may reach the API server: nodes, pods and the networks that somebody named."""
    network = site.options.network
    allowed = ", ".join(["127.0.0.0/8", network.nodes, network.pods, *network.api_access])
    return (
        "table inet api_door\n"
        "delete table inet api_door\n"
        "table inet api_door {\n"
        "  chain input {\n"
        "    type filter hook input priority -10; policy accept;\n"
        f"    tcp dport {API_PORT} ip saddr != {{ {allowed} }} drop\n"
        f"    tcp dport {API_PORT} ip6 saddr != ::1 drop\n"
        "  }\n"
        "}\n"
    )


def addons(site: Site) -> tuple[str, ...]:
    """Folders of the node image whose manifests the cluster needs, in their order."""
    balancer = ("load-balancer",) if site.kubeadm.load_balancer else ()
    return (f"cni-{site.kubeadm.cni.value}", "cloud-provider", "csi", *balancer)


def _init(site: Site, node: Node) -> tuple[Mapping[str, Any], ...]:
    return (
        kubeadm.init_configuration(node),
        kubeadm.cluster_configuration(site),
        kubeadm.kubelet_configuration(),
    )


def _cloud_config(site: Site, files: Sequence[Mapping[str, str]], commands: Sequence[str]) -> str:
    clocks = {"ntp": {"enabled": True, "servers": list(site.kubeadm.clocks)}} if site.kubeadm.clocks else {}
    body = {
        "preserve_hostname": False,
        "ssh_pwauth": False,
        "disable_root": True,
        **clocks,
        "bootcmd": [["cloud-init-per", "instance", "hold", "systemctl", "mask", "--now", "--runtime", _TOOLS]],
        "write_files": list(files),
        "runcmd": [
            f"set -e; {'; '.join(commands)}; systemctl unmask --runtime {_TOOLS}; systemctl start {_TOOLS}",
        ],
    }
    return f"#cloud-config\n{_dump(body)}"


def _file(path: str, text: str, mode: str = "0644") -> dict[str, str]:
    return {"path": path, "owner": "root:root", "permissions": mode, "content": text}


def _yaml(path: str, *documents: Mapping[str, Any]) -> dict[str, str]:
    return _file(path, "---\n".join(_dump(item) for item in documents), "0600")


def _unit(name: str, command: str, order: str, *, retry: bool = False) -> dict[str, str]:
    again = "Restart=on-failure\nRestartSec=15\n" if retry else ""
    text = (
        f"[Unit]\nDescription=kubeflow-proof {name}\n{order}\n"
        f"[Service]\nType=oneshot\nExecStart=/usr/bin/env {command}\n{again}"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    return _file(f"/etc/systemd/system/{name}.service", text)


def _script(name: str) -> str:
    return (_SCRIPTS / name).read_text(encoding="utf-8")


class _Readable(yaml.SafeDumper):
    """Files inside a document stay readable."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """A text of several lines as it is."""
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType] untyped


_Readable.add_representer(str, _Readable.represent_text)


def _dump(value: Mapping[str, Any]) -> str:
    return yaml.dump(dict(value), Dumper=_Readable, sort_keys=False, width=4096)


def encoded(text: str) -> str:
    """As the hypervisor hands it to the guest."""
    return base64.b64encode(text.encode()).decode()
