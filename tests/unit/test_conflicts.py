"""Somebody else's components: found by what they leave on a server, refused with the ways out, or left to them."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from pulumi.output import Unknown

from kubeflow.distribution import CacheMissingError, Distribution, load
from kubeflow.distribution.table import CURRENT, components
from kubeflow.install import conflicts, preconditions
from kubeflow.install.apiserver import Json
from kubeflow.install.definitions import MANAGER
from kubeflow.install.products import PRODUCTS
from kubeflow.spec.components import Existing, ExistingSpec

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
CERT_MANAGER = PRODUCTS["cert_manager"]
REUSED = {
    "cert_manager": ExistingSpec(cert_manager=Existing.REUSE),
    "istio": ExistingSpec(istio=Existing.REUSE),
    "prometheus": ExistingSpec(prometheus=Existing.REUSE),
}


class Cluster:
    """A cluster as a table of what its paths hold; label selectors are part of a path."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}

    def get(self, path: str) -> Json | None:
        return self.objects.get(path)

    def items(self, path: str, *, labels: str = "") -> list[Json]:
        return (self.objects.get(f"{path}?{labels}" if labels else path) or {}).get("items") or []

    def controller(self, manager: str, version: str = "v1.19.4", namespace: str = "cert-manager") -> None:
        """Add cert-manager's."""
        labels = {"app.kubernetes.io/version": version} if version else {}
        pod = {"containers": [{"name": "main", "image": "registry.test/it@sha256:00"}]}
        body = {
            "metadata": {"name": "cert-manager", "namespace": namespace, "labels": labels, **managed(manager)},
            "spec": {"template": {"spec": pod}},
            "status": {"availableReplicas": 1},
        }
        self.objects[f"/apis/apps/v1/deployments?{CERT_MANAGER.controller}"] = {"items": [body]}

    def definition(self, manager: str) -> None:
        """Add one of cert-manager's."""
        self.objects[f"{CRDS}/certificates.cert-manager.io"] = {"metadata": managed(manager)}

    def serves(self) -> None:
        """Serve all kinds that the platform uses of cert-manager."""
        for api, kinds in CERT_MANAGER.kinds.items():
            self.objects[f"/apis/{api}"] = {"resources": [{"kind": kind} for kind in kinds]}


def managed(manager: str) -> Json:
    return {"managedFields": [{"manager": manager}, {"manager": "kube-controller-manager"}]}


def verdict(cluster: Cluster, choice: str = "manage", product: str = "cert_manager") -> str:
    return "\n".join(conflicts.problems(cluster, {product: choice}))


@functools.cache
def upstream() -> Distribution:
    """All components of the usual installation."""
    try:
        return load(CURRENT, [component.name for component in components(CURRENT) if component.default])
    except CacheMissingError as error:
        pytest.skip(str(error))


def test_an_empty_cluster_is_free_for_everything() -> None:
    assert conflicts.problems(Cluster(), dict.fromkeys(PRODUCTS, "manage")) == []


def test_what_this_platform_installed_is_in_nobodys_way() -> None:
    cluster = Cluster()
    cluster.controller("pulumi-kubernetes-1a2b3c4d")
    cluster.definition(MANAGER)
    assert verdict(cluster) == ""


def test_a_foreign_controller_is_refused_with_both_ways_out() -> None:
    cluster = Cluster()
    cluster.controller("helm", namespace="tools")
    text = verdict(cluster)
    assert "Deployment tools/cert-manager v1.19.4" in text
    assert "set platform.existing.certManager to reuse" in text
    assert "uninstall it" in text


def test_definitions_that_an_uninstalled_one_left_are_refused_without_the_offer_to_reuse() -> None:
    cluster = Cluster()
    cluster.definition("helm")
    text = verdict(cluster)
    assert "definition certificates.cert-manager.io (owner: helm, kube-controller-manager)" in text
    assert "delete what an uninstalled one left" in text
    assert "reuse" not in text


def test_what_cannot_be_reused_can_be_left_out() -> None:
    cluster = Cluster()
    hook = {"metadata": {"name": "theirs", **managed("helm")}, "webhooks": [{"name": "webhook.serving.knative.dev"}]}
    cluster.objects[f"{HOOKS}/mutatingwebhookconfigurations"] = {"items": [hook]}
    text = verdict(cluster, product="knative")
    assert "leave knative-serving out of platform.components" in text
    assert "reuse" not in text


