"""What a cluster on vSphere is made of: read from what the program registers, never from what it says about itself.

Golden files: UPDATE_GOLDEN=1 writes them anew.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from infra.contract import Capability, Cluster, Environment, Grant, Pool, Store
from infra.vsphere.options import VsphereOptions
from tests.support import clouds
from tests.support.cloud_vsphere import KUBEADM, OPTIONS, POOLS, SECRETS, SUPERVISOR, SUPERVISOR_POOLS

GOLDEN = Path(__file__).resolve().parents[1] / "golden/vsphere"
SECRET = "4dabf18193072939515e22adb298388d"  # how the engine marks a secret value
CONTROL = ("sample-control-plane-0", "sample-control-plane-1", "sample-control-plane-2")


@cache
def made() -> clouds.Made:
    """The sample cluster."""
    return clouds.build(clouds.spec(Environment.VSPHERE))


@cache
def supervised() -> clouds.Made:
    """The sample cluster that a Supervisor makes."""
    return clouds.build(clouds.spec(Environment.VSPHERE, pools=SUPERVISOR_POOLS, options=SUPERVISOR))


def built(
    pools: Mapping[str, Pool] = POOLS,
    options: VsphereOptions = OPTIONS,
    **kubeadm: Any,  # noqa: ANN401 - fields of it
) -> clouds.Made:
    given = replace(options, kubeadm=replace(KUBEADM, **kubeadm)) if kubeadm else options
    return clouds.build(clouds.spec(Environment.VSPHERE, pools=pools, options=given))


def opened(value: Any) -> Any:  # noqa: ANN401 - any input
    """A value without the mark of secrecy."""
    return opened(value["value"]) if isinstance(value, dict) and SECRET in value else cast("Any", value)


def settings(machine: str, given: clouds.Made | None = None) -> Mapping[str, Any]:
    return opened((given or made()).inputs("VirtualMachine")[machine]["extraConfig"])


def told(machine: str, given: clouds.Made | None = None) -> str:
    return base64.b64decode(opened(settings(machine, given)["guestinfo.userdata"])).decode()


def files(machine: str) -> dict[str, str]:
    return {item["path"]: item["content"] for item in yaml.safe_load(told(machine))["write_files"]}


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", [CONTROL[0], CONTROL[1], "sample-cpu-0", "sample-h100-1"])
def test_what_a_node_is_told_is_as_reviewed(machine: str) -> None:
    golden(f"{machine}.yaml", told(machine))


def test_the_cluster_object_is_as_reviewed() -> None:
    (found,) = supervised().graph.objects("Cluster").values()
    golden("cluster.json", json.dumps(found, indent=2, sort_keys=True) + "\n")


def test_every_pool_has_as_many_machines_as_it_says() -> None:
    counts = dict.fromkeys(POOLS, 0)
    for name in set(made().inputs("VirtualMachine")) - set(CONTROL):
        counts[name.removeprefix("sample-").rpartition("-")[0]] += 1
    assert counts == {name: pool.max for name, pool in POOLS.items()}


def test_no_two_machines_have_the_same_address() -> None:
    cards = [
        yaml.safe_load(base64.b64decode(settings(name)["guestinfo.metadata"]))["network"]["ethernets"]["nodes"]
        for name in made().inputs("VirtualMachine")
    ]
    addresses = [address for card in cards for address in card["addresses"]]
    assert len(addresses) == len(set(addresses)) == 11
    assert {card["dhcp4"] for card in cards} == {False}


def test_what_a_machine_is_told_is_secret() -> None:
    for name, machine in made().inputs("VirtualMachine").items():
        assert SECRET in machine["extraConfig"], name


def test_keys_of_the_authorities_are_on_the_control_plane_only() -> None:
    assert {"sample-cluster", "sample-etcd", "sample-front-proxy", "sample-accounts"} == {
        name for name, options in made().option("PrivateKey").items() if options.protect
    }
    for name in made().inputs("VirtualMachine"):
        has = any(path.endswith(".key") for path in files(name))
        assert has == (name in CONTROL), name


def test_a_node_joins_as_itself_and_nothing_else() -> None:
    requests = made().inputs("CertRequest")
    subjects = {item["subject"]["commonName"]: item["subject"]["organization"] for item in requests.values()}
    workers = {f"system:node:{name}": "system:nodes" for name in set(made().inputs("VirtualMachine")) - set(CONTROL)}
    assert subjects == {**workers, "kubeflow-proof": "kubeadm:cluster-admins"}
    assert {tuple(item["allowedUses"]) for item in made().inputs("LocallySignedCert").values()} == {
        ("digital_signature", "key_encipherment", "client_auth")
    }


def test_nobody_holds_a_token_that_lets_any_machine_join() -> None:
    assert [name for name in made().inputs("VirtualMachine") if "bootstrapToken" in told(name)] == []


def test_the_administrators_certificate_is_renewed_in_time() -> None:
    admin = made().inputs("LocallySignedCert")["sample-admin"]
    assert (admin["validityPeriodHours"], admin["earlyRenewalHours"]) == (30 * 24, 10 * 24)


def test_a_new_kubeconfig_replaces_nothing() -> None:
    (provider,) = made().inputs("kubernetes").values()
    assert provider["clusterIdentifier"] == "vsphere/vcenter.example.test/dc-1/sample"


def test_another_way_to_the_api_server_is_for_this_program_only() -> None:
    seen: list[str] = []
    given = replace(OPTIONS, kubeadm=replace(KUBEADM, api_endpoint="127.0.0.1:16443"))
    spec = clouds.spec(Environment.VSPHERE, options=given)

    def read(cluster: Cluster) -> None:
        cluster.kubeconfig.apply(lambda text: seen.append(json.loads(text)["clusters"][0]["cluster"]["server"]))

    built = clouds.build(spec, read)
    assert seen == ["https://127.0.0.1:16443"]
    found = yaml.safe_load(told("sample-cpu-0", built))["write_files"][0]["content"]
    assert json.loads(found)["clusters"][0]["cluster"]["server"] == "https://10.40.0.10:6443"


def test_the_control_plane_comes_one_by_one_on_different_hosts() -> None:
    options = made().option("VirtualMachine")
    for before, after in pairwise(CONTROL):
        assert any(urn.endswith(f"::{before}") for urn in options[after].depends_on), after
    rule = made().inputs("ComputeClusterVmAntiAffinityRule")["sample"]
    assert (rule["mandatory"], len(rule["virtualMachineIds"])) == (True, 3)


def test_one_node_of_the_control_plane_needs_no_rule() -> None:
    given = built(control_planes=1)
    assert "sample" not in given.inputs("ComputeClusterVmAntiAffinityRule")
    assert [name for name in given.inputs("VirtualMachine") if "control-plane" in name] == ["sample-control-plane-0"]


def test_workers_spread_where_they_can() -> None:
    rules = made().inputs("ComputeClusterVmAntiAffinityRule")
    assert {name: rule["mandatory"] for name, rule in rules.items() if name != "sample"} == {
        "sample-system": False,
        "sample-cpu": False,
    }


def test_gpus_are_passed_through_on_the_host_that_has_them() -> None:
    for index, seat in enumerate(KUBEADM.seats["h100"]):
        machine = made().inputs("VirtualMachine")[f"sample-h100-{index}"]
        assert machine["pciDeviceIds"] == [*seat.gpus, *seat.fabric]
        assert machine["hostSystemId"] == f"host/{seat.host}"
        assert machine["memoryReservation"] == machine["memory"]
        assert machine["memoryReservationLockedToMax"] is True
        assert settings(f"sample-h100-{index}")["pciPassthru.64bitMMIOSizeGB"] == "1024"


def test_a_machine_with_devices_never_moves_and_no_other_is_held() -> None:
    held = made().inputs("DrsVmOverride")
    assert set(held) == {"sample-l4-0", "sample-h100-0", "sample-h100-1"}
    assert {item["drsEnabled"] for item in held.values()} == {False}
    plain = made().inputs("VirtualMachine")["sample-cpu-0"]
    assert not {"pciDeviceIds", "hostSystemId", "memoryReservation"} & set(plain)


def test_machines_boot_what_is_signed_unless_a_gpu_driver_has_to_be_built() -> None:
    machines = made().inputs("VirtualMachine")
    assert {name for name, item in machines.items() if not item["efiSecureBootEnabled"]} == {
        "sample-l4-0", "sample-h100-0", "sample-h100-1",
    }  # fmt: skip
    assert {item["firmware"] for item in machines.values()} == {"efi"}


def test_every_disk_follows_the_storage_policy() -> None:
    for machine in made().inputs("VirtualMachine").values():
        assert {machine["storagePolicyId"], *(disk["storagePolicyId"] for disk in machine["disks"])} == {
            "policy/vSAN Encrypted"
        }


def test_every_machine_is_tagged() -> None:
    tags = set(made().inputs("Tag"))
    assert tags == {f"sample-{key}" for key in OPTIONS.ownership.tags("sample", "vsphere")}
    for name, machine in made().inputs("VirtualMachine").items():
        assert set(machine["tags"]) == {f"{tag}-id" for tag in tags}, name


def test_vcenter_is_trusted_by_its_certificate_only() -> None:
    (provider,) = [item for item in made().graph.resources if item.type == "pulumi:providers:vsphere"]
    assert provider.inputs["allowUnverifiedSsl"] in (False, "false")
    assert not {"user", "password"} & set(provider.inputs)


@pytest.mark.parametrize("given", [made, supervised])
def test_nothing_is_left_to_a_provider_that_nobody_configured(given: Callable[[], clouds.Made]) -> None:
    ours = [item for item in given().graph.resources if not item.type.startswith(("proof:", "pulumi:"))]
    assert ours
    assert [item.name for item in ours if "pulumi:providers:" not in item.provider] == []


def test_what_holds_data_cannot_be_destroyed_by_accident() -> None:
    def protected(given: clouds.Made) -> set[str]:
        return {name for (_, name), options in given.options.items() if options.protect}

    kept = {"sample", "sample-cluster", "sample-etcd", "sample-front-proxy", "sample-accounts", "sample-secrets"}
    assert protected(made()) == kept
    assert protected(built(options=replace(OPTIONS, deletion_protection=False))) == set()


def test_a_machine_is_protected_exactly_when_it_holds_the_only_copy() -> None:
    only = built(control_planes=1).option("VirtualMachine")
    assert {name for name, options in only.items() if options.protect} == {"sample-control-plane-0"}
    assert not any(options.protect for options in made().option("VirtualMachine").values())


def test_accounts_of_the_storage_driver_and_the_cloud_provider_are_secret() -> None:
    found = made().graph.objects("Secret")
    assert set(found) == {("vmware-system-csi", "vsphere-config-secret"), ("kube-system", "vsphere-cloud-secret")}
    password = json.loads(SECRETS["vcenter"])["password"]
    assert (
        opened(opened(found["kube-system", "vsphere-cloud-secret"]["stringData"])["vcenter.example.test.password"])
        == password
    )
    assert all(SECRET in json.dumps(item["stringData"]) for item in found.values())
    assert password not in json.dumps(made().graph.objects("ConfigMap")["kube-system", "vsphere-cloud-config"])


def test_the_cloud_provider_knows_vcenter_and_datacenter() -> None:
    config = yaml.safe_load(
        made().graph.objects("ConfigMap")["kube-system", "vsphere-cloud-config"]["data"]["vsphere.conf"]
    )
    entry = config["vcenter"]["vcenter.example.test"]
    assert (entry["server"], entry["datacenters"]) == ("vcenter.example.test", ["dc-1"])
    assert (entry["secretNamespace"], entry["secretName"]) == ("kube-system", "vsphere-cloud-secret")


def test_services_get_addresses_where_there_are_any() -> None:
    assert made().graph.objects("ConfigMap")["kube-system", "kubevip"]["data"] == {
        "range-global": KUBEADM.load_balancer
    }
    assert Capability.LOAD_BALANCER in made().cluster.capabilities
    bare = built(load_balancer=None)
    assert ("kube-system", "kubevip") not in bare.graph.objects("ConfigMap")
    assert Capability.LOAD_BALANCER not in bare.cluster.capabilities


def test_vsphere_promises_neither_more_nodes_nor_cheap_ones_nor_principals() -> None:
    missing = {Capability.AUTOSCALING, Capability.SPOT, Capability.WORKLOAD_IDENTITY, Capability.MANAGED_DRIVER}
    assert not missing & made().cluster.capabilities
    assert not missing & supervised().cluster.capabilities


def test_shared_volumes_and_rdma_are_there_only_if_somebody_has_them() -> None:
    few = {**POOLS, "h100": replace(POOLS["h100"], min=0, max=0)}
    given = built(few, options=replace(OPTIONS, shared_storage_policy=None))
    assert {Capability.SHARED_STORAGE, Capability.RDMA} <= made().cluster.capabilities
    assert not {Capability.SHARED_STORAGE, Capability.RDMA} & given.cluster.capabilities
    assert given.cluster.storage.shared is None


def test_binding_an_account_gives_nothing_and_takes_nothing() -> None:
    def bind(cluster: Cluster) -> None:
        binding = cluster.identity.bind(
            "team-a", "trainer", [Grant(store=Store.ARTIFACTS, prefix="a/")], clouds.below(cluster)
        )
        assert (binding.annotations, binding.ready, binding.credentials) == ({}, (), None)

    bound = clouds.build(clouds.spec(Environment.VSPHERE), bind)
    assert len(bound.graph.resources) == len(made().graph.resources)


def test_the_given_object_store_comes_with_its_key() -> None:
    seen: list[str] = []

    def read(cluster: Cluster) -> None:
        for bucket in (cluster.artifacts, cluster.scratch):
            assert bucket is not None
            assert bucket.credential is not None
            bucket.credential.apply(seen.append)

    clouds.build(clouds.spec(Environment.VSPHERE), read)
    assert seen == [SECRETS["objectStore"]] * 2


def test_without_an_object_store_the_platform_brings_its_own() -> None:
    cluster = built(options=replace(OPTIONS, object_store=None)).cluster
    assert (cluster.artifacts, cluster.scratch) == (None, None)


def test_a_pool_that_is_empty_keeps_its_place() -> None:
    given = built({**POOLS, "l4": replace(POOLS["l4"], min=0, max=0)})
    assert not [name for name in given.inputs("VirtualMachine") if "-l4-" in name]
    assert "l4" in given.cluster.pools
    assert given.cluster.accelerator is not None


def test_a_supervisor_makes_the_machines_itself() -> None:
    kinds = {item.type for item in supervised().graph.resources}
    assert not {kind for kind in kinds if kind.endswith((":VirtualMachine", ":PrivateKey", ":ResourcePool"))}
    assert not {kind for kind in kinds if "supervisor" in kind.lower() and kind.startswith("vsphere:")}
    namespace = supervised().inputs("Namespace")["sample"]
    assert namespace["supervisor"] == "domain-c8"
    assert namespace["vmServices"][0]["vmClasses"] == ["sample-medium", "sample-vgpu"]


def test_a_vgpu_machine_reserves_all_its_memory() -> None:
    classes = supervised().inputs("VirtualMachineClass")
    assert (classes["sample-vgpu"]["memoryReservation"], classes["sample-vgpu"]["vgpuDevices"]) == (
        100,
        ["grid_l4-24c"],
    )
    assert not {"memoryReservation", "vgpuDevices"} & set(classes["sample-medium"])


def test_the_supervisors_door_and_the_clusters_are_different_ones() -> None:
    providers = supervised().inputs("kubernetes")
    identifiers = {name: item["clusterIdentifier"] for name, item in providers.items()}
    assert len(set(identifiers.values())) == len(identifiers) == 2
    (cluster,) = supervised().graph.of_type("Cluster")
    assert "::sample-supervisor::" in cluster.provider


def test_a_supervised_cluster_is_there_when_its_api_server_answers() -> None:
    (found,) = supervised().graph.objects("Cluster").values()
    assert found["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Available"}
    replicas = {item["name"]: item["replicas"] for item in found["spec"]["topology"]["workers"]["machineDeployments"]}
    assert replicas == {name: pool.max for name, pool in SUPERVISOR_POOLS.items()}
