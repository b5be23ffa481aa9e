"""What a stack file may ask of vSphere, and the pure parts that follow from it."""

from __future__ import annotations

import base64
import ipaddress
import json
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Gpu, Pool, Role, Taint, Tpu
from infra.kubeconfig import server_of
from infra.vsphere import kubeadm as documents
from infra.vsphere import launch
from infra.vsphere.machines import GPUS, gpu_problem, window_gib
from infra.vsphere.network import Range, plan, range_problems
from infra.vsphere.options import Machine, Mode, Seat, VsphereOptions
from infra.vsphere.site import Site
from infra.vsphere.storage import driver_config, read_account
from tests.support import clouds
from tests.support.cloud_vsphere import KUBEADM, OPTIONS, POOLS, SECRETS, SUPERVISOR, SUPERVISOR_POOLS

BLANK = launch.Authorities(files={"ca.key": "a key\n"}, secrets="a secret")


def problem(options: VsphereOptions, pools: dict[str, Pool] | None = None) -> str:
    with pytest.raises(ValueError, match=r"options\.|pools\.") as caught:
        options.check(POOLS if pools is None else pools)
    return str(caught.value)


def site(**changes: Any) -> Site:  # noqa: ANN401 - options of kubeadm
    options = replace(OPTIONS, kubeadm=replace(KUBEADM, **changes))
    return Site.of(clouds.spec(Environment.VSPHERE, options=options))


def files(user_data: str) -> dict[str, str]:
    """Files that cloud-init writes, by path."""
    assert user_data.startswith("#cloud-config\n")
    return {item["path"]: item["content"] for item in yaml.safe_load(user_data)["write_files"]}


