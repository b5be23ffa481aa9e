"""Logs and spans reach the store of whoever wrote them, for as long as said, and nobody can pass for another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from kubeflow.network.table import FLOWS
from kubeflow.observability import Stack, objects, steps, telemetry
from kubeflow.observability.facts import Facts, problems
from kubeflow.observability.telemetry import Signal
from kubeflow.spec.monitoring import Engine, MonitoringSpec, SearchSpec
from kubeflow.spec.tenants import RESERVED_NAMESPACES
from tests.support.rules import EVERYTHING
from tests.unit.test_monitoring import CONTEXT, a_deployment, an_object

Json = dict[str, Any]

TENANTS = ("team-a", "team-b")
INSTALLED = EVERYTHING | {"loki", "tempo", "prometheus", "opentelemetry-collector"}
BOTH = (Signal.LOGS, Signal.TRACES)
SEARCH = SearchSpec(
    engine=Engine.OPENSEARCH, address="https://search.example.com:9200", networks=("10.9.1.0/24",),
    username="logs", secret="searchPassword",
)  # fmt: skip
ELASTIC = SearchSpec(
    engine=Engine.ELASTICSEARCH, address="https://search.example.com", networks=("10.9.1.0/24",),
    username="logs", secret="searchPassword",
)  # fmt: skip


def given(
    search: SearchSpec | None = None, installed: frozenset[str] = INSTALLED, tenants: tuple[str, ...] = TENANTS
) -> Stack:
    spec = MonitoringSpec(search=search)
    facts = Facts(pools={}, tenants=dict.fromkeys(tenants, 0), installed=installed, spec=spec)
    return Stack(spec=spec, storage_class=None, installed=installed, facts=facts, traced_percent=2)


def made(one: Stack) -> dict[str, Json]:
    """Every object of logs and traces, by kind and name."""
    planned = objects(one, lambda _: "a password")  # pyright: ignore[reportArgumentType] - plain in this test
    mine = (item.body for item in planned if item.component == "telemetry")
    return {f"{body['kind']}/{body['metadata']['namespace']}/{body['metadata']['name']}": body for body in mine}


def changed(body: Json, one: Stack) -> Json:
    for step in steps(one):
        result = step.apply(body, CONTEXT)
        assert result is not None
        body = result
    return body


CONFIGURATIONS = [
    pytest.param(telemetry.collector(tenants, BOTH, search), id=f"collector-{len(tenants)}-{name}")
    for tenants in ((), TENANTS)
    for name, search in (("loki", None), ("opensearch", SEARCH), ("elasticsearch", ELASTIC))
] + [
    pytest.param(telemetry.agent(TENANTS, search), id=f"agent-{name}")
    for name, search in (("loki", None), ("opensearch", SEARCH), ("elasticsearch", ELASTIC))
]


@pytest.mark.parametrize("one", CONFIGURATIONS)
class TestConfiguration:
    """What the collector itself refuses to start with, and what would be configured in vain."""

    def test_pipelines_use_only_what_is_defined_and_all_of_it(self, one: Json) -> None:
        pipelines = one["service"]["pipelines"].values()
        for part in ("receivers", "processors", "exporters"):
            used = {name for pipeline in pipelines for name in pipeline[part]}
            assert used == set(one[part]) | (set(one["connectors"]) if part != "processors" else set())
        assert set(one["service"]["extensions"]) == set(one["extensions"])

    def test_connectors_lead_to_pipelines_that_are_there(self, one: Json) -> None:
        pipelines = one["service"]["pipelines"]
        for name, connector in one["connectors"].items():
            targets = [*connector["default_pipelines"], *(to for row in connector["table"] for to in row["pipelines"])]
            assert {name} == {receiver for target in targets for receiver in pipelines[target]["receivers"]}
            assert {target.partition("/")[0] for target in targets} == {name.partition("/")[2]}

    def test_memory_is_guarded_before_anything_else_is_done(self, one: Json) -> None:
        entries = {name: pipeline for name, pipeline in one["service"]["pipelines"].items() if name.endswith("/in")}
        assert entries
        assert {pipeline["processors"][0] for pipeline in entries.values()} == {"memory_limiter"}

    def test_nothing_secret_is_written_down(self, one: Json) -> None:
        words = re.findall(r"password: (.*)", yaml.safe_dump(one))
        assert set(words) <= {"${env:SEARCH_PASSWORD}"}


def test_each_tenant_goes_to_a_store_under_its_own_name_and_everything_else_is_the_platforms() -> None:
    one = telemetry.collector(TENANTS, BOTH, None)
    pipelines = one["service"]["pipelines"]
    for signal in ("logs", "traces"):
        rows = {row["condition"]: row["pipelines"] for row in one["connectors"][f"routing/{signal}"]["table"]}
        for tenant in TENANTS:
            (target,) = rows[f'attributes["k8s.namespace.name"] == "{tenant}"']
            (exporter,) = pipelines[target]["exporters"]
            assert one["exporters"][exporter]["headers"] == {"X-Scope-OrgID": tenant}
        assert one["connectors"][f"routing/{signal}"]["default_pipelines"] == [f"{signal}/kubeflow"]
    assert telemetry.PLATFORM in RESERVED_NAMESPACES


def test_what_a_sender_says_about_itself_is_deleted_before_it_is_found_out() -> None:
    one = telemetry.collector(TENANTS, BOTH, None)
    order = one["service"]["pipelines"]["logs/in"]["processors"]
    deleted = {row["key"] for row in one["processors"]["resource/claims"]["attributes"] if row["action"] == "delete"}
    sources = [source for row in one["processors"]["k8s_attributes"]["pod_association"] for source in row["sources"]]
    assert order.index("resource/claims") < order.index("k8s_attributes")
    assert {"k8s.namespace.name", "k8s.pod.name", "k8s.pod.ip", "k8s.pod.uid"} <= deleted
    assert sources == [{"from": "connection"}]


def test_an_agent_believes_the_kubelet_alone() -> None:
    one = telemetry.agent(TENANTS, None)
    (files,) = one["receivers"].values()
    assert list(one["receivers"]) == ["file_log"]
    assert [operator["type"] for operator in files["operators"]] == ["container"]
    assert all(path.startswith("/var/log/pods/") for path in (*files["include"], *files["exclude"]))


def test_the_agent_is_on_every_node_can_only_read_and_starts_anew_with_a_new_tenant() -> None:
    before, after = made(given()), made(given(tenants=(*TENANTS, "team-new")))
    agent = before["DaemonSet/monitoring/log-agent"]["spec"]["template"]
    (container,) = agent["spec"]["containers"]
    assert agent["spec"]["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (host,) = (volume for volume in agent["spec"]["volumes"] if "hostPath" in volume)
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == host["name"])
    assert mount["readOnly"] is True
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert agent != after["DaemonSet/monitoring/log-agent"]["spec"]["template"]


@pytest.mark.parametrize("gone", ["opentelemetry-collector", "loki", "prometheus"])
def test_without_somebody_to_send_to_there_is_no_agent(gone: str) -> None:
    assert "DaemonSet/monitoring/log-agent" not in made(given(installed=INSTALLED - {gone}))


def sources(store: str, found: dict[str, Json]) -> dict[str, str]:
    """What Grafana's data sources of a store send as the tenant, by the source's address."""
    text = found[f"ConfigMap/monitoring/grafana-datasource-{store}"]["data"][f"{store}.yaml"]
    entries = yaml.safe_load(text)["datasources"]
    assert {entry["jsonData"]["httpHeaderName1"] for entry in entries} == {"X-Scope-OrgID"}
    return {entry["uid"]: entry["secureJsonData"]["httpHeaderValue1"] for entry in entries}


@pytest.mark.parametrize("store", ["loki", "tempo"])
def test_each_tenant_has_a_source_of_its_own_and_the_platform_one_for_everybody(store: str) -> None:
    assert sources(store, made(given())) == {
        store: "kubeflow|team-a|team-b", f"{store}-kubeflow": "kubeflow", f"{store}-team-a": "team-a",
        f"{store}-team-b": "team-b",
    }  # fmt: skip


def test_a_line_leads_to_a_trace_of_the_same_tenant() -> None:
    text = made(given())["ConfigMap/monitoring/grafana-datasource-loki"]["data"]["loki.yaml"]
    leads = {
        entry["uid"]: entry["jsonData"]["derivedFields"][0]["datasourceUid"]
        for entry in yaml.safe_load(text)["datasources"]
    }
    assert leads == {uid: uid.replace("loki", "tempo") for uid in leads}


def test_sources_of_long_names_are_told_apart() -> None:
    long = tuple(f"{'team-' * 10}{letter}" for letter in "ab")
    found = sources("loki", made(given(tenants=long)))
    assert {*long} <= set(found.values())
    assert max(len(uid) for uid in found) <= 40


def test_only_senders_and_grafana_reach_the_stores() -> None:
    """A store believes the tenant's name in a header: whoever reaches it reads everybody's."""
    readers = {
        target: {str(flow.source) for flow in FLOWS if str(flow.target) == target and flow.port in ports}
        for target, ports in (("observability/loki", (3100,)), ("observability/tempo", (3200, 4317)),
                              ("observability/loki-gateway", (8080,)))
    }  # fmt: skip
    assert readers == {
        "observability/loki": {
            "observability/opentelemetry-collector", "observability/loki-gateway", "monitoring/log-agent",
            "monitoring/prometheus",
        },
        "observability/tempo": {
            "observability/opentelemetry-collector", "monitoring/kube-prometheus-stack-grafana",
            "monitoring/prometheus",
        },
        "observability/loki-gateway": {"observability/loki-canary", "monitoring/kube-prometheus-stack-grafana"},
    }  # fmt: skip


def test_the_collector_is_told_and_listens_only_to_what_it_is_told() -> None:
    ports = [{"name": name} for name in ("otlp", "otlp-http", "zipkin", "jaeger-grpc")]
    config = changed(an_object("ConfigMap", "opentelemetry-collector", "observability", data={"relay": "{}"}), given())
    service = an_object("Service", "opentelemetry-collector", "observability", spec={"ports": ports})
    read = yaml.safe_load(config["data"]["relay"])
    assert set(read["receivers"]) == {"otlp"}
    assert [port["name"] for port in changed(service, given())["spec"]["ports"]] == ["otlp", "otlp-http"]
    assert {name.partition("/")[0] for name in read["service"]["pipelines"]} == {"logs", "traces"}


def test_a_search_engine_takes_the_logs_and_each_tenant_has_its_index() -> None:
    one = given(SEARCH)
    found = made(one)
    agent = yaml.safe_load(found["ConfigMap/monitoring/log-agent"]["data"]["relay.yaml"])
    indices = {name: exporter["logs_index"] for name, exporter in agent["exporters"].items()}
    assert indices == {f"opensearch/{owner}": f"kubeflow-logs-{owner}" for owner in ("kubeflow", *TENANTS)}
    for space in ("monitoring", "observability"):
        assert found[f"Secret/{space}/log-search"]["stringData"] == {"password": "a password"}
        (way,) = found[f"NetworkPolicy/{space}/log-search"]["spec"]["egress"]
        assert way["to"] == [{"ipBlock": {"cidr": "10.9.1.0/24"}}]
        assert way["ports"] == [{"protocol": "TCP", "port": 9200}]
    collector = changed(a_deployment("opentelemetry-collector", "observability"), one)
    (container,) = collector["spec"]["template"]["spec"]["containers"]
    assert "opentelemetry-collector-contrib:" in container["image"]
    assert container["command"] == ["/otelcol-contrib"]
    assert [entry["name"] for entry in container["env"]] == ["SEARCH_PASSWORD"]
    assert "ConfigMap/monitoring/grafana-datasource-loki" not in found
    assert "ConfigMap/monitoring/grafana-datasource-tempo" in found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"networks": ()}, "at least one is needed"), ({"networks": ("169.254.0.0/16",)}, "instance metadata address")],
)
def test_a_search_engine_that_nobody_could_reach_is_refused(wrong: Json, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SearchSpec(engine=Engine.OPENSEARCH, address="https://a", username="u", secret="s", **wrong)


def test_a_search_engine_that_nobody_would_send_to_is_refused() -> None:
    facts = given(SEARCH).facts
    assert facts is not None
    assert list(problems(facts)) == []
    (problem,) = problems(replace(facts, installed=INSTALLED - {"opentelemetry-collector"}))
    assert problem.startswith("platform.monitoring.search: nobody collects logs")


def test_knative_traces_the_share_that_the_mesh_traces() -> None:
    config = an_object("ConfigMap", "config-observability", "knative-serving", data={"a": "b"})
    data = changed(config, given())["data"]
    assert data["tracing-protocol"] == "grpc"
    assert data["tracing-sampling-rate"] == "0.02"
    assert data["tracing-endpoint"] == "http://opentelemetry-collector.observability.svc.cluster.local:4317"
    silent = an_object("ConfigMap", "config-observability", "knative-serving", data={"a": "b"})
    assert "tracing-protocol" not in changed(silent, given(installed=INSTALLED - {"tempo"}))["data"]


def test_the_canary_says_whose_its_lines_are() -> None:
    canary = {**a_deployment("loki-canary", "observability"), "kind": "DaemonSet"}
    container = changed(canary, given())["spec"]["template"]["spec"]["containers"][0]
    assert "-tenant-id=kubeflow" in container["args"]
