"""What a stack file may ask of AWS, and the pure parts that follow from it."""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import replace
from email import message_from_bytes
from itertools import combinations
from typing import Any

import pytest

from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Gpu, Grant, Pool, Role, Store, Tpu
from infra.eks.identity import Principal, bucket_statements, role_name, token_trust
from infra.eks.launch import hidden_resources, user_data
from infra.eks.machines import MACHINES, cpu_problem, efa_cards, gpu_problem
from infra.eks.network import blocks, plan
from infra.eks.nodes import capacities
from infra.eks.options import EksOptions, Site
from infra.kubeconfig import exec_document, server_of
from tests.support import clouds
from tests.support.cloud_eks import OPTIONS, POOLS

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def problem(options: EksOptions, pools: dict[str, Pool] | None = None) -> str:
    with pytest.raises(ValueError, match=r"options\.|pools\.") as caught:
        options.check(POOLS if pools is None else pools)
    return str(caught.value)


def test_the_sample_cluster_is_accepted() -> None:
    OPTIONS.check(POOLS)


def test_a_cluster_that_nobody_could_open_is_refused() -> None:
    assert "options.admins: nobody is named" in problem(replace(OPTIONS, admins=()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"admins": ("admin",)}, "options.admins: found 'admin'; allowed: the ARN of an IAM role or user"),
        ({"zones": ("eu-west-1a",)}, "options.zones: found eu-west-1a; allowed: 2 to 4 different ones"),
        ({"zones": (*ZONES, "eu-west-1a")}, "allowed: 2 to 4 different ones"),
        ({"zones": (*ZONES, "eu-west-1")}, "options.zones: found 'eu-west-1'"),
        (
            {"network": CloudNetwork(nodes="10.0.0.0/20")},
            "options.network.nodes: found 10.0.0.0/20; allowed: IPv4 from",
        ),
        ({"network": CloudNetwork(pods="100.64.0.0/10")}, "options.network.pods: found 100.64.0.0/10; allowed: IPv4"),
        ({"network": CloudNetwork(services="fd00::/108")}, "options.network.services: found fd00::/108"),
        ({"log_days": 91}, "options.logDays: found 91; allowed: 1, 3, 5"),
        ({"addon_versions": {"istio": "v1"}}, "options.addonVersions: found 'istio'; allowed: vpc-cni"),
    ],
)
def test_what_aws_would_refuse_later_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    assert message in problem(replace(OPTIONS, **change))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("l4", {"machine": "g6.13xlarge"}, "pools.l4.machine: found 'g6.13xlarge'; allowed for NVIDIA-L4: g6.xlarge"),
        ("l4", {"machine": "p5.48xlarge"}, "p5.48xlarge has 8 x NVIDIA-H100-80GB-HBM3 of about 81920 MiB"),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-L4", count=4, memory_mib=46068)},
            "pools.l4.gpu: found 4 x NVIDIA-L4 of 46068 MiB; g6.12xlarge has 4 x NVIDIA-L4 of about 22888 MiB",
        ),
        ("cpu", {"machine": "g6.12xlarge"}, "pools.cpu.machine: g6.12xlarge has GPUs; give the pool the role gpu"),
        ("cpu", {"machine": "m7g.2xlarge"}, "pools.cpu.machine: m7g.2xlarge is an Arm machine"),
        ("cpu", {"machine": "large"}, "pools.cpu.machine: found 'large'; allowed: an instance type"),
        ("cpu", {"zones": ("eu-west-1d",)}, "pools.cpu.zones: found eu-west-1d; allowed: eu-west-1a, eu-west-1b"),
        ("h100", {"zones": ()}, "pools.h100.zones: found 0; placed together, or reserved, means exactly one"),
        ("system", {"capacity": Capacity.SPOT}, "pools.system.capacity: found spot; the system may not be interrupted"),
        ("h100", {"capacity": Capacity.RESERVED, "reservation": "mine"}, "pools.h100.reservation: found 'mine'"),
    ],
)
def test_a_pool_that_aws_cannot_provide_is_refused_by_name(name: str, change: dict[str, Any], message: str) -> None:
    assert message in problem(OPTIONS, {**POOLS, name: replace(POOLS[name], **change)})