def test_the_sample_clusters_are_accepted() -> None:
    OPTIONS.check(POOLS)
    SUPERVISOR.check(SUPERVISOR_POOLS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": Mode.SUPERVISOR}, "options.supervisor: missing; the mode is supervisor"),
        ({"kubeadm": None}, "options.kubeadm: missing; the mode is kubeadm"),
        ({"supervisor": SUPERVISOR.supervisor}, "options.supervisor: is for mode supervisor; the mode is kubeadm"),
        ({"admins": ("ada",)}, "options.admins: vSphere's people are none of the cluster's"),
        ({"network": CloudNetwork()}, "options.network.flowLogs: found true; vSphere keeps no log"),
        ({"network": CloudNetwork(flow_logs=False, pods="fd00::/64")}, "options.network.pods: found fd00::/64"),
    ],
)
def test_what_vsphere_cannot_do_is_refused(change: dict[str, Any], message: str) -> None:
    assert message in problem(replace(OPTIONS, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"control_planes": 2}, "options.kubeadm.controlPlanes: found 2; allowed: 1, 3"),
        ({"control_machine": "big"}, "options.kubeadm.controlMachine: found 'big'; allowed: medium, l4-host"),
        ({"api_address": "10.41.0.10"}, "apiAddress: found 10.41.0.10-10.41.0.10; allowed: addresses of 10.40.0.0/24"),
        ({"api_address": "10.40.0.11"}, "addresses.control-plane (10.40.0.11-10.40.0.13) and apiAddress"),
        ({"gateway": "10.40.0.255"}, "gateway: found 10.40.0.255"),
        ({"load_balancer": "10.40.0.200"}, ""),
        ({"load_balancer": "10.40.0.70-10.40.0.90"}, "loadBalancer (10.40.0.70-10.40.0.90) overlap"),
        ({"addresses": {"cpu": "10.40.0.30-10.40.0.39"}}, "addresses: missing: control-plane, h100, l4, system"),
        ({"addresses": {**KUBEADM.addresses, "cpu": "10.40.0.30"}}, "addresses.cpu: found 1 addresses; needed: 2"),
        ({"addresses": {**KUBEADM.addresses, "cpu": "many"}}, "addresses.cpu: found 'many'; allowed: a range such as"),
    ],
)
def test_addresses_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    options = replace(OPTIONS, kubeadm=replace(KUBEADM, **change))
    if message:
        assert message in problem(options)
    else:
        options.check(POOLS)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cpu", {"machine": "huge"}, "pools.cpu.machine: found 'huge'; allowed: medium, l4-host, h100-host"),
        ("cpu", {"capacity": Capacity.SPOT}, "pools.cpu.capacity: found spot; vSphere sells no machines"),
        ("l4", {"capacity": Capacity.SPOT_OR_ON_DEMAND}, "pools.l4.capacity: found spot-or-on-demand"),
        ("h100", {"capacity": Capacity.RESERVED, "reservation": "r"}, "pools.h100.capacity: found reserved"),
        ("cpu", {"max": 9}, "pools.cpu.max: found 9; nothing here adds nodes by itself; allowed: the same as min (2)"),
        ("cpu", {"zones": ("a",)}, "pools.cpu.zones: found a; a datacenter has none"),
        ("cpu", {"together": True}, "pools.cpu.together: found true; only nodes with GPUs have RDMA cards"),
        ("h100", {"together": False}, "pools.h100.together: found false; seat 0 has 8 RDMA cards"),
        ("l4", {"together": True}, "pools.l4.together: found true; seat 0 has 0 RDMA cards"),
        ("l4", {"min": 2, "max": 2}, "pools.l4.max: found 2; options.kubeadm.seats.l4 has 1 entries"),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-L4", count=2, memory_mib=23034)},
            "pools.l4.gpu.count: found 2; seat 0 has 4 GPUs",
        ),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-L4", count=4, memory_mib=46068)},
            "pools.l4.gpu.memoryMib: found 46068; NVIDIA-L4 has about 24576",
        ),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-Made-Up", count=4, memory_mib=1)},
            "pools.l4.gpu.product: found 'NVIDIA-Made-Up'; allowed: Tesla-T4",
        ),
    ],
)
def test_a_pool_that_vsphere_cannot_provide_is_refused_by_name(name: str, change: dict[str, Any], message: str) -> None:
    assert message in problem(OPTIONS, {**POOLS, name: replace(POOLS[name], **change)})


def test_a_tpu_pool_is_refused() -> None:
    tpu = Tpu(product="tpu-v6e-slice", topology="2x2", count=4)
    pool = Pool(role=Role.TPU, machine="medium", min=1, max=1, tpu=tpu)
    assert "pools.tpu.role: vSphere has no TPUs" in problem(OPTIONS, {"cpu": POOLS["cpu"], "tpu": pool})


def test_the_name_of_the_control_plane_is_taken() -> None:
    assert "pools.control-plane.name: belongs to the control plane" in problem(
        OPTIONS, {**POOLS, "control-plane": POOLS["cpu"]}
    )


def test_a_device_belongs_to_one_node() -> None:
    seat = Seat(host="esx-1", gpus=("0000:20:00.0", "here"))
    told = problem(replace(OPTIONS, kubeadm=replace(KUBEADM, seats={**KUBEADM.seats, "more": (seat, seat)})))
    assert "seats.more[1]: 0000:20:00.0 of esx-1 is in seats.more[0] already" in told
    assert "seats.more[0]: found 'here'; allowed: a PCI address" in told


def test_vgpus_need_a_supervisor_and_a_supervisor_gives_nothing_else() -> None:
    machines = {**OPTIONS.machines, "l4-host": Machine(cpus=8, memory_gib=64, vgpu="grid_l4-24c")}
    assert "only mode supervisor can give vGPUs" in problem(replace(OPTIONS, machines=machines))
    plain = {**SUPERVISOR.machines, "vgpu": Machine(cpus=8, memory_gib=64)}
    assert "a Supervisor gives GPUs as vGPU only" in problem(replace(SUPERVISOR, machines=plain), SUPERVISOR_POOLS)
    close = {**SUPERVISOR_POOLS, "l4": replace(SUPERVISOR_POOLS["l4"], together=True)}
    assert "pools.l4.together: found true; a Supervisor places nodes itself" in problem(SUPERVISOR, close)


