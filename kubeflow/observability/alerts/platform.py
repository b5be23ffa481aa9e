"""Alerts about what everything stands on: nodes, volumes, quotas, components, budgets, and monitoring itself."""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.observability.facts import Facts
from kubeflow.spec.monitoring import Severity

from .model import Alert

_CAPACITY = "proof-capacity"
_OVERVIEW = "proof-overview"
_NODES = "kube-system"
_OURS = "monitoring"
_HOURS = 730  # of a month
_CONTROL = (
    "cert-manager|gpu-operator|istio-system|knative-serving|kubeflow|kubeflow-system|kueue-system|oauth2-proxy|auth|"
    "mlflow|observability"
)


def alerts(facts: Facts) -> Iterator[Alert]:
    """The alerts of one stack's foundations."""
    yield from _nodes()
    yield from _capacity(facts)
    yield from _components()
    yield from _itself()
    yield from _cost(facts)
    yield from _validation()


def _nodes() -> Iterator[Alert]:
    yield Alert(
        name="NodeNotReady",
        expr='max by (node) (kube_node_status_condition{condition="Ready",status="true"}) == 0',
        hold="10m", severity=Severity.CRITICAL, component="nodes", board=_CAPACITY, namespace=_NODES,
        summary="Node {{ $labels.node }} is not ready",
    )  # fmt: skip
    yield Alert(
        name="NodeUnderPressure",
        expr='max by (node, condition) (kube_node_status_condition{condition=~"(Memory|Disk|PID)Pressure",'
        'status="true"}) == 1',
        hold="10m", severity=Severity.WARNING, component="nodes", board=_CAPACITY, namespace=_NODES,
        summary="Node {{ $labels.node }} evicts pods: {{ $labels.condition }}",
    )  # fmt: skip


def _capacity(facts: Facts) -> Iterator[Alert]:
    quota, full = facts.limits.quota_percent / 100, facts.limits.volume_percent / 100
    yield Alert(
        name="QuotaNearlyUsed",
        expr='kube_resourcequota{type="used"} / ignoring (type) (kube_resourcequota{type="hard"} > 0) '
        f"> {quota:g}",
        hold="15m", severity=Severity.INFO, component="tenants", board=_CAPACITY,
        summary=f"{{{{ $labels.namespace }}}} uses more than {facts.limits.quota_percent:g} % of its "
        "{{ $labels.resource }}",
    )  # fmt: skip
    volume, claim = "kubelet_volume_stats", "volume {{ $labels.persistentvolumeclaim }} of {{ $labels.namespace }}"
    yield Alert(
        name="VolumeFillingUp",
        expr=f"1 - {volume}_available_bytes / {volume}_capacity_bytes > {full:g} "
        f"and predict_linear({volume}_available_bytes[6h], 86400) < 0",
        hold="30m", severity=Severity.WARNING, component="storage", board=_CAPACITY,
        summary=f"Within a day, {claim} will be full",
    )  # fmt: skip
    yield Alert(
        name="VolumeFull",
        expr=f"1 - {volume}_available_bytes / {volume}_capacity_bytes > 0.97",
        hold="5m", severity=Severity.CRITICAL, component="storage", board=_CAPACITY,
        summary=f"There is hardly any room on {claim}",
    )  # fmt: skip
    yield Alert(
        name="VolumeClaimPending",
        expr='kube_persistentvolumeclaim_status_phase{phase="Pending"} == 1',
        hold="15m", severity=Severity.WARNING, component="storage", board=_CAPACITY,
        summary="Claim {{ $labels.persistentvolumeclaim }} of {{ $labels.namespace }} has no volume",
    )  # fmt: skip


