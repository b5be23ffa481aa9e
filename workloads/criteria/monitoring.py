"""Criteria of metrics, alerts and drift: requirement documents, sections 4 to 6."""

from __future__ import annotations

from workloads.backends.process import monitoring
from workloads.checks import alerting, drift
from workloads.criterion import RUNNING_CONTAINERS, Criterion
from workloads.outcome import Better

_METRICS, _DRIFT = "4 Model Metrics and Monitoring", "5 Model Monitoring"
_SERVICE = "the drift service on this machine, with an invented model's rows"
_NO_PODS = "is measured on this machine only: the platform's Prometheus runs in containers"

MONITORING: tuple[Criterion, ...] = (
    Criterion(
        id="monitoring.metrics",
        title="Each promised series is in Prometheus, fresh, and ends with its source",
        clause=_METRICS,
        process=alerting.metrics,
        bench_place=monitoring.PLACE,
        unmeasured=_NO_PODS,
    ),
    Criterion(
        id=alerting.RECEIVED,
        title="A fault is told by an alert, and its end too; nothing else is",
        clause=_METRICS,
        process=alerting.received,
        bench_place=monitoring.PLACE,
        unmeasured=_NO_PODS,
        unit="s",
        threshold=60.0,
        better=Better.LOWER,
    ),
    Criterion(
        id="drift.detected",
        title="Drift is found in 95 of 100 windows that have it; windows without it raise no alarm",
        clause=_DRIFT,
        process=drift.detected,
        bench_place=_SERVICE,
        unmeasured=_NO_PODS,
        unit="% of windows",
        threshold=95.0,
    ),
    Criterion(
        id="drift.errors-stored",
        title="Predictions and their errors are stored, counted and told to Prometheus",
        clause=_DRIFT,
        process=drift.errors_stored,
        bench_place=_SERVICE,
        unmeasured=_NO_PODS,
    ),
    Criterion(
        id="benchmark.utilisation",
        title="CPU, memory and GPU use of the cluster are recorded while it works",
        clause="6 Performance Testing",
        needs=(RUNNING_CONTAINERS,),
        required=False,
        unmeasured="needs a cluster whose pods run; each load's own figures are recorded with it",
    ),
)
