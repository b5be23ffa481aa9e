"""What a stack file may ask of Azure, and the pure parts that follow from it."""

from __future__ import annotations

import ipaddress
import re
import uuid
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from infra.aks.access import authority_of
from infra.aks.agents import groups, parts, priorities, taint_text
from infra.aks.identity import condition
from infra.aks.machines import MACHINES, cpu_problem, gpu_problem, infiniband_cards
from infra.aks.names import account_name, agent_pool_name, guid, identity_name, vault_stem
from infra.aks.network import DOORS, FILES, opened, plan, resolver_address
from infra.aks.options import SPOT_MARK, SPOT_TAINT, AksOptions, Site, first_pool, site_pool
from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Gpu, Grant, Pool, Role, Store, Tpu
from tests.support import clouds
from tests.support.cloud_aks import OPTIONS, POOLS

NAMES = some.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/shared/providers"
RESERVATION = f"{GROUP}/Microsoft.Compute/capacityReservationGroups/h100"


def problem(options: AksOptions, pools: dict[str, Pool] | None = None) -> str:
    with pytest.raises(ValueError, match=r"options\.|pools") as caught:
        options.check(POOLS if pools is None else pools)
    return str(caught.value)


def test_the_sample_cluster_is_accepted() -> None:
    OPTIONS.check(POOLS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"admins": ()}, "options.admins: nobody is named"),
        ({"admins": ("admins",)}, "options.admins: found 'admins'; allowed: the object id of an Entra ID group"),
        ({"subscription": "mine"}, "options.subscription: found 'mine'; allowed: an id such as"),
        ({"tenant": "ours"}, "options.tenant: found 'ours'"),
        ({"registries": ("images",)}, "options.registries: found 'images'; allowed: the resource id of a container"),
        ({"log_days": 29}, "options.logDays: found 29; allowed: 30 to 730"),
        ({"zones": ()}, "options.zones: found none; allowed: different ones of 1, 2, 3"),
        ({"zones": ("1", "1")}, "options.zones: found 1, 1"),
        ({"zones": ("1", "4")}, "options.zones: found 1, 4"),
        ({"network": CloudNetwork(nodes="10.0.0.0/24")}, "options.network.nodes: found 10.0.0.0/24; allowed: IPv4"),
        ({"network": CloudNetwork(services="172.31.0.0/16")}, "172.31.0.0/16 overlaps 172.31.0.0/16, which AKS keeps"),
        ({"network": CloudNetwork(services="fd00::/108")}, "options.network.services: found fd00::/108"),
        (
            {"network": CloudNetwork(pods="100.64.0.0/20")},
            "options.network.pods: 100.64.0.0/20 is enough for 16 nodes; found 32",
        ),
    ],
)
def test_what_azure_would_refuse_later_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    assert message in problem(replace(OPTIONS, **change))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "l4",
            {"machine": "Standard_NC65as_T4_v3"},
            "pools.l4.machine: found 'Standard_NC65as_T4_v3'; allowed for Tesla-T4: Standard_NC4as_T4_v3",
        ),
        ("l4", {"machine": "Standard_ND96isr_H100_v5"}, "has 8 x NVIDIA-H100-80GB-HBM3 of about 81920 MiB"),
        (
            "l4",
            {"gpu": Gpu(product="Tesla-T4", count=1, memory_mib=15360)},
            "pools.l4.gpu: found 1 x Tesla-T4 of 15360 MiB; Standard_NC64as_T4_v3 has 4 x Tesla-T4",
        ),
        ("cpu", {"machine": "Standard_NV36ads_A10_v5"}, "pools.cpu.machine: Standard_NV36ads_A10_v5 has GPUs"),
        ("cpu", {"machine": "Standard_D8pds_v5"}, "pools.cpu.machine: Standard_D8pds_v5 is an Arm machine"),
        ("cpu", {"machine": "Standard_D8d_v5"}, "pools.cpu.machine: Standard_D8d_v5 takes no premium disks"),
        ("cpu", {"machine": "large"}, "pools.cpu.machine: found 'large'; allowed: a VM size"),
        ("cpu", {"zones": ("4",)}, "pools.cpu.zones: found 4; allowed: 1, 2, 3"),
        ("h100", {"zones": ()}, "pools.h100.zones: found 0; placed together, or reserved, means exactly one"),
        ("system", {"capacity": Capacity.SPOT}, "pools.system.capacity: found spot; the system may not be interrupted"),
        (
            "h100",
            {"capacity": Capacity.RESERVED, "reservation": "mine"},
            "pools.h100.reservation: found 'mine'; allowed: the resource id of a capacity reservation group",
        ),
    ],
)
def test_a_pool_that_azure_cannot_provide_is_refused_by_name(name: str, change: dict[str, Any], message: str) -> None:
    assert message in problem(OPTIONS, {**POOLS, name: replace(POOLS[name], **change)})


