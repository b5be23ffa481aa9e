"""The installation under mocks: what is registered, under which parent and behind which gate."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from kubeflow.contract import PlatformSpec
from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import Rendered
from kubeflow.install import InstallArgs, Installation
from kubeflow.install.loader import Plan
from tests.support import graph, samples
from tests.support.upstream import plan

Object = dict[str, Any]

CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.test"},
    "spec": {
        "group": "example.test",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Cluster",
        "versions": [{"name": "v1"}, {"name": "v2"}],
    },
}
NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "auth"}}
SETTINGS: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dex", "namespace": "auth"}}
SERVER: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "dex", "namespace": "auth"},
    "spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "main", "image": "image"}]}}},
}
WEBHOOK: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "guard"},
    "webhooks": [{"clientConfig": {}}],
}
WIDGET: Object = {"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "one", "namespace": "wrong"}}


def install(*more: Object, webhooks: bool = False, containers: bool = True) -> tuple[graph.Graph, Plan]:
    dex = Rendered(
        crds=(CRD,), core=(NAMESPACE, SETTINGS, SERVER, WEBHOOK, *more), late=(WIDGET,), namespace=None, sha256="abc"
    )
    distribution = Distribution(release="26.03", components={"dex": dex})
    chosen = plan(distribution, webhooks=webhooks, containers=containers)

    def program() -> None:
        args = InstallArgs(
            plan=chosen,
            distribution=distribution,
            folder="cache",
            kubeconfig=pulumi.Output.secret(samples.KUBECONFIG),
            webhooks=webhooks,
            containers=containers,
        )
        Installation("components", args)

    return graph.run(program), chosen


def test_every_object_is_registered_under_its_stable_name() -> None:
    recorded, _ = install()
    assert {item.name for item in recorded.resources if item.type.startswith("kubernetes:")} == {
        "dex/Namespace/auth", "dex/ConfigMap/auth/dex", "dex/Deployment/auth/dex", "dex/Widget/one",
    }  # fmt: skip
    assert [item.name for item in recorded.of_type("Component")] == ["dex"]


def test_gates_come_in_the_order_of_the_waves_and_only_where_there_is_something() -> None:
    recorded, _ = install()
    assert [item.name for item in recorded.of_type("Stash")] == [
        "wave-01-namespaces-parts", "wave-05-authentication-parts", "wave-05-authentication-workloads",
        "wave-09-runtimes-parts",
    ]  # fmt: skip
    order = [item.name for item in recorded.resources]
    assert order.index("crds") < order.index("dex/Namespace/auth") < order.index("wave-01-namespaces-parts")
    assert order.index("dex/ConfigMap/auth/dex") < order.index("wave-05-authentication-parts")
    assert order.index("wave-05-authentication-parts") < order.index("dex/Deployment/auth/dex")
    assert order.index("wave-05-authentication-workloads") < order.index("dex/Widget/one")


def test_definitions_are_one_resource_without_their_bodies() -> None:
    recorded, _ = install()
    (crds,) = recorded.of_type("CrdSet")
    assert list(crds.inputs["crds"]) == ["widgets.example.test"]
    assert crds.inputs["crds"]["widgets.example.test"].startswith("v1, v2 (sha256 ")
    assert crds.inputs["components"] == {"dex": "abc"}
    assert not recorded.of_type("CustomResourceDefinition")


def test_webhooks_are_installed_where_they_can_be_reached_and_reported_where_not() -> None:
    recorded, chosen = install()
    assert not recorded.of_type("ValidatingWebhookConfiguration")
    assert chosen.left_out == ("dex/ValidatingWebhookConfiguration/guard",)
    recorded, chosen = install(webhooks=True)
    assert recorded.of_type("ValidatingWebhookConfiguration")
    assert chosen.left_out == ()


def test_an_unknown_component_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"components: 26\.03 has no pipeline; did you mean pipelines\?"):
        PlatformSpec(tenants={}, components=("default", "pipeline"))


def test_every_component_has_a_place_in_the_contract() -> None:
    assert PlatformSpec(tenants={}).components == ()
    assert PlatformSpec(tenants={}, components=("default", "training-operator")).components[1] == "training-operator"
