"""Values of the stand-in (`bad_day`): how counters grow, where histograms have their middle, what gauges show."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Labels = Mapping[str, str]
TROUBLE = 1800.0  # seconds before the present in which jobs failed
_RECENT = 300.0  # and in which a GPU fell off its bus
_DAY = 86_400.0
_GIB = 2.0**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a value is asked for."""

    at: float
    before: float  # seconds before the present; less than 0 in the future


def found(table: Sequence[tuple[str, Callable[..., float]]], name: str) -> Callable[..., float]:
    return next(function for pattern, function in table if re.fullmatch(pattern, name))


def seed(labels: Labels) -> int:
    return zlib.crc32(repr(sorted(labels.items())).encode())


def _ill(labels: Labels) -> bool:
    """Team B, and whatever is called ill, is in trouble."""
    return any(value == "team-b" or value.startswith("ill") for value in labels.values())


def _either(well: float, ill: float) -> Callable[[Labels], float]:
    return lambda labels: ill if _ill(labels) else well


def _steady(well: float, ill: float) -> Callable[[Labels, Moment], float]:
    return lambda labels, _: ill if _ill(labels) else well


def _wave(middle: float, width: float) -> Callable[[Labels, Moment], float]:
    def value(labels: Labels, moment: Moment) -> float:
        turn = 900 + seed(labels) % 1800
        return middle + width * math.sin(2 * math.pi * moment.at / turn)

    return value


def _wavy(well: float, ill: float, width: float = 0.1) -> Callable[[Labels, Moment], float]:
    """Around one of two values, by a tenth."""
    return lambda labels, moment: _wave(middle := ill if _ill(labels) else well, middle * width)(labels, moment)


def _one_of(label: str, well: str, ill: str) -> Callable[[Labels, Moment], float]:
    """1 for the state that holds, 0 for the others."""
    return lambda labels, _: float(labels[label] == (ill if _ill(labels) else well))


def _condition(labels: Labels, moment: Moment) -> float:
    """Jobs end half an hour ago, some of them badly; models and exemptions stand as they are."""
    if labels["type"] == "Ready":
        return float(not _ill(labels))
    return float(moment.before < TROUBLE and (labels["type"] == "Failed") == _ill(labels))


def _requests(labels: Labels) -> float:
    """Requests per second: most succeed, and those without mutual TLS are few."""
    code = labels["response_code"]
    share = {"200": 1.0, "404": 0.02, "503": 0.08 if _ill(labels) else 0.0}[code]
    return 6 * share * (0.02 if labels["connection_security_policy"] == "none" else 1)


def _filled(labels: Labels, moment: Moment) -> float:
    """Space left of 100 GiB: of the ill one, 2 GiB and less every second."""
    return 2 * _GIB + 1e5 * moment.before if _ill(labels) else 60 * _GIB + 1e8 * math.sin(moment.at / 900)


def _quota(labels: Labels, _: Moment) -> float:
    hard = 4.0 if "gpu" in labels["resource"] else 64.0
    return hard if labels["type"] == "hard" else hard * (1.0 if _ill(labels) else 0.5)


def _load(labels: Labels, moment: Moment) -> float:
    """A GPU is busy where a job works, and idle where one only holds it."""
    return _wave(0.8, 0.1)(labels, moment) if labels.get("pod", "").startswith("trainer") else 0.0