def test_a_tpu_pool_is_refused() -> None:
    tpu = Tpu(product="tpu-v6e-slice", topology="2x2", count=4)
    pool = Pool(role=Role.TPU, machine="ct6e-standard-4t", min=0, max=1, tpu=tpu)
    assert "pools.tpu.role: Azure has no TPUs" in problem(OPTIONS, {**POOLS, "tpu": pool})


def test_a_cluster_of_interruptible_nodes_only_is_refused() -> None:
    assert "may not be interrupted" in problem(OPTIONS, {"cpu": replace(POOLS["cpu"], capacity=Capacity.SPOT)})


def test_all_problems_are_told_at_once() -> None:
    told = problem(replace(OPTIONS, admins=(), log_days=2), {"cpu": replace(POOLS["cpu"], machine="large")})
    assert [word in told for word in ("options.admins", "options.logDays", "pools.cpu.machine")] == [True] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [({"region": "chinaeast2"}, "region: chinaeast2 has services"), ({"name": "ml-"}, "name: found 'ml-'")],
)
def test_places_and_names_that_azure_does_not_take_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Site.of(clouds.spec(Environment.AKS, **change))


def test_the_longest_cluster_name_fits_every_name_that_is_made_of_it() -> None:
    site = Site.of(clouds.spec(Environment.AKS, name="a" * 31))
    assert len(site.group) <= 90
    assert len(site.node_group) <= 80
    assert len(vault_stem(site.name)) <= 15


def test_the_first_pool_is_of_role_system_wherever_it_stands() -> None:
    turned = dict(reversed(POOLS.items()))
    assert first_pool(turned) == first_pool(POOLS) == "system"
    assert first_pool({"cpu": POOLS["cpu"]}) == "cpu"


def test_aks_keeps_a_node_of_the_first_pool_and_the_contract_says_so() -> None:
    site = Site.of(clouds.spec(Environment.AKS, pools={"cpu": POOLS["cpu"]}))
    assert (POOLS["cpu"].min, site.pools["cpu"].min) == (0, 1)


def test_the_mark_of_interruptible_nodes_is_among_the_taints_once() -> None:
    pool = replace(POOLS["l4"], capacity=Capacity.SPOT)
    completed = site_pool("l4", pool, first=False)
    again = site_pool("l4", completed, first=False)
    assert completed.taints.count(SPOT_TAINT) == again.taints.count(SPOT_TAINT) == 1
    assert completed.labels[SPOT_MARK] == "spot"


def test_a_label_that_only_some_nodes_have_is_no_label_of_the_pool() -> None:
    completed = site_pool("l4", POOLS["l4"], first=False)
    assert SPOT_MARK not in completed.labels
    spot, steady = parts("l4", completed, ("1",))
    assert (spot.labels[SPOT_MARK], SPOT_MARK in steady.labels) == ("spot", False)
    assert (SPOT_TAINT in spot.taints, SPOT_TAINT in steady.taints) == (True, False)


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (Capacity.ON_DEMAND, [(False, 1)]),
        (Capacity.SPOT, [(True, 1)]),
        (Capacity.SPOT_OR_ON_DEMAND, [(True, 1), (False, 0)]),
    ],
)
def test_a_pool_is_made_of_cheap_nodes_dear_nodes_or_both(capacity: Capacity, expected: list[tuple[bool, int]]) -> None:
    made = parts("l4", replace(POOLS["l4"], capacity=capacity, min=1), ("1", "2"))
    assert [(group.spot, group.fewest) for group in made] == expected


@given(one=NAMES, other=NAMES)
def test_agent_pools_have_names_that_azure_takes_and_different_ones(one: str, other: str) -> None:
    first, second = agent_pool_name(one, "spot", "m"), agent_pool_name(other, "spot", "m")
    assert re.fullmatch(r"[a-z][a-z0-9]{0,11}", first)
    assert (first == second) == (one == other)
    assert agent_pool_name(one, "steady", "m") != first


@given(cluster=NAMES, other=NAMES)
def test_storage_accounts_have_names_that_azure_takes_and_different_ones(cluster: str, other: str) -> None:
    subscription = OPTIONS.subscription
    made = [account_name(subscription, cluster, purpose) for purpose in ("artifacts", "scratch", "files", "flows")]
    assert all(re.fullmatch(r"[a-z0-9]{3,24}", name) for name in made)
    assert len(set(made)) == 4
    assert (account_name(subscription, other, "files") == made[2]) == (cluster == other)


@given(cluster=NAMES)
def test_a_vaults_name_stays_valid_with_what_the_provider_adds(cluster: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]{0,13}", vault_stem(cluster))


@given(namespace=NAMES, account=NAMES, other=NAMES)
def test_identities_have_names_that_azure_takes_and_different_ones(namespace: str, account: str, other: str) -> None:
    made = identity_name(namespace, account)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{2,127}", made)
    assert (identity_name(namespace, other) == made) == (account == other)


def test_identities_of_accounts_that_would_read_alike_differ() -> None:
    assert identity_name("a", "b.c") != identity_name("a", "b-c")
    assert len(identity_name("n" * 63, "a" * 253)) <= 128


