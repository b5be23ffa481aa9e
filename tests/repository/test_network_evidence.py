"""The table of flows against upstream's objects: every row has its evidence there, and every evidence its row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubeflow.network import Outside, Workload
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import WORKLOADS
from tests.support.upstream import case, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Json = dict[str, Any]


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
    return {f"{one.namespace}/{one.name}": one for one in WORKLOADS}


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
