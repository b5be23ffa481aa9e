"""The metrics that the shipped versions export and dashboards, rules and alerts may use. What is not here is not used.

A histogram is listed by its base name; its series end in `_bucket`, `_sum` and `_count`. Labels that every series has
by its target (`job`, `instance`, `namespace`, `pod`, `container`) are not repeated, but for exporters that speak of
others' pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from .scrape import PROMETHEUS, TARGETS
from .states import MESH, MODE_METRICS, STATES

EVERY_PROXY = "every proxy"  # whatever target is read through a proxy
RUNS = "validation runs"  # pushed: `promtool push metrics`, or a block made of a run's OpenMetrics file
# What every series has by its target, and what pods of tenants have besides (`monitors`).
TARGET_LABELS = ("job", "instance", "namespace", "pod", "container")
TENANT_LABELS = ("serving_kserve_io_inferenceservice", "serving_knative_dev_revision", "notebook_name")
_STATE_METRICS = "monitoring/kube-prometheus-stack-kube-state-metrics"
_NODES = "nodes"


class Type(Enum):
    """What may be done with a metric: counters only under rate or increase."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric and who exports it."""

    name: str
    type: Type
    labels: tuple[str, ...]
    of: str  # the target in the table of scrapes
    source: str  # component and version, and how it was found out

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.type is Type.HISTOGRAM:
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (self.name,)


_C, _G, _H = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM
_Names = tuple[str, ...]

_MESH = (
    "reporter", "source_workload", "source_workload_namespace", "source_principal", "destination_workload",
    "destination_workload_namespace", "destination_principal", "destination_service", "destination_service_name",
    "destination_service_namespace", "request_protocol", "response_code", "response_flags",
    "connection_security_policy",
)  # fmt: skip
_GPU = ("gpu", "UUID", "device", "modelName", "GPU_I_PROFILE", "GPU_I_ID", "Hostname", "namespace", "pod", "container")
_REQUEST = ("http_response_status_code",)
_REVISION = ("k8s_namespace_name", "kn_revision_name")
_KATIB = ("namespace",)
_JOBS = ("job_namespace", "framework")
_CERTIFICATE = ("name", "namespace", "issuer_name", "issuer_kind", "issuer_group")
_QUEUE = ("cluster_queue", "replica_role")
_VOLUME = ("namespace", "persistentvolumeclaim")
_MODEL = ("namespace", "model")