def test_a_fitting_one_is_reused() -> None:
    cluster = Cluster()
    cluster.controller("helm")
    cluster.serves()
    assert verdict(cluster, "reuse") == ""


@pytest.mark.parametrize(
    ("found", "lack"),
    [
        ({"version": "v1.12.3"}, "is version v1.12.3; 1.16 or newer is needed"),
        ({"version": ""}, "does not tell its version; 1.16 or newer is needed"),
        ({"namespace": "tools"}, "tools/cert-manager is not in namespace cert-manager"),
        ({"manager": "pulumi-kubernetes-1a2b3c4d"}, "was installed by this platform: leaving it out would delete it"),
    ],
)
def test_what_keeps_one_from_being_reused_is_told(found: dict[str, str], lack: str) -> None:
    cluster = Cluster()
    cluster.controller(**{"manager": "helm", **found})
    cluster.serves()
    text = verdict(cluster, "reuse")
    assert lack in text
    assert text.count(";") == lack.count(";"), "and nothing else is"
    ways = "set" if "pulumi" in found.get("manager", "") else "uninstall it and set"
    assert text.endswith(f"Repair that, or {ways} platform.existing.certManager to manage")


def test_kinds_that_are_not_served_are_missed() -> None:
    cluster = Cluster()
    cluster.controller("helm")
    assert "cert-manager.io/v1 Certificate is not served" in verdict(cluster, "reuse")


def test_only_what_is_installed_or_reused_is_judged() -> None:
    assert conflicts.choices({"dex": ...}, ExistingSpec()) == {}
    assert conflicts.choices({"istio-crds": ...}, ExistingSpec()) == {"istio": "manage"}
    assert conflicts.choices({}, REUSED["cert_manager"]) == {"cert_manager": "reuse"}


def test_every_key_of_the_configuration_has_its_product() -> None:
    fields = set(ExistingSpec.__dataclass_fields__)
    assert fields == {name for name, product in PRODUCTS.items() if product.key}
    assert {component for product in PRODUCTS.values() for component in product.components} <= {
        component.name for component in components(CURRENT)
    }


def test_without_reuse_nothing_changes() -> None:
    reduced = conflicts.without_reused(upstream(), ExistingSpec())
    assert reduced.distribution.components == upstream().components
    assert reduced.left_out == ()


@pytest.mark.parametrize("name", REUSED)
def test_of_a_reused_component_only_its_use_by_the_platform_stays(name: str) -> None:
    product, reduced = PRODUCTS[name], conflicts.without_reused(upstream(), REUSED[name])
    kept = [part for key, part in reduced.distribution.components.items() if key in product.components]
    objects = [body for part in kept for body in (*part.crds, *part.core, *part.late)]
    assert all(body["metadata"].get("namespace") not in product.namespaces for body in objects)
    use = {"cert_manager": {"ClusterIssuer"}, "istio": {"Sidecar"}, "prometheus": set[str]()}
    assert {body["kind"] for body in objects} == use[name]
    everything = sum(len(part.crds) + len(part.core) + len(part.late) for part in upstream().components.values())
    left = sum(len(part.crds) + len(part.core) + len(part.late) for part in reduced.distribution.components.values())
    assert len(reduced.left_out) == everything - left > 0


@pytest.mark.parametrize("name", REUSED)
def test_the_kinds_that_upstream_uses_of_a_reused_component_are_those_that_are_asked_for(name: str) -> None:
    product = PRODUCTS[name]
    groups = {api.partition("/")[0] for api in product.kinds}
    parts: Any = conflicts.without_reused(upstream(), REUSED[name]).distribution.components.values()
    used = {
        (body["apiVersion"], body["kind"])
        for part in parts
        for body in (*part.core, *part.late)
        if body["apiVersion"].partition("/")[0] in groups
    }
    assert used <= {(api, kind) for api, kinds in product.kinds.items() for kind in kinds}


def test_a_first_preview_comes_before_the_cluster_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: str) -> None:
        pytest.fail("nobody knows the cluster yet")

    monkeypatch.setattr(preconditions, "ApiServer", asked)
    news = {"kubeconfig": Unknown(), "choices": {"istio": "manage"}}
    assert preconditions._PreconditionsProvider().check({}, news).failures == []  # pyright: ignore[reportPrivateUsage]