RATES: tuple[tuple[str, Callable[[Labels], float]], ...] = (
    (r"istio_request.*", _requests),
    (r"pilot_total_xds_rejects|galley_validation_failed", lambda _: 0.01),
    (r"controller_runtime_reconcile_total", lambda labels: 2.0 if labels["result"] == "success" else 0.4),
    (r"argo_workflows_total_count", lambda labels: 0.002 if labels["phase"] in ("Failed", "Error") else 0.01),
    (r"training_operator_jobs_failed_total", _either(0.0005, 0.002)),
    (r"training_operator_jobs_.*|katib_.*|jobset_.*|spark_.*|notebook_.*", _either(0.001, 0.001)),
    (r"kueue_admitted_workloads_total", _either(0.02, 0.0)),
    (r"prediction_errors_total", _either(0.02, 0.4)),
    (r"prediction.*|drift_windows_total", _either(1, 1)),
    (r"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", lambda _: 250e3),  # millijoules
    (r"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", lambda _: 2e4),
    (r"DCGM_FI_DEV_.*", _either(0.0, 0.001)),
    (r"node_cpu_seconds_total", lambda labels: 0.6 if labels["mode"] == "idle" else 0.4),
    (r".*bytes.*", lambda _: 5e4),
    (r"kueue_.*|.*_discarded_.*|.*rejection_count|.*fail_open_count", lambda _: 0.02),
    (r".*", lambda _: 0.5),
)
MEANS: tuple[tuple[str, Callable[[Labels], float]], ...] = (
    (r"istio_request_duration_milliseconds", _either(25, 900)),
    (r".*_bytes", _either(2_000, 4_000)),
    (r"kueue_.*", _either(20, 3_000)),
    (r".*", _either(0.02, 0.4)),
)
VALUES: tuple[tuple[str, Callable[[Labels, Moment], float]], ...] = (
    (r"certmanager_certificate_ready_status", _one_of("condition", "True", "False")),
    (r"certmanager_.*", lambda labels, moment: moment.at + moment.before + (3 if _ill(labels) else 60) * _DAY),
    (r"citadel_server_root_cert_expiry_seconds", lambda _, moment: 20 * _DAY + moment.before),
    (r"drift_last_evaluation_timestamp_seconds", lambda labels, moment: moment.at - (7200 if _ill(labels) else 60)),
    (r"drift_threshold", _steady(0.5, 0.5)),
    (r"drift_detected", _steady(0, 1)),
    (r"drift_share|drift_score", _wavy(0.1, 0.7)),
    (r"drift_window_rows", _steady(500, 500)),
    (r"validation_criterion_status", _steady(1, 0)),
    (r"validation_criterion_limit", _steady(100, 100)),
    (r"validation_criterion_measured", _wavy(60, 140)),
    (r"validation_run_timestamp_seconds", lambda _, moment: moment.at - 3600),
    (r"kn_revision_panic_mode", _steady(0, 1)),
    (r"kn_serving_queue_depth", _wavy(3, 160)),
    (r"kueue_cluster_queue_status", _one_of("status", "active", "pending")),
    (r"kueue_.*", _wavy(2, 7)),
    (r"argo_workflows_queue_depth_gauge|argo_workflows_pods_gauge", _wavy(80, 80)),
    (r"kubeflow_peerauthentication_.*", _steady(1, 1)),
    (r"kubeflow_.*_condition_status", _condition),
    (r"DCGM_FI_PROF_(GR_ENGINE|PIPE_TENSOR|DRAM)_ACTIVE", _load),
    (r"DCGM_FI_DEV_(GPU|MEM_COPY)_UTIL", lambda labels, moment: 100 * _load(labels, moment)),
    (r"DCGM_FI_DEV_(GPU|MEMORY)_TEMP", _wavy(60, 95, 0.03)),
    (r"DCGM_FI_DEV_XID_ERRORS", lambda labels, moment: 79.0 if _ill(labels) and moment.before < _RECENT else 0.0),
    (r"DCGM_FI_DEV_ROW_REMAP_FAILURE", _steady(0, 1)),
    (r"DCGM_FI_DEV_(SM|MEM)_CLOCK", _wavy(1500, 1500)),
    (r"DCGM_FI_DEV_POWER_USAGE", _wavy(60, 70)),  # watts
    (r"DCGM_FI_.*", _wavy(10_000, 10_000)),
    (r"gpu_operator_reconciliation_status", _steady(0, 0)),
    (r"gpu_operator_.*", _steady(2, 2)),
    (r"kube_pod_status_phase", _one_of("phase", "Running", "Pending")),
    (r"kube_pod_container_resource_requests", _steady(1, 1)),
    (r"kube_node_status_capacity", _steady(8, 8)),
    (r"kube_node_status_allocatable", _steady(8, 7)),
    (
        r"kube_node_status_condition",
        lambda labels, _: float((labels["status"] == "true") == ((labels["condition"] == "Ready") != _ill(labels))),
    ),
    (r"kube_resourcequota", _quota),
    (r"kube_persistentvolumeclaim_status_phase", _one_of("phase", "Bound", "Pending")),
    (r"kube_deployment_status_replicas_available", _steady(1, 0)),
    (r"kube_horizontalpodautoscaler_spec_max_replicas", _steady(5, 5)),
    (r"kube_horizontalpodautoscaler_status_current_replicas", _steady(2, 5)),
    (r"kube_namespace_created", lambda _, moment: moment.at - moment.before - _DAY),
    (r"kube_.*", _steady(1, 1)),
    (r"kubelet_volume_stats_available_bytes", _filled),
    (r"kubelet_volume_stats_used_bytes", lambda labels, moment: 100 * _GIB - _filled(labels, moment)),
    (r".*_(capacity|MemTotal|size)_bytes", _steady(100 * _GIB, 100 * _GIB)),
    (r"kubelet_volume_stats_inodes", _steady(1e6, 1e6)),
    (r"kubelet_volume_stats_inodes_used", _wavy(1e5, 1e5)),
    (r".*_bytes", _wavy(40 * _GIB, 40 * _GIB)),
    (r".*", _wavy(8, 8, 0.4)),
)  # fmt: skip
