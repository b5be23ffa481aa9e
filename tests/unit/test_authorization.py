"""AuthorizationPolicies open exactly the declared flows: compared pair by pair, and no mutant of a policy survives."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from kubeflow.mesh import OWN_PORTS, Place, exempt, place
from kubeflow.network import authorization
from kubeflow.network.authorization import Callers
from kubeflow.network.flows import Outside, Workload
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import WORKLOADS

Json = dict[str, Any]

INSTALLED = frozenset(one.component for one in WORKLOADS if one.component)
PEOPLE = {"team-a": ("ada@example.test", "bob@example.test"), "team-b": ("grace@example.test",)}
ALLOW_NOTHING: Json = {
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "global-deny-all", "namespace": "istio-system"},
    "spec": {},
}  # upstream's, which stays


# A small evaluator, written from Istio's reference of AuthorizationPolicy and independent of what makes the policies.


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a proxy sees of one request."""

    principal: str | None
    port: int
    host: str = "somewhere"
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    claims: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The pod that is asked."""

    namespace: str
    labels: Mapping[str, str]


def matches(pattern: str, value: str | None) -> bool:
    if value is None:
        return False
    if pattern == "*":
        return value != ""
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def fits(part: Json, name: str, value: str | None) -> bool:
    """A positive and a negative list of one attribute, either of which may be absent."""
    wanted, refused = part.get(name), part.get(f"not{name[0].upper()}{name[1:]}")
    return (wanted is None or any(matches(one, value) for one in wanted)) and not any(
        matches(one, value) for one in refused or ()
    )


def source_fits(source: Json, request: Request) -> bool:
    assert set(source) <= {"principals", "notPrincipals", "namespaces"}, source
    namespace = None if request.principal is None else request.principal.split("/")[2]
    return fits(source, "principals", request.principal) and fits(source, "namespaces", namespace)


def operation_fits(operation: Json, request: Request) -> bool:
    assert set(operation) <= {"ports", "hosts", "paths", "notPaths", "methods"}, operation
    values = {"ports": str(request.port), "hosts": request.host, "paths": request.path, "methods": request.method}
    return all(fits(operation, name, value) for name, value in values.items())


def condition_fits(condition: Json, request: Request) -> bool:
    word, _, name = condition["key"].removesuffix("]").partition("[")
    value = {"request.headers": request.headers, "request.auth.claims": request.claims}[word].get(name)
    return fits(condition, "values", value)


def rule_fits(rule: Json, request: Request) -> bool:
    return (
        (not rule.get("from") or any(source_fits(one["source"], request) for one in rule["from"]))
        and (not rule.get("to") or any(operation_fits(one["operation"], request) for one in rule["to"]))
        and all(condition_fits(one, request) for one in rule.get("when") or ())
    )


def allowed(policies: Sequence[Json], target: Target, request: Request) -> bool:
    mine = [
        one["spec"]
        for one in policies
        if one["metadata"]["namespace"] in ("istio-system", target.namespace)
        and one["spec"].get("selector", {}).get("matchLabels", {}).items() <= target.labels.items()
    ]
    by_action = {action: [one for one in mine if one.get("action", "ALLOW") == action] for action in ("DENY", "ALLOW")}
    if any(rule_fits(rule, request) for one in by_action["DENY"] for rule in one["rules"]):
        return False
    return not by_action["ALLOW"] or any(
        rule_fits(rule, request) for one in by_action["ALLOW"] for rule in one.get("rules", ())
    )


def deployment(workload: Workload) -> Json:
    shared = workload.namespace == "knative-serving" and workload.name != "activator"  # as upstream has it
    account = "controller" if shared else f"{workload.name}-account"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "namespace": workload.namespace},
        "spec": {"template": {"spec": {"serviceAccountName": account, "containers": []}}},
    }


@cache
def callers(*, tokens_inside: bool = True) -> Callers:
    accounts = authorization.accounts([deployment(one) for one in WORKLOADS if one.namespace])
    return Callers(installed=INSTALLED, accounts=accounts, people=PEOPLE, tokens_inside=tokens_inside)


@cache
def policies() -> tuple[Json, ...]:
    return (*authorization.platform(callers()), ALLOW_NOTHING)


def guarded() -> list[Workload]:
    return [one for one in WORKLOADS if one.namespace and place(one) is Place.SIDECAR]


PORTS = sorted({flow.port for flow in FLOWS if flow.port} - OWN_PORTS | {1, 65535})
HEADERS: tuple[Mapping[str, str], ...] = ({}, {"kubeflow-userid": "ada@example.test"})


@cache
def identities(of: Callers) -> Mapping[str | None, frozenset[str]]:
    """Every caller that a proxy can tell apart -> the workloads whose declared flows are its flows."""
    found: dict[str | None, set[str]] = {None: set(), "cluster.local/ns/default/sa/stranger": set()}
    for workload in WORKLOADS:
        where = place(workload)
        if workload.namespace is None and where is not Place.OUTSIDE:
            for namespace in of.people:
                found.setdefault(f"cluster.local/ns/{namespace}/sa/default-editor", set()).add(str(workload))
        elif workload.namespace is not None and where in (Place.SIDECAR, Place.GATEWAY):
            found.setdefault(of.principal(workload), set()).add(str(workload))
        if where in (Place.OUTSIDE, Place.EITHER):
            found[None].add(str(workload))
    return {name: frozenset(names) for name, names in found.items()}


@cache
def declared(of: Callers) -> frozenset[tuple[str, str, int]]:
    """Source, target and port of each flow that a proxy of the platform decides about; anybody is a source, too."""
    return frozenset(
        ("anybody" if flow.source is Outside.ANYWHERE else str(flow.source), str(flow.target), flow.port or 0)
        for flow in FLOWS
        if all(end.component is None or end.component in of.installed
               for end in (flow.source, flow.target) if isinstance(end, Workload))
    )  # fmt: skip


def expected(of: Callers, source: str | None, target: Workload, port: int, headers: Mapping[str, str]) -> bool:
    rows = declared(of)
    by_row = [name for name in identities(of)[source] if (name, str(target), port) in rows]
    if str(target) == "kubeflow/ml-pipeline" and headers:
        by_row = [name for name in by_row if not name.startswith("tenant/")]
    return bool(by_row) or (source is None and ("anybody", str(target), port) in rows)


def answered(
    given: Sequence[Json], source: str | None, target: Workload, port: int, headers: Mapping[str, str]
) -> bool:
    pod = Target(namespace=str(target.namespace), labels=target.labels)
    return allowed(given, pod, Request(principal=source, port=port, headers=headers))


def judged(workload: Workload) -> list[int]:
    """Ports of a workload that its proxy sees."""
    hidden = {port for port in PORTS if (one := exempt(workload, port)) is not None and one.mode == "EXCLUDED"}
    return [port for port in PORTS if port not in hidden]


def differences(of: Callers, given: Sequence[Json], targets: Sequence[Workload]) -> Iterator[str]:
    for target in targets:
        for source, port, headers in itertools.product(identities(of), judged(target), HEADERS):
            open_, wanted = answered(given, source, target, port, headers), expected(of, source, target, port, headers)
            if open_ != wanted:
                yield f"{'extra' if open_ else 'missing'}: {source} -> {target} {port} {dict(headers)}"


def test_every_declared_flow_between_proxies_is_open_and_nothing_else_is() -> None:
    assert list(differences(callers(), policies(), guarded())) == []


def mutants(policy: Json) -> Iterator[tuple[str, Json | None]]:
    """Everything that can go wrong with one policy: it is lost, loses a part, or is wider or elsewhere in one place."""
    yield "dropped", None

    def changed(why: str, change: Callable[[Json], object]) -> tuple[str, Json]:
        copied = copy.deepcopy(policy)
        change(copied["spec"])
        return why, copied

    yield changed("for every pod of the namespace", lambda spec: spec.pop("selector"))
    yield changed("for other pods", lambda spec: spec["selector"]["matchLabels"].update(other="label"))
    yield changed("denies", lambda spec: spec.update(action="DENY"))
    for index, rule in enumerate(policy["spec"]["rules"]):
        yield changed(f"rule {index} lost", lambda spec, index=index: spec["rules"].pop(index))
        yield changed(f"rule {index} for everybody", lambda spec, index=index: spec["rules"][index].pop("from"))
        yield changed(f"rule {index} on every port", lambda spec, index=index: spec["rules"][index].pop("to"))
        if "when" in rule:
            yield changed(f"rule {index} always", lambda spec, index=index: spec["rules"][index].pop("when"))
        for number, source in enumerate(rule["from"]):
            for name in source["source"]:

                def other(spec: Json, index: int = index, number: int = number, name: str = name) -> None:
                    spec["rules"][index]["from"][number]["source"][name] = ["cluster.local/ns/default/sa/stranger"]

                yield changed(f"rule {index} for a stranger instead of {name}", other)
        for number in range(len(rule["to"][0]["operation"]["ports"])):

            def less(spec: Json, index: int = index, number: int = number) -> None:
                spec["rules"][index]["to"][0]["operation"]["ports"][number] = "1"

            yield changed(f"rule {index} on another port", less)


def test_no_mutant_of_a_platform_policy_survives() -> None:
    given, tried = policies(), 0
    survivors: list[str] = []
    for policy in given[:-1]:
        space = policy["metadata"]["namespace"]
        named = policy["metadata"]["name"].removeprefix("declared-")
        near = sorted((one for one in guarded() if one.namespace == space), key=lambda one: one.name != named)
        if space == "istio-system":
            continue  # gateways: what they let in is tested below
        for why, mutant in mutants(policy):
            tried += 1
            changed = [one for one in given if one is not policy] + ([] if mutant is None else [mutant])
            seen = near if mutant is not None and "selector" not in mutant["spec"] else near[:1]
            if next(differences(callers(), changed, seen), None) is None:
                survivors.append(f"{space}/{policy['metadata']['name']}: {why}")
    assert survivors == []
    assert tried > 150


def test_without_the_policy_that_denies_by_default_the_proof_fails() -> None:
    assert next(differences(callers(), policies()[:-1], guarded()), None) is not None


@pytest.mark.parametrize("port", [8080, 8443])
def test_anybody_may_knock_at_the_gateway_on_its_two_ports_only(port: int) -> None:
    gateway = Target(namespace="istio-system", labels={"istio": "ingressgateway"})
    assert allowed(policies(), gateway, Request(principal=None, port=port))
    assert not allowed(policies(), gateway, Request(principal=None, port=15012))


MACHINE_A = {"sub": "system:serviceaccount:team-a:default-editor"}
LOCAL = Target(namespace="istio-system", labels={"istio": "cluster-local-gateway"})


@pytest.mark.parametrize(
    ("host", "claims", "path", "may"),
    [
        ("model.team-a.svc.cluster.local", MACHINE_A, "/v1/models", True),
        ("model.team-a.svc.cluster.local:80", MACHINE_A, "/v1/models", True),
        ("model.team-a", MACHINE_A, "/v1/models", True),
        ("model.team-b.svc.cluster.local", MACHINE_A, "/v1/models", False),
        ("model.team-a.svc.cluster.local", {}, "/v1/models", False),
        ("model.team-a.svc.cluster.local", {"sub": "system:serviceaccount:team-ab:it"}, "/v1/models", False),
        ("model.not-team-a.svc.cluster.local", MACHINE_A, "/v1/models", False),
        ("model.team-b.svc.cluster.local", {}, "/healthz", True),
    ],
)
def test_inside_the_cluster_a_model_is_for_tokens_of_its_own_tenant(
    host: str, claims: Mapping[str, str], path: str, *, may: bool
) -> None:
    request = Request(principal=None, port=8081, host=host, path=path, claims=claims)
    assert allowed(policies(), LOCAL, request) is may


def test_without_tokens_the_local_gateway_lets_in_its_two_ports() -> None:
    given = (*authorization.platform(callers(tokens_inside=False)), ALLOW_NOTHING)
    assert allowed(given, LOCAL, Request(principal=None, port=8081, host="model.team-b"))
    assert not allowed(given, LOCAL, Request(principal=None, port=9999))


def user(name: str) -> Mapping[str, str]:
    return {"kubeflow-userid": name}


GATEWAY, INSIDE = "istio-system/istio-ingressgateway", "istio-system/cluster-local-gateway"
UI, CULLER = "kubeflow/ml-pipeline-ui", "kubeflow/notebook-controller-deployment"
ACTIVATOR, AUTOSCALER = "knative-serving/activator", "knative-serving/autoscaler"
ADA, GRACE = user("ada@example.test"), user("grace@example.test")
BOT_A, BOT_B = (user(f"system:serviceaccount:team-{name}:bot") for name in "ab")
OWN_POD = "team-a/default-editor"

# Who, port, what else the request says, whether a pod of team-a lets it in.
SCENARIOS: tuple[tuple[str | None, int, Json, bool], ...] = (
    (OWN_POD, 12345, {}, True),
    ("team-b/default-editor", 8888, {}, False),
    ("team-b/default-editor", 8888, {"headers": ADA}, False),
    (None, 8888, {"headers": ADA}, False),
    (GATEWAY, 8888, {"headers": ADA}, True),
    (GATEWAY, 8888, {"headers": user("bob@example.test")}, True),
    (GATEWAY, 8888, {"headers": GRACE}, False),
    (GATEWAY, 8888, {}, False),
    (GATEWAY, 22, {"headers": ADA}, False),
    (GATEWAY, 8888, {"headers": BOT_A}, False),
    (GATEWAY, 8012, {"headers": BOT_A}, True),
    (GATEWAY, 8012, {"headers": BOT_B}, False),
    (UI, 3000, {"headers": ADA}, True),
    (UI, 3000, {"headers": GRACE}, False),
    (INSIDE, 8012, {"headers": BOT_A}, True),
    (INSIDE, 8888, {"headers": BOT_A}, False),
    (INSIDE, 8012, {"headers": BOT_B}, False),
    (INSIDE, 8012, {}, False),
    (ACTIVATOR, 8012, {"headers": BOT_A}, True),
    (ACTIVATOR, 8012, {"headers": ADA}, True),
    (ACTIVATOR, 8012, {"headers": GRACE}, False),
    (ACTIVATOR, 8012, {"path": "/healthz"}, True),
    (ACTIVATOR, 8012, {"path": "/v1/models"}, False),
    (ACTIVATOR, 9090, {"path": "/healthz"}, False),
    (AUTOSCALER, 9090, {}, True),
    (AUTOSCALER, 8012, {}, False),
    (CULLER, 8888, {"path": "/notebook/team-a/it/api/kernels"}, True),
    (CULLER, 8888, {"path": "/notebook/team-a/it/api/contents"}, False),
    (CULLER, 8888, {"path": "/notebook/team-a/it/api/kernels", "method": "POST"}, False),
    (CULLER, 8080, {"path": "/api/kernels"}, False),
    (GATEWAY, 8012, {"path": "/healthz"}, False),
    ("kubeflow/centraldashboard", 9090, {}, False),
    ("kubeflow/centraldashboard", 8888, {"headers": ADA}, False),
    ("kubeflow/centraldashboard", 8012, {"headers": BOT_A}, False),
    ("kubeflow/centraldashboard", 8012, {"path": "/healthz"}, False),
    ("kubeflow/centraldashboard", 8888, {"path": "/api/kernels"}, False),
)  # fmt: skip


def wrong(given: Sequence[Json]) -> list[str]:
    pod = Target(namespace="team-a", labels={})
    told: list[str] = []
    for who, port, more, may in SCENARIOS:
        principal = None
        if who is not None:
            known = callers().known(who)
            principal = callers().principal(who) if known else f"cluster.local/ns/{who.replace('/', '/sa/')}"
        if allowed(given, pod, Request(principal=principal, port=port, **more)) is not may:
            told.append(f"{who} {port} {more} should {'' if may else 'not '}be let in")
    return told


def alone() -> Callers:
    """A platform without the controller that makes policies for the owners of tenants."""
    return replace(callers(), installed=INSTALLED - {"profiles"})


def test_a_tenant_lets_in_its_people_its_pods_and_what_its_models_need() -> None:
    assert wrong([*authorization.tenant("team-a", alone()), ALLOW_NOTHING]) == []


def controllers(owner: str) -> Json:
    """What profile_controller.go (getAuthorizationPolicy) makes for the owner of a tenant."""
    people = [callers().principal(name) for name in (GATEWAY, UI)]
    return {
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "ns-owner-access-istio", "namespace": "team-a"},
        "spec": {
            "rules": [
                {"from": [{"source": {"principals": people}}],
                 "when": [{"key": "request.headers[kubeflow-userid]", "values": [owner]}]},
                {"from": [{"source": {"namespaces": ["team-a"]}}]},
                {"to": [{"operation": {"paths": ["/healthz", "/metrics", "/wait-for-drain"]}}]},
                {"from": [{"source": {"principals": [callers().principal(CULLER)]}}],
                 "to": [{"operation": {"methods": ["GET"], "paths": ["*/api/kernels"]}}]},
            ]
        },
    }  # fmt: skip


def test_beside_the_profile_controller_only_what_its_policy_lacks_is_added() -> None:
    given = [*authorization.tenant("team-a", callers()), controllers("ada@example.test"), ALLOW_NOTHING]
    closed = [told for told in wrong(given) if told.endswith("should be let in")]
    assert [told for told in closed if "bob@" not in told] == [], "contributors have policies of their own"
    (policy,) = authorization.tenant("team-a", callers())
    theirs, ours = controllers("ada@example.test")["spec"]["rules"], policy["spec"]["rules"]
    assert [rule for rule in ours if rule in theirs] == []


def test_no_mutant_of_a_tenants_policy_survives() -> None:
    (policy,) = authorization.tenant("team-a", alone())
    survivors: list[str] = []
    for index, rule in enumerate(policy["spec"]["rules"]):
        parts = [None, *(("from", "to", "when") & rule.keys())]
        for part in parts:
            mutant = copy.deepcopy(policy)
            if part is None:
                del mutant["spec"]["rules"][index]
            else:
                del mutant["spec"]["rules"][index][part]
            if not wrong([mutant, ALLOW_NOTHING]):
                survivors.append(f"rule {index} without {part or 'anything'}")
    assert survivors == []


DOOR = Target(namespace="istio-system", labels={"istio": "ingressgateway"})


@pytest.mark.parametrize(
    ("host", "path", "headers", "may"),
    [
        ("ml.test", "/serving/team-a/model/v1", ADA, True),
        ("ml.test", "/serving/team-a/model/v1", BOT_A, True),
        ("ml.test", "/serving/team-a/model/v1", GRACE, False),
        ("ml.test", "/serving/team-a/model/v1", BOT_B, False),
        ("ml.test", "/serving/team-a", {}, False),
        ("ml.test", "/serving/team-ab/model", GRACE, True),
        ("model.team-a.ml.test", "/v1", BOT_A, True),
        ("model.team-a.ml.test:443", "/v1", BOT_B, False),
        ("model.team-a.svc.cluster.local", "/v1", GRACE, False),
        ("ml.test", "/pipeline/", GRACE, True),
    ],
)
def test_at_the_gateway_a_model_is_for_people_and_tokens_of_its_tenant(
    host: str, path: str, headers: Mapping[str, str], *, may: bool
) -> None:
    given = [*policies(), *authorization.doors("ml.test", PEOPLE)]
    assert allowed(given, DOOR, Request(principal=None, port=8443, host=host, path=path, headers=headers)) is may


def test_a_user_named_like_a_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match=r"team-a: \*"):
        replace(callers(), people={"team-a": ("*",)})


def test_a_workload_that_is_not_installed_gets_no_policy_and_is_nobodys_caller() -> None:
    few = replace(callers(), installed=frozenset({"istio", "pipelines"}))
    made = list(authorization.platform(few))
    assert {one["metadata"]["namespace"] for one in made} == {"istio-system", "kubeflow"}
    assert "metadata-envoy" not in str([one for one in made if one["metadata"]["name"] == "declared-katib-ui"])


def test_the_account_of_a_pod_that_names_none_is_the_default_one() -> None:
    body = deployment(next(one for one in WORKLOADS if one.name == "mysql"))
    del body["spec"]["template"]["spec"]["serviceAccountName"]
    assert authorization.accounts([body]) == {"kubeflow/mysql": "default"}


def test_no_policy_of_upstream_is_both_kept_and_dropped() -> None:
    assert not authorization.KEPT.keys() & authorization.DROPPED.keys()
