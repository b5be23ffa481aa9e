"""The proof on upstream's real objects: nothing declared is closed, nothing else is open, and no mutant survives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from infra.contract import METADATA_ADDRESSES
from kubeflow import network
from kubeflow.contract import Opening, TenantSpec
from kubeflow.distribution import cache as store
from kubeflow.distribution import table as distribution
from kubeflow.distribution.documents import parse as parse_objects
from kubeflow.network import Addresses, Outside, Workload, proof
from kubeflow.network.semantics import Address, Direction, Pod, Policy, admitted, isolating, parse
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import WORKLOADS
from kubeflow.tenancy import TenantArgs, contents

DATA = store.ROOT.parent / "shared" / "manifests"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="proves the policies on rendered upstream data, which is not beside this checkout"
)

Json = dict[str, Any]

DEFAULT = tuple(one.name for one in distribution.components(distribution.CURRENT) if one.default)
ADDRESSES = Addresses(
    metadata=METADATA_ADDRESSES,
    inside=("10.244.0.0/16", "10.96.0.0/12"),
    networks={
        Outside.API_SERVER: ("10.0.0.10/32",),
        Outside.CERTIFICATE_AUTHORITY: ("198.51.100.0/25",),
        Outside.DATABASE: ("10.10.0.0/24", "fd10::/64"),
        Outside.ISSUER: ("203.0.113.8/32",),
        Outside.NODES: ("10.0.1.0/24",),
        Outside.OBJECT_STORE: ("169.254.0.0/16",),  # a careless owner: the metadata addresses are in the middle
        Outside.REGISTRY: ("198.51.100.128/25",),
        Outside.RESOLVER: ("192.0.2.20/32",),
    },
)
TENANTS = {
    "team-a": TenantSpec(owner="ada", egress=(Opening(cidr="10.20.0.0/24", port=6379, reason="feature store"),)),
    "team-b": TenantSpec(owner="grace"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    installed: frozenset[str]
    objects: tuple[Json, ...]
    ours: tuple[Json, ...]  # made from the table
    policies: tuple[Json, ...]  # with those that tenancy makes
    model: proof.Model


@cache
def rendered(component: str) -> tuple[Json, ...]:
    (path,) = DATA.rglob(f"{component}.yaml")
    namespace = {one.name: one.namespace for one in distribution.components(distribution.CURRENT)}[component]
    bodies = [one.body for one in parse_objects(path.read_text(encoding="utf-8"), origin=component)]
    return tuple({**body, "metadata": {"namespace": namespace, **body["metadata"]}} for body in bodies)


@cache
def case(names: tuple[str, ...] = DEFAULT, addresses: Addresses = ADDRESSES) -> Case:
    chosen = [one for one in distribution.components(distribution.CURRENT) if one.name in names]
    installed = frozenset(one.family or one.name for one in chosen)
    objects = tuple(item for one in chosen for item in rendered(one.name))
    extra = [item for name in TENANTS for item in network.tenant(name, installed, addresses)]
    ours = (*network.platform(installed, addresses), *extra)
    tenancy = [
        item
        for name, spec in TENANTS.items()
        for item in contents(name, TenantArgs(spec=spec, gpu_resource=None))
        if item["kind"] == "NetworkPolicy"
    ]
    openings = {
        name: [proof.opening(name, one.cidr, one.port, one.protocol.value, one.reason) for one in spec.egress]
        for name, spec in TENANTS.items()
    }
    model = proof.model(objects, installed, openings, addresses)
    return Case(installed=installed, objects=objects, ours=ours, policies=(*ours, *tenancy), model=model)


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
    [("gpu-operator-onprem", "gpu-operator-cloud"), ("kueue", "kueue-chart"), ("trainer", "training-operator")],
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
@pytest.mark.parametrize("everywhere", [("0.0.0.0/0", "::/0"), ()], ids=["open to the world", "as declared"])
def test_no_pod_reaches_a_metadata_address_even_if_every_network_is_the_world(
    everywhere: tuple[str, ...], metadata: str
) -> None:
    careless = {outside: everywhere or cidrs for outside, cidrs in ADDRESSES.networks.items()}
    one = case(addresses=Addresses(metadata=METADATA_ADDRESSES, inside=ADDRESSES.inside, networks=careless))
    policies = parsed(one.policies)
    for end in one.model.ends:
        if not end.fenced or not isinstance(end.endpoint, Pod):
            continue
        deciding = isolating(policies, end.endpoint, Direction.EGRESS)
        assert admitted(deciding, Direction.EGRESS, end.endpoint, Address(address=metadata)) == 0, end.name


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
    for position, document in enumerate(one.ours):
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
    assert tried > 10 * len(one.ours)


def called_by_the_api_server(objects: tuple[Json, ...]) -> Iterator[Json]:
    """Clients' configurations of webhooks, conversions and aggregated APIs that name a Service."""
    for item in objects:
        if item["kind"].endswith("WebhookConfiguration"):
            yield from (one["clientConfig"]["service"] for one in item.get("webhooks") or ())
        elif item["kind"] == "APIService" and item["spec"].get("service"):
            yield item["spec"]["service"]
        elif item["kind"] == "CustomResourceDefinition":
            conversion: Json = item["spec"].get("conversion") or {}
            if conversion.get("strategy") == "Webhook":
                yield conversion["webhook"]["clientConfig"]["service"]


