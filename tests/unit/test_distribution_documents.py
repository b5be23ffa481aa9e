"""Canonical objects: lossless, stable, and strict about what is no list of Kubernetes objects."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeflow.distribution.documents import DocumentError, digest, parse, split

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: a}}\ndata: {{key: {value}}}\n"


def config_map(name: str, value: str = "'x'") -> str:
    return CONFIG_MAP.format(name=name, value=value)


def problems_of(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(text, origin="file.yaml")
    return str(caught.value)


@given(st.permutations(["one", "two", "three", "four"]), st.randoms(use_true_random=False))
def test_order_of_documents_and_keys_is_no_change(names: list[str], chance: random.Random) -> None:
    bodies: list[str] = []
    for name in names:
        lines = ["apiVersion: v1", "kind: ConfigMap", f"metadata: {{name: {name}}}", "data: {b: '2', a: '1'}"]
        chance.shuffle(lines)
        bodies.append("\n".join(lines))
    found = parse("\n---\n".join(bodies), origin="file.yaml")
    expected = parse("\n---\n".join(sorted(bodies)), origin="file.yaml")
    assert found == expected
    assert digest(found) == digest(expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-21", '"2026-03-21"'),
        ("22:22:22", '"22:22:22"'),
        ("=", '"="'),
        ("1e3", "1000.0"),
        ("0644", "420"),
        ("on", "true"),
        ("'on'", '"on"'),
        ("null", "null"),
        ("", "null"),
        ("é", '"é"'),
    ],
)
def test_scalars_are_read_as_kubernetes_tools_read_them(written: str, expected: str) -> None:
    (document,) = parse(config_map("x", written), origin="file.yaml")
    assert f'"data":{{"key":{expected}}}' in document.text


def test_nothing_is_dropped_from_an_object() -> None:
    text = (
        "apiVersion: example.invalid/v1\nkind: Thing\nmetadata: {name: x, creationTimestamp: null}\n"
        "rules: []\ndata: {}\nstatus: {phase: ''}\n"
    )
    (document,) = parse(text, origin="file.yaml")
    assert document.text == (
        '{"apiVersion":"example.invalid/v1","data":{},"kind":"Thing",'
        '"metadata":{"creationTimestamp":null,"name":"x"},"rules":[],"status":{"phase":""}}'
    )


def test_empty_documents_are_no_objects() -> None:
    assert len(parse(f"---\n---\n# only a comment\n---\n{config_map('x')}---\n", origin="file.yaml")) == 1


def test_a_duplicate_object_is_named_with_both_documents() -> None:
    text = f"{config_map('x')}---\n{config_map('y')}---\n{config_map('x', 'other')}"
    assert problems_of(text) == "file.yaml: document 3: v1 ConfigMap a/x is a duplicate of document 1"


def test_equal_names_in_two_namespaces_are_two_objects() -> None:
    other = config_map("x").replace("namespace: a", "namespace: b")
    assert len(parse(f"{config_map('x')}---\n{other}", origin="file.yaml")) == 2


def test_a_key_that_occurs_twice_is_an_error() -> None:
    assert "document 2: not YAML: key 'name' occurs twice" in problems_of(
        f"{config_map('x')}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\n"
    )


def test_an_overridden_merge_key_is_no_duplicate() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nbase: &a {key: 1, other: 2}\ndata: {<<: *a, key: 3}\n"
    (document,) = parse(text, origin="file.yaml")
    assert document.body["data"] == {"key": 3, "other": 2}


def test_every_bad_document_is_reported_at_once() -> None:
    text = f"- a list\n---\n{config_map('x')}---\njust text\n---\nkind: ConfigMap\nmetadata: {{name: 5}}\n"
    assert problems_of(text).splitlines() == [
        "file.yaml: document 1: found list, expected a Kubernetes object (a mapping)",
        "file.yaml: document 3: found str, expected a Kubernetes object (a mapping)",
        "file.yaml: document 4: apiVersion, metadata.name: expected non-empty text",
    ]


@pytest.mark.parametrize("value", [".nan", ".inf", "!!binary aGVsbG8=", "!!set {a: null}"])
def test_what_json_cannot_say_is_refused(value: str) -> None:
    assert "document 1: " in problems_of(config_map("x", value))


def test_an_empty_file_is_an_error() -> None:
    assert problems_of("# nothing\n") == "file.yaml: no objects found"


def test_objects_are_split_into_schemas_core_and_late() -> None:
    kinds = [
        ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("apps/v1", "Deployment"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
    ]
    text = "---\n".join(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n" for version, kind in kinds)
    found = split(parse(text, origin="file.yaml"), component="kserve")
    assert [[document.identity.kind for document in phase] for phase in found] == [
        ["CustomResourceDefinition"],
        ["Deployment", "AuthorizationPolicy"],
        ["ClusterServingRuntime"],
    ]


def test_mesh_resources_are_late_only_beside_the_mesh_that_validates_them() -> None:
    documents = parse(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: x}\n", origin="file.yaml"
    )
    assert split(documents, component="istio").late == documents
    assert split(documents, component="katib").core == documents