def test_role_assignments_are_named_by_what_they_are_for() -> None:
    assert str(uuid.UUID(guid("cluster", "right"))) == guid("cluster", "right")
    assert guid("cluster", "right") != guid("cluster", "left")


def test_another_machine_is_another_agent_pool_and_another_size_is_the_same() -> None:
    def names(pool: Pool) -> list[str]:
        return [group.name for group in parts("h100", pool, ("1",))]

    pool = POOLS["h100"]
    assert names(replace(pool, min=1, max=9)) == names(pool)
    for change in ({"machine": "Standard_ND96isr_H200_v5"}, {"zones": ("1",)}, {"disk_gib": 900}, {"together": False}):
        assert names(replace(pool, **change)) != names(pool)


@pytest.mark.parametrize("network", [CloudNetwork(), CloudNetwork(nodes="10.0.0.0/22", pods="10.64.0.0/20")])
def test_subnets_lie_in_the_network_and_never_overlap(network: CloudNetwork) -> None:
    planned = plan(network)
    cidrs = [ipaddress.IPv4Network(item) for item in (planned.nodes, planned.control, planned.endpoints)]
    assert all(cidr.subnet_of(ipaddress.IPv4Network(network.nodes)) for cidr in cidrs)
    assert not [pair for pair in combinations(cidrs, 2) if pair[0].overlaps(pair[1])]


def test_services_have_addresses_of_their_own_that_azure_does_not_keep() -> None:
    planned = plan(CloudNetwork())
    made = [ipaddress.IPv4Address(planned.endpoint(index)) for index in range(len((*DOORS, FILES)))]
    inside = ipaddress.IPv4Network(planned.endpoints)
    assert len(set(made)) == len(made)
    assert all(address in inside and address not in list(inside)[:4] for address in made)
    assert set(opened(CloudNetwork()).values()) == {str(address) for address in made[: len(DOORS)]}


def test_the_name_service_has_the_tenth_address_of_the_services() -> None:
    assert resolver_address("172.20.0.0/16") == "172.20.0.10"


def test_every_gpu_machine_accepts_what_the_table_says_of_it() -> None:
    for name, machine in MACHINES.items():
        gpu = Gpu(product=machine.product, count=machine.gpus, memory_mib=machine.memory_mib)
        assert gpu_problem(name, gpu) is None
        assert infiniband_cards(name) == machine.infiniband
        assert "has GPUs" in str(cpu_problem(name))


@pytest.mark.parametrize(
    "machine", ["Standard_D8ds_v5", "Standard_E96-24ads_v5", "Standard_F16s_v2", "Standard_D8as_v6"]
)
def test_other_machines_are_accepted(machine: str) -> None:
    assert cpu_problem(machine) is None


def test_a_product_that_no_machine_has_is_told_what_there_is() -> None:
    told = gpu_problem("Standard_Z1", Gpu(product="NVIDIA-Made-Up", count=1, memory_mib=1))
    assert "allowed: machines with Tesla-T4, NVIDIA-A100-80GB-PCIe" in str(told)


def test_a_grant_of_a_whole_bucket_has_no_condition() -> None:
    assert condition(Grant(store=Store.SCRATCH, prefix="", write=True)) is None


def test_every_action_of_a_role_is_limited_to_the_prefix() -> None:
    for write, actions in ((False, {"read"}), (True, {"read", "write", "add/action", "delete", "move/action"})):
        text = str(condition(Grant(store=Store.ARTIFACTS, prefix="team-a/", write=write)))
        named = set(re.findall(r"ActionMatches\{'[\w./]+/blobs/([a-z/]+)'\}", text.replace("Sub", "")))
        assert named == actions
        assert text.count("StringStartsWith 'team-a/'") == len(actions) + 1  # reading and listing are two
        assert text.count("(") == text.count(")")


def test_a_quote_in_a_prefix_stays_inside_the_text() -> None:
    text = str(condition(Grant(store=Store.ARTIFACTS, prefix="o'neill/")))
    assert "StringStartsWith 'o''neill/'" in text


def test_the_autoscaler_prefers_cheap_nodes() -> None:
    site = Site.of(clouds.spec(Environment.AKS))
    (spot,) = [group for group in groups(site) if group.spot]
    ordered = yaml.safe_load(priorities(site))
    assert ordered[10] == [".*"]
    (pattern,) = ordered[max(ordered)]
    assert re.fullmatch(pattern, f"aks-{spot.name}-12345678-vmss")
    assert not [group for group in groups(site) if not group.spot and re.match(pattern, f"aks-{group.name}-1-vmss")]


def test_taints_are_written_as_azure_reads_them() -> None:
    assert taint_text(SPOT_TAINT) == "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"


def test_the_certificate_authority_comes_from_what_aks_hands_out() -> None:
    assert authority_of("{clusters: [{name: c, cluster: {certificate-authority-data: QQ==}}]}") == "QQ=="
