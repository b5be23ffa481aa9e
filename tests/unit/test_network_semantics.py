"""Each clause of the NetworkPolicy API text, as a case written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from kubeflow.network.semantics import (
    EVERY_PORT,
    Address,
    Direction,
    Endpoint,
    Pod,
    admitted,
    isolating,
    matches,
    parse,
    ports,
    ranges,
)

IN, OUT = Direction.INGRESS, Direction.EGRESS
EVERYTHING = ("every port",)
NOTHING: tuple[str, ...] = ()


def pod(namespace: str = "here", address: str | None = None, **labels: str) -> Pod:
    return Pod(
        namespace=namespace,
        labels=labels,
        namespace_labels={"name": namespace},
        named_ports={"web": ("TCP", 8080), "dns": ("UDP", 53)},
        address=address,
    )


def policy(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any policy
    return {"metadata": {"namespace": "here", "name": "p"}, "spec": {"podSelector": {}, **spec}}


def admits(direction: Direction, owner: Pod, other: Endpoint, *documents: dict[str, Any]) -> tuple[str, ...]:
    chosen = isolating([parse(document) for document in documents], owner, direction)
    return ranges(admitted(chosen, direction, owner, other))


def from_peer(*peers: dict[str, Any]) -> dict[str, Any]:
    return policy(ingress=[{"from": list(peers)}])


def test_a_pod_that_no_policy_selects_is_open_both_ways() -> None:
    other_app = policy(podSelector={"matchLabels": {"app": "b"}}, policyTypes=["Ingress", "Egress"])
    elsewhere = {**other_app, "metadata": {"namespace": "there", "name": "p"}}
    for direction in Direction:
        assert admits(direction, pod(app="a"), pod("there"), other_app, elsewhere) == EVERYTHING


def test_an_empty_pod_selector_selects_every_pod_of_its_own_namespace_only() -> None:
    deny = policy(policyTypes=["Ingress"])
    assert admits(IN, pod(app="a"), pod()) == EVERYTHING
    assert admits(IN, pod(app="a"), pod(), deny) == NOTHING
    assert admits(IN, pod("there"), pod(), deny) == EVERYTHING


def test_without_policy_types_ingress_is_always_affected() -> None:
    assert admits(IN, pod(), pod(), policy()) == NOTHING
    assert admits(OUT, pod(), pod(), policy()) == EVERYTHING


def test_without_policy_types_egress_is_affected_by_an_egress_section() -> None:
    with_egress = policy(egress=[{"ports": [{"port": 80}]}])
    assert admits(OUT, pod(), pod(), with_egress) == ("TCP 80",)
    assert admits(IN, pod(), pod(), with_egress) == NOTHING
    assert admits(OUT, pod(), pod(), policy(egress=[])) == EVERYTHING


def test_named_policy_types_decide_alone() -> None:
    only_egress = policy(policyTypes=["Egress"], ingress=[{}])
    assert admits(IN, pod(), pod(), only_egress) == EVERYTHING
    assert admits(OUT, pod(), pod(), only_egress) == NOTHING


def test_rules_of_all_policies_and_of_one_policy_add_up() -> None:
    first = policy(ingress=[{"ports": [{"port": 80}]}, {"ports": [{"port": 81}]}])
    second = policy(ingress=[{"ports": [{"port": 90}]}])
    assert admits(IN, pod(), pod(), first, second) == ("TCP 80-81", "TCP 90")


@pytest.mark.parametrize("rule", [{}, {"from": []}, {"from": None, "ports": None}, {"ports": []}])
def test_an_empty_rule_matches_everything(rule: dict[str, Any]) -> None:
    document = policy(ingress=[rule])
    assert admits(IN, pod(), pod("there"), document) == EVERYTHING
    assert admits(IN, pod(), Address(address="203.0.113.1"), document) == EVERYTHING


def test_a_pod_selector_alone_means_the_policys_own_namespace() -> None:
    document = from_peer({"podSelector": {"matchLabels": {"app": "a"}}})
    assert admits(IN, pod(), pod(app="a"), document) == EVERYTHING
    assert admits(IN, pod(), pod(app="b"), document) == NOTHING
    assert admits(IN, pod(), pod("there", app="a"), document) == NOTHING


def test_a_namespace_selector_alone_means_all_pods_of_these_namespaces() -> None:
    document = from_peer({"namespaceSelector": {"matchLabels": {"name": "there"}}})
    assert admits(IN, pod(), pod("there", app="a"), document) == EVERYTHING
    assert admits(IN, pod(), pod(), document) == NOTHING


def test_both_selectors_of_one_peer_must_match() -> None:
    both = {"namespaceSelector": {"matchLabels": {"name": "there"}}, "podSelector": {"matchLabels": {"app": "a"}}}
    assert admits(IN, pod(), pod("there", app="a"), from_peer(both)) == EVERYTHING
    assert admits(IN, pod(), pod("there"), from_peer(both)) == NOTHING
    assert admits(IN, pod(), pod(app="a"), from_peer(both)) == NOTHING


def test_either_of_two_peers_is_enough() -> None:
    document = from_peer(*({"podSelector": {"matchLabels": {"app": value}}} for value in "ab"))
    assert admits(IN, pod(), pod(app="b"), document) == EVERYTHING
    assert admits(IN, pod(), pod(app="c"), document) == NOTHING


def test_an_empty_namespace_selector_means_every_pod_but_no_other_address() -> None:
    document = from_peer({"namespaceSelector": {}})
    assert admits(IN, pod(), pod("there"), document) == EVERYTHING
    assert admits(IN, pod(), Address(address="10.0.0.1"), document) == NOTHING


def test_an_ip_block_holds_its_addresses_without_the_exceptions() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    document = policy(egress=[{"to": [block]}])
    expected = {"10.0.0.1": EVERYTHING, "10.1.2.3": NOTHING, "11.0.0.1": NOTHING, "fd00::1": NOTHING}
    for address, open_ports in expected.items():
        assert admits(OUT, pod(), Address(address=address), document) == open_ports, address
        assert admits(OUT, pod(), pod("there", address=address), document) == open_ports, address
    assert admits(OUT, pod(), pod("there"), document) == NOTHING


def test_a_peer_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="neither pods, namespaces nor an ipBlock"):
        admits(IN, pod(), pod(), from_peer({}))


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80}, ("TCP 80",)),
        ({"port": 80, "protocol": "UDP"}, ("UDP 80",)),
        ({"port": 80, "endPort": 90}, ("TCP 80-90",)),
        ({"protocol": "SCTP"}, ("SCTP 1-65535",)),
        ({}, ("TCP 1-65535",)),
        ({"port": "web"}, ("TCP 8080",)),
        ({"port": "dns", "protocol": "UDP"}, ("UDP 53",)),
        ({"port": "dns"}, NOTHING),
        ({"port": "nobody"}, NOTHING),
    ],
)
def test_ports_are_numbers_ranges_names_or_whole_protocols(port: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert admits(IN, pod(), pod("there"), policy(ingress=[{"ports": [port]}])) == expected


def test_a_named_port_is_the_receivers() -> None:
    to_web = policy(egress=[{"ports": [{"port": "web"}]}])
    without_names = Pod(namespace="there", labels={}, namespace_labels={})
    assert admits(OUT, without_names, pod(), to_web) == EVERYTHING
    assert admits(OUT, pod(), without_names, to_web) == NOTHING
    assert admits(OUT, pod(), pod("there"), to_web) == ("TCP 8080",)
    assert admits(OUT, pod(), Address(address="10.0.0.1"), to_web) == NOTHING


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["a", "b"], {"a"}),
        ("NotIn", ["a", "b"], {"c", None}),
        ("Exists", [], {"a", "c"}),
        ("DoesNotExist", [], {None}),
    ],
)
def test_match_expressions(operator: str, values: list[str], selected: set[str | None]) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}
    labels: dict[str | None, dict[str, str]] = {"a": {"app": "a"}, "c": {"app": "c"}, None: {"other": "a"}}
    assert {value for value, one in labels.items() if matches(selector, one)} == selected


def test_all_requirements_of_a_selector_must_hold() -> None:
    selector = {
        "matchLabels": {"app": "a"},
        "matchExpressions": [{"key": "tier", "operator": "Exists"}, {"key": "old", "operator": "DoesNotExist"}],
    }
    assert matches(selector, {"app": "a", "tier": "1"})
    assert not matches(selector, {"app": "a"})
    assert not matches(selector, {"tier": "1"})
    assert not matches(selector, {"app": "a", "tier": "1", "old": ""})


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="operator Near"):
        matches({"matchExpressions": [{"key": "app", "operator": "Near"}]}, {"app": "a"})


def test_ports_are_told_in_words() -> None:
    chosen = ports("TCP", 80, 82) | ports("TCP", 443, 443) | ports("TCP", 53, 53) | ports("UDP", 53, 53)
    assert ranges(chosen) == ("TCP 53", "TCP 80-82", "TCP 443", "UDP 53")
    assert ranges(ports("SCTP", 1, 65535)) == ("SCTP 1-65535",)
    assert ranges(EVERY_PORT) == ("every port",)
    assert ranges(0) == ()
