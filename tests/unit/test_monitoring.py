"""What a human decides about monitoring arrives in the objects, and nothing that cannot work is installed."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import yaml

from kubeflow.install.transforms import Context
from kubeflow.observability import Stack, objects, steps
from kubeflow.observability.facts import Facts, Pool, described, from_outputs, problems
from kubeflow.observability.metrics import DECLARED, EVERY_PROXY, METRICS, RUNS, SERIES, Type, exporter
from kubeflow.observability.scrape import TARGETS, How
from kubeflow.quantity import Quantity
from kubeflow.spec.monitoring import (
    Channel,
    CostSpec,
    EndpointSpec,
    LimitsSpec,
    MonitoringSpec,
    ReceiverSpec,
    Severity,
)
from tests.support import samples
from tests.support.stack_outputs import outputs

Json = dict[str, Any]

CONTEXT = Context(namespace=None, webhooks=True, containers=True, cluster_scoped=frozenset())
EVERYTHING = frozenset(target.component for target in TARGETS if target.component) | {"loki", "tempo", "prometheus"}


def stack(spec: MonitoringSpec | None = None, installed: frozenset[str] = EVERYTHING) -> Stack:
    return Stack(spec=spec or MonitoringSpec(), storage_class="fast", installed=installed)


def changed(body: Json, given: Stack) -> Json | None:
    result: Json | None = body
    for step in steps(given):
        if result is None:
            return None
        result = step.apply(result, CONTEXT)
    return result


def an_object(kind: str, name: str, namespace: str = "monitoring", **body: Any) -> Json:  # noqa: ANN401 - any JSON value
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **body}


def a_deployment(name: str, namespace: str) -> Json:
    template: Json = {"metadata": {}, "spec": {"containers": [{"name": "manager"}]}}
    return {**an_object("Deployment", name, namespace, spec={"template": template}), "apiVersion": "apps/v1"}


def kept(body: Json, given: Stack) -> Json:
    result = changed(body, given)
    assert result is not None
    return result


def prometheus(given: Stack) -> Json:
    body = kept(an_object("Prometheus", "p", spec={"podMonitorNamespaceSelector": {}, "retention": "10d"}), given)
    return body["spec"]


def test_prometheus_keeps_as_much_and_as_long_as_the_stack_file_says() -> None:
    spec = prometheus(stack(MonitoringSpec(retention_days=3, storage=Quantity("10Gi"), interval_seconds=15)))
    assert (spec["retention"], spec["scrapeInterval"], spec["evaluationInterval"]) == ("3d", "15s", "15s")
    claim = spec["storage"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "10Gi"}}


def test_prometheus_deletes_the_oldest_before_its_volume_is_full() -> None:
    size = prometheus(stack(MonitoringSpec(storage=Quantity("100Gi"))))["retentionSize"]
    assert 0.8 * 100 * 2**30 < int(size.removesuffix("B")) < 0.9 * 100 * 2**30
    assert re.fullmatch(r"(^0|([0-9]*[.])?[0-9]+((K|M|G|T|E|P)i?)?B)", size)  # Prometheus CRD: retentionSize


def test_without_a_storage_class_the_default_one_is_used() -> None:
    given = Stack(spec=MonitoringSpec(), storage_class=None, installed=EVERYTHING)
    assert "storageClassName" not in prometheus(given)["storage"]["volumeClaimTemplate"]["spec"]


def test_monitors_of_every_namespace_count_but_those_of_tenants() -> None:
    spec = prometheus(stack())
    for kind in ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor"):
        assert spec[f"{kind}Selector"] == {}
        (tenant,) = spec[f"{kind}NamespaceSelector"]["matchExpressions"]
        assert tenant == {"key": "app.kubernetes.io/part-of", "operator": "DoesNotExist"}


def test_only_targets_that_ask_for_it_are_shown_the_token() -> None:
    (shown,) = prometheus(stack())["scrapeClasses"]
    assert shown["authorization"]["credentialsFile"].endswith("/token")
    assert "default" not in shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory": Quantity("9Gi")}, r"memory \(9Gi\) is greater than memoryLimit \(8Gi\)"),
        ({"storage": Quantity("100Mi")}, r"storage \(100Mi\) is less than 1Gi"),
    ],
)
def test_a_stack_that_could_not_start_is_refused(wrong: Json, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitoringSpec(**wrong)


@pytest.mark.parametrize("name", ["kube-etcd", "kube-scheduler", "kube-controller-manager", "kube-proxy"])
def test_nothing_watches_control_planes_that_nobody_can_reach(name: str) -> None:
    for kind in ("Service", "ServiceMonitor"):
        assert changed(an_object(kind, f"kube-prometheus-stack-{name}"), stack()) is None


def test_monitors_that_work_are_kept() -> None:
    body = an_object("ServiceMonitor", "kube-prometheus-stack-kubelet", spec={})
    assert changed(dict(body), stack()) == body


def test_a_sidecar_is_told_which_port_of_its_application_to_read() -> None:
    body = kept(a_deployment("ml-pipeline", "kubeflow"), stack())
    assert body["spec"]["template"]["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8888",
        "prometheus.io/path": "/metrics",
    }


def test_a_namesake_in_another_namespace_is_left_alone() -> None:
    body = a_deployment("ml-pipeline", "team-a")
    assert changed(a_deployment("ml-pipeline", "team-a"), stack()) == body


def test_a_port_that_upstream_does_not_declare_is_declared() -> None:
    body = kept(a_deployment("kubeflow-trainer-controller-manager", "kubeflow-system"), stack())
    assert body["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"name": "metrics", "containerPort": 8443}]


def test_components_that_are_silent_by_default_are_told_to_export() -> None:
    knative = kept(an_object("ConfigMap", "config-observability", "knative-serving", data={"_example": "x"}), stack())
    settings = an_object(
        "ConfigMap", "inferenceservice-config", "kubeflow",
        data={"metricsAggregator": '{"enableMetricAggregation": "false", "enablePrometheusScraping": "false"}'},
    )  # fmt: skip
    kserve = kept(settings, stack())
    argo = kept(an_object("ConfigMap", "workflow-controller-configmap", "kubeflow", data={}), stack())
    login = kept(a_deployment("oauth2-proxy", "oauth2-proxy"), stack())
    assert knative["data"]["metrics-protocol"] == knative["data"]["request-metrics-protocol"] == "prometheus"
    assert yaml.safe_load(kserve["data"]["metricsAggregator"])["enablePrometheusScraping"] == "true"
    assert yaml.safe_load(argo["data"]["metricsConfig"])["secure"] is False
    assert "--metrics-address=0.0.0.0:44180" in login["spec"]["template"]["spec"]["containers"][0]["args"]


def test_conditions_of_installed_kinds_only_become_metrics_and_may_be_read() -> None:
    given = stack(installed=frozenset({"trainer", "prometheus"}))
    name = "kube-prometheus-stack-kube-state-metrics"
    deployment = kept(a_deployment(name, "monitoring"), given)
    role = kept({**an_object("ClusterRole", name), "rules": [{"resources": ["pods"]}]}, given)
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    (flag,) = (text for text in args if text.startswith("--custom-resource-state-config="))
    resources = yaml.safe_load(flag.partition("=")[2])["spec"]["resources"]
    assert [resource["groupVersionKind"]["kind"] for resource in resources] == ["TrainJob"]
    assert any("namespaces=[pod-security.kubernetes.io/enforce]" in text for text in args)
    assert [rule["resources"] for rule in role["rules"]] == [["pods"], ["customresourcedefinitions"], ["trainjobs"]]
    assert "kubeflow_trainjob_condition_status" in METRICS


def test_logs_and_traces_end_when_the_stack_file_says_and_a_new_limit_restarts_their_stores() -> None:
    loki = an_object(
        "ConfigMap", "loki", "observability",
        data={"config.yaml": "schema_config: {configs: [{object_store: s3}]}\nlimits_config: {volume_enabled: true}\n"},
    )  # fmt: skip
    text = "usage_report: {reporting_enabled: true}\ncompactor: {compaction: {block_retention: 24h}}\n"
    tempo = an_object("ConfigMap", "tempo", "observability", data={"tempo.yaml": text})
    pods = an_object("StatefulSet", "loki", "observability", spec={"template": {"metadata": {}}})
    given = stack(MonitoringSpec(logs_days=5, traces_days=2))
    logs = kept(loki, given)
    traces = kept(tempo, given)
    store = kept(pods, given)
    config = yaml.safe_load(logs["data"]["config.yaml"])
    assert config["auth_enabled"] is True
    assert config["limits_config"] == {"volume_enabled": True, "retention_period": "5d"}
    assert config["compactor"] == {"retention_enabled": True, "delete_request_store": "s3"}
    config = yaml.safe_load(traces["data"]["tempo.yaml"])
    assert config["compactor"]["compaction"]["block_retention"] == "48h"
    assert config["usage_report"]["reporting_enabled"] is False
    assert config["multitenancy_enabled"] is True
    assert store["spec"]["template"]["metadata"]["annotations"] == {"proof.kubeflow/configuration": "tenants, 5d"}


def test_proxies_count_requests() -> None:
    text = "extensionProviders:\n- name: oauth2-proxy\n"
    body = kept(an_object("ConfigMap", "istio", "istio-system", data={"mesh": text}), stack())
    assert yaml.safe_load(body["data"]["mesh"]) == {
        "extensionProviders": [{"name": "oauth2-proxy"}],
        "defaultProviders": {"metrics": ["prometheus"]},
    }


def test_the_gpu_exporter_may_say_whose_pod_uses_a_gpu() -> None:
    policy = an_object("ClusterPolicy", "p", spec={"dcgmExporter": {"serviceMonitor": {"interval": "15s"}}})
    body = kept({**policy, "apiVersion": "nvidia.com/v1"}, stack())
    assert body["spec"]["dcgmExporter"]["serviceMonitor"] == {"interval": "15s", "honorLabels": True}


def test_grafana_knows_how_far_apart_samples_are() -> None:
    text = "datasources: [{type: prometheus, jsonData: {timeInterval: 30s}}, {type: alertmanager, jsonData: {}}]"
    given = an_object("ConfigMap", "kube-prometheus-stack-grafana-datasource", data={"datasource.yaml": text})
    sources = yaml.safe_load(kept(given, stack(MonitoringSpec(interval_seconds=60)))["data"]["datasource.yaml"])
    assert [one["jsonData"] for one in sources["datasources"]] == [{"timeInterval": "60s"}, {}]


def test_grafana_learns_where_installed_stores_are() -> None:
    names = [
        planned.body["metadata"]["name"] for planned in objects(stack(installed=frozenset({"prometheus", "tempo"})))
    ]
    assert names == ["grafana-datasource-tempo"]


def test_exemptions_of_the_mesh_become_metrics_where_there_is_a_mesh() -> None:
    given = stack(installed=frozenset({"istio", "prometheus"}))
    name = "kube-prometheus-stack-kube-state-metrics"
    container = kept(a_deployment(name, "monitoring"), given)["spec"]["template"]["spec"]["containers"][0]
    (flag,) = (text for text in container["args"] if text.startswith("--custom-resource-state-config="))
    (resource,) = yaml.safe_load(flag.partition("=")[2])["spec"]["resources"]
    assert resource["groupVersionKind"]["kind"] == "PeerAuthentication"
    names = {f"{resource['metricNamePrefix']}_{metric['name']}" for metric in resource["metrics"]}
    assert names <= set(METRICS)
    role = kept({**an_object("ClusterRole", name), "rules": []}, given)
    assert {"peerauthentications"} <= {plural for rule in role["rules"] for plural in rule["resources"]}


FACTS = Facts(
    pools={"gpu": Pool(nodes=2, gpus=8, product="NVIDIA-L4")}, tenants={"team-a": 4}, installed=EVERYTHING,
    resource="nvidia.com/gpu",
)  # fmt: skip
HOOK = ReceiverSpec(channel=Channel.WEBHOOK, secret="hook", networks=("10.9.0.0/24",), port=8443)


def test_dashboards_and_rules_come_with_their_stack() -> None:
    given = replace(stack(), facts=FACTS)
    planned = list(objects(given))
    found = Counter(one.body["kind"] for one in planned)
    assert found["PrometheusRule"] == 6
    assert found["ConfigMap"] == 10 + 2 + 1  # dashboards, sources of logs and traces, the agent
    assert {one.body["metadata"]["namespace"] for one in planned} == {"monitoring"}
    assert len({one.name for one in planned}) == len(planned)


def test_buckets_of_latency_end_at_the_limits_of_the_stack_file() -> None:
    spec = MonitoringSpec(limits=LimitsSpec(serving_milliseconds=180))
    given = stack(spec)
    text = "defaultTemplates: [sidecar]\ntemplates:\n  sidecar: |\n    spec: {}\n"
    injector = an_object("ConfigMap", "istio-sidecar-injector", "istio-system", data={"config": text})
    config = yaml.safe_load(kept(injector, given)["data"]["config"])
    gateway = kept(a_deployment("istio-ingressgateway", "istio-system"), given)
    added = yaml.safe_load(config["templates"]["bounds"])["metadata"]["annotations"]
    ours = gateway["spec"]["template"]["metadata"]["annotations"]
    assert config["defaultTemplates"] == ["sidecar", "bounds"]
    assert config["templates"]["sidecar"] == "spec: {}\n"
    assert added.items() <= ours.items()
    assert {100, 180} <= set(json.loads(added["sidecar.istio.io/statsHistogramBuckets"])["istio"])


def test_no_tenant_brings_grafana_a_source_or_alertmanager_a_route() -> None:
    env = [{"name": "NAMESPACE", "value": "ALL"}, {"name": "LABEL", "value": "grafana_dashboard"}]
    grafana = a_deployment("kube-prometheus-stack-grafana", "monitoring")
    grafana["spec"]["template"]["spec"]["containers"] = [
        {"name": "grafana-sc-dashboard", "env": env},
        {"name": "grafana"},
    ]
    collector, other = kept(grafana, stack())["spec"]["template"]["spec"]["containers"]
    assert {"name": "NAMESPACE", "value": "monitoring"} in collector["env"]
    assert {"name": "NAMESPACE", "value": "ALL"} not in collector["env"]
    assert other == {"name": "grafana"}
    manager = kept(an_object("Alertmanager", "a", spec={"alertmanagerConfigSelector": {}}), stack())["spec"]
    assert manager["alertmanagerConfigSelector"] != {}
    (tenant,) = manager["alertmanagerConfigNamespaceSelector"]["matchExpressions"]
    assert tenant["operator"] == "DoesNotExist"
    assert "alertmanagerConfiguration" not in manager


def test_receivers_secrets_are_named_and_never_written() -> None:
    spec = MonitoringSpec(receivers={"ops": HOOK})
    config = samples.secrets({"hook": "https://hook.example.com/very-secret"})
    made = {one.body["kind"]: one for one in objects(stack(spec), config)}
    assert made["AlertmanagerConfig"].body["spec"]["receivers"][1] == {
        "name": "ops",
        "webhookConfigs": [{"urlSecret": {"name": "alert-receivers", "key": "ops"}, "sendResolved": True}],
    }
    assert isinstance(made["Secret"].body["stringData"]["ops"], pulumi.Output)
    assert "very-secret" not in str([one.body for one in made.values()])
    chosen = kept(an_object("Alertmanager", "a", spec={}), stack(spec))["spec"]["alertmanagerConfiguration"]
    assert chosen == {"name": made["AlertmanagerConfig"].body["metadata"]["name"]}


def test_alertmanager_reaches_its_receivers_and_nothing_more() -> None:
    spec = MonitoringSpec(receivers={"ops": HOOK})
    config = samples.secrets({"hook": "x"})
    (policy,) = (one.body["spec"] for one in objects(stack(spec), config) if one.body["kind"] == "NetworkPolicy")
    assert policy["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.9.0.0/24"}}], "ports": [{"protocol": "TCP", "port": 8443}]}
    ]
    assert policy["podSelector"]["matchLabels"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"channel": Channel.EMAIL}, "smarthost is missing; sender is missing; to is missing; username is missing"),
        ({"channel": Channel.SLACK}, "room is missing"),
        ({"channel": Channel.WEBHOOK, "room": "#a"}, "room means nothing to webhook"),
        ({"channel": Channel.WEBHOOK, "networks": ()}, "at least one is needed"),
        ({"channel": Channel.WEBHOOK, "networks": ("here",)}, "networks: 'here' does not appear to be"),
        ({"channel": Channel.WEBHOOK, "networks": ("169.254.0.0/16",)}, "holds the instance metadata address"),
    ],
)
def test_a_receiver_that_nobody_could_reach_is_refused(wrong: Json, message: str) -> None:
    given: Json = {"secret": "s", "networks": ("10.9.0.0/24",), **wrong}
    with pytest.raises(ValueError, match=message):
        ReceiverSpec(**given)


def test_a_budget_without_prices_and_pages_without_a_folder_are_refused() -> None:
    with pytest.raises(ValueError, match="prices are none"):
        CostSpec(monthly=100)
    with pytest.raises(ValueError, match="does not end in /"):
        MonitoringSpec(runbooks="https://example.com/pages")


def test_severities_are_ordered() -> None:
    assert Severity.WARNING.and_above == ("warning", "critical")
    assert Severity.INFO.and_above == ("info", "warning", "critical")


def test_settings_that_name_what_is_not_there_are_all_found() -> None:
    spec = MonitoringSpec(
        cost=CostSpec(prices={"gone": 1}), endpoints={"team-x/iris": EndpointSpec()},
        receivers={"ops": replace(HOOK, tenants=("team-a", "team-y"))},
    )  # fmt: skip
    assert list(problems(replace(FACTS, spec=spec))) == [
        "platform.monitoring.cost.prices.gone: no such pool; allowed: gpu",
        "platform.monitoring.endpoints.team-x/iris: no such tenant; allowed: team-a",
        "platform.monitoring.receivers.ops.tenants: no tenant team-y; allowed: team-a",
    ]


def test_what_a_stack_tells_of_its_monitoring_is_what_dashboards_are_made_from() -> None:
    spec = MonitoringSpec(
        limits=LimitsSpec(gpu_celsius=70), endpoints={"check-nlp/bert": EndpointSpec(milliseconds=40)},
        cost=CostSpec(prices={"general": 2}, monthly=100), runbooks="https://example.com/",
    )  # fmt: skip
    told = {**outputs(), "monitoring": json.loads(json.dumps(described(spec)))}
    assert from_outputs(told).spec == spec
    assert from_outputs(outputs()).spec == MonitoringSpec()


def test_metrics_of_components_leave_with_them() -> None:
    assert exporter(METRICS["kueue_pending_workloads"]) == "kueue"
    assert exporter(METRICS["istio_requests_total"]) == "istio"
    assert exporter(METRICS["kubeflow_trainjob_condition_status"]) == "trainer"
    assert exporter(METRICS["kubelet_volume_stats_used_bytes"]) is None


def test_each_metric_is_named_once_as_prometheus_allows() -> None:
    names = [metric.name for metric in DECLARED]
    assert sorted(names) == sorted(set(names))
    assert [name for name in SERIES if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name)] == []
    wrong = [m.name for m in DECLARED for label in m.labels if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label)]
    assert wrong == []


def test_each_metric_comes_from_a_target_that_is_read() -> None:
    targets = {str(target) for target in TARGETS}
    assert any(target.how is How.PROXY for target in TARGETS)
    assert [metric.name for metric in DECLARED if metric.of not in targets | {EVERY_PROXY, RUNS}] == []
    assert all(metric.source for metric in DECLARED)


def test_queries_may_use_the_series_of_a_histogram_not_its_name() -> None:
    assert METRICS["istio_request_duration_milliseconds"].type is Type.HISTOGRAM
    assert "istio_request_duration_milliseconds" not in SERIES
    assert "istio_request_duration_milliseconds_bucket" in SERIES
