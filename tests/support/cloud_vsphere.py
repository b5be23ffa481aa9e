"""What vCenter adds to the resources that a program registers, and the sample cluster there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Pool
from infra.vsphere.options import Kubeadm, Machine, Mode, ObjectStore, Seat, Supervisor, VsphereOptions
from tests.support.cloud_samples import OWNERSHIP, Outputs, pools

ENVIRONMENT = Environment.VSPHERE
REGION = "dc-1"
SDK = "pulumi_vsphere"
PREFIX = "vsphere"
SECRETS = {
    "vcenter": json.dumps({"user": "csi@vsphere.example.test", "password": 'a"not\\real'}),
    "objectStore": json.dumps({"accessKey": "sample", "secretKey": "not-real-either"}),
    "supervisor": json.dumps({"sample": "kubeconfig of the Supervisor"}),
}


def _fixed(pool: Pool, count: int) -> Pool:
    """As many nodes as somebody bought hosts for."""
    return replace(pool, min=count, max=count, zones=(), capacity=Capacity.ON_DEMAND)


def _sample() -> dict[str, Pool]:
    given = pools(cpu="medium", small="l4-host", large="h100-host", zone="none")
    counts = {"system": 3, "cpu": 2, "l4": 1, "h100": 2}
    return {name: _fixed(pool, counts[name]) for name, pool in given.items()}


def _cards(count: int, first: int) -> tuple[str, ...]:
    return tuple(f"0000:{first + index:02x}:00.0" for index in range(count))


POOLS = _sample()
KUBEADM = Kubeadm(
    api_address="10.40.0.10",
    gateway="10.40.0.1",
    resolvers=("10.0.0.53",),
    clocks=("10.0.0.123",),
    addresses={
        "control-plane": "10.40.0.11-10.40.0.13",
        "system": "10.40.0.20-10.40.0.29",
        "cpu": "10.40.0.30-10.40.0.59",
        "l4": "10.40.0.60-10.40.0.69",
        "h100": "10.40.0.70-10.40.0.79",
    },
    load_balancer="10.40.0.200-10.40.0.219",
    control_machine="medium",
    templates={"1.35.4": "ubuntu-2404-kube-1.35.4", "1.35.2": "ubuntu-2404-kube-1.35.2", "1.36.1": "ubuntu-kube-1.36"},
    datastore="vsan-ml",
    port_group="ml-nodes",
    kube_vip="registry.example.test/kube-vip:v1.2.1",
    seats={
        "l4": (Seat(host="esx-11.example.test", gpus=_cards(4, 0x20)),),
        "h100": tuple(
            Seat(host=f"esx-{number}.example.test", gpus=_cards(8, 0x30), fabric=_cards(8, 0x50)) for number in (21, 22)
        ),
    },
)
OPTIONS = VsphereOptions(
    ownership=OWNERSHIP,
    network=CloudNetwork(nodes="10.40.0.0/24", flow_logs=False),
    server="vcenter.example.test",
    compute_cluster="ml-hosts",
    storage_policy="vSAN Encrypted",
    shared_storage_policy="vSAN Files",
    machines={
        "medium": Machine(cpus=8, memory_gib=32),
        "l4-host": Machine(cpus=48, memory_gib=192),
        "h100-host": Machine(cpus=192, memory_gib=1536),
    },
    object_store=ObjectStore(
        endpoint="https://s3.example.test", artifacts="ml-artifacts", scratch="ml-scratch", networks=("10.9.0.0/28",)
    ),
    kubeadm=KUBEADM,
)

SUPERVISOR_POOLS = {
    "cpu": POOLS["cpu"],
    "l4": replace(POOLS["l4"], machine="vgpu", gpu=replace(POOLS["l4"].gpu, count=1))
    if POOLS["l4"].gpu
    else POOLS["l4"],
}
SUPERVISOR = replace(
    OPTIONS,
    mode=Mode.SUPERVISOR,
    kubeadm=None,
    shared_storage_policy=None,
    machines={
        "medium": Machine(cpus=8, memory_gib=32),
        "vgpu": Machine(cpus=16, memory_gib=128, vgpu="grid_l4-24c"),
    },
    supervisor=Supervisor(
        id="domain-c8",
        content_library="library-1",
        releases={"1.35": "v1.35.2+vmware.1-vkr.1"},
        control_machine="medium",
        storage_class="vsan-encrypted",
        api_networks=("10.40.0.0/24",),
    ),
)


def common(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing is common to all objects of vCenter."""
    del name, inputs
    return {}


def _pem(kind: str, name: str) -> str:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(name.encode()).decode()}\n-----END {kind}-----\n"


def _supervised(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The kubeconfig that the Supervisor leaves for whoever may read the namespace."""
    del inputs
    kubeconfig = json.dumps({"kind": "Config", "current-context": name})
    return {"data": {"value": base64.b64encode(kubeconfig.encode()).decode()}} if name.endswith("-kubeconfig") else {}


OUTPUTS: Mapping[str, Outputs] = {
    "tls:index/privateKey:PrivateKey": lambda name, _: {
        "privateKeyPem": _pem("PRIVATE KEY", name),
        "publicKeyPem": _pem("PUBLIC KEY", name),
    },
    "tls:index/selfSignedCert:SelfSignedCert": lambda name, _: {"certPem": _pem("CERTIFICATE", name)},
    "tls:index/certRequest:CertRequest": lambda name, _: {"certRequestPem": _pem("CERTIFICATE REQUEST", name)},
    "tls:index/locallySignedCert:LocallySignedCert": lambda name, _: {"certPem": _pem("CERTIFICATE", name)},
    "random:index/randomBytes:RandomBytes": lambda name, _: {"base64": base64.b64encode(name.encode()).decode()},
    "kubernetes:core/v1:Secret": _supervised,
}


def _named(kind: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda args: {"id": f"{kind}/{args['name']}", "name": args["name"]}


ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "vsphere:index/getDatacenter:getDatacenter": _named("datacenter"),
    "vsphere:index/getDatastore:getDatastore": _named("datastore"),
    "vsphere:index/getNetwork:getNetwork": _named("network"),
    "vsphere:index/getPolicy:getPolicy": _named("policy"),
    "vsphere:index/getHost:getHost": _named("host"),
    "vsphere:index/getComputeCluster:getComputeCluster": lambda args: {
        "id": f"cluster/{args['name']}",
        "resourcePoolId": f"pool/{args['name']}",
    },
    "vsphere:index/getVirtualMachine:getVirtualMachine": lambda args: {
        "id": f"template/{args['name']}",
        "guestId": "ubuntu64Guest",
    },
}
