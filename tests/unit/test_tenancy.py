"""A tenant is closed by construction: proven on the documents it is made from."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from infra.contract import CREDENTIALS_FILE, IDENTITY_FOLDER, METADATA_ADDRESSES, Binding
from infra.objects import Document
from kubeflow import access, priorities
from kubeflow.contract import Opening, PodSecurity, Quota, TenantSpec
from kubeflow.network import Addresses, Outside
from kubeflow.network.objects import Fences
from kubeflow.quantity import Quantity
from kubeflow.spec.tenants import Share, Shares, check_names
from kubeflow.tenancy import TenantArgs, TenantNamespace, contents, namespace

SPEC = TenantSpec(
    owner="ada@example.com",
    contributors=("grace@example.com",),
    viewers=("audit@example.com",),
    quota=Quota(gpus=8),
    egress=(Opening(cidr="10.20.0.0/24", port=6379, reason="feature store"),),
)


def documents(
    spec: TenantSpec = SPEC, gpu_resources: tuple[str, ...] = ("nvidia.com/gpu",)
) -> dict[tuple[str, str], Document]:
    made = contents("team-a", TenantArgs(spec=spec, gpu_resources=gpu_resources))
    return {(item["kind"], item["metadata"]["name"]): item for item in made}


def policies(spec: TenantSpec = SPEC) -> dict[str, Document]:
    return {name: item["spec"] for (kind, name), item in documents(spec).items() if kind == "NetworkPolicy"}


def test_everything_lives_in_the_tenants_namespace() -> None:
    assert {item["metadata"]["namespace"] for item in documents().values()} == {"team-a"}


def test_a_namespace_brings_quota_limits_policies_and_roles() -> None:
    kinds = {kind for kind, _ in documents()}
    assert kinds == {
        "LimitRange", "NetworkPolicy", "ResourceQuota", "Role", "RoleBinding", "ServiceAccount",
    }  # fmt: skip


def test_a_namespace_joins_the_mesh_and_enforces_pod_security() -> None:
    labels = namespace("team-a", replace(SPEC, pod_security=PodSecurity.RESTRICTED))["metadata"]["labels"]
    assert labels["istio-injection"] == "enabled"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_everything_is_denied_both_ways_by_default() -> None:
    assert policies()["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_dns_is_reachable_by_udp_and_tcp() -> None:
    (rule,) = policies()["allow-dns"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}


def test_the_only_ways_out_are_dns_own_pods_and_declared_openings() -> None:
    out = [rule for policy in policies().values() for rule in policy.get("egress", ())]
    assert len(out) == 3
    assert all(rule.get("to") for rule in out), "a rule without `to` would open everything"
    blocks = [peer["ipBlock"] for rule in out for peer in rule["to"] if "ipBlock" in peer]
    assert blocks == [{"cidr": "10.20.0.0/24"}]


def test_a_tenant_without_openings_has_no_address_to_go_to() -> None:
    assert "allow-declared" not in policies(replace(SPEC, egress=()))


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
def test_no_opening_reaches_an_instance_metadata_address(address: str) -> None:
    around = ipaddress.ip_network(address).supernet(8)
    with pytest.raises(ValueError, match="instance metadata"):
        Opening(cidr=str(around), port=80, reason="a mistake")


def test_an_opening_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        Opening(cidr="10.0.0.0/24", port=80, reason=" ")


def test_the_quota_covers_cpu_memory_gpus_storage_and_object_counts() -> None:
    hard = documents()["ResourceQuota", "tenant"]["spec"]["hard"]
    assert hard["requests.nvidia.com/gpu"] == "8"
    assert {"requests.cpu", "requests.memory", "requests.storage", "pods", "secrets", "configmaps"} <= set(hard)
    assert (hard["services.loadbalancers"], hard["services.nodeports"]) == ("0", "0")


def test_zero_gpus_is_a_quota_of_zero_and_not_the_absence_of_one() -> None:
    hard = documents(replace(SPEC, quota=Quota(gpus=0)))["ResourceQuota", "tenant"]["spec"]["hard"]
    assert hard["requests.nvidia.com/gpu"] == "0"


def test_a_cluster_without_gpus_has_no_gpu_quota() -> None:
    hard = documents(gpu_resources=())["ResourceQuota", "tenant"]["spec"]["hard"]
    assert not [key for key in hard if "gpu" in key]


def test_tenants_cannot_use_the_platforms_priorities() -> None:
    spec = documents()["ResourceQuota", "reserved-priorities"]["spec"]
    (expression,) = spec["scopeSelector"]["matchExpressions"]
    assert spec["hard"] == {"pods": "0"}
    assert set(expression["values"]) == {priorities.PLATFORM, "system-cluster-critical", "system-node-critical"}


def test_a_container_that_asks_for_nothing_gets_requests_and_limits() -> None:
    (limit,) = documents()["LimitRange", "defaults"]["spec"]["limits"]
    assert set(limit["defaultRequest"]) == set(limit["default"]) == {"cpu", "memory"}


@pytest.mark.parametrize("role", ["owner", "contributor", "viewer"])
def test_each_role_is_bound_to_its_people_only(role: str) -> None:
    people = {"owner": "ada@example.com", "contributor": "grace@example.com", "viewer": "audit@example.com"}
    binding = documents()["RoleBinding", role]
    assert binding["roleRef"]["name"] == role
    assert [item["name"] for item in binding["subjects"] if item["kind"] == "User"] == [people[role]]
    assert {item.get("namespace") for item in binding["subjects"] if item["kind"] == "ServiceAccount"} <= {"team-a"}


def rules(role: str) -> list[dict[str, Any]]:
    return [dict(rule) for rule in access.ROLES[role]]


@pytest.mark.parametrize("role", sorted(access.ROLES))
def test_no_role_holds_a_wildcard_or_an_escalation(role: str) -> None:
    for rule in rules(role):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"bind", "escalate", "impersonate"} & set(rule["verbs"])


def test_a_viewer_reads_no_secret_and_writes_nothing() -> None:
    assert not any("secrets" in rule["resources"] for rule in rules("viewer"))
    assert {verb for rule in rules("viewer") for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize("role", ["contributor", "viewer"])
def test_only_an_owner_lets_people_in(role: str) -> None:
    writers = [
        rule for rule in rules(role) if "rolebindings" in rule["resources"] and set(rule["verbs"]) & {"create", "patch"}
    ]
    assert writers == []


@pytest.mark.parametrize("role", sorted(access.ROLES))
def test_nobody_in_a_tenant_changes_its_quota_limits_or_policies(role: str) -> None:
    guarded = {"limitranges", "networkpolicies", "resourcequotas", "roles"}
    for rule in rules(role):
        if guarded & set(rule["resources"]):
            assert set(rule["verbs"]) == {"get", "list", "watch"}


def test_a_request_above_its_limit_is_refused() -> None:
    defaults = SPEC.defaults
    with pytest.raises(ValueError, match=r"memoryRequest \(2Gi\) is greater than memoryLimit \(1Gi\)"):
        replace(defaults, memory_request=Quantity("2Gi"))


def inside_a_cluster(*openings: Opening, **networks: tuple[str, ...]) -> TenantArgs:
    addresses = Addresses(
        metadata=(*METADATA_ADDRESSES, "192.0.2.254"),
        inside=("10.244.0.0/16", "10.96.0.0/12"),
        networks={Outside[name.upper()]: cidrs for name, cidrs in networks.items()},
    )
    fences = Fences(installed=frozenset(), addresses=addresses, platform=(), every_tenant=())
    return TenantArgs(spec=TenantSpec(owner="ada", egress=openings), gpu_resources=(), fences=fences)


def way_out(args: TenantArgs, policy: str) -> list[Document]:
    (spec,) = (
        item["spec"]
        for item in contents("team-a", args)
        if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == policy
    )
    return [peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"] if "ipBlock" in peer]


def test_pods_services_and_metadata_are_carved_out_of_a_large_opening() -> None:
    wide = Opening(cidr="10.0.0.0/8", port=443, reason="offices")
    odd = Opening(cidr="192.0.2.0/24", port=443, reason="a neighbour of this cluster's metadata address")
    assert way_out(inside_a_cluster(wide, odd), "allow-declared") == [
        {"cidr": "10.0.0.0/8", "except": ["10.244.0.0/16", "10.96.0.0/12"]},
        {"cidr": "192.0.2.0/24", "except": ["192.0.2.254/32"]},
    ]


@pytest.mark.parametrize("cidr", ["10.244.0.0/16", "10.244.3.0/24", "10.96.0.1/32", "192.0.2.254/32"])
def test_nothing_opens_the_cluster_itself_to_a_tenant(cidr: str) -> None:
    fine = Opening(cidr="10.20.0.0/24", port=443, reason="fine")
    args = inside_a_cluster(fine, Opening(cidr=cidr, port=443, reason="a mistake"))
    with pytest.raises(pulumi.RunError, match=rf"platform\.tenants\.team-a\.egress\[1\]\.cidr: {cidr} lies in"):
        TenantNamespace("team-a", args)


def test_names_are_found_at_a_resolver_on_the_node_where_there_is_one() -> None:
    assert way_out(inside_a_cluster(resolver=("169.254.20.10/32",)), "allow-dns") == [{"cidr": "169.254.20.10/32"}]
    assert way_out(inside_a_cluster(), "allow-dns") == []


SHARE = Share(cpu=Quantity("4"), memory=Quantity("16Gi"), gpus=2, pods=10)


def test_training_and_serving_have_quotas_of_their_own_by_priority_class() -> None:
    made = documents(replace(SPEC, shares=Shares(training=SHARE)))
    spec = made["ResourceQuota", "training"]["spec"]
    (expression,) = spec["scopeSelector"]["matchExpressions"]
    assert expression == {"scopeName": "PriorityClass", "operator": "In", "values": ["kubeflow-training"]}
    assert spec["hard"] == {
        "requests.cpu": "4", "requests.memory": "16Gi", "requests.nvidia.com/gpu": "2", "pods": "10",
    }  # fmt: skip
    assert ("ResourceQuota", "serving") not in made


@pytest.mark.parametrize("purpose", ["training", "serving", "batch"])
def test_every_purpose_has_a_priority_class(purpose: str) -> None:
    assert priorities.PURPOSES[purpose] in priorities.CLASSES
    assert priorities.PURPOSES[purpose] not in priorities.RESERVED


def test_a_share_that_the_quota_could_never_give_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shares\.serving\.gpus \(9\) is greater than quota\.gpus \(8\)"):
        replace(SPEC, shares=Shares(serving=replace(SHARE, gpus=9)))


def test_an_identity_is_written_on_the_account_that_workloads_use_and_on_no_other() -> None:
    binding = Binding(annotations={"identity/role": "arn"})  # type: ignore[dict-item]  # a plain value flows as well
    made = {
        item["metadata"]["name"]: item["metadata"].get("annotations")
        for item in contents("team-a", TenantArgs(spec=SPEC, gpu_resources=()), binding)
        if item["kind"] == "ServiceAccount"
    }
    assert made == {"default-editor": {"identity/role": "arn"}, "default-viewer": None}


def test_every_pod_of_a_tenant_carries_what_its_identity_wants_mounted() -> None:
    binding = Binding(credentials="text", audience="exchange", variable="FILE")  # type: ignore[arg-type]  # a plain value flows as well
    plain = TenantArgs(spec=SPEC, gpu_resources=())
    args = replace(plain, fences=replace(plain.fences, installed=frozenset({"admission-webhook"})))
    made = {item["kind"]: item for item in contents("team-a", args, binding)}
    default = made["PodDefault"]["spec"]
    (volume,), (mount,), (variable,) = default["volumes"], default["volumeMounts"], default["env"]
    assert volume["name"] == mount["name"]
    assert mount["mountPath"] == IDENTITY_FOLDER
    assert variable == {"name": "FILE", "value": CREDENTIALS_FILE}
    assert list(default["annotations"].values()) == ["text"]
    assert "PodDefault" not in {item["kind"] for item in contents("team-a", args)}


def test_reserved_names_are_refused_all_at_once() -> None:
    check_names(["team-a"])
    with pytest.raises(ValueError, match="tenants monitoring, kube-team: reserved names"):
        check_names(["monitoring", "team-a", "kube-team"])