def behind(objects: tuple[Json, ...], namespace: str, service: str, port: int) -> Iterator[tuple[str, int]]:
    """Controllers and container ports behind a port of a Service."""
    (spec,) = (
        item["spec"]
        for item in objects
        if item["kind"] == "Service"
        and (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, service)
    )
    (entry,) = (one for one in spec["ports"] if one["port"] == port)
    wanted = entry.get("targetPort", port)
    for item in objects:
        template = item["spec"].get("template") if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet") else None
        if template is None or item["metadata"]["namespace"] != namespace:
            continue
        if spec["selector"].items() <= template["metadata"]["labels"].items():
            named = {
                one.get("name"): one["containerPort"]
                for c in template["spec"]["containers"]
                for one in c.get("ports") or ()
            }
            yield f"{namespace}/{item['metadata']['name']}", wanted if isinstance(wanted, int) else named[wanted]


def test_whatever_the_api_server_calls_is_open_to_it_and_nothing_else_is_open_to_anywhere() -> None:
    one = case()
    called = {
        end
        for service in called_by_the_api_server(one.objects)
        for end in behind(one.objects, service["namespace"], service["name"], service.get("port", 443))
    }
    gateway = "istio-system/istio-ingressgateway"
    opened = {
        (str(flow.target), flow.port)
        for flow in FLOWS
        if flow.source is Outside.ANYWHERE
        and isinstance(flow.target, Workload)
        and flow.target.component in one.installed
        and str(flow.target) != gateway
    }
    assert opened == called


def test_every_route_of_the_gateway_is_a_flow() -> None:
    one = case()
    routes = {
        end
        for item in one.objects
        if item["kind"] == "VirtualService"
        for rule in item["spec"].get("http") or ()
        for route in rule.get("route") or ()
        for service, namespace in [route["destination"]["host"].split(".")[:2]]
        for end in behind(one.objects, namespace, service, route["destination"]["port"]["number"])
    }
    # Upstream routes to it, but its own AuthorizationPolicy admits the dashboard only.
    routes.remove(("kubeflow/profiles-deployment", 8081))
    gateway = {
        (str(flow.target), flow.port) for flow in FLOWS if str(flow.source) == "istio-system/istio-ingressgateway"
    }
    assert routes <= gateway


def accounts_with_roles(objects: tuple[Json, ...]) -> set[tuple[str, str]]:
    return {
        (subject.get("namespace") or item["metadata"]["namespace"], subject["name"])
        for item in objects
        if item["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in item.get("subjects") or ()
        if subject["kind"] == "ServiceAccount"
    }


def pods_of(objects: tuple[Json, ...]) -> Iterator[tuple[str, Json]]:
    for item in objects:
        if item["kind"] in ("DaemonSet", "Deployment", "Job", "StatefulSet"):
            template = item["spec"]["template"]
            if not template["spec"].get("hostNetwork"):
                yield f"{item['metadata']['namespace']}/{item['metadata']['name']}", template


def by_controller() -> dict[str, Workload]:
    return {f"{one.namespace}/{name}": one for one in WORKLOADS for name in (one.name, *one.also)}


def test_exactly_the_pods_that_hold_a_role_reach_the_api_server() -> None:
    one = case()
    bound = accounts_with_roles(one.objects)
    clients = {flow.source for flow in FLOWS if flow.target is Outside.API_SERVER}
    # A gateway's Role lets istiod read certificates on its behalf; the proxy itself never calls.
    exempt = {"istio-system/istio-ingressgateway", "istio-system/cluster-local-gateway"}
    wrong = [
        name
        for name, template in pods_of(one.objects)
        if name not in exempt
        and ((name.split("/")[0], template["spec"].get("serviceAccountName", "default")) in bound)
        != (by_controller()[name] in clients)
    ]
    assert wrong == []


def test_exactly_the_pods_with_a_sidecar_are_members_of_the_mesh() -> None:
    one = case()
    injected = {
        item["metadata"]["name"]
        for item in one.objects
        if item["kind"] == "Namespace" and item["metadata"]["labels"].get("istio-injection") == "enabled"
    }
    key = "sidecar.istio.io/inject"
    wrong = [
        name
        for name, template in pods_of(one.objects)
        if (
            name.split("/")[0] in injected
            and {**template["metadata"].get("annotations", {}), **template["metadata"].get("labels", {})}.get(key)
            != "false"
        )
        != by_controller()[name].mesh
    ]
    assert wrong == []


PROXY_METRICS = 15020  # of every sidecar and gateway; upstream's objects do not mention it
UNMENTIONED = frozenset({("observability/opentelemetry-collector", 8888)})  # the collector's own metrics, by default


def test_every_port_of_a_flow_is_one_that_upstream_mentions() -> None:
    one = case()
    known: dict[str, set[int]] = {
        name: {port["containerPort"] for part in template["spec"]["containers"] for port in part.get("ports") or ()}
        for name, template in pods_of(one.objects)
    }
    for item in one.objects:
        if item["kind"] == "Service" and item["spec"].get("selector"):
            for port in item["spec"]["ports"]:
                place = item["metadata"]["namespace"], item["metadata"]["name"], port["port"]
                for name, number in behind(one.objects, *place):
                    known.setdefault(name, set()).add(number)
    wrong = [
        str(flow)
        for flow in FLOWS
        for target in [str(flow.target)]
        if target in known
        and flow.port not in {*known[target], PROXY_METRICS}
        and (target, flow.port) not in UNMENTIONED
    ]
    assert wrong == []