# Target, source; then type, labels and names.
_ROWS: tuple[tuple[str, str, tuple[tuple[Type, _Names, _Names], ...]], ...] = (
    (EVERY_PROXY, "Istio 1.29, source", (
        (_C, _MESH, ("istio_requests_total",)),
        (_H, _MESH, ("istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes")),
        (_C, _MESH, ("istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total",
                     "istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total")),
    )),
    ("istio-system/istiod", "Istio 1.29, source", (
        (_C, (), ("pilot_total_xds_rejects", "galley_validation_failed")),
        (_H, (), ("pilot_proxy_convergence_time",)),
        (_G, (), ("citadel_server_root_cert_expiry_seconds",)),
        (_C, ("type",), ("pilot_xds_pushes",)),
    )),
    ("cert-manager/cert-manager", "cert-manager 1.19.4, source", (
        (_G, _CERTIFICATE, ("certmanager_certificate_expiration_timestamp_seconds",
                            "certmanager_certificate_renewal_timestamp_seconds",
                            "certmanager_certificate_not_after_timestamp_seconds")),
        (_G, (*_CERTIFICATE, "condition"), ("certmanager_certificate_ready_status",)),
    )),
    ("tenant/pods", "Knative 1.21.1 queue-proxy, run", (
        (_H, _REQUEST, ("kn_serving_invocation_duration_seconds",)),
        (_G, (), ("kn_serving_queue_depth",)),
        (_H, ("http_request_method", *_REQUEST, "kn_route_tag", "server_address"),
         ("http_server_request_duration_seconds",)),
    )),
    ("tenant/pods", "the platform's own drift service", (
        (_G, (*_MODEL, "feature", "method"), ("drift_score",)),
        (_G, (*_MODEL, "feature"), ("drift_detected",)),
        (_G, _MODEL, ("drift_share", "drift_threshold", "drift_window_rows",
                      "drift_last_evaluation_timestamp_seconds")),
        (_C, _MODEL, ("drift_windows_total", "drift_payloads_refused_total", "predictions_total")),
        (_C, _MODEL, ("prediction_labels_total", "prediction_errors_total")),
    )),
    ("tenant/pods", "KServe 0.16 Python servers, source", (
        (_H, ("model_name",), tuple(f"request_{step}_seconds" for step in ("preprocess", "predict", "postprocess"))),
    )),
    (RUNS, "the platform's own validation", (
        (_G, ("id", "required", "environment"), ("validation_criterion_status",)),
        (_G, ("id", "unit", "environment"), ("validation_criterion_measured", "validation_criterion_limit")),
        (_G, ("environment",), ("validation_run_timestamp_seconds",)),
    )),
    ("knative-serving/autoscaler", "Knative 1.21.1, source", (
        (_G, _REVISION, tuple(f"kn_revision_{name}" for name in (
            "pods_desired", "pods_requested", "pods_count", "pods_not_ready_count", "pods_pending_count", "panic_mode",
            "capacity_excess", "concurrency_stable", "concurrency_panic", "concurrency_target", "rps_stable",
            "rps_panic", "rps_target"))),
    )),
    ("knative-serving/activator", "Knative 1.21.1, source", (
        (_G, _REVISION, ("kn_revision_request_concurrency",)),
    )),
    ("kubeflow/kserve-controller-manager", "KServe 0.16, measured", (
        (_C, ("controller", "result"), ("controller_runtime_reconcile_total",)),
        (_G, ("name",), ("workqueue_depth",)),
    )),
    ("kubeflow/training-operator", "training-operator 1.9.2, measured", (
        (_C, _JOBS, tuple(f"training_operator_jobs_{what}_total"
                          for what in ("created", "deleted", "successful", "failed", "restarted"))),
    )),
    ("kubeflow-system/jobset-controller-manager", "JobSet 0.10, source", (
        (_C, ("jobset_name", "namespace"), ("jobset_completed_total", "jobset_failed_total")),
    )),
    ("kueue-system/kueue-controller-manager", "Kueue 0.19, source", (
        (_G, (*_QUEUE, "status"), ("kueue_pending_workloads", "kueue_cluster_queue_status")),
        (_G, _QUEUE, ("kueue_reserving_active_workloads", "kueue_admitted_active_workloads")),
        (_G, (*_QUEUE, "reason", "underlying_cause"), ("kueue_unadmitted_workloads",)),
        (_C, _QUEUE, ("kueue_admitted_workloads_total",)),
        (_C, (*_QUEUE, "reason"), ("kueue_evicted_workloads_total",)),
        (_C, ("preempting_cluster_queue", "reason", "replica_role"), ("kueue_preempted_workloads_total",)),
        (_H, _QUEUE, ("kueue_admission_wait_time_seconds", "kueue_ready_wait_time_seconds")),
        (_G, (*_QUEUE, "cohort", "flavor", "resource"),
         ("kueue_cluster_queue_resource_usage", "kueue_cluster_queue_resource_reservation",
          "kueue_cluster_queue_nominal_quota")),
    )),
    ("kubeflow/katib-controller", "Katib 0.19, source", (
        (_C, _KATIB, tuple(f"katib_{kind}_{what}_total" for kind in ("experiment", "trial")
                           for what in ("created", "deleted", "succeeded", "failed"))),
        (_C, _KATIB, ("katib_trial_metrics_unavailable_total",)),
        (_G, (*_KATIB, "status"), ("katib_experiments_current", "katib_trials_current")),
    )),
    ("kubeflow/ml-pipeline", "KFP 2.16, source", (
        (_C, (), tuple(f"run_server_{what}_requests" for what in ("create", "get", "list", "delete", "terminate"))),
        (_G, (), ("run_server_run_count",)),
        (_C, (), ("resource_manager_workflow_runs_success", "resource_manager_workflow_runs_failed")),
    )),
    ("kubeflow/workflow-controller", "Argo 3.7.3, source", (
        (_C, ("phase", "namespace"), ("argo_workflows_total_count",)),
        (_G, ("phase",), ("argo_workflows_gauge", "argo_workflows_pods_gauge")),
        (_C, ("reason", "namespace"), ("argo_workflows_pod_pending_count",)),
        (_C, ("cause",), ("argo_workflows_error_count",)),
        (_G, ("queue_name",), ("argo_workflows_queue_depth_gauge",)),
        (_H, (), ("argo_workflows_operation_duration_seconds",)),
    )),
    ("kubeflow/notebook-controller-deployment", "notebook-controller 1.10, source", (
        (_G, ("namespace",), ("notebook_running",)),
        (_C, ("namespace",), ("notebook_create_total", "notebook_create_failed_total")),
        (_C, ("namespace", "name"), ("notebook_culling_total",)),
    )),
    ("kubeflow/profiles-deployment", "profile-controller 1.10, source", (
        (_C, ("component", "kind"), ("request_kf",)),
        (_C, ("component", "kind", "severity"), ("request_kf_failure",)),
        (_C, ("component", "severity"), ("service_heartbeat",)),
    )),
    ("kubeflow/spark-operator-controller", "spark-operator 2.5, source", (
        (_C, ("app_type",), tuple(f"spark_application_{what}_count" for what in ("submit", "success", "failure"))),
        (_G, ("app_type",), ("spark_application_running_count", "spark_executor_running_count")),
        (_C, ("app_type",), ("spark_application_count", "spark_executor_success_count",
                             "spark_executor_failure_count")),
    )),
    ("gpu-operator/dcgm-exporter", "DCGM exporter 4.8.3, default counters", (
        (_G, _GPU, tuple(f"DCGM_FI_DEV_{what}" for what in (
            "GPU_UTIL", "MEM_COPY_UTIL", "FB_USED", "FB_FREE", "FB_RESERVED", "GPU_TEMP", "MEMORY_TEMP", "POWER_USAGE",
            "SM_CLOCK", "MEM_CLOCK", "XID_ERRORS", "ROW_REMAP_FAILURE"))),
        (_C, _GPU, tuple(f"DCGM_FI_DEV_{what}" for what in (
            "TOTAL_ENERGY_CONSUMPTION", "PCIE_REPLAY_COUNTER", "NVLINK_BANDWIDTH_TOTAL", "CORRECTABLE_REMAPPED_ROWS",
            "UNCORRECTABLE_REMAPPED_ROWS"))),
        (_G, _GPU, tuple(f"DCGM_FI_PROF_{what}" for what in (
            "GR_ENGINE_ACTIVE", "PIPE_TENSOR_ACTIVE", "DRAM_ACTIVE", "PCIE_TX_BYTES", "PCIE_RX_BYTES"))),
    )),
    ("gpu-operator/gpu-operator", "GPU operator 26.7, source", (
        (_G, (), ("gpu_operator_gpu_nodes_total", "gpu_operator_reconciliation_status")),
        (_C, (), ("gpu_operator_reconciliation_failed_total",)),
    )),
    (_STATE_METRICS, "kube-state-metrics 2.20, measured on 2.18", (
        (_G, ("namespace", "pod", "phase"), ("kube_pod_status_phase",)),
        (_G, ("namespace", "pod", "container", "resource", "unit", "node"), ("kube_pod_container_resource_requests",)),
        (_G, ("node", "resource", "unit"), ("kube_node_status_capacity", "kube_node_status_allocatable")),
        (_G, ("node", "condition", "status"), ("kube_node_status_condition",)),
        (_G, ("node", "label_proof_kubeflow_pool", "label_nvidia_com_gpu_product"), ("kube_node_labels",)),
        (_G, ("namespace", "resourcequota", "resource", "type"), ("kube_resourcequota",)),
        (_G, ("namespace", "persistentvolumeclaim", "phase"), ("kube_persistentvolumeclaim_status_phase",)),
        (_G, ("namespace", "deployment"), ("kube_deployment_spec_replicas",
                                           "kube_deployment_status_replicas_available")),
        (_G, ("namespace", "horizontalpodautoscaler"), (
            "kube_horizontalpodautoscaler_status_current_replicas", "kube_horizontalpodautoscaler_spec_max_replicas")),
        (_G, ("namespace",), ("kube_namespace_created",)),
        (_G, ("namespace", "label_pod_security_kubernetes_io_enforce"), ("kube_namespace_labels",)),
        (_G, ("namespace", "pod", "node", "created_by_kind", "created_by_name"), ("kube_pod_info",)),
        (_G, ("namespace", "job_name", "condition"), ("kube_job_failed",)),
    )),
    (_NODES, "kubelet 1.35, source", (
        (_G, _VOLUME, tuple(f"kubelet_volume_stats_{what}"
                            for what in ("available_bytes", "capacity_bytes", "used_bytes", "inodes", "inodes_used"))),
    )),
    (_NODES, "node exporter 1.12, asked for by the chart's rules", (
        (_C, ("cpu", "mode"), ("node_cpu_seconds_total",)),
        (_G, (), ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes")),
        (_G, ("device", "fstype", "mountpoint"), ("node_filesystem_avail_bytes", "node_filesystem_size_bytes")),
        (_C, ("device",), ("node_network_receive_bytes_total",)),
    )),
    (_NODES, "cAdvisor of the kubelet, asked for by the chart's rules", (
        (_C, ("namespace", "pod", "container", "node"), ("container_cpu_usage_seconds_total",)),
        (_G, ("namespace", "pod", "container", "node"), ("container_memory_working_set_bytes",)),
    )),
    ("API server", "kube-apiserver 1.35, source", (
        (_C, ("name", "operation", "type", "error_type", "rejection_code"),
         ("apiserver_admission_webhook_rejection_count",)),
        (_C, ("name", "type"), ("apiserver_admission_webhook_fail_open_count",)),
        (_G, ("name",), ("aggregator_unavailable_apiservice",)),
    )),
    ("observability/loki", "Loki 3.7, source", (
        (_C, ("tenant",), ("loki_distributor_lines_received_total", "loki_distributor_bytes_received_total")),
        (_C, ("reason", "tenant"), ("loki_discarded_samples_total",)),
    )),
    ("observability/tempo", "Tempo 2.10, source", (
        (_C, ("tenant",), ("tempo_distributor_spans_received_total",)),
        (_C, ("reason", "tenant"), ("tempo_discarded_spans_total",)),
    )),
    ("observability/opentelemetry-collector", "OpenTelemetry collector 0.158, run", (
        (_C, ("exporter", "server_address", "server_port"), tuple(
            f"otelcol_exporter_{end}_{what}" for end in ("sent", "send_failed") for what in ("log_records", "spans"))),
    )),
    (PROMETHEUS, "Prometheus, common knowledge", (
        (_G, ("job", "instance", "namespace", "pod"), ("up",)),
        (_G, ("alertname", "alertstate", "severity", "component", "namespace"), ("ALERTS",)),
        (_C, ("rule_group",), ("prometheus_rule_evaluation_failures_total",)),
        (_C, ("alertmanager",), ("prometheus_notifications_dropped_total",)),
    )),
)  # fmt: skip


def _metrics() -> Iterator[Metric]:
    for of, source, groups in _ROWS:
        for kind, labels, names in groups:
            for name in names:
                yield Metric(name=name, type=kind, labels=labels, of=of, source=source)
    for state in STATES:
        yield Metric(
            name=state.metric,
            type=Type.GAUGE,
            labels=("namespace", "name", "type"),
            of=_STATE_METRICS,
            source=f"{state.group}/{state.version} {state.kind}: status.conditions, configured in `states`",
        )
    for name, labels in MODE_METRICS.items():
        source = "security.istio.io/v1 PeerAuthentication, configured in `states`"
        yield Metric(name=name, type=Type.GAUGE, labels=labels, of=_STATE_METRICS, source=source)


DECLARED: tuple[Metric, ...] = tuple(_metrics())
METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in DECLARED})
SERIES: Mapping[str, Metric] = MappingProxyType({name: metric for metric in DECLARED for name in metric.series})

_EXPORTERS: Mapping[str, str | None] = MappingProxyType({str(target): target.component for target in TARGETS})
_OF_STATES = MappingProxyType(
    {**{state.metric: state.component for state in STATES}, **dict.fromkeys(MODE_METRICS, MESH)}
)
_BY_NAME = {"kn_": "knative-serving", "request_": "kserve", "drift_": "kserve", "prediction": "kserve"}


def exporter(metric: Metric) -> str | None:
    """The component that has to be installed for a metric to be there; None: no component in particular."""
    if metric.of == EVERY_PROXY:
        return MESH
    if metric.of == "tenant/pods":
        return next((name for prefix, name in _BY_NAME.items() if metric.name.startswith(prefix)), "kserve")
    return _OF_STATES.get(metric.name) or _EXPORTERS.get(metric.of)
