"""What a cluster can hold only one of, as a table: how it is recognised, and what it takes to be reused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import yaml

from .apiserver import Json, Reader
from .canaries import selects
from .kinds import part, parts

HOOKS = "/apis/admissionregistration.k8s.io/v1"
_AUTHENTICATION = "oauth2-proxy"  # the name by which policies call the mesh's extension provider
_ISTIO_WEBHOOK = "sidecar-injector.istio.io"

Check = Callable[[Reader], Iterator[str]]


def available(deployment: Json) -> bool:
    """Whether any pod of a Deployment is available."""
    return bool(part(deployment, "status").get("availableReplicas"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """Something of which a cluster can hold only one."""

    title: str
    key: str  # below platform.existing; empty: it cannot be reused
    components: frozenset[str]  # that bring it
    namespaces: frozenset[str]  # of its own objects
    home: str  # where its controller must be to be reused; empty: anywhere
    controller: str  # label selector of its Deployment
    definitions: tuple[str, ...]  # a sample of its CustomResourceDefinitions
    webhook: str  # how the names of its webhooks end
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])  # that the platform uses
    least: tuple[int, int] | None = None  # version that an earlier release of Kubeflow shipped with
    checks: tuple[Check, ...] = ()


def _injects(reader: Reader) -> Iterator[str]:
    hooks = reader.items(f"{HOOKS}/mutatingwebhookconfigurations")
    if not any(
        webhook["name"].endswith(_ISTIO_WEBHOOK)
        and selects(part(webhook, "namespaceSelector"), {"istio-injection": "enabled"})
        for found in hooks
        for webhook in parts(found, "webhooks")
    ):
        yield "no webhook injects sidecars into namespaces with the label istio-injection=enabled"


def _has_gateway(reader: Reader) -> Iterator[str]:
    path = "/apis/apps/v1/namespaces/istio-system/deployments"
    if not any(available(found) for found in reader.items(path, labels="istio=ingressgateway")):
        yield "no Deployment with the label istio=ingressgateway is available in namespace istio-system"


def _authenticates(reader: Reader) -> Iterator[str]:
    found = reader.get("/api/v1/namespaces/istio-system/configmaps/istio") or {}
    mesh = cast("Json", yaml.safe_load(part(found, "data").get("mesh") or "{}") or {})
    if _AUTHENTICATION not in [provider.get("name") for provider in parts(mesh, "extensionProviders")]:
        yield f"ConfigMap istio-system/istio has no extension provider {_AUTHENTICATION}, which the login needs"


def _selects_monitors(reader: Reader) -> Iterator[str]:
    wanted = ("serviceMonitorSelector", "serviceMonitorNamespaceSelector", "ruleSelector", "ruleNamespaceSelector")
    everything = [
        found
        for found in reader.items("/apis/monitoring.coreos.com/v1/prometheuses")
        if all(found["spec"].get(name) == {} for name in wanted)
    ]
    if not everything:
        yield f"no Prometheus takes monitors and rules of all namespaces: one needs {{}} in {', '.join(wanted)}"


# Least versions are those of Kubeflow 1.11.0: the oldest that the components have been released with.
PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        "cert_manager": Product(
            title="cert-manager",
            key="certManager",
            components=frozenset({"cert-manager"}),
            namespaces=frozenset({"cert-manager", "kube-system"}),
            home="cert-manager",
            controller="app=cert-manager",
            definitions=("certificates.cert-manager.io", "clusterissuers.cert-manager.io"),
            webhook="webhook.cert-manager.io",
            kinds={"cert-manager.io/v1": ("Certificate", "ClusterIssuer", "Issuer")},
            least=(1, 16),
        ),
        "istio": Product(
            title="Istio",
            key="istio",
            components=frozenset({"istio", "istio-crds", "istio-namespace"}),
            namespaces=frozenset({"istio-system", "kube-system"}),
            home="istio-system",
            controller="app=istiod",
            definitions=("virtualservices.networking.istio.io", "authorizationpolicies.security.istio.io"),
            webhook=_ISTIO_WEBHOOK,
            kinds={
                "networking.istio.io/v1": ("Gateway", "Sidecar"),
                "networking.istio.io/v1alpha3": ("DestinationRule", "Gateway", "VirtualService"),
                "networking.istio.io/v1beta1": ("Gateway", "VirtualService"),
                "security.istio.io/v1": ("AuthorizationPolicy", "PeerAuthentication"),
                "security.istio.io/v1beta1": ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
            },
            least=(1, 28),
            checks=(_injects, _has_gateway, _authenticates),
        ),
        "prometheus": Product(
            title="Prometheus operator",
            key="prometheus",
            components=frozenset({"kube-prometheus-stack", "kube-prometheus-stack-crds"}),
            namespaces=frozenset({"kube-system", "monitoring"}),
            home="",
            controller="app.kubernetes.io/name in (prometheus-operator,kube-prometheus-stack-prometheus-operator)",
            definitions=("prometheuses.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com"),
            webhook=".monitoring.coreos.com",
            kinds={"monitoring.coreos.com/v1": ("PodMonitor", "PrometheusRule", "ServiceMonitor")},
            checks=(_selects_monitors,),
        ),
        "knative": Product(
            title="Knative Serving",
            key="",
            components=frozenset({"knative-serving"}),
            namespaces=frozenset({"knative-serving"}),
            home="knative-serving",
            controller="app.kubernetes.io/name=knative-serving,app.kubernetes.io/component=controller",
            definitions=("services.serving.knative.dev", "ingresses.networking.internal.knative.dev"),
            webhook="webhook.serving.knative.dev",
        ),
    }
)
