"""What differs between two plans, what replaces, and that no secret is ever shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.guardrails.rule import Resource
from policies.guardrails.values import UNKNOWN
from review.changes import Change, Operation, compare, differences
from review.hiding import HIDDEN, redacted, shown
from review.report import edits

Json = dict[str, Any]
SECRET = "Zx9-unmistakable-71"
CLUSTER = "aws:eks/cluster:Cluster"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def resource(kind: str, name: str, inputs: Json | None = None, **more: Any) -> Resource:  # noqa: ANN401 - any field
    return Resource(type=kind, name=name, urn=f"urn:pulumi:s::p::{kind}::{name}", inputs=inputs or {}, **more)


def deployment(**spec: Any) -> Resource:  # noqa: ANN401 - any value
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "n"}, "spec": spec}
    return resource(DEPLOYMENT, "a", body)


def only(before: Resource, after: Resource) -> Change:
    (found,) = compare([before], [after])
    return found


def test_what_is_new_is_created_and_what_is_missing_is_deleted() -> None:
    found = compare([resource(CLUSTER, "old", protect=True)], [resource(CLUSTER, "new")])
    told = [(one.operation, one.address, one.protected) for one in found]
    assert told == [(Operation.DELETE, f"{CLUSTER}::old", True), (Operation.CREATE, f"{CLUSTER}::new", False)]


def test_the_same_plan_is_no_change() -> None:
    body = {"name": "ml", "vpcConfig": {"subnetIds": [UNKNOWN, UNKNOWN]}}
    assert compare([resource(CLUSTER, "ml", body)], [resource(CLUSTER, "ml", dict(body))]) == []


def test_an_update_tells_each_property_that_differs() -> None:
    olds = {"version": "1.35", "vpcConfig": {"publicAccessCidrs": ["198.51.100.0/24"]}}
    news = {"version": "1.36", "vpcConfig": {"publicAccessCidrs": ["0.0.0.0/1", "128.0.0.0/1"]}}
    change = only(resource(CLUSTER, "ml", olds), resource(CLUSTER, "ml", news))
    assert change.operation is Operation.UPDATE
    assert change.sure
    assert [(one.path, one.before, one.after) for one in change.differences] == [
        ("version", "1.35", "1.36"),
        ("vpcConfig.publicAccessCidrs[0]", "198.51.100.0/24", "0.0.0.0/1"),
        ("vpcConfig.publicAccessCidrs[1]", "(none)", "128.0.0.0/1"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (resource(CLUSTER, "ml", {"name": "ml"}), resource(CLUSTER, "ml", {"name": "other"}), "name"),
        (
            deployment(selector={"matchLabels": {"app": "a"}}),
            deployment(selector={"matchLabels": {"app": "b"}}),
            "spec.selector.matchLabels.app",
        ),
    ],
    ids=["a cloud's resource", "a Kubernetes object"],
)
def test_a_property_that_forces_it_replaces_the_resource(before: Resource, after: Resource, path: str) -> None:
    change = only(before, after)
    assert change.operation is Operation.REPLACE
    assert [one.path for one in change.differences if one.replaces] == [path]


def test_whoever_refers_to_what_is_replaced_is_counted() -> None:
    old, new = resource(CLUSTER, "ml", {"name": "ml"}), resource(CLUSTER, "ml", {"name": "other"})
    users = [resource("aws:eks/addon:Addon", name, {}, dependencies=(new.urn,)) for name in ("a", "b")]
    (change,) = compare([old, *users], [new, *users])
    assert change.dependents == 2


def test_a_type_that_nobody_knows_is_not_said_to_be_safe() -> None:
    kind = "pulumi-python:dynamic/kubeflow:CrdSet"
    assert not only(resource(kind, "crds", {"delete": False}), resource(kind, "crds", {"delete": True})).sure


def test_losing_the_protection_is_a_change() -> None:
    change = only(resource(CLUSTER, "ml", protect=True), resource(CLUSTER, "ml"))
    assert [(one.path, one.before, one.after) for one in change.differences] == [("(protected)", "True", "False")]


def test_names_that_a_provider_makes_up_in_each_preview_do_not_differ() -> None:
    role, user = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"

    def plan(suffix: str) -> list[Resource]:
        name = f"ml-control-{suffix}"
        return [
            resource(role, "ml-control", {"__defaults": ["name"], "name": name}),
            resource(user, "ml-control", {"role": name}),
        ]

    assert compare(plan("ab6fe86"), plan("3a24640")) == []


def test_a_document_within_a_text_is_compared_as_a_document() -> None:
    kind = "aws:iam/rolePolicy:RolePolicy"
    olds, news = ({"policy": json.dumps({"Statement": [{"Action": action}]})} for action in ("s3:Get*", "s3:*"))
    change = only(resource(kind, "x", olds), resource(kind, "x", news))
    assert [(one.path, one.before, one.after) for one in change.differences] == [
        ("policy.Statement[0].Action", "s3:Get*", "s3:*")
    ]


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (DEPLOYMENT, {"spec": {"env": [{"name": "DB_PASSWORD", "value": SECRET}]}}),
        (DEPLOYMENT, {"spec": {"adminPassword": SECRET}}),
        ("kubernetes:core/v1:Secret", {"stringData": {"anything": SECRET}}),
        ("kubernetes:core/v1:ConfigMap", {"data": {"anything": SECRET}}),
        ("aws:rds/instance:Instance", {"masterPassword": SECRET}),
        ("aws:ec2/launchTemplate:LaunchTemplate", {"userData": SECRET}),
        ("x:y:Z", {"url": f"https://user:{SECRET}@db.example.com/x"}),
        ("x:y:Z", {"note": "AKIA" + "Q" * 16}),
        ("x:y:Z", {"blob": "QUJD" * 20}),
        ("x:y:Z", {"connectionString": [SECRET]}),
    ],
)
def test_no_value_that_may_be_a_secret_is_shown(kind: str, inputs: Json) -> None:
    body = {"metadata": {"name": "a"}, **inputs}
    empty = {"metadata": {"name": "a"}, **dict.fromkeys(inputs)}
    texts = [
        text
        for path, _, value in differences({"metadata": {"name": "a"}}, body, leaves=True)
        for text in [shown(resource(kind, "a", body), path, value)]
    ]
    assert texts
    assert SECRET not in str(texts)
    assert SECRET not in str(compare([resource(kind, "a", empty)], [resource(kind, "a", body)]))


def test_what_is_hidden_of_a_config_map_is_told_once_for_each_entry() -> None:
    kind = "kubernetes:core/v1:ConfigMap"
    olds, news = ({"data": {"x.json": json.dumps({"a": number, "b": number})}} for number in (1, 2))
    change = only(resource(kind, "x", olds), resource(kind, "x", news))
    assert [(one.path, one.before) for one in change.differences] == [('data["x.json"]', HIDDEN)]


def test_a_message_loses_the_secrets_of_the_configuration() -> None:
    config = {"p:login": {"clientSecret": SECRET}, "p:cluster": {"name": "ml"}}
    assert redacted(f"ml: wrong {SECRET}", config) == f"ml: wrong {HIDDEN}"


def test_edits_of_a_stack_file_go_to_the_leaves_and_hide_secrets() -> None:
    before: Json = {"p:cluster": {"pools": {}}}
    pool = {"machine": "p5.48xlarge", "max": 4}
    after = {"p:cluster": {"pools": {"h100": pool}}, "p:adminPassword": SECRET, "p:other": {"secure": SECRET}}
    assert [(one.path, one.before, one.after) for one in edits(before, after)] == [
        ("adminPassword", "(none)", HIDDEN),
        ("cluster.pools.h100.machine", "(none)", "p5.48xlarge"),
        ("cluster.pools.h100.max", "(none)", "4"),
        ("other.secure", "(none)", HIDDEN),
    ]
