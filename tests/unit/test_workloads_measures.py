from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import gpus
from workloads.api import Json, amount
from workloads.checks import network
from workloads.contract import POOL_LABEL

GPU = "nvidia.com/gpu"


def running(node: str | None, count: int, *, phase: str = "Running", priority: int = 0) -> Json:
    container = {"resources": {"requests": {GPU: str(count)}}}
    return {"spec": {"nodeName": node, "priority": priority, "containers": [container]}, "status": {"phase": phase}}


def machine(name: str, count: int, *, ready: str = "True", **spec: Any) -> Json:  # noqa: ANN401 - any JSON
    status = {"allocatable": {GPU: str(count)}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": {POOL_LABEL: "p"}}, "spec": spec, "status": status}


def test_free_gpus_are_those_that_no_living_pod_holds() -> None:
    pods = [running("a", 3, priority=7), running("a", 1, priority=5), running("a", 4, phase="Succeeded")]
    (node,) = gpus.gpu_nodes([machine("a", 8)], pods, GPU)
    assert (node.free, node.total, node.lowest) == (4, 8, 5)


def test_nodes_that_take_no_pods_have_no_gpus_to_give() -> None:
    nodes = [machine("down", 8, ready="False"), machine("closed", 8, unschedulable=True), machine("none", 0)]
    assert gpus.gpu_nodes(nodes, [], GPU) == []


def test_an_init_container_may_be_what_holds_most() -> None:
    pod = running("a", 1)
    pod["spec"]["initContainers"] = [{"resources": {"limits": {GPU: "2"}}}]
    assert gpus.asks(pod, GPU) == 2


def test_waiting_pods_are_those_without_a_node() -> None:
    assert gpus.waiting([running(None, 1), running("a", 1), running(None, 0)], GPU) == 1


def test_room_is_what_the_tightest_quota_leaves() -> None:
    quotas = [{"spec": {"hard": {f"requests.{GPU}": value}}} for value in ("8", "5")]
    assert gpus.room(quotas, [running("a", 2)], GPU) == 3
    assert gpus.room([], [], GPU) == gpus.UNLIMITED


@given(
    free=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 8)),
    room=st.dictionaries(st.sampled_from("xyz"), st.integers(-1, 16)),
)
def test_a_plan_fills_every_node_exactly_and_no_tenant_beyond_its_room(
    free: dict[str, int], room: dict[str, int]
) -> None:
    plan = gpus.share(free, room)
    if plan is None:
        assert sum(free.values()) > sum(max(0, one) for one in room.values())
        return
    assert {node: sum(one.gpus for one in plan if one.node == node) for node in free} == free
    assert all(sum(one.gpus for one in plan if one.namespace == name) <= max(0, most) for name, most in room.items())
    assert all(one.gpus > 0 for one in plan)


def test_quantities_are_compared_in_base_units() -> None:
    assert amount("64Gi") == 64 * 1024**3
    assert amount("500m") * 2 == 1


def policy(**spec: Any) -> Json:  # noqa: ANN401 - any JSON
    return {"metadata": {"name": "one"}, "spec": spec}


DENY = policy(podSelector={}, policyTypes=["Ingress", "Egress"])


def test_default_deny_selects_every_pod_and_lets_nothing_through() -> None:
    assert network.denies(DENY, "Ingress")
    assert network.denies(DENY, "Egress")
    assert not network.denies(policy(podSelector={}, policyTypes=["Ingress"]), "Egress")
    assert not network.denies(policy(podSelector={"matchLabels": {"a": "b"}}, policyTypes=["Ingress"]), "Ingress")
    assert not network.denies(policy(podSelector={}, policyTypes=["Ingress"], ingress=[{}]), "Ingress")


def test_dns_needs_both_protocols_for_every_pod() -> None:
    both = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}]
    assert network.opens_dns(policy(podSelector={}, egress=both))
    assert not network.opens_dns(policy(podSelector={}, egress=[{"ports": [{"port": 53}]}]))
    assert not network.opens_dns(policy(podSelector={"matchLabels": {"a": "b"}}, egress=both))


RULES: list[tuple[Json, list[str]]] = [
    ({"to": [{"namespaceSelector": {}}]}, []),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, []),
    ({"to": [{"ipBlock": {"cidr": "169.254.0.0/16", "except": ["169.254.169.254/32"]}}]}, ["169.254.170.23"]),
    ({"to": [{"ipBlock": {"cidr": "::/0"}}]}, ["fd00:ec2::254"]),
    ({"to": []}, list(network.METADATA_ADDRESSES)),
    ({"ports": [{"port": 53}]}, list(network.METADATA_ADDRESSES)),
]


@pytest.mark.parametrize(("rule", "reached"), RULES)
def test_a_way_to_instance_metadata_is_found(rule: Json, reached: list[str]) -> None:
    assert network.reached(policy(podSelector={}, egress=[rule])) == reached
