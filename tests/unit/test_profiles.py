"""Tenants as Kubeflow knows them: adopted, not made twice, and never able to open their own fences."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

import pytest

from infra.contract import Binding
from infra.objects import Document
from kubeflow import profiles
from kubeflow.distribution import CacheMissingError, load, table
from kubeflow.services import identity
from kubeflow.spec.tenants import TenantSpec
from kubeflow.tenancy import namespace

Json = dict[str, Any]

SPEC = TenantSpec(owner="ada@example.com", contributors=("Grace.H@example.com",), viewers=("audit@example.com",))
FULL = frozenset({"profiles", "istio", "admission-webhook"})


def made(installed: frozenset[str] = FULL, labels: dict[str, str] | None = None) -> dict[tuple[str, str], Document]:
    found = profiles.objects("team-a", SPEC, installed, labels or {})
    return {(item["kind"], item["metadata"]["name"]): item for item in found}


def test_a_tenant_is_a_profile_of_the_same_name_and_owner() -> None:
    profile = made()["Profile", "team-a"]
    assert profile["apiVersion"] == "kubeflow.org/v1"
    assert profile["spec"] == {"owner": {"kind": "User", "name": "ada@example.com"}}


def test_the_controller_adopts_the_namespace_that_tenancy_made() -> None:
    owner = made()["Profile", "team-a"]["spec"]["owner"]["name"]
    assert namespace("team-a", SPEC)["metadata"]["annotations"]["owner"] == owner


def test_without_the_profile_controller_nobody_is_told() -> None:
    assert made(frozenset({"istio", "katib"})) == {}


def test_contributors_and_viewers_are_members_as_access_management_writes_them() -> None:
    binding = made()["RoleBinding", "user-grace-h-example-com-clusterrole-edit"]
    assert binding["metadata"]["annotations"] == {"role": "edit", "user": "Grace.H@example.com"}
    assert binding["roleRef"]["name"] == "kubeflow-edit"
    assert [subject["name"] for subject in binding["subjects"]] == ["Grace.H@example.com"]
    assert made()["RoleBinding", "user-audit-example-com-clusterrole-view"]["roleRef"]["name"] == "kubeflow-view"


def test_a_member_passes_the_mesh_by_the_gateway_only_and_under_its_own_name() -> None:
    (rule,) = made()["AuthorizationPolicy", "user-grace-h-example-com-clusterrole-edit"]["spec"]["rules"]
    (source,) = rule["from"]
    assert all("/sa/" in principal for principal in source["source"]["principals"])
    assert rule["when"] == [{"key": "request.headers[kubeflow-userid]", "values": ["Grace.H@example.com"]}]
    assert not [kind for kind, _ in made(frozenset({"profiles"})) if kind == "AuthorizationPolicy"]


def test_labels_of_an_identity_reach_every_pod_of_the_tenant() -> None:
    default = made(labels={"identity/use": "true"})["PodDefault", "workload-identity"]
    assert default["spec"]["labels"] == {"identity/use": "true"}
    assert default["spec"]["selector"] == {}
    assert ("PodDefault", "workload-identity") not in made()


def test_what_an_identity_wants_mounted_is_something_that_a_pod_default_can_say() -> None:
    """The definition of PodDefault as it is installed: the API server would drop what it does not know."""
    try:
        rendered = load(table.CURRENT, ("admission-webhook",)).components["admission-webhook"]
    except CacheMissingError as error:
        pytest.skip(f"upstream's objects are not at hand: {error}")
    (crd,) = rendered.crds
    binding = Binding(credentials="text", audience="exchange", variable="FILE")  # type: ignore[arg-type]  # a plain value flows as well
    (default,) = profiles.objects("team-a", SPEC, {"admission-webhook"}, {}, identity.carried(binding))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert list(unknown(default["spec"], schema)) == []
    assert list(unknown({**default["spec"], "volumez": []}, schema)) == ["volumez"]


def unknown(value: Any, schema: Json, at: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and "properties" in schema:
        for key, part in cast("Json", value).items():
            if key not in schema["properties"]:
                yield f"{at}{key}"
            else:
                yield from unknown(part, schema["properties"][key], f"{at}{key}.")
    if isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from unknown(part, schema["items"], at)


def test_the_people_of_tenants_read_what_upstream_gives_everybody() -> None:
    narrow = profiles.known_people([SPEC, TenantSpec(owner="ada@example.com"), TenantSpec(owner="bob@example.com")])
    everybody = {"kind": "Group", "name": "system:serviceaccounts"}
    made = narrow({"kind": "RoleBinding", "subjects": [everybody]}, None)
    assert made["subjects"][0] == everybody
    users = [subject["name"] for subject in made["subjects"][1:]]
    assert users == ["Grace.H@example.com", "ada@example.com", "audit@example.com", "bob@example.com"]


def test_bindings_of_single_accounts_stay_as_they_are() -> None:
    given = {"kind": "ClusterRoleBinding", "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]}
    assert profiles.known_people([SPEC])(copy.deepcopy(given), None) == given
    assert profiles.known_people([SPEC])({"kind": "Service"}, None) == {"kind": "Service"}


def test_upstreams_example_tenant_is_left_out_and_nothing_else() -> None:
    example: Json = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Profile", "metadata": {"name": "example"}}
    assert profiles.without_example(example, None) is None
    notebook: Json = {**example, "kind": "Notebook"}
    assert profiles.without_example(notebook, None) is notebook


def role(*rules: Json, aggregated: bool = True) -> Json:
    labels = {"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-edit": "true"} if aggregated else {}
    return {"kind": "ClusterRole", "metadata": {"name": "some", "labels": labels}, "rules": list(rules)}


@pytest.mark.parametrize("guard", ["limitranges", "networkpolicies", "resourcequotas"])
def test_no_role_of_a_profile_changes_what_fences_a_tenant(guard: str) -> None:
    given = role(
        {"apiGroups": [""], "resources": [guard, "pods"], "verbs": ["create", "delete"]},
        {"apiGroups": ["extensions"], "resources": [guard], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": [guard], "verbs": ["get", "list", "watch"]},
    )
    assert profiles.without_guards(given, None)["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete"]},
        {"apiGroups": [""], "resources": [guard], "verbs": ["get", "list", "watch"]},
    ]


def test_roles_of_controllers_keep_what_they_need() -> None:
    given = role({"apiGroups": [""], "resources": ["networkpolicies"], "verbs": ["create"]}, aggregated=False)
    assert profiles.without_guards(copy.deepcopy(given), None) == given