def test_a_product_that_no_machine_has_is_told_what_there_is() -> None:
    gpu = Gpu(product="NVIDIA-Made-Up", count=1, memory_mib=1)
    told = gpu_problem("zz1.large", gpu)
    assert told is not None
    assert "allowed: machines with Tesla-T4, NVIDIA-A10G" in told


def test_a_tpu_pool_is_refused() -> None:
    tpu = Tpu(product="tpu-v6e-slice", topology="2x2", count=4)
    pool = Pool(role=Role.TPU, machine="ct6e-standard-4t", min=0, max=1, tpu=tpu)
    assert "pools.tpu.role: AWS has no TPUs" in problem(OPTIONS, {"tpu": pool})


def test_all_problems_are_told_at_once() -> None:
    told = problem(replace(OPTIONS, admins=(), log_days=2), {"cpu": replace(POOLS["cpu"], machine="large")})
    assert [word in told for word in ("options.admins", "options.logDays", "pools.cpu.machine")] == [True] * 3


def test_zones_of_another_region_are_refused() -> None:
    with pytest.raises(ValueError, match=r"options\.zones: found eu-west-1a, .*; allowed: zones of us-east-1"):
        Site.of(clouds.spec(Environment.EKS, region="us-east-1"))


def test_without_zones_the_first_three_of_the_region_are_used() -> None:
    pools = {"cpu": POOLS["cpu"]}
    site = Site.of(clouds.spec(Environment.EKS, pools=pools, options=replace(OPTIONS, zones=())))
    assert site.zones == ZONES


@pytest.mark.parametrize("network", [CloudNetwork(), CloudNetwork(nodes="10.0.0.0/18", pods="10.64.0.0/20")])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_subnets_lie_in_their_networks_and_never_overlap(network: CloudNetwork, count: int) -> None:
    zones = tuple(f"eu-west-1{letter}" for letter in "abcd"[:count])
    planned = plan(network, zones)
    assert tuple(planned) == zones
    inside = [getattr(zone, kind) for zone in planned.values() for kind in ("nodes", "public", "control", "endpoints")]
    pods = [zone.pods for zone in planned.values()]
    for cidrs, outer in ((inside, network.nodes), (pods, network.pods)):
        parts = [ipaddress.IPv4Network(cidr) for cidr in cidrs]
        assert all(part.subnet_of(ipaddress.IPv4Network(outer)) for part in parts)
        assert not [pair for pair in combinations(parts, 2) if pair[0].overlaps(pair[1])]


def test_another_zone_moves_no_subnet() -> None:
    before, after = plan(CloudNetwork(), ZONES[:2]), plan(CloudNetwork(), ZONES)
    assert {zone: after[zone] for zone in before} == before


def test_addresses_of_services_are_none_that_aws_reserves() -> None:
    zone = plan(CloudNetwork(), ZONES)["eu-west-1a"]
    assert zone.endpoint(0) == str(ipaddress.IPv4Network(zone.endpoints)[4])


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.1.0.0/18", ("10.1.0.0/18",)),
        ("100.64.0.0/14", ("100.64.0.0/16", "100.65.0.0/16", "100.66.0.0/16", "100.67.0.0/16")),
    ],
)
def test_a_vpc_gets_the_pods_network_in_blocks_that_it_takes(cidr: str, expected: tuple[str, ...]) -> None:
    assert blocks(cidr) == expected


def test_every_subnet_of_pods_lies_in_one_block() -> None:
    whole = [ipaddress.IPv4Network(block) for block in blocks(CloudNetwork().pods)]
    for zone in plan(CloudNetwork(), (*ZONES, "eu-west-1d")).values():
        assert any(ipaddress.IPv4Network(zone.pods).subnet_of(block) for block in whole)


@pytest.mark.parametrize("machine", ["m7g.2xlarge", "c7gn.large", "r8gd.4xlarge", "g5g.xlarge", "im4gn.large"])
def test_arm_machines_are_known_by_their_name(machine: str) -> None:
    assert "Arm" in str(cpu_problem(machine))


