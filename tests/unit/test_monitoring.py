"""What a human decides about monitoring arrives in the objects, and nothing that cannot work is installed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from kubeflow.install.transforms import Context
from kubeflow.observability import Stack, objects, steps
from kubeflow.observability.metrics import DECLARED, EVERY_PROXY, METRICS, SERIES, Type
from kubeflow.observability.scrape import TARGETS, How
from kubeflow.quantity import Quantity
from kubeflow.spec.monitoring import MonitoringSpec

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
    assert config["limits_config"] == {"volume_enabled": True, "retention_period": "5d"}
    assert config["compactor"] == {"retention_enabled": True, "delete_request_store": "s3"}
    config = yaml.safe_load(traces["data"]["tempo.yaml"])
    assert config["compactor"]["compaction"]["block_retention"] == "48h"
    assert config["usage_report"]["reporting_enabled"] is False
    assert store["spec"]["template"]["metadata"]["annotations"] == {"proof.kubeflow/retention": "5d"}


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


def test_each_metric_is_named_once_as_prometheus_allows() -> None:
    names = [metric.name for metric in DECLARED]
    assert sorted(names) == sorted(set(names))
    assert [name for name in SERIES if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name)] == []
    wrong = [m.name for m in DECLARED for label in m.labels if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label)]
    assert wrong == []


def test_each_metric_comes_from_a_target_that_is_read() -> None:
    targets = {str(target) for target in TARGETS}
    assert any(target.how is How.PROXY for target in TARGETS)
    assert [metric.name for metric in DECLARED if metric.of not in targets | {EVERY_PROXY}] == []
    assert all(metric.source for metric in DECLARED)


def test_queries_may_use_the_series_of_a_histogram_not_its_name() -> None:
    assert METRICS["istio_request_duration_milliseconds"].type is Type.HISTOGRAM
    assert "istio_request_duration_milliseconds" not in SERIES
    assert "istio_request_duration_milliseconds_bucket" in SERIES
