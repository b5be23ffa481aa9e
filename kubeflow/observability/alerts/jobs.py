"""Alerts about jobs: training, tuning, pipelines, and the queues that they wait in."""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.observability.facts import Facts
from kubeflow.observability.states import STATES
from kubeflow.spec.monitoring import Severity

from .model import Alert

_TRAINING = "proof-training"
_PIPELINES = "proof-pipelines"
_QUEUES = "proof-capacity"
_QUEUE = "queue {{ $labels.cluster_queue }}"
_JOBS = ("TrainJob", "MPIJob", "PyTorchJob", "TFJob", "XGBoostJob")


def alerts(facts: Facts) -> Iterator[Alert]:
    """The alerts of one stack's jobs."""
    yield from _training()
    yield from _pipelines()
    yield from _queues(facts)


def _training() -> Iterator[Alert]:
    for state in STATES:
        if state.kind in _JOBS:
            yield Alert(
                name=f"{state.kind}Failed",
                # A job stays after its end: only what failed of late is news.
                expr=f'max by (namespace, name) ({state.metric}{{type="Failed"}}) == 1 '
                f'unless max by (namespace, name) ({state.metric}{{type="Failed"}} offset 1h) == 1',
                severity=Severity.WARNING, component="training", board=_TRAINING,
                summary=f"{state.kind} {{{{ $labels.name }}}} of {{{{ $labels.namespace }}}} failed",
            )  # fmt: skip
    failed, ended = (f"sum by (job_namespace) (increase(training_operator_jobs_{what}_total[1h]))" for what in (
        "failed", "successful",
    ))  # fmt: skip
    yield Alert(
        name="TrainingFailureRatio", expr=f"{failed} / ({failed} + {ended}) > 0.5 and {failed} >= 3",
        severity=Severity.WARNING, component="training", board=_TRAINING, namespace="{{ $labels.job_namespace }}",
        summary="Most training jobs of {{ $labels.job_namespace }} fail",
    )  # fmt: skip
    yield Alert(
        name="ExperimentFailed",
        expr='max by (namespace, name) (kubeflow_experiment_condition_status{type="Failed"}) == 1 '
        'unless max by (namespace, name) (kubeflow_experiment_condition_status{type="Failed"} offset 1h) == 1',
        severity=Severity.WARNING, component="tuning", board=_TRAINING,
        summary="Experiment {{ $labels.name }} of {{ $labels.namespace }} failed",
    )  # fmt: skip
    yield Alert(
        name="TrialMetricsUnavailable",
        expr="sum by (namespace) (increase(katib_trial_metrics_unavailable_total[30m])) > 0",
        severity=Severity.WARNING, component="tuning", board=_TRAINING,
        summary="Trials of {{ $labels.namespace }} end without telling their result",
    )  # fmt: skip


def _pipelines() -> Iterator[Alert]:
    yield Alert(
        name="WorkflowErrors",
        expr='sum by (namespace) (increase(argo_workflows_total_count{phase=~"Failed|Error"}[1h])) > 5',
        severity=Severity.WARNING, component="pipelines", board=_PIPELINES,
        summary="More than five workflows of {{ $labels.namespace }} failed within an hour",
    )  # fmt: skip
    yield Alert(
        name="WorkflowQueueStuck",
        expr='sum(argo_workflows_queue_depth_gauge{queue_name="workflow_queue"}) > 50',
        hold="15m", severity=Severity.WARNING, component="pipelines", board=_PIPELINES, namespace="kubeflow",
        summary="The workflow controller does not keep up",
    )  # fmt: skip
    yield Alert(
        name="WorkflowPodsPending",
        expr='sum(argo_workflows_pods_gauge{phase="Pending"}) > 20',
        hold="20m", severity=Severity.INFO, component="pipelines", board=_PIPELINES, namespace="kubeflow",
        summary="Many steps of pipelines wait for a node",
    )  # fmt: skip
    yield Alert(
        name="NotebookCreationFailing",
        expr="sum by (namespace) (increase(notebook_create_failed_total[30m])) > 0",
        severity=Severity.WARNING, component="notebooks", board="proof-overview",
        summary="A notebook of {{ $labels.namespace }} could not be created",
    )  # fmt: skip


def _queues(facts: Facts) -> Iterator[Alert]:
    minutes = facts.limits.queue_minutes
    waiting = 'sum by (cluster_queue) (kueue_pending_workloads{status="active"}) > 0'
    yield Alert(
        name="QueueStalled",
        expr=f"{waiting} unless sum by (cluster_queue) (increase(kueue_admitted_workloads_total[30m])) > 0",
        hold="30m", severity=Severity.WARNING, component="queues", board=_QUEUES, namespace="kueue-system",
        summary=f"Jobs wait in {_QUEUE} and none is admitted",
    )  # fmt: skip
    yield Alert(
        name="QueueInactive",
        expr='max by (cluster_queue) (kueue_cluster_queue_status{status="active"}) == 0',
        hold="5m", severity=Severity.CRITICAL, component="queues", board=_QUEUES, namespace="kueue-system",
        summary=f"Nothing is admitted to {_QUEUE}: a flavor or a check that it names is missing",
    )  # fmt: skip
    yield Alert(
        name="QueueWaitLong",
        expr="histogram_quantile(0.9, sum by (cluster_queue, le) "
        f"(rate(kueue_admission_wait_time_seconds_bucket[1h]))) > {minutes * 60}",
        hold="15m", severity=Severity.INFO, component="queues", board=_QUEUES, namespace="kueue-system",
        summary=f"One of ten jobs in {_QUEUE} waited for longer than {minutes} minutes",
    )  # fmt: skip