@pytest.mark.parametrize("machine", ["m7i.2xlarge", "c6a.large", "r7iz.metal-16xl", "m7i-flex.large", "hpc7a.96xlarge"])
def test_other_machines_are_accepted(machine: str) -> None:
    assert cpu_problem(machine) is None


def test_every_gpu_machine_accepts_what_the_table_says_of_it() -> None:
    for name, machine in MACHINES.items():
        gpu = Gpu(product=machine.product, count=machine.gpus, memory_mib=machine.memory_mib)
        assert gpu_problem(name, gpu) is None
        assert efa_cards(name) == machine.efa


def test_only_the_fast_network_is_declared_to_the_autoscaler_of_pools_that_use_it() -> None:
    assert hidden_resources(POOLS["h100"])["vpc.amazonaws.com/efa"] == "32"
    assert set(hidden_resources(replace(POOLS["h100"], together=False))) == {"ephemeral-storage"}
    assert hidden_resources(POOLS["system"]) == {"ephemeral-storage": "100Gi"}


def test_local_disks_become_scratch_space_where_there_are_any() -> None:
    def told(name: str) -> dict[str, Any]:
        parts = message_from_bytes(base64.b64decode(user_data(POOLS[name]))).walk()
        (part,) = [part for part in parts if part.get_content_type() == "application/node.eks.aws"]
        return json.loads(str(part.get_payload()))["spec"]

    assert told("l4")["instance"] == {"localStorage": {"strategy": "RAID0"}}
    assert "instance" not in told("cpu")
    assert told("cpu")["kubelet"]["config"]["maxPods"] == 110


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"capacity": Capacity.ON_DEMAND}, (("l4", "ON_DEMAND", 1),)),
        ({"capacity": Capacity.SPOT}, (("l4", "SPOT", 1),)),
        ({"capacity": Capacity.SPOT_OR_ON_DEMAND}, (("l4", "SPOT", 1), ("l4_on-demand", "ON_DEMAND", 0))),
        ({"capacity": Capacity.RESERVED, "reservation": "cr-1"}, (("l4", "ON_DEMAND", 1),)),
        ({"capacity": Capacity.RESERVED, "reservation": "cr-2"}, (("l4", "CAPACITY_BLOCK", 1),)),
    ],
)
def test_a_pool_is_asked_for_as_its_capacity_says(change: dict[str, Any], expected: object) -> None:
    assert capacities("l4", replace(POOLS["l4"], min=1, **change), blocks=("cr-2",)) == expected


def test_names_of_roles_fit_and_tell_apart_what_a_hyphen_would_not() -> None:
    long = role_name("c" * 31, Principal(namespace="n" * 63, account="a" * 253))
    assert len(long) <= 64
    assert role_name("ml", Principal(namespace="a-b", account="c")) != role_name(
        "ml", Principal(namespace="a", account="b-c")
    )


def test_a_role_trusts_exactly_one_service_account() -> None:
    (statement,) = token_trust("arn", "https://oidc.test/id/X", Principal(namespace="a", account="b"))["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"oidc.test/id/X:sub": "system:serviceaccount:a:b", "oidc.test/id/X:aud": "sts.amazonaws.com"}
    }
    assert "*" not in json.dumps(statement)


def test_a_grant_to_read_gives_no_right_to_write() -> None:
    grants = [Grant(store=Store.SCRATCH, prefix="a/")]
    actions = {
        action
        for statement in bucket_statements(grants, {Store.SCRATCH: "arn:b"}, "arn:k")
        for action in statement["Action"]
    }
    assert actions == {"s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion", "kms:Decrypt"}


def test_no_grants_give_no_rights() -> None:
    assert bucket_statements([], {Store.SCRATCH: "arn:b"}, "arn:k") == []


def test_a_kubeconfig_with_a_program_is_one_that_we_can_read() -> None:
    document = exec_document(
        name="ml",
        server="https://a.test",
        ca="Y2E=",
        command="aws",
        args=["a"],
        env={"B": "c"},
        provide_cluster_info=True,
    )
    assert server_of(json.dumps(document), origin="test") == "https://a.test"
    (user,) = document["users"]
    assert user["user"]["exec"]["env"] == [{"name": "B", "value": "c"}]
    assert user["user"]["exec"]["provideClusterInfo"] is True
