"""Criteria of metrics, alerts and drift: requirement documents, sections 4 to 6."""

from __future__ import annotations

from workloads.backends.process import monitoring
from workloads.checks import alerting, drift, monitored, utilisation
from workloads.criterion import RUNNING_CONTAINERS, TENANT, Criterion, component, image
from workloads.outcome import Better

_METRICS, _DRIFT = "4 Model Metrics and Monitoring", "5 Model Monitoring"
_SERVICE = "the drift service on this machine, with an invented model's rows"
_IN_POD = "the drift service as a pod of a tenant, with an invented model's rows"
_MONITORED = (TENANT, RUNNING_CONTAINERS, component("kube-prometheus-stack"))
_SERVED = (TENANT, RUNNING_CONTAINERS, image(drift.IMAGE))

MONITORING: tuple[Criterion, ...] = (
    Criterion(
        id="monitoring.metrics",
        title="Each promised series is in Prometheus, fresh, and ends with its source",
        clause=_METRICS,
        cluster=monitored.metrics,
        process=alerting.metrics,
        place="the cluster's Prometheus",
        bench_place=monitoring.PLACE,
        needs=_MONITORED,
    ),
    Criterion(
        id=alerting.RECEIVED,
        title="A fault is told by an alert, and its end too; nothing else is",
        clause=_METRICS,
        cluster=monitored.received,
        process=alerting.received,
        place="the cluster's Prometheus and Alertmanager, and a job that crashes",
        bench_place=monitoring.PLACE,
        needs=_MONITORED,
        unit="s",
        threshold=60.0,
        better=Better.LOWER,
    ),
    Criterion(
        id="drift.detected",
        title="Drift is found in 95 of 100 windows that have it; windows without it raise no alarm",
        clause=_DRIFT,
        cluster=drift.in_cluster(drift.found_in),
        process=drift.detected,
        place=_IN_POD,
        bench_place=_SERVICE,
        needs=_SERVED,
        unit="% of windows",
        threshold=95.0,
    ),
    Criterion(
        id="drift.errors-stored",
        title="Predictions and their errors are stored, counted and told to Prometheus",
        clause=_DRIFT,
        cluster=drift.in_cluster(drift.kept_by),
        process=drift.errors_stored,
        place=_IN_POD,
        bench_place=_SERVICE,
        needs=_SERVED,
    ),
    Criterion(
        id="benchmark.utilisation",
        title="CPU, memory and GPU use of the cluster are recorded while it works",
        clause="6 Performance Testing",
        cluster=utilisation.use,
        place="what nodes use, as the cluster's Prometheus has it",
        needs=_MONITORED,
        required=False,
    ),
)
