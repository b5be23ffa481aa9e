"""Alerts about models that answer: latency, errors, absence, backlog, drift and wrong predictions.

Proxies count in buckets, so a percentile made from them is a guess between two bounds. These rules compare the share
of requests beyond a bound that is the limit itself (`Facts.bounds`). What a client measures decides; see the runbooks.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.observability.facts import Facts
from kubeflow.observability.recording import MODEL
from kubeflow.spec.monitoring import Severity

from .model import Alert

_PART = "serving"
_BOARD = "proof-serving"
_DRIFT = "proof-drift"
_WHO = f"{{{{ $labels.{MODEL} }}}} of {{{{ $labels.namespace }}}}"
_FAST, _SLOW = 14.4, 6.0  # times faster than a budget of 30 days allows: spent in two days, in five days
_ASKED = 0.2  # requests per second; with fewer, a single slow one is a large share


def alerts(facts: Facts) -> Iterator[Alert]:
    """The alerts of one stack's models."""
    limits = facts.limits
    slow, errors = limits.slow_percent / 100, limits.error_percent / 100
    asked = f"model:requests:rate5m > {_ASKED}"
    yield from _budget("Latency", "model:slow", slow, f"answers beyond the limit too often: {_WHO}")
    yield Alert(
        name="ServingLatencyP95High",
        expr=f"model:slow:ratio_rate5m > {slow:g} and {asked}",
        hold="10m", severity=Severity.WARNING, component=_PART, board=_BOARD,
        summary=f"More than {limits.slow_percent:g} % of predictions are slower than allowed: {_WHO}",
    )  # fmt: skip
    yield from _budget("Error", "model:errors", errors, f"fails with 5xx: {_WHO}", asked)
    if facts.spec.endpoints:
        yield Alert(
            name="ServingSeriesMissing", expr=" or ".join(map(_absence, sorted(facts.spec.endpoints))),
            hold="15m", severity=Severity.WARNING, component=_PART, board=_BOARD,
            summary=f"No request was ever counted: {_WHO}",
        )  # fmt: skip
    yield Alert(
        name="ServingModelNotReady",
        expr='kubeflow_inferenceservice_condition_status{type="Ready"} == 0',
        hold="15m", severity=Severity.WARNING, component=_PART, board=_BOARD,
        summary="Model {{ $labels.name }} of {{ $labels.namespace }} is not ready",
    )  # fmt: skip
    yield Alert(
        name="ReplicasAtMaximum",
        expr="kube_horizontalpodautoscaler_status_current_replicas "
        ">= on (namespace, horizontalpodautoscaler) kube_horizontalpodautoscaler_spec_max_replicas",
        hold="15m", severity=Severity.WARNING, component="autoscaling", board=_BOARD,
        summary="{{ $labels.horizontalpodautoscaler }} of {{ $labels.namespace }} may not grow any more",
    )  # fmt: skip
    yield Alert(
        name="ServingPanic", expr="max by (k8s_namespace_name, kn_revision_name) (kn_revision_panic_mode) == 1",
        hold="10m", severity=Severity.WARNING, component=_PART, board=_BOARD,
        namespace="{{ $labels.k8s_namespace_name }}",
        summary="Revision {{ $labels.kn_revision_name }} gets far more requests than it has replicas for",
    )  # fmt: skip
    yield Alert(
        name="BatchBacklog",
        expr=f"sum by (namespace) (kn_serving_queue_depth) > {limits.backlog}",
        hold="15m", severity=Severity.WARNING, component=_PART, board=_BOARD,
        summary=f"More than {limits.backlog} requests wait in the queues of {{{{ $labels.namespace }}}}",
    )  # fmt: skip
    yield from _quality(facts)


def _absence(endpoint: str) -> str:
    namespace, _, model = endpoint.partition("/")
    return f'absent(istio_requests_total{{reporter="destination",namespace="{namespace}",{MODEL}="{model}"}})'


def _budget(what: str, series: str, allowed: float, summary: str, asked: str = "") -> Iterator[Alert]:
    """Two alerts: a budget that is spent fast, and one that is spent slowly. Shares end at 1."""
    for speed, factor, short, long, hold, severity in (
        ("Fast", _FAST, "5m", "1h", "2m", Severity.CRITICAL),
        ("Slow", _SLOW, "30m", "6h", "15m", Severity.WARNING),
    ):
        share = min(round(factor * allowed, 6), 0.99)
        limit = f"{series}:ratio_rate{short} > {share:g} and {series}:ratio_rate{long} > {share:g}"
        yield Alert(
            name=f"Serving{what}Budget{speed}", expr=f"{limit} and {asked}" if asked else limit,
            hold=hold, severity=severity, component=_PART, board=_BOARD, summary=f"A model {summary}",
        )  # fmt: skip


def _quality(facts: Facts) -> Iterator[Alert]:
    wrong, silent = facts.limits.prediction_error_percent / 100, facts.limits.drift_minutes * 60
    about = "{{ $labels.model }} of {{ $labels.namespace }}"
    yield Alert(
        name="DriftDetected",
        expr="max by (namespace, model) (drift_share) > max by (namespace, model) (drift_threshold)",
        severity=Severity.WARNING, component="drift", board=_DRIFT,
        summary=f"The input of {about} is no longer what the model was trained with",
    )  # fmt: skip
    yield Alert(
        name="DriftMonitorSilent",
        expr=f"time() - max by (namespace, model) (drift_last_evaluation_timestamp_seconds) > {silent}",
        hold="10m", severity=Severity.WARNING, component="drift", board=_DRIFT,
        summary=f"Nobody has looked for drift of {about} for {facts.limits.drift_minutes} minutes",
    )  # fmt: skip
    yield Alert(
        name="PredictionErrorsHigh",
        expr=f"model:wrong:ratio_increase1h > {wrong:g} "
        "and sum by (namespace, model) (increase(prediction_labels_total[1h])) > 50",
        hold="15m", severity=Severity.WARNING, component="drift", board=_DRIFT,
        summary=f"More than {facts.limits.prediction_error_percent:g} % of the predictions of {about} were wrong",
    )  # fmt: skip
