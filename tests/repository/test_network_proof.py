"""The proof on what is really installed: nothing declared is closed, nothing else is open, and no mutant survives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from infra.contract import METADATA_ADDRESSES
from kubeflow.network import proof
from kubeflow.network.semantics import Address, Direction, Pod, Policy, admitted, isolating, parse
from tests.support.upstream import DEFAULT, case, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Json = dict[str, Any]


def told(findings: Iterable[proof.Finding]) -> str:
    return "\n".join(str(finding) for finding in findings)


def parsed(documents: tuple[Json, ...]) -> list[Policy]:
    return [parse(document) for document in documents]


def test_no_edge_is_missing_and_none_is_extra_within_the_time_allowed() -> None:
    one = case()
    started = time.monotonic()
    assert told(one.model.findings(parsed(one.policies))) == ""
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("without", "instead"),
    [("gpu-operator-onprem", "gpu-operator-cloud"), ("trainer", "training-operator")],
)
def test_variants_of_the_platform_are_as_closed(without: str, instead: str) -> None:
    one = case(tuple(instead if name == without else name for name in DEFAULT))
    assert (one.model.unknown, one.model.absent) == ((), ())
    assert told(one.model.findings(parsed(one.policies))) == ""


def test_every_rendered_pod_is_in_the_table_and_every_workload_is_rendered() -> None:
    assert case().model.unknown == ()
    assert case().model.absent == ()


def test_every_pod_is_selected_by_a_policy_in_both_directions() -> None:
    one = case()
    policies = parsed(one.policies)
    open_ends = [
        f"{end.name} {direction.value}"
        for end in one.model.ends
        for direction in Direction
        if end.fenced and isinstance(end.endpoint, Pod) and not isolating(policies, end.endpoint, direction)
    ]
    assert open_ends == []


@pytest.mark.parametrize("metadata", METADATA_ADDRESSES)
@pytest.mark.parametrize("careless", [True, False], ids=["open to the world", "as declared"])
def test_no_pod_reaches_a_metadata_address_even_if_every_network_is_the_world(
    careless: bool,  # noqa: FBT001 - a parameter of the test
    metadata: str,
) -> None:
    one = case(careless=careless)
    policies = parsed(one.policies)
    for end in one.model.ends:
        if not end.fenced or not isinstance(end.endpoint, Pod):
            continue
        deciding = isolating(policies, end.endpoint, Direction.EGRESS)
        assert admitted(deciding, Direction.EGRESS, end.endpoint, Address(address=metadata)) == 0, end.name


def test_an_opening_that_holds_the_cluster_itself_is_carved() -> None:
    (declared,) = (one["spec"]["egress"] for one in case().policies if one["metadata"]["name"] == "allow-declared")
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"].get("except") for rule in declared for peer in rule["to"]}
    assert blocks == {"10.20.0.0/24": None, "10.192.0.0/10": ["10.244.0.0/16"]}


def mutants(policy: Json) -> Iterator[tuple[str, Json | None]]:
    """Everything that can go wrong with one policy: it is lost, loses a part, or is wider in one place."""
    yield "policy dropped", None
    spec: Json = policy["spec"]
    if spec["podSelector"]:
        yield "selects every pod", with_spec(policy, {**spec, "podSelector": {}})
    for lost, kept in (("ingress", "Egress"), ("egress", "Ingress")):
        if spec.get(lost) or not spec["podSelector"]:  # else the namespace's default deny still closes it
            yield f"decides about {kept} only", with_spec(policy, {**spec, "policyTypes": [kept]})
    for section, word in (("ingress", "from"), ("egress", "to")):
        rules: list[Json] = spec.get(section, [])
        for what, mutant in changed_rules(rules, word):
            yield f"{section}{what}", with_spec(policy, {**spec, section: mutant})


def with_spec(policy: Json, spec: Json) -> Json:
    return {**policy, "spec": spec}


def changed_rules(rules: list[Json], word: str) -> Iterator[tuple[str, list[Json]]]:
    yield " opened", [{}]
    for number, rule in enumerate(rules):
        rest = rules[:number], rules[number + 1 :]
        yield f"[{number}] dropped", [*rest[0], *rest[1]]
        for what, mutant in changed_rule(rule, word):
            yield f"[{number}] {what}", [*rest[0], mutant, *rest[1]]


def changed_rule(rule: Json, word: str) -> Iterator[tuple[str, Json]]:
    for part, changes in (("ports", narrow_or_wide), (word, wider)):
        entries: list[Json] = rule.get(part, [])
        if entries:
            yield f"every {part}", {key: value for key, value in rule.items() if key != part}
        for what, mutant in changed_entries(entries, changes):
            yield f"{part}{what}", {**rule, part: mutant}


def changed_entries(
    entries: list[Json], changes: Callable[[Json], Mapping[str, Json]]
) -> Iterator[tuple[str, list[Json]]]:
    for index, entry in enumerate(entries):
        rest = entries[:index], entries[index + 1 :]
        if len(entries) > 1:
            yield f"[{index}] dropped", [*rest[0], *rest[1]]
        for what, replacement in changes(entry).items():
            yield f"[{index}] {what}", [*rest[0], replacement, *rest[1]]


def narrow_or_wide(port: Json) -> dict[str, Json]:
    return {
        "moved by one": {**port, "port": port["port"] + 1},
        "and all above": {**port, "endPort": 65535},
        "other protocol": {**port, "protocol": "UDP" if port["protocol"] == "TCP" else "TCP"},
        "every number": {"protocol": port["protocol"]},
    }


def wider(peer: Json) -> dict[str, Json]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        holes = block.get("except", [])
        whole = "::/0" if ":" in block["cidr"] else "0.0.0.0/0"
        return {
            "every address": {"ipBlock": {**block, "cidr": whole}},
            **{
                f"without its exception {hole}": {"ipBlock": {**block, "except": [one for one in holes if one != hole]}}
                for hole in holes
            },
        }
    found: dict[str, Json] = {"every namespace": {**peer, "namespaceSelector": {}}}
    if "podSelector" in peer:
        found["every pod"] = {key: value for key, value in peer.items() if key != "podSelector"}
    return found


def test_no_mutant_of_any_policy_survives_the_proof() -> None:
    one = case()
    policies = parsed(one.policies)
    survivors: list[str] = []
    tried = 0
    for position, document in enumerate(one.policies):
        if document not in one.generated:
            continue
        original = policies[position]
        for name, mutant in mutants(document):
            tried += 1
            replaced = [] if mutant is None else [parse(mutant)]
            deciding = (original, *replaced)
            ends = [
                end
                for end in one.model.ends
                if isinstance(end.endpoint, Pod) and any(policy.selects(end.endpoint) for policy in deciding)
            ]
            now = [*policies[:position], *replaced, *policies[position + 1 :]]
            if not any(one.model.findings(now, only=ends)):
                survivors.append(f"{original.namespace}/{original.name}: {name}")
    assert survivors == [], "\n".join(survivors)
    assert tried > 10 * len(one.generated)
