"""What holds for every policy: evaluated against a second, naive reading of the API, and against its own promises."""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubeflow.network.flows import PROTOCOLS, Addresses, Protocol
from kubeflow.network.policies import block
from kubeflow.network.semantics import (
    EVERY_PORT,
    Address,
    Direction,
    Endpoint,
    Pod,
    Ports,
    admitted,
    isolating,
    parse,
    ports,
)

Json = dict[str, Any]

NAMESPACES = {"blue": {"name": "blue", "team": "x"}, "green": {"name": "green"}}
ADDRESSES = ("10.0.0.1", "10.1.0.1", "10.1.2.3", "192.0.2.1", "fd00::1")
CIDRS = ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "::/0", "192.0.2.1/32")
NUMBERS = (1, 79, 80, 81, 90, 91, 65535)

labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b", "c"]), max_size=2)
expressions = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["app", "tier", "team"]),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["a", "b", "x"]), min_size=1, max_size=2),
        }
    ),
    st.fixed_dictionaries(
        {"key": st.sampled_from(["app", "tier", "team"]), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
    ),
)
pod_selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": labels, "matchExpressions": st.lists(expressions, max_size=2)}
)
space_selectors = st.one_of(
    pod_selectors, st.sampled_from(sorted(NAMESPACES)).map(lambda name: {"matchLabels": {"name": name}})
)
blocks = st.fixed_dictionaries(
    {"cidr": st.sampled_from(CIDRS)}, optional={"except": st.lists(st.sampled_from(CIDRS), max_size=2)}
)
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": pod_selectors}),
    st.fixed_dictionaries({"namespaceSelector": space_selectors}),
    st.fixed_dictionaries({"podSelector": pod_selectors, "namespaceSelector": space_selectors}),
    st.fixed_dictionaries({"ipBlock": blocks}),
)
protocols: st.SearchStrategy[Protocol] = st.sampled_from(PROTOCOLS)
port_rules = st.one_of(
    st.fixed_dictionaries({}, optional={"protocol": protocols}),
    st.fixed_dictionaries({"port": st.sampled_from([79, 80, 81, "web", "other"])}, optional={"protocol": protocols}),
    st.fixed_dictionaries({"port": st.just(80), "endPort": st.sampled_from([80, 81, 90])}),
)


def rules(word: str) -> st.SearchStrategy[list[Json]]:
    rule = st.fixed_dictionaries(
        {}, optional={word: st.lists(peers, max_size=3), "ports": st.lists(port_rules, max_size=2)}
    )
    return st.lists(rule, max_size=3)


specs = st.fixed_dictionaries(
    {"podSelector": pod_selectors},
    optional={
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        "ingress": rules("from"),
        "egress": rules("to"),
    },
)


def policy(spec: Json, namespace: str) -> Json:
    return {"metadata": {"namespace": namespace, "name": "p"}, "spec": spec}


def pod_of(namespace: str, own: dict[str, str], named: dict[str, tuple[Protocol, int]], address: str | None) -> Pod:
    return Pod(
        namespace=namespace,
        labels=own,
        namespace_labels=NAMESPACES[namespace],
        named_ports=named,
        address=address,
    )


policies = st.builds(policy, specs, st.sampled_from(sorted(NAMESPACES)))
pods = st.builds(
    pod_of,
    st.sampled_from(sorted(NAMESPACES)),
    labels,
    st.dictionaries(st.just("web"), st.tuples(protocols, st.sampled_from(NUMBERS))),
    st.sampled_from([None, *ADDRESSES]),
)
others: st.SearchStrategy[Endpoint] = st.one_of(pods, st.sampled_from(ADDRESSES).map(lambda one: Address(address=one)))
sets = st.lists(policies, max_size=4)


def admits(documents: list[Json], direction: Direction, pod: Pod, other: Endpoint) -> Ports:
    return admitted(isolating([parse(one) for one in documents], pod, direction), direction, pod, other)


def naive(documents: list[Json], direction: Direction, pod: Pod, other: Endpoint, *, protocol: str, port: int) -> bool:
    """One port at a time, straight from the documents, and in the order in which one would read them aloud."""
    isolated = False
    for document in documents:
        spec = document["spec"]
        types = spec.get("policyTypes", [])
        if not types:
            types = ["Ingress", "Egress"] if len(spec.get("egress", [])) > 0 else ["Ingress"]
        if document["metadata"]["namespace"] != pod.namespace or direction.value not in types:
            continue
        if not naive_selects(spec["podSelector"], dict(pod.labels)):
            continue
        isolated = True
        section, word = ("ingress", "from") if direction is Direction.INGRESS else ("egress", "to")
        receiver = pod if direction is Direction.INGRESS else other
        for rule in spec.get(section, []):
            from_peer = len(rule.get(word, [])) == 0
            for peer in rule.get(word, []):
                from_peer = from_peer or naive_peer(peer, document["metadata"]["namespace"], other)
            on_port = len(rule.get("ports", [])) == 0
            for entry in rule.get("ports", []):
                on_port = on_port or naive_port(entry, receiver, protocol, port)
            if from_peer and on_port:
                return True
    return not isolated