def test_a_supervisor_decides_itself_who_reaches_its_api_servers() -> None:
    network = CloudNetwork(flow_logs=False, api_access=("198.51.100.0/24",))
    assert "options.network.apiAccess" in problem(replace(SUPERVISOR, network=network), SUPERVISOR_POOLS)


def test_all_problems_are_told_at_once() -> None:
    told = problem(replace(OPTIONS, admins=("ada",)), {"cpu": replace(POOLS["cpu"], machine="huge", max=3)})
    assert [word in told for word in ("options.admins", "pools.cpu.machine", "pools.cpu.max")] == [True] * 3


def test_a_version_without_a_node_image_is_refused_and_the_newest_image_is_taken() -> None:
    assert site().release == "1.35.4"
    with pytest.raises(ValueError, match=r"options\.kubeadm\.templates: nothing for Kubernetes 1\.34; found 1\.35\.4"):
        Site.of(clouds.spec(Environment.VSPHERE, version="1.34"))
    with pytest.raises(ValueError, match=r"options\.supervisor\.releases: nothing for Kubernetes 1\.34"):
        Site.of(clouds.spec(Environment.VSPHERE, version="1.34", options=SUPERVISOR, pools=SUPERVISOR_POOLS))


def test_names_that_are_too_long_for_a_host_are_refused() -> None:
    long = "p" * 31
    options = replace(OPTIONS, kubeadm=replace(KUBEADM, addresses={**KUBEADM.addresses, long: "10.40.0.100"}))
    pools = {"cpu": POOLS["cpu"], long: replace(POOLS["cpu"], min=1, max=1)}
    spec = clouds.spec(Environment.VSPHERE, name="c" * 31, pools=pools, options=options)
    with pytest.raises(ValueError, match=r"pools\.p+: .* has 65 characters; a host name has 63"):
        Site.of(spec)


# Ranges of a /24 that follow each other without a gap, and how many nodes each has.
_SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=10)


def _ranges(sizes: list[int]) -> dict[str, str]:
    whole, used, made = ipaddress.IPv4Network("10.40.0.0/24"), 1, dict[str, str]()
    for index, size in enumerate(sizes):
        made[f"p{index}"] = f"{whole[used]}-{whole[used + size - 1]}"
        used += size
    return made


@given(sizes=_SIZES)
def test_no_two_nodes_share_an_address(sizes: list[int]) -> None:
    ranges, counts = _ranges(sizes), {f"p{index}": size for index, size in enumerate(sizes)}
    assert list(range_problems("10.40.0.0/24", ranges, counts)) == []
    addresses = [address for pool in plan(ranges, counts).values() for address in pool]
    assert len(addresses) == len(set(addresses)) == sum(sizes)


@given(sizes=_SIZES, data=st.data())
def test_a_pool_that_grows_or_comes_moves_nobody(sizes: list[int], data: st.DataObject) -> None:
    ranges = _ranges(sizes)
    few = {f"p{index}": data.draw(st.integers(0, size)) for index, size in enumerate(sizes[:-1])}
    many = {f"p{index}": size for index, size in enumerate(sizes)}
    before, after = plan(ranges, few), plan(ranges, many)
    assert all(after[name][: len(found)] == found for name, found in before.items())


@given(sizes=_SIZES, data=st.data())
def test_ranges_that_touch_each_other_are_always_found(sizes: list[int], data: st.DataObject) -> None:
    ranges = _ranges(sizes)
    taken = Range.parse(data.draw(st.sampled_from(sorted(ranges.values()))))
    spoilt = {**ranges, "more": str(data.draw(st.sampled_from((taken.first, taken.last))))}
    assert any("overlap" in told for told in range_problems("10.40.0.0/24", spoilt, {}))