def _components() -> Iterator[Alert]:
    yield Alert(
        name="ComponentDown",
        expr=f'kube_deployment_spec_replicas{{namespace=~"{_CONTROL}"}} > 0 '
        "unless on (namespace, deployment) kube_deployment_status_replicas_available > 0",
        hold="10m", severity=Severity.CRITICAL, component="platform", board=_OVERVIEW,
        summary="{{ $labels.deployment }} of {{ $labels.namespace }} has no running pod",
    )  # fmt: skip
    yield Alert(
        name="ComponentUnreadable", expr=f'up{{namespace=~"{_CONTROL}|monitoring"}} == 0',
        hold="15m", severity=Severity.WARNING, component="platform", board=_OVERVIEW,
        summary="Prometheus cannot read {{ $labels.job }} ({{ $labels.pod }})",
    )  # fmt: skip
    yield Alert(
        name="ControllerErrors",
        expr='sum by (namespace, controller) (rate(controller_runtime_reconcile_total{result="error"}[15m])) > 0.1',
        hold="30m", severity=Severity.WARNING, component="platform", board=_OVERVIEW,
        summary="Controller {{ $labels.controller }} of {{ $labels.namespace }} fails again and again",
    )  # fmt: skip
    yield Alert(
        name="WebhookRefusing",
        expr="sum by (name) (rate(apiserver_admission_webhook_rejection_count"
        '{error_type="calling_webhook_error"}[10m])) > 0',
        hold="5m", severity=Severity.CRITICAL, component="platform", board=_OVERVIEW, namespace=_NODES,
        summary="Webhook {{ $labels.name }} does not answer: what it judges cannot be created",
    )  # fmt: skip
    yield Alert(
        name="WebhookSkipped",
        expr="sum by (name) (rate(apiserver_admission_webhook_fail_open_count[10m])) > 0",
        hold="5m", severity=Severity.WARNING, component="platform", board=_OVERVIEW, namespace=_NODES,
        summary="Webhook {{ $labels.name }} does not answer: objects pass without its judgement",
    )  # fmt: skip


def _itself() -> Iterator[Alert]:
    yield Alert(
        name="RulesFailing", expr="sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[15m])) > 0",
        hold="15m", severity=Severity.WARNING, component="monitoring", board=_OVERVIEW, namespace=_OURS,
        summary="Rules of {{ $labels.rule_group }} cannot be evaluated",
    )  # fmt: skip
    yield Alert(
        name="AlertsNotDelivered",
        expr="sum(increase(prometheus_notifications_dropped_total[10m])) > 0",
        hold="5m", severity=Severity.CRITICAL, component="monitoring", board=_OVERVIEW, namespace=_OURS,
        summary="Alertmanager did not take alerts",
    )  # fmt: skip
    yield Alert(
        name="LogsDiscarded",
        expr="sum by (reason) (increase(loki_discarded_samples_total[30m])) > 0",
        hold="15m", severity=Severity.INFO, component="monitoring", board=_OVERVIEW, namespace="observability",
        summary="Loki throws lines away: {{ $labels.reason }}",
    )  # fmt: skip
    yield Alert(
        name="TracesDiscarded",
        expr="sum by (reason) (increase(tempo_discarded_spans_total[30m])) > 0",
        hold="15m", severity=Severity.INFO, component="monitoring", board=_OVERVIEW, namespace="observability",
        summary="Tempo throws spans away: {{ $labels.reason }}",
    )  # fmt: skip
    lost = "sum by (exporter) (rate(otelcol_exporter_send_failed_{}[10m])) > 0"
    yield Alert(
        name="TelemetryNotDelivered", expr=f"{lost.format('log_records')} or {lost.format('spans')}",
        hold="15m", severity=Severity.WARNING, component="monitoring", board=_OVERVIEW, namespace="observability",
        summary="Logs or traces do not arrive in their store: {{ $labels.exporter }}",
    )  # fmt: skip
    yield Alert(
        name="MonitoringSilent", expr="vector(1)",
        severity=Severity.INFO, component="monitoring", board=_OVERVIEW, namespace=_OURS,
        summary="Always on: a receiver that no longer hears it knows that alerts do not reach it",
    )  # fmt: skip


def _cost(facts: Facts) -> Iterator[Alert]:
    cost = facts.spec.cost
    if cost.monthly is not None and set(cost.prices) & set(facts.pools):
        yield Alert(
            name="BudgetExceeded", expr=f"avg_over_time(sum(pool:cost:hourly)[1d:1h]) * {_HOURS} > {cost.monthly:g}",
            hold="1h", severity=Severity.WARNING, component="cost", board="proof-cost", namespace=_OURS,
            summary=f"At the rate of the last day, a month costs more than {cost.monthly:g} {cost.currency}",
        )  # fmt: skip


def _validation() -> Iterator[Alert]:
    yield Alert(
        name="ValidationFailed",
        expr='max by (id) (validation_criterion_status{required="true"}) == 0',
        severity=Severity.WARNING, component="validation", board="proof-validation", namespace=_OURS,
        summary="The last validation says that {{ $labels.id }} does not hold",
    )  # fmt: skip
