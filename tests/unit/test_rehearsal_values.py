"""How the Kubernetes stand-in reads objects: pure, without engine or server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rehearsal.kubernetes_provider import wire
from rehearsal.kubernetes_provider.diff import differences, parse_path, replace_fields, show, touches
from rehearsal.kubernetes_provider.managers import adopted, earlier_manager
from rehearsal.kubernetes_provider.readiness import holds
from rehearsal.kubernetes_provider.values import normalize, prune, quantity

SECRET = {wire.SIGNATURE: wire.SECRET, "value": "hunter2hunter2"}


def changed(new: object, old: object, *, typed: bool = True) -> dict[str, str]:
    return {show(path): change for path, (change, _) in differences(new, old, old, typed=typed).items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1500m", "1.5"),
        ("2Gi", str(2 * 2**30)),
        ("0.5", "0.5"),
        ("1e3", "1000"),
        ("1E", "1e18"),
        ("-1", "-1"),
        (".5", "0.5"),
    ],
)
def test_a_quantity_is_a_number(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Gi", "1.2.3", "1 Gi", "1KI", "nvidia"])
def test_anything_else_is_no_quantity(text: str) -> None:
    assert quantity(text) is None


def test_equal_quantities_are_no_difference_only_where_quantities_stand() -> None:
    assert changed({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1000m"}}) == {}
    assert changed({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1000m"}}) == {"limits.cpu": "UPDATE"}
    assert changed({"data": {"cpu": "1"}}, {"data": {"cpu": "1000m"}}) == {"data.cpu": "UPDATE"}
    assert changed({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1000m"}}, typed=False) == {"limits.cpu": "UPDATE"}


def test_true_is_not_one() -> None:
    assert changed({"a": True}, {"a": 1}) == {"a": "UPDATE"}


def test_differences_have_paths_and_kinds() -> None:
    new = {"a": [{"b": 1}, {"b": 3}], "c.d": {"e": "x"}}
    old: wire.Object = {"a": [{"b": 1}, {"b": 2}, {"b": 9}], "gone": 1, "c.d": {}}
    found = {show(path): change for path, (change, _) in differences(new, old, {}, typed=True).items()}
    assert found == {"a[1].b": "UPDATE", "a[2]": "DELETE", "gone": "DELETE", '["c.d"].e': "ADD"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.replicas", ("spec", "replicas")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ("spec.containers[*].image", ("spec", "containers", "*", "image")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ('["a\\"b"]', ('a"b',)),
    ],
)
def test_paths_are_read_as_the_engine_writes_them(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path
    if "*" not in text:
        assert show(path) == text


def test_content_of_a_secret_is_replaced_unless_its_kind_is_mutable() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret"}
    assert ("data",) in replace_fields(secret, lambda _: False)
    assert ("data",) not in replace_fields(secret, lambda _: True)
    assert ("data",) in replace_fields(secret | {"immutable": True}, lambda _: True)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("v1/Secret", ("type",)),
        ("v1/Service", ("spec", "clusterIP")),
        ("batch/v1/Job", ("spec", "template", "spec", "containers", 0, "image")),
        ("apps/v1/StatefulSet", ("spec", "serviceName")),
        ("v1/Pod", ("spec", "containers", 1, "image")),
        ("storage.k8s.io/v1/StorageClass", ("provisioner",)),
        ("v1/ConfigMap", ("metadata", "namespace")),
    ],
)
def test_a_fixed_field_replaces_its_object(kind: str, path: tuple[str | int, ...]) -> None:
    version, _, name = kind.rpartition("/")
    fields = replace_fields({"apiVersion": version, "kind": name}, lambda _: True)
    assert any(touches(path, "new", field) for field in fields)
    assert not any(touches(("metadata", "labels", "a"), "new", field) for field in fields)


def test_a_change_touches_a_field_at_below_and_around_it() -> None:
    field = ("spec", "containers", "*", "image")
    assert touches(("spec", "containers", 1, "image"), "x", field)
    assert touches(("spec", "containers"), [{"image": "x"}], field)
    assert not touches(("spec", "containers"), [{"name": "x"}], field)
    assert not touches(("spec", "replicas"), 1, field)


def test_a_live_object_is_cut_to_the_shape_of_its_inputs() -> None:
    live = {"spec": {"a": 1, "b": 2, "c": [{"d": 1, "e": 2}]}, "status": {}}
    shape = {"spec": {"a": 0, "c": [{"d": 0}], "empty": []}}
    assert prune(live, shape) == {"spec": {"a": 1, "c": [{"d": 1}]}}
    assert prune(live, shape, typed=True) == {"spec": {"a": 1, "c": [{"d": 1}], "empty": []}}


def test_inputs_lose_what_a_server_would_not_keep() -> None:
    secret = normalize({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}, "metadata": {"uid": "1"}})
    assert secret == {"apiVersion": "v1", "kind": "Secret", "data": {"a": "Yg=="}, "metadata": {}}
    typed = normalize({"apiVersion": "v1", "kind": "Node", "status": {"capacity": {"cpu": "1"}, "phase": None}})
    assert typed["status"] == {"capacity": {"cpu": "1"}}


def test_secrets_are_kept_through_a_round_trip_and_out_of_messages() -> None:
    inputs = {"spec": {"password": SECRET, "size": 3.0}}
    plain = wire.plain(inputs)
    assert plain == {"spec": {"password": "hunter2hunter2", "size": 3}}
    wire.keep_secret(plain, inputs)
    assert wire.is_secret(plain["spec"]["password"])
    texts = wire.secret_texts(inputs)
    message = "Invalid value: hunter2hunter2, aHVudGVyMmh1bnRlcjI=, size 3"
    assert wire.redact(message, texts) == "Invalid value: [secret], [secret], size 3"


def test_data_of_a_secret_is_secret_even_without_a_marker() -> None:
    outs = {"kind": "Secret", "data": {"a": "aHVudGVyMg=="}}
    assert wire.redact("hunter2 aHVudGVyMg==", wire.secret_texts(outs)) == "[secret] [secret]"
    wire.keep_secret(outs, {})
    assert wire.is_secret(outs["data"])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("condition=Ready", True),
        ("condition=Ready=False", False),
        ("condition=Absent", False),
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath={.status.phase}=Gone", False),
        ("jsonpath={.status.parts[0].size}=3", True),
        ('jsonpath={.status.parts[?(@.name=="b")].size}=4', True),
        ("jsonpath={.status.parts[*].size}=4", True),
        ("jsonpath={.status.absent}", False),
    ],
)
def test_wait_for_expressions_are_judged(expression: str, *, expected: bool) -> None:
    parts = [{"name": "a", "size": 3}, {"name": "b", "size": 4}]
    status = {"phase": "Running", "parts": parts, "conditions": [{"type": "Ready", "status": "True"}]}
    assert holds({"status": status}, expression) is expected


def test_a_wrong_wait_for_expression_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match='"jsonpath=" or "condition=" prefix, got "phase=Running"'):
        holds({}, "phase=Running")


def test_fields_of_kubectl_are_taken_over_and_those_of_others_are_not() -> None:
    def entry(manager: str, operation: str, name: str) -> wire.Object:
        return {"manager": manager, "operation": operation, "fieldsV1": {name: {}}}

    ours, other = entry("pulumi-kubernetes-1", "Apply", "f:a"), entry("other", "Apply", "f:b")
    live = {"metadata": {"managedFields": [ours, other, entry("kubectl-edit", "Update", "f:c")]}}
    assert earlier_manager(live) == "pulumi-kubernetes-1"
    assert adopted(live, "pulumi-kubernetes-1") == [other, ours | {"fieldsV1": {"f:a": {}, "f:c": {}}}]
    live["metadata"]["managedFields"].pop()
    assert adopted(live, "pulumi-kubernetes-1") is None
