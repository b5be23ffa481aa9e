"""How values are read: every spelling of the same thing is the same thing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from policies.guardrails.pools import pools_of
from policies.guardrails.rule import Subject
from policies.guardrails.secrets import secret_in
from policies.guardrails.supply_chain import registry
from policies.guardrails.values import UNKNOWN, Node, folded, network, open_networks, quantity
from tests.policy.cases import resource


@pytest.mark.parametrize(("text", "number"), [
    ("1", 1), (2.0, 2), ("500m", 0.5), ("1k", 1000), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000), (" 2 ", 2),
])  # fmt: skip
def test_a_quantity_is_a_number(text: object, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["one", "", "1x", True, None, "0x10"])
def test_what_is_no_quantity_is_no_number(text: object) -> None:
    assert math.isnan(quantity(text))


@pytest.mark.parametrize(("image", "whole"), [
    ("app", "docker.io/library/app"), ("a/b:1", "docker.io/a/b:1"), ("localhost/b", "localhost/b"),
    ("host:5000/b", "host:5000/b"), ("ghcr.io/a/b@sha256:1", "ghcr.io/a/b"),
])  # fmt: skip
def test_an_image_has_a_registry_even_if_it_names_none(image: str, whole: str) -> None:
    assert registry(image) == whole


def test_networks_as_large_as_the_world_are_open() -> None:
    assert open_networks(["0.0.0.0/0", "::/0", "*", "Internet", "128.0.0.0/1", "10.0.0.0/8", "no network"]) == [
        "0.0.0.0/0", "::/0", "*", "Internet", "128.0.0.0/1",
    ]  # fmt: skip
    assert network("10.0.0.1") is not None


def test_look_alikes_width_and_invisible_signs_do_not_matter() -> None:
    alike = ("password", "PASSWORD", "p\u0430ssw\u043erd", "\uff50assword", "pass\u200bword")
    assert {folded(text) for text in alike} == {"password"}


@pytest.mark.parametrize("value", [True, "true", "True", " yes ", "1", 1, 1.0])
def test_a_switch_is_on_however_it_is_spelled(value: object) -> None:
    assert Node(value, "a", {}).flag(unknown=False)
    assert not Node(UNKNOWN, "a", {}).flag(unknown=False)


def test_below_an_unknown_value_everything_is_unknown_at_its_path() -> None:
    doubts: dict[str, None] = {}
    assert Node({"a": UNKNOWN}, "", doubts).at("a", "b", "c").text("then") == "then"
    assert list(doubts) == ["a"]


@pytest.mark.parametrize("text", [
    "hello", "a" * 40, "https://example.com/path", "postgres://user@host/db", "", "\u00e9" * 20,
])  # fmt: skip
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert secret_in(text) == ""


@pytest.mark.parametrize(("kind", "inputs", "most"), [
    ("gcp:container/nodePool:NodePool", {"autoscaling": {"totalMaxNodeCount": 4.0}}, 4),
    ("gcp:container/nodePool:NodePool", {"autoscaling": {"maxNodeCount": 2}, "nodeLocations": ["a", "b"]}, 2),
    ("azure-native:containerservice:AgentPool", {"enableAutoScaling": True, "maxCount": 7, "count": 1}, 7),
    ("azure-native:containerservice:AgentPool", {"count": 3}, 3),
    ("alicloud:cs/nodePool:NodePool", {"desiredSize": "2"}, 2),
    ("aws:eks/nodeGroup:NodeGroup", {"scalingConfig": {"maxSize": 9}}, 9),
])  # fmt: skip
def test_the_bound_of_a_pool_is_found_in_every_cloud(kind: str, inputs: dict[str, Any], most: int) -> None:
    (pool,) = pools_of(Subject(resource(kind, inputs)))
    assert pool.most == most


def test_a_bound_per_zone_counts_for_each_zone() -> None:
    inputs = {"autoscaling": {"maxNodeCount": 2}, "nodeLocations": ["a", "b"]}
    (pool,) = pools_of(Subject(resource("gcp:container/nodePool:NodePool", inputs)))
    assert pool.zones == 2


@pytest.mark.parametrize(("machine", "gpu"), [
    ("p5.48xlarge", True), ("g6.12xlarge", True), ("p4de.24xlarge", True), ("m7a.2xlarge", False),
    ("g4dn.xlarge", True), ("r7g.large", False), ("c7g.large", False),
])  # fmt: skip
def test_machines_with_gpus_are_known_by_their_family(machine: str, gpu: bool) -> None:  # noqa: FBT001 - a table
    (pool,) = pools_of(Subject(resource("aws:eks/nodeGroup:NodeGroup", {"instanceTypes": [machine]})))
    assert pool.gpu is gpu