def naive_selects(selector: Json, own: dict[str, str]) -> bool:
    wanted = [(key, "In", [value]) for key, value in selector.get("matchLabels", {}).items()]
    wanted += [(one["key"], one["operator"], one.get("values", [])) for one in selector.get("matchExpressions", [])]
    for key, operator, values in wanted:
        value = own.get(key)
        if operator == "In" and value not in values:
            return False
        if operator == "NotIn" and value in values:
            return False
        if operator == "Exists" and value is None:
            return False
        if operator == "DoesNotExist" and value is not None:
            return False
    return True


def naive_peer(peer: Json, namespace: str, other: Endpoint) -> bool:
    if "ipBlock" in peer:
        if other.address is None:
            return False
        address = ipaddress.ip_address(other.address)
        excluded = [cidr for cidr in peer["ipBlock"].get("except", []) if address in ipaddress.ip_network(cidr)]
        return address in ipaddress.ip_network(peer["ipBlock"]["cidr"]) and not excluded
    if isinstance(other, Address):
        return False
    if "namespaceSelector" not in peer and other.namespace != namespace:
        return False
    if not naive_selects(peer.get("namespaceSelector", {}), dict(other.namespace_labels)):
        return False
    return naive_selects(peer.get("podSelector", {}), dict(other.labels))


def naive_port(entry: Json, receiver: Endpoint, protocol: str, port: int) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    if "port" not in entry:
        return True
    if isinstance(entry["port"], str):
        return isinstance(receiver, Pod) and receiver.named_ports.get(entry["port"]) == (protocol, port)
    return entry["port"] <= port <= entry.get("endPort", entry["port"])


@given(sets, st.sampled_from(Direction), pods, others)
def test_two_independent_readings_of_the_api_agree(
    documents: list[Json], direction: Direction, pod: Pod, other: Endpoint
) -> None:
    found = admits(documents, direction, pod, other)
    for protocol in PROTOCOLS:
        for number in NUMBERS:
            expected = naive(documents, direction, pod, other, protocol=protocol, port=number)
            assert bool(found & ports(protocol, number, number)) == expected, (protocol, number)


@given(sets, policies, st.sampled_from(Direction), pods, others)
def test_a_further_policy_changes_nothing_for_pods_that_it_does_not_select(
    documents: list[Json], further: Json, direction: Direction, pod: Pod, other: Endpoint
) -> None:
    before, after = (admits(some, direction, pod, other) for some in (documents, [*documents, further]))
    parsed = parse(further)
    if not (parsed.selects(pod) and direction in parsed.rules):
        assert (after ^ before) == 0


@given(sets, policies, st.sampled_from(Direction), pods, others)
def test_a_further_policy_only_opens_what_was_isolated_already(
    documents: list[Json], further: Json, direction: Direction, pod: Pod, other: Endpoint
) -> None:
    isolated = bool(isolating([parse(one) for one in documents], pod, direction))
    before, after = (admits(some, direction, pod, other) for some in (documents, [*documents, further]))
    narrower, wider = (before, after) if isolated else (after, before)
    assert (narrower & ~wider) == 0


@given(sets, policies, st.sampled_from(Direction), pods, others)
def test_a_union_admits_what_its_policies_admit(
    documents: list[Json], further: Json, direction: Direction, pod: Pod, other: Endpoint
) -> None:
    chosen = [one for one in (*documents, further) if isolating([parse(one)], pod, direction)]
    alone = [admits([one], direction, pod, other) for one in chosen]
    together = 0 if alone else EVERY_PORT
    for one in alone:
        together |= one
    assert (admits([*documents, further], direction, pod, other) ^ together) == 0


@given(st.sampled_from(Direction), pods, others)
def test_default_deny_closes_every_pod_of_its_namespace_and_no_other(
    direction: Direction, pod: Pod, other: Endpoint
) -> None:
    spec: Json = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    found = admits([policy(spec, "blue")], direction, pod, other)
    assert (found == 0) == (pod.namespace == "blue")


@given(sets, st.sampled_from(Direction), pods, others, st.randoms())
def test_the_order_of_policies_means_nothing(
    documents: list[Json], direction: Direction, pod: Pod, other: Endpoint, random: Random
) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)
    assert (admits(documents, direction, pod, other) ^ admits(shuffled, direction, pod, other)) == 0


INSIDE = ("10.244.0.0/16", "10.96.0.0/12", "fd00:10::/56")
HIDDEN = ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")


@given(
    st.one_of(
        st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
        st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
        st.tuples(st.sampled_from([ipaddress.ip_address(one) for one in HIDDEN]), st.integers(0, 31)),
        st.tuples(st.sampled_from([ipaddress.ip_network(one)[7] for one in INSIDE]), st.integers(0, 11)),
    )
)
def test_no_opening_that_is_larger_than_the_cluster_reaches_into_it(drawn: tuple[Any, int]) -> None:
    network = ipaddress.ip_network(f"{drawn[0]}/{drawn[1]}", strict=False)
    addresses = Addresses(metadata=HIDDEN, inside=INSIDE, networks={})
    made: Json = block(str(network), addresses)["ipBlock"]
    egress: Json = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": made}]}]}
    policy = parse({"metadata": {"name": "opening", "namespace": "blue"}, "spec": egress})
    pod = Pod(namespace="blue", labels={}, namespace_labels={})
    for cidr in (*INSIDE, *HIDDEN):
        closed = ipaddress.ip_network(cidr)
        if closed.version == network.version and closed.prefixlen > network.prefixlen:
            for address in (closed[0], closed[-1]):
                assert admitted([policy], Direction.EGRESS, pod, Address(address=str(address))) == 0
