"""Cases of the alerts about jobs, pipelines and queues."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.rules import Case, always, growing, steady

_TEAM = {"namespace": "team-a"}
_NAMED = {"namespace": "team-a", "name": "bert"}
_QUEUE = {"cluster_queue": "q"}
_CQ = 'cluster_queue="q",replica_role="leader"'


def conditions(kind: str) -> Iterator[Case]:
    alert, series = f"{kind}Failed", f'kubeflow_{kind.lower()}_condition_status{{namespace="team-a",name="bert",'
    failed = f'{series}type="Failed"}}'
    yield Case(alert=alert, name="has just failed", past={failed: "0x80 1x100"}, fires=(_NAMED,), since=90)
    yield Case(alert=alert, name="had never failed before", past={failed: "_x80 1x100"}, fires=(_NAMED,), since=90)
    yield Case(alert=alert, name="failed long ago", past={failed: always(1)}, since=90)
    yield Case(alert=alert, name="runs", past={failed: always(0)}, since=90)
    yield Case(alert=alert, name="is done", past={f'{series}type="Complete"}}': "0x80 1x100"}, since=90)


def ended(failed: float, successful: float) -> dict[str, str]:
    """Jobs in an hour."""
    who = 'job_namespace="team-a",framework="pytorch"'
    return {
        f"training_operator_jobs_failed_total{{{who}}}": steady(failed / 60),
        f"training_operator_jobs_successful_total{{{who}}}": steady(successful / 60),
    }


def waited(under: float, limit: int) -> dict[str, str]:
    """Jobs of a minute: how many waited for less than a bound; all of them for less than an hour and a half."""
    name = f"kueue_admission_wait_time_seconds_bucket{{{_CQ},le="
    return {
        f'{name}"{limit}"}}': steady(under),
        f'{name}"5120"}}': steady(10),
        f'{name}"+Inf"}}': steady(10),
    }


_KATIB = 'katib_trial_metrics_unavailable_total{namespace="team-a"}'
_ENDED = 'argo_workflows_total_count{{phase="{}",namespace="team-a"}}'.format
_DEPTH = 'argo_workflows_queue_depth_gauge{queue_name="workflow_queue"}'
_PODS = 'argo_workflows_pods_gauge{phase="Pending"}'
_NOTEBOOKS = 'notebook_create_failed_total{namespace="team-a"}'
_PENDING = f'kueue_pending_workloads{{{_CQ},status="active"}}'
_ADMITTED = f"kueue_admitted_workloads_total{{{_CQ}}}"
_ACTIVE = f'kueue_cluster_queue_status{{{_CQ},status="active"}}'
_KINDS = ("TrainJob", "MPIJob", "PyTorchJob", "TFJob", "XGBoostJob", "Experiment")

CASES: tuple[Case, ...] = (
    *(case for kind in _KINDS for case in conditions(kind)),
    Case(alert="TrainingFailureRatio", name="most fail", past=ended(4, 3), since=70,
         fires=({"job_namespace": "team-a"},)),
    Case(alert="TrainingFailureRatio", name="few fail", past=ended(4, 5), since=70),
    Case(alert="TrainingFailureRatio", name="all fail, but of two", past=ended(2.7, 0), since=70),
    Case(alert="TrainingFailureRatio", name="all of a few fail", past=ended(3.3, 0), since=70,
         fires=({"job_namespace": "team-a"},)),
    Case(alert="TrialMetricsUnavailable", name="one", past={_KATIB: "0x20 1x60"}, fires=(_TEAM,), since=30),
    Case(alert="TrialMetricsUnavailable", name="none of late", past={_KATIB: always(3)}, since=60),
    Case(alert="WorkflowErrors", name="many", fires=(_TEAM,), since=70,
         past={_ENDED("Failed"): steady(3 / 60), _ENDED("Error"): steady(2.5 / 60)}),
    Case(alert="WorkflowErrors", name="some", past={_ENDED("Failed"): steady(4.5 / 60)}, since=70),
    Case(alert="WorkflowErrors", name="good ones", past={_ENDED("Succeeded"): steady(2)}, since=70),
    Case(alert="WorkflowQueueStuck", name="long", past={_DEPTH: always(55)}, fires=({},), since=0),
    Case(alert="WorkflowQueueStuck", name="short", past={_DEPTH: always(45)}, since=30),
    Case(alert="WorkflowPodsPending", name="many", past={_PODS: always(22)}, fires=({},), since=0),
    Case(alert="WorkflowPodsPending", name="some", past={_PODS: always(18)}, since=40),
    Case(alert="NotebookCreationFailing", name="one", past={_NOTEBOOKS: "0x20 1x60"}, fires=(_TEAM,), since=30),
    Case(alert="NotebookCreationFailing", name="none of late", past={_NOTEBOOKS: always(2)}, since=60),
    Case(alert="QueueStalled", name="nothing moves", past={_PENDING: always(3), _ADMITTED: always(7)},
         fires=(_QUEUE,), since=0),
    Case(alert="QueueStalled", name="jobs are admitted", past={_PENDING: always(3), _ADMITTED: steady(1, 200)},
         since=60),
    Case(alert="QueueStalled", name="nobody waits", past={_PENDING: always(0), _ADMITTED: always(7)}, since=60),
    Case(alert="QueueStalled", name="it moved until now", since=50,
         past={_PENDING: always(3), _ADMITTED: growing((1, 60), (0, 99))}),
    Case(alert="QueueInactive", name="inactive", past={_ACTIVE: always(0)}, fires=(_QUEUE,), since=0),
    Case(alert="QueueInactive", name="active", past={_ACTIVE: always(1)}, since=30),
    Case(alert="QueueWaitLong", name="a fifth waits for more than half an hour", past=waited(8, 1810), since=2,
         fires=(_QUEUE,)),
    Case(alert="QueueWaitLong", name="a fifth waits for less", past=waited(9.2, 1750), since=60),
    Case(alert="QueueWaitLong", name="a little longer", past=waited(8.99, 2000), fires=(_QUEUE,), since=2),
)  # fmt: skip
