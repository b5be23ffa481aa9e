"""What a stack file may ask of Google Cloud, and the pure parts that follow from it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Any

import pytest

from infra.clouds import CloudNetwork
from infra.contract import Capacity, Environment, Gpu, Pool, Role, Tpu
from infra.gke.access import log_filter
from infra.gke.identity import below, credentials, principal
from infra.gke.machines import MACHINES, TPU_MACHINES, boot_disk, cpu_problem, gpu_problem, hosts, tpu_problem
from infra.gke.network import plan
from infra.gke.nodes import capacities
from infra.gke.options import GkeOptions, Site, account_id
from tests.support import clouds
from tests.support.cloud_gke import OPTIONS, POOLS

V6E = Tpu(product="tpu-v6e-slice", topology="4x4", count=4)


def problem(options: GkeOptions = OPTIONS, pools: dict[str, Pool] | None = None) -> str:
    with pytest.raises(ValueError, match=r"options\.|pools\.") as caught:
        options.check(POOLS if pools is None else pools)
    return str(caught.value)


def refused(name: str, **change: Any) -> str:  # noqa: ANN401 - fields of a pool
    return problem(pools={**POOLS, name: replace(POOLS[name], **change)})


def site(**changes: Any) -> Site:  # noqa: ANN401 - fields of a spec
    return Site.of(clouds.spec(Environment.GKE, **changes))


def test_the_sample_cluster_is_accepted() -> None:
    OPTIONS.check(POOLS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"admins": ()}, "options.admins: nobody is named"),
        ({"admins": ("ada@example.com",)}, "options.admins: found 'ada@example.com'; allowed: user:, serviceAccount:"),
        ({"security_group": None}, "found 'group:platform@example.test'; groups need options.securityGroup"),
        ({"zones": ("europe-west4-a",)}, "options.zones: found europe-west4-a; allowed: 2 to 4 different ones"),
        ({"zones": ("europe-west4-a", "europe-west4")}, "options.zones: found 'europe-west4'; allowed: a zone such as"),
        ({"network": CloudNetwork(nodes="10.0.0.0/26")}, "options.network.nodes: found 10.0.0.0/26; allowed: IPv4"),
        ({"network": CloudNetwork(pods="100.64.0.0/22")}, "options.network.pods: found 100.64.0.0/22; allowed: IPv4"),
        ({"network": CloudNetwork(services="fd00::/108")}, "options.network.services: found fd00::/108"),
        ({"network": CloudNetwork(pods="10.0.0.0/20")}, "10.0.0.0/20 has room for 16 nodes; the pools have up to 36"),
    ],
)
def test_what_google_cloud_would_refuse_later_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    assert message in problem(replace(OPTIONS, **change))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "l4",
            {"machine": "g2-standard-44"},
            "pools.l4.machine: found 'g2-standard-44'; allowed for GPUs: a2-highgpu-1g",
        ),
        ("l4", {"machine": "a3-highgpu-8g"}, "a3-highgpu-8g has 8 x NVIDIA-H100-80GB-HBM3 of about 81920 MiB"),
        (
            "l4",
            {"gpu": Gpu(product="NVIDIA-L4", count=2, memory_mib=23034)},
            "pools.l4.gpu: found 2 x NVIDIA-L4 of 23034 MiB; g2-standard-48 has 4 x NVIDIA-L4",
        ),
        (
            "cpu",
            {"machine": "g2-standard-48"},
            "pools.cpu.machine: g2-standard-48 has GPUs; give the pool the role gpu",
        ),
        ("cpu", {"machine": "ct6e-standard-4t"}, "ct6e-standard-4t has TPUs; give the pool the role tpu"),
        ("cpu", {"machine": "c4a-standard-8"}, "pools.cpu.machine: c4a-standard-8 is an Arm machine"),
        ("cpu", {"machine": "n2-standard"}, "pools.cpu.machine: found 'n2-standard'; allowed: a machine type such as"),
        ("cpu", {"zones": ("b",)}, "pools.cpu.zones: found 'b'; allowed: a zone such as europe-west4-a"),
        ("cpu", {"machine": "e2-standard-8", "together": True}, "e2-standard-8 cannot be placed side by side"),
        ("h100", {"zones": ()}, "pools.h100.zones: found 0; placed together, reserved, or TPUs means exactly one"),
        ("system", {"capacity": Capacity.SPOT}, "pools.system.capacity: found spot; the system may not be interrupted"),
        (
            "h100",
            {"machine": "a3-highgpu-1g", "gpu": Gpu(product="NVIDIA-H100-80GB-HBM3", count=1, memory_mib=81559)},
            "pools.h100.capacity: found on-demand; a3-highgpu-1g is sold as spot only",
        ),
        ("h100", {"capacity": Capacity.RESERVED, "reservation": "Mine!"}, "pools.h100.reservation: found 'Mine!'"),
        (
            "tpu",
            {"machine": "ct6e-standard-2t"},
            "pools.tpu.machine: found 'ct6e-standard-2t'; allowed for TPUs: ct5lp",
        ),
        ("tpu", {"zones": ()}, "pools.tpu.zones: found 0;"),
        ("tpu", {"max": 8}, "pools.tpu.max: found 0 to 8; a slice of 4x4 is 4 nodes, or none"),
        ("tpu", {"min": 1}, "pools.tpu.max: found 1 to 4; a slice of 4x4 is 4 nodes, or none"),
        ("tpu", {"together": True}, "pools.tpu.together: nodes of a slice always are"),
    ],
)
def test_pools_that_google_cloud_does_not_have_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    assert message in refused(name, **change)


def test_every_problem_is_told_at_once() -> None:
    found = problem(replace(OPTIONS, admins=()), {**POOLS, "cpu": replace(POOLS["cpu"], machine="g2-standard-48")})
    assert "options.admins" in found
    assert "pools.cpu.machine" in found


def test_the_name_of_a_fallback_is_no_other_pools() -> None:
    assert "pools.l4-on-demand: the name is that of the fallback" in problem(
        pools={**POOLS, "l4-on-demand": POOLS["cpu"]}
    )


def test_names_of_node_pools_fit_with_their_suffixes() -> None:
    long = "a" * 31
    OPTIONS.check({**POOLS, long: POOLS["cpu"]})
    assert f"pools.{long}: the name has 31 characters; allowed: 22" in problem(pools={**POOLS, long: POOLS["l4"]})


@pytest.mark.parametrize(
    ("machine", "tpu", "message"),
    [
        ("ct6e-standard-4t", V6E, None),
        ("ct6e-standard-8t", Tpu(product="tpu-v6e-slice", topology="2x4", count=8), None),
        ("ct5p-hightpu-4t", Tpu(product="tpu-v5p-slice", topology="2x2x2", count=4), None),
        ("ct6e-standard-4t", replace(V6E, count=1), "tpu: found 1 x tpu-v6e-slice; ct6e-standard-4t has 4 x"),
        ("ct6e-standard-4t", replace(V6E, product="tpu-v5p-slice"), "tpu: found 4 x tpu-v5p-slice"),
        (
            "ct6e-standard-4t",
            replace(V6E, topology="2x2x2"),
            "tpu.topology: found 2x2x2; allowed for ct6e-standard-4t: 2",
        ),
        ("ct6e-standard-4t", replace(V6E, topology="3x3"), "tpu.topology: found 3x3"),
        (
            "ct6e-standard-8t",
            replace(V6E, topology="4x4", count=8),
            "ct6e-standard-8t is a slice of its own, of 8 chips",
        ),
    ],
)
def test_a_topology_fits_its_machine(machine: str, tpu: Tpu, message: str | None) -> None:
    found = tpu_problem(machine, tpu)
    assert found is None if message is None else message in (found or "")


def test_a_slice_has_as_many_nodes_as_its_chips_need() -> None:
    assert hosts(V6E) == 4
    assert hosts(replace(V6E, topology="2x2")) == 1


def test_every_machine_in_the_table_is_accepted_as_it_is_described() -> None:
    for name, machine in MACHINES.items():
        gpu = Gpu(product=machine.product, count=machine.gpus, memory_mib=machine.memory_mib)
        assert gpu_problem(name, gpu) is None
        assert cpu_problem(name) is not None
    assert all(cpu_problem(name) is not None for name in TPU_MACHINES)


@pytest.mark.parametrize("machine", ["n2-standard-8", "n4-highmem-16", "c3d-standard-60-lssd", "e2-standard-4"])
def test_ordinary_machines_are_accepted(machine: str) -> None:
    assert cpu_problem(machine) is None


def test_new_machines_start_from_the_only_disk_that_they_take() -> None:
    disks = {name: boot_disk(name) for name in ("n2-standard-8", "n4-standard-8", "a3-highgpu-8g", "a4-highgpu-8g")}
    assert [name for name, disk in disks.items() if disk.startswith("hyperdisk")] == ["n4-standard-8", "a4-highgpu-8g"]


def test_the_control_plane_has_a_subnet_of_its_own() -> None:
    found = plan(CloudNetwork(nodes="10.40.0.0/16"))
    nodes, control = ipaddress.ip_network(found.nodes), ipaddress.ip_network(found.control)
    assert (nodes.prefixlen, control.prefixlen) == (17, 28)
    assert not nodes.overlaps(control)


def test_a_fallback_starts_empty() -> None:
    pool = replace(POOLS["l4"], min=2)
    assert capacities("l4", pool) == (("l4", True, 2), ("l4-on-demand", False, 0))
    assert capacities("cpu", POOLS["cpu"]) == (("cpu", False, 0),)


def test_clusters_of_like_names_have_accounts_of_different_names() -> None:
    names = {account_id(f"{'a' * 30}{letter}") for letter in "bcd"} | {account_id("a")}
    assert len(names) == 4
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", name) for name in names)


def test_labels_have_no_dots() -> None:
    owner = replace(OPTIONS.ownership, owner="ada.lovelace")
    assert site(options=replace(OPTIONS, ownership=owner)).labels["owner"] == "ada_lovelace"


def test_a_principal_is_one_account_of_one_namespace() -> None:
    assert principal(site(), "team-a", "trainer").endswith("ml-sample-0042.svc.id.goog/subject/ns/team-a/sa/trainer")


def test_a_condition_quotes_what_it_is_given() -> None:
    assert '\\"' in below("bucket", 'a" || true || "')


def test_credentials_hold_no_secret() -> None:
    assert set(credentials(site())) == {
        "type", "universe_domain", "audience", "subject_token_type", "token_url", "credential_source",
    }  # fmt: skip


def test_logs_of_other_clusters_are_not_taken() -> None:
    assert 'cluster_name="sample" AND resource.labels.location="europe-west4"' in log_filter(site(), "subnet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"region": "us-central1"}, "options.zones: found europe-west4-a, europe-west4-b, europe-west4-c; allowed"),
        ({"version": "1.34"}, "version: found 1.34; allowed: 1.35 and later"),
        ({"name": "google-ml"}, "name: found 'google-ml'"),
        ({"name": "ml-"}, "name: found 'ml-'"),
        (
            {"pools": {**POOLS, "cpu": replace(POOLS["cpu"], zones=("us-east1-b",))}},
            "pools.cpu.zones: found us-east1-b",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        site(**change)


def test_tpus_are_a_role_here() -> None:
    assert POOLS["tpu"].role is Role.TPU
    OPTIONS.check(POOLS)
