"""What a stack file may ask of Alibaba Cloud, and the pure parts that follow from it."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from infra.ack.addons import addons
from infra.ack.identity import Principal, bucket_statements, token_trust
from infra.ack.machines import MACHINES, cpu_problem, gpu_problem, has_rdma
from infra.ack.names import bucket_name, policy_name, role_name
from infra.ack.network import plan
from infra.ack.nodes import DRIVER_LABEL, Group, groups, labels
from infra.ack.options import RELEASES, AckOptions, Site
from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Gpu, Grant, Pool, Role, Store, Tpu
from tests.support import clouds
from tests.support.cloud_ack import OPTIONS, POOLS

ZONES = OPTIONS.zones
NETWORK = OPTIONS.network


def problem(options: AckOptions, pools: dict[str, Pool] | None = None) -> str:
    with pytest.raises(ValueError, match=r"options\.|pools\.") as caught:
        options.check(POOLS if pools is None else pools)
    return str(caught.value)


def site(**options: Any) -> Site:  # noqa: ANN401 - fields of the options
    return Site.of(clouds.spec(Environment.ACK, options=replace(OPTIONS, **options)))


def test_the_sample_cluster_is_accepted() -> None:
    OPTIONS.check(POOLS)


def test_a_cluster_that_one_person_could_open_is_refused() -> None:
    assert "options.admins: nobody is named" in problem(replace(OPTIONS, admins=()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"admins": ("admin",)}, "options.admins: found 'admin'; allowed: user/ID or role/ID"),
        ({"zones": ()}, "options.zones: found none; allowed: 2 to 4 different ones"),
        ({"zones": ("eu-central-1a",)}, "options.zones: found eu-central-1a; allowed: 2 to 4 different ones"),
        ({"zones": (*ZONES, "eu-central-1a")}, "allowed: 2 to 4 different ones"),
        ({"zones": (*ZONES, "eu-central-1")}, "options.zones: found 'eu-central-1'; allowed: a zone such as"),
        ({"network": replace(NETWORK, nodes="10.0.0.0/20")}, "options.network.nodes: found 10.0.0.0/20; allowed: IPv4"),
        ({"network": replace(NETWORK, services="172.16.0.0/12")}, "options.network.services: found 172.16.0.0/12"),
        ({"network": replace(NETWORK, services="fd00::/108")}, "options.network.services: found fd00::/108"),
        (
            {"network": replace(NETWORK, api_access=("2001:db8::/32",))},
            "options.network.apiAccess: found 2001:db8::/32",
        ),
        ({"cloud_services": ("10.0.0.0/8",)}, "options.cloudServices: found 10.0.0.0/8; allowed: networks in 100.64"),
        ({"releases": {"1.35": "1.36.1-aliyun.1"}}, "options.releases.1.35: found '1.36.1-aliyun.1'"),
        ({"releases": {"1.35": "1.35.7"}}, "options.releases.1.35: found '1.35.7'; allowed: a release such as"),
    ],
)
def test_what_the_cloud_would_refuse_later_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    assert message in problem(replace(OPTIONS, **change))


def test_no_network_may_hide_the_clouds_own_services() -> None:
    told = problem(replace(OPTIONS, network=CloudNetwork()))  # the default of other clouds
    assert "options.network.pods: found 100.64.0.0/14; allowed: outside 100.64.0.0/10" in told


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("l4", {"machine": "ecs.gn7i-c9g1.2xlarge"}, "pools.l4.machine: found 'ecs.gn7i-c9g1.2xlarge'; allowed for"),
        ("l4", {"machine": "ecs.gn7i-c8g1.2xlarge"}, "ecs.gn7i-c8g1.2xlarge has 1 x NVIDIA-A10 of about 24576 MiB"),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-A10", count=4, memory_mib=46068)},
            "pools.l4.gpu: found 4 x NVIDIA-A10 of 46068 MiB; ecs.gn7i-c32g1.32xlarge has 4 x NVIDIA-A10",
        ),
        ("cpu", {"machine": "ecs.gn7i-c32g1.32xlarge"}, "pools.cpu.machine: ecs.gn7i-c32g1.32xlarge has GPUs"),
        ("cpu", {"machine": "ecs.g8y.2xlarge"}, "pools.cpu.machine: ecs.g8y.2xlarge is an Arm machine"),
        ("cpu", {"machine": "g8i.2xlarge"}, "pools.cpu.machine: found 'g8i.2xlarge'; allowed: an instance type"),
        ("cpu", {"zones": ("eu-central-1d",)}, "pools.cpu.zones: found eu-central-1d; allowed: eu-central-1a"),
        ("h100", {"zones": ()}, "pools.h100.zones: found 0; placed together, or reserved, means exactly one"),
        ("h100", {"max": 21}, "pools.h100.max: found 21; allowed: 20, the most nodes that can be placed together"),
        ("h100", {"capacity": Capacity.SPOT}, "pools.h100.capacity: found spot; nodes that are placed together"),
        ("system", {"capacity": Capacity.SPOT}, "pools.system.capacity: found spot; the system may not be interrupted"),
        ("h100", {"capacity": Capacity.RESERVED, "reservation": "mine"}, "pools.h100.reservation: found 'mine'"),
    ],
)
def test_a_pool_that_the_cloud_cannot_provide_is_refused_by_name(
    name: str, change: dict[str, Any], message: str
) -> None:
    assert message in problem(OPTIONS, {**POOLS, name: replace(POOLS[name], **change)})


def test_a_product_that_no_machine_has_is_told_what_there_is() -> None:
    told = gpu_problem("ecs.zz1.large", Gpu(product="NVIDIA-Made-Up", count=1, memory_mib=1))
    assert told is not None
    assert "allowed: machines with Tesla-T4, NVIDIA-A10" in told


def test_a_tpu_pool_is_refused() -> None:
    tpu = Tpu(product="tpu-v6e-slice", topology="2x2", count=4)
    pool = Pool(role=Role.TPU, machine="ct6e-standard-4t", min=0, max=1, tpu=tpu)
    assert "pools.tpu.role: Alibaba Cloud has no TPUs" in problem(OPTIONS, {"tpu": pool})


def test_all_problems_are_told_at_once() -> None:
    told = problem(replace(OPTIONS, admins=(), zones=()), {"cpu": replace(POOLS["cpu"], machine="large")})
    assert [word in told for word in ("options.admins", "options.zones", "pools.cpu.machine")] == [True] * 3


@pytest.mark.parametrize(
    ("region", "zones"),
    [("cn-hangzhou", ("cn-hangzhou-h", "cn-hangzhou-k")), ("eu-central-1", ("eu-central-1a", "eu-central-1c"))],
)
def test_zones_have_either_form_of_their_region(region: str, zones: tuple[str, ...]) -> None:
    options = replace(OPTIONS, zones=zones)
    given = Site.of(clouds.spec(Environment.ACK, region=region, pools={"cpu": POOLS["cpu"]}, options=options))
    assert given.zones == zones


def test_zones_of_another_region_are_refused() -> None:
    with pytest.raises(ValueError, match=r"options\.zones: found eu-central-1a, .*; allowed: zones of eu-west-1"):
        Site.of(clouds.spec(Environment.ACK, region="eu-west-1"))


def test_a_minor_version_becomes_the_release_that_the_cloud_knows() -> None:
    assert site().release == RELEASES["1.35"]
    assert site(releases={"1.35": "1.35.2-aliyun.1"}).release == "1.35.2-aliyun.1"


@pytest.mark.parametrize(("version", "message"), [("1.34", "1.35 and later"), ("1.99", "1.35, 1.36, or name its")])
def test_a_version_that_nobody_knows_is_refused(version: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"version: found {version}; allowed: {message}"):
        Site.of(clouds.spec(Environment.ACK, version=version))


@pytest.mark.parametrize("network", [NETWORK, CloudNetwork(nodes="10.0.0.0/18", pods="10.64.0.0/20")])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_vswitches_lie_in_their_networks_and_never_overlap(network: CloudNetwork, count: int) -> None:
    zones = tuple(f"eu-central-1{letter}" for letter in "abcd"[:count])
    planned = plan(network, zones)
    assert tuple(planned) == zones
    inside = [getattr(zone, kind) for zone in planned.values() for kind in ("nodes", "public", "control")]
    pods = [zone.pods for zone in planned.values()]
    for cidrs, outer in ((inside, network.nodes), (pods, network.pods)):
        parts = [ipaddress.IPv4Network(cidr) for cidr in cidrs]
        assert all(part.subnet_of(ipaddress.IPv4Network(outer)) for part in parts)
        assert not [pair for pair in combinations(parts, 2) if pair[0].overlaps(pair[1])]
        assert all(16 <= part.prefixlen <= 29 for part in parts)  # what a vSwitch takes


def test_another_zone_moves_no_vswitch() -> None:
    before, after = plan(NETWORK, ZONES[:2]), plan(NETWORK, ZONES)
    assert {zone: after[zone] for zone in before} == before


@pytest.mark.parametrize("machine", ["ecs.g8y.2xlarge", "ecs.c8y.large", "ecs.g6r.xlarge", "ecs.c6r.4xlarge"])
def test_arm_machines_are_known_by_their_name(machine: str) -> None:
    assert "Arm" in str(cpu_problem(machine))


@pytest.mark.parametrize("machine", ["ecs.g8i.2xlarge", "ecs.c7a.large", "ecs.r7.16xlarge", "ecs.ebmg7.32xlarge"])
def test_other_machines_are_accepted(machine: str) -> None:
    assert cpu_problem(machine) is None


def test_every_gpu_machine_accepts_what_the_table_says_of_it_and_nothing_else() -> None:
    for name, machine in MACHINES.items():
        gpu = Gpu(product=machine.product, count=machine.gpus, memory_mib=machine.memory_mib)
        assert gpu_problem(name, gpu) is None
        assert gpu_problem(name, replace(gpu, count=gpu.count + 1)) is not None
        assert "has GPUs" in str(cpu_problem(name))
        assert has_rdma(name) == machine.rdma


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"capacity": Capacity.ON_DEMAND}, (("l4", False, 1),)),
        ({"capacity": Capacity.SPOT}, (("l4", True, 1),)),
        ({"capacity": Capacity.SPOT_OR_ON_DEMAND}, (("l4", True, 1), ("l4_on-demand", False, 0))),
        ({"capacity": Capacity.RESERVED, "reservation": "eap-1"}, (("l4", False, 1),)),
        ({"min": 0, "max": 0}, ()),
    ],
)
def test_a_pool_is_asked_for_as_its_capacity_says(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    wanted = tuple(Group(name=name, spot=spot, fewest=fewest) for name, spot, fewest in expected)
    assert groups("l4", replace(POOLS["l4"], **{"min": 1, **change})) == wanted


def test_only_gpu_nodes_are_told_their_driver() -> None:
    given = site(gpu_driver="570.133.20")
    assert labels(given, POOLS["l4"])[DRIVER_LABEL] == "570.133.20"
    assert DRIVER_LABEL not in labels(given, POOLS["cpu"])


def test_the_rdma_controller_comes_with_the_first_pool_that_uses_it() -> None:
    assert "ack-erdma-controller" in addons(site())
    apart = {**POOLS, "h100": replace(POOLS["h100"], together=False)}
    assert "ack-erdma-controller" not in addons(Site.of(clouds.spec(Environment.ACK, pools=apart)))


@pytest.mark.parametrize("namer", [role_name, policy_name])
def test_names_fit_and_tell_apart_what_a_hyphen_would_not(namer: Any) -> None:  # noqa: ANN401 - two functions of one form
    limit = {role_name: 64, policy_name: 128}[namer]
    assert len(namer("c" * 31, "n" * 63, "a.b" * 84)) <= limit
    assert "." not in namer("c", "n", "a.b")
    assert namer("ml", "a-b", "c") != namer("ml", "a", "b-c")


def test_names_for_all_the_world_fit_and_differ_by_account_and_region() -> None:
    given = {
        bucket_name(account, region, "c" * 31, "artifacts")
        for account in ("1234567890123456", "6543210987654321")
        for region in ("eu-central-1", "cn-hangzhou")
    }
    assert len(given) == 4
    assert all(len(name) <= 63 for name in given)


def test_a_role_trusts_exactly_one_service_account_of_one_cluster() -> None:
    (statement,) = token_trust("arn", "https://oidc.test/X", Principal(namespace="a", account="b"))["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "oidc:aud": "sts.aliyuncs.com",
            "oidc:iss": "https://oidc.test/X",
            "oidc:sub": "system:serviceaccount:a:b",
        }
    }
    assert "*" not in json.dumps(statement)


def test_a_grant_to_read_gives_no_right_to_write() -> None:
    statements = bucket_statements([Grant(store=Store.SCRATCH, prefix="a/")], {Store.SCRATCH: "arn:b"}, "arn:k")
    actions = {action for statement in statements for action in statement["Action"]}
    assert not {action for action in actions if any(word in action for word in ("Put", "Delete", "Abort", "Generate"))}
    assert {"oss:GetObject", "oss:ListObjects", "kms:Decrypt"} <= actions


def test_a_grant_below_a_prefix_ends_there() -> None:
    grant = Grant(store=Store.SCRATCH, prefix="a/", write=True)
    look, use, key = bucket_statements([grant], {Store.SCRATCH: "arn:b"}, "arn:k")
    assert look["Condition"] == {"StringLike": {"oss:Prefix": ["a/*"]}}
    assert use["Resource"] == ["arn:b/a/*"]
    assert key["Resource"] == ["arn:k"]


def test_no_grants_give_no_rights() -> None:
    assert bucket_statements([], {Store.SCRATCH: "arn:b"}, "arn:k") == []