@pytest.mark.parametrize("text", ["10.40.0.9-10.40.0.1", "a-b", "10.40.0.1-", "-10.40.0.1-2"])
def test_what_is_no_range_is_refused(text: str) -> None:
    if text.endswith("-"):
        assert len(Range.parse(text)) == 1
        return
    with pytest.raises(ValueError, match=r"."):
        Range.parse(text)


def test_more_nodes_than_addresses_are_never_planned() -> None:
    with pytest.raises(ValueError, match="has 1 addresses, 2 are needed"):
        Range.parse("10.40.0.1").take(2)


def test_every_gpu_of_the_table_is_accepted_as_it_says() -> None:
    for product, memory in GPUS.items():
        assert gpu_problem(Gpu(product=product, count=1, memory_mib=memory * 1024)) is None


@pytest.mark.parametrize(("count", "gib", "expected"), [(1, 24, 32), (8, 80, 1024), (1, 64, 128)])
def test_the_window_for_devices_is_the_next_power_of_two(count: int, gib: int, expected: int) -> None:
    assert window_gib(Gpu(product="NVIDIA-L4", count=count, memory_mib=gib * 1024)) == expected


def test_only_the_first_control_plane_node_may_begin_a_cluster() -> None:
    given_site = site()
    told = [
        files(launch.control_user_data(given_site, node, BLANK))["/etc/kubeadm/settings"]
        for node in given_site.control_nodes()
    ]
    assert ['FIRST="true"' in text for text in told] == [True, False, False]
    assert 'SERVERS="10.40.0.10 10.40.0.11 10.40.0.13"' in told[1]


def test_no_key_of_an_authority_reaches_a_worker() -> None:
    node = site().pool_nodes("cpu")[0]
    found = files(launch.worker_user_data(site(), node, "its own kubeconfig"))
    assert set(found) == {"/etc/kubeadm/discovery.conf", "/etc/kubeadm/join.yaml", "/usr/local/sbin/start-node"}


