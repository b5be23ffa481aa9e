"""Alerts about GPUs: faults, heat, what is missing, what is held and not used."""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.observability.facts import Facts
from kubeflow.spec.monitoring import Severity

from .model import Alert

_PART = "gpu"
_BOARD = "proof-gpu"
_OPERATOR = "gpu-operator"
_WHERE = "GPU {{ $labels.gpu }} of node {{ $labels.Hostname }}"
_JOB = "(.+)-(?:master|worker|launcher|chief|ps|node)-[0-9].*"  # names of training pods: kubeflow/training-operator


def alerts(facts: Facts) -> Iterator[Alert]:
    """The alerts of one stack's GPUs; none where no pool has any."""
    if facts.has_gpus:
        yield from _faults(facts)
        yield from _absence(facts)
        yield from _use(facts)


def _faults(facts: Facts) -> Iterator[Alert]:
    for name, expr, hold, severity, summary in (
        (
            "GpuXidChanged",
            ("DCGM_FI_DEV_XID_ERRORS * on (UUID, instance) group_left () "
            "(changes(DCGM_FI_DEV_XID_ERRORS[10m]) > bool 0) > 0"),
            "0m", Severity.WARNING, f"{_WHERE} reported another error (XID)",
        ),
        ("GpuFallenOffBus", "DCGM_FI_DEV_XID_ERRORS == 79", "0m", Severity.CRITICAL, f"{_WHERE} left the bus"),
        (
            "GpuRowRemapFailure", "DCGM_FI_DEV_ROW_REMAP_FAILURE > 0", "0m", Severity.CRITICAL,
            f"{_WHERE} has no spare memory rows left",
        ),
        (
            "GpuUncorrectableMemory", "increase(DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS[1h]) > 0", "0m",
            Severity.CRITICAL, f"{_WHERE} had an uncorrectable memory error (ECC)",
        ),
        (
            "GpuTooHot", f"DCGM_FI_DEV_GPU_TEMP > {facts.limits.gpu_celsius}", "5m", Severity.WARNING,
            f"{_WHERE} is hotter than {facts.limits.gpu_celsius} degrees Celsius",
        ),
    ):  # fmt: skip
        yield Alert(
            name=name, expr=expr, hold=hold, severity=severity, component=_PART, board=_BOARD, summary=summary,
            namespace=_OPERATOR,
        )  # fmt: skip


def _absence(facts: Facts) -> Iterator[Alert]:
    node = "{{ $labels.node }}"
    offered = f'max by (node) (kube_node_status_allocatable{{resource="{facts.gpu}"}})'
    yield Alert(
        name="GpuExporterMissing",
        expr=f'{offered} > 0 unless on (node) label_replace(DCGM_FI_DEV_GPU_TEMP, "node", "$1", "Hostname", "(.+)")',
        hold="15m", severity=Severity.CRITICAL, component=_PART, board=_BOARD, namespace=_OPERATOR,
        summary=f"Nobody watches the GPUs of node {node}",
    )  # fmt: skip
    yield Alert(
        name="GpuCapacityLost",
        expr=f'max by (node) (kube_node_status_capacity{{resource="{facts.gpu}"}}) - on (node) {offered} > 0',
        hold="10m", severity=Severity.WARNING, component=_PART, board=_BOARD, namespace=_OPERATOR,
        summary=f"Node {node} offers fewer GPUs than it has",
    )  # fmt: skip
    yield Alert(
        name="GpuOperatorUnhealthy", expr="max(gpu_operator_reconciliation_status) != 1",
        hold="30m", severity=Severity.WARNING, component=_PART, board=_BOARD, namespace=_OPERATOR,
        summary="The GPU operator cannot bring the nodes' software to what is wanted",
    )  # fmt: skip
    requests = f'kube_pod_container_resource_requests{{resource="{facts.gpu}"}}'
    yield Alert(
        name="GpuPodPending",
        expr='sum by (namespace, pod) (kube_pod_status_phase{phase="Pending"}) '
        f"* on (namespace, pod) group_left () (sum by (namespace, pod) ({requests}) > bool 0) > 0",
        hold="15m", severity=Severity.WARNING, component=_PART, board="proof-capacity",
        summary="Pod {{ $labels.pod }} of {{ $labels.namespace }} waits for a GPU",
    )  # fmt: skip


def _use(facts: Facts) -> Iterator[Alert]:
    idle = facts.limits.gpu_idle_percent / 100
    yield Alert(
        name="GpuAllocatedButIdle", expr=f'avg_over_time(gpu:active:ratio{{pod!=""}}[30m]) < {idle:g}',
        hold="30m", severity=Severity.INFO, component=_PART, board="proof-cost",
        summary="Pod {{ $labels.pod }} of {{ $labels.namespace }} holds a GPU and does not use it",
    )  # fmt: skip
    yield Alert(
        name="TrainingStalled",
        expr="max by (namespace, job_name) (label_replace(avg_over_time("
        f'gpu:active:ratio{{pod=~"{_JOB}"}}[30m]), "job_name", "$1", "pod", "{_JOB}")) < 0.01',
        hold="15m", severity=Severity.WARNING, component="training", board="proof-training",
        summary="No GPU of training job {{ $labels.job_name }} of {{ $labels.namespace }} does anything",
    )  # fmt: skip