def test_a_worker_registers_with_the_labels_and_taints_of_its_pool() -> None:
    registration = documents.join_configuration(site().pool_nodes("l4")[0])["nodeRegistration"]
    arguments = {item["name"]: item["value"] for item in registration["kubeletExtraArgs"]}
    labels = dict(label.split("=") for label in arguments["node-labels"].split(","))
    assert labels == dict(site().pools["l4"].labels)
    assert registration["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert arguments["cloud-provider"] == "external"


def test_a_taint_without_a_value_stays_without_one() -> None:
    pools = {**POOLS, "cpu": replace(POOLS["cpu"], taints=(Taint(key="team"),))}
    given_site = Site.of(clouds.spec(Environment.VSPHERE, pools=pools))
    registration = documents.join_configuration(given_site.pool_nodes("cpu")[0])["nodeRegistration"]
    assert registration["taints"] == [{"key": "team", "effect": "NoSchedule"}]


def test_secrets_are_encrypted_before_etcd_sees_them() -> None:
    (rule,) = documents.encryption_configuration("a key")["resources"]
    assert rule["resources"] == ["secrets"]
    assert list(rule["providers"][0]) == ["aescbc"]


def test_the_audit_log_never_holds_a_secret_and_is_kept_as_long_as_logs_are() -> None:
    rules = documents.audit_policy()["rules"]
    secrets = next(
        index
        for index, rule in enumerate(rules)
        if any("secrets" in item["resources"] for item in rule.get("resources", []))
    )
    assert rules[secrets]["level"] == "Metadata"
    assert all(rule["level"] in ("None", "Metadata") for rule in rules[:secrets])
    arguments = {
        item["name"]: item["value"] for item in documents.cluster_configuration(site())["apiServer"]["extraArgs"]
    }
    assert arguments["audit-log-maxage"] == str(OPTIONS.log_days)


def test_the_api_server_lets_in_nodes_pods_and_named_networks_only() -> None:
    network = replace(OPTIONS.network, api_access=("198.51.100.0/24",))
    named = Site.of(clouds.spec(Environment.VSPHERE, options=replace(OPTIONS, network=network)))
    assert "{ 127.0.0.0/8, 10.40.0.0/24, 100.64.0.0/14, 198.51.100.0/24 } drop" in launch.door(named)
    assert "198.51.100.0/24" not in launch.door(site())


def test_another_name_for_the_api_server_is_in_its_certificate() -> None:
    named = site(api_endpoint="ml-api.example.test:443")
    assert documents.cluster_configuration(named)["apiServer"]["certSANs"] == ["10.40.0.10", "ml-api.example.test"]
    assert named.api_endpoint == "ml-api.example.test:443"
    assert documents.cluster_configuration(named)["controlPlaneEndpoint"] == "10.40.0.10:6443"


def test_without_a_range_there_is_no_load_balancer() -> None:
    bare = site(load_balancer=None)
    assert "load-balancer" not in launch.addons(bare)
    variables = {item["name"]: item["value"] for item in documents.kube_vip(bare)["spec"]["containers"][0]["env"]}
    assert (variables["svc_enable"], variables["cp_enable"]) == ("false", "true")


def test_guest_tools_wait_for_the_node_and_the_user_data_is_wiped() -> None:
    node = site().control_nodes()[0]
    told = yaml.safe_load(launch.control_user_data(site(), node, BLANK))
    assert told["bootcmd"][0][:2] == ["cloud-init-per", "instance"]  # a reboot must not stop them again
    (command,) = told["runcmd"]
    order = [command.index(word) for word in ("set -e", "start-node", "unmask", "start open-vm-tools")]
    assert order == sorted(order)
    assert yaml.safe_load(launch.metadata(site(), node))["cleanup-guestinfo"] == ["userdata", "vendordata"]


def test_a_node_is_replaced_for_what_it_is_told_and_never_for_a_credential() -> None:
    def mark(given_site: Site) -> str:
        node = given_site.pool_nodes("cpu")[0]
        return launch.fingerprint(launch.metadata(given_site, node), launch.worker_user_data(given_site, node, ""))

    assert mark(site()) == mark(site(load_balancer=None))
    assert mark(site()) != mark(site(gateway="10.40.0.2"))


def test_programs_of_a_node_are_shell() -> None:
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("no shell here")
    told = {**files(launch.control_user_data(site(), site().control_nodes()[0], BLANK))}
    for path in ("/usr/local/sbin/start-node", "/usr/local/sbin/apply-addons"):
        subprocess.run([shell, "-n"], input=told[path], text=True, check=True)


def test_a_kubeconfig_with_a_certificate_is_one_that_we_can_read() -> None:
    document = documents.certificate_kubeconfig("ml", "https://a.test:6443", "ca", "certificate", "key")
    assert server_of(json.dumps(document), origin="test") == "https://a.test:6443"
    (user,) = document["users"]
    assert base64.b64decode(user["user"]["client-key-data"]) == b"key"


def test_the_storage_driver_gets_the_password_as_it_is() -> None:
    text = driver_config(site(), SECRETS["vcenter"])
    assert 'password = "a\\"not\\\\real"' in text
    assert '[VirtualCenter "vcenter.example.test"]' in text
    assert 'insecure-flag = "false"' in text


@pytest.mark.parametrize("text", ["no json", "[]", '{"user": "a"}', '{"user": 1, "password": "hidden"}'])
def test_an_account_in_the_wrong_form_is_told_without_being_shown(text: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"kubeflow-proof:vcenter: allowed: JSON like") as caught:
        read_account(text)
    assert "hidden" not in str(caught.value)
