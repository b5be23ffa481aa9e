"""Dashboard of pipelines, workflows, notebooks and Spark: what runs, what failed, and whether controllers keep up."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Line, Section, lines

SLUG = "proof-pipelines"
_NONE = "No pipeline has run yet"
_RATE = "$__rate_interval"


def board(_facts: Facts) -> Board:
    """The dashboard of this stack's pipelines."""
    return Board(
        slug=SLUG, title="Pipelines and notebooks", about="Runs, their steps, and the controllers behind them.",
        sections=(_runs(), _controllers(), _others()),
    )  # fmt: skip


def _runs() -> Section:
    panels = (
        lines("Workflows by phase", "short", "What Argo has now. Running may also mean that pods wait.", _NONE,
              ("sum by (phase) (argo_workflows_gauge)", "{{phase}}")),
        lines("Workflows that ended in an hour", "short", "By phase. More than five failures are an alert.", _NONE,
              ('sum by (phase) (increase(argo_workflows_total_count{phase=~"Succeeded|Failed|Error"}[1h]))',
               "{{phase}}"), line=Line(value=5)),
        lines("Runs that ended in an hour", "short", "As the API server of Pipelines counts.", _NONE,
              ("sum(increase(resource_manager_workflow_runs_success[1h]))", "succeeded"),
              ("sum(increase(resource_manager_workflow_runs_failed[1h]))", "failed")),
        lines("Steps that wait", "short", "Pods of workflows that have no node yet; the reason is Kubernetes' own.",
              "No step waits", ('sum(argo_workflows_pods_gauge{phase="Pending"})', "pending"),
              ("sum by (reason) (increase(argo_workflows_pod_pending_count[5m]))", "{{reason}}"),
              line=Line(value=20)),
    )  # fmt: skip
    return Section(title="Runs", panels=panels)


def _controllers() -> Section:
    panels = (
        lines("Calls of the Pipelines API", "reqps", "Calls per second, by kind.", _NONE,
              *((f"sum(rate(run_server_{what}_requests[{_RATE}]))", what)
                for what in ("create", "get", "list", "delete", "terminate"))),
        lines("Queue of the workflow controller", "short", "Workflows that it has not looked at.", _NONE,
              ("sum by (queue_name) (argo_workflows_queue_depth_gauge)", "{{queue_name}}"), line=Line(value=50)),
        lines("Time to look at a workflow", "s", "95th percentile of one look.", _NONE,
              ((f"histogram_quantile(0.95, sum by (le) (rate(argo_workflows_operation_duration_seconds_bucket"
               f"[{_RATE}])))"), "p95")),
        lines("Errors of the workflow controller", "short", "By cause, in five minutes.", "No error",
              ("sum by (cause) (increase(argo_workflows_error_count[5m]))", "{{cause}}"), line=Line(value=1)),
    )  # fmt: skip
    return Section(title="Controllers", panels=panels)


def _others() -> Section:
    panels = (
        lines("Notebooks that run", "short", "Now, by namespace.", "No notebook runs",
              ("sum by (namespace) (notebook_running)", "{{namespace}}")),
        lines("Notebooks that were stopped", "short", "In an hour, because nobody used them.",
              "No notebook was stopped", ("sum by (namespace) (increase(notebook_culling_total[1h]))",
                                          "{{namespace}}")),
        lines("Spark applications", "short", "That run, and that ended in an hour.", "No Spark application has run",
              ("sum(spark_application_running_count)", "running"),
              ("sum(increase(spark_application_success_count[1h]))", "succeeded"),
              ("sum(increase(spark_application_failure_count[1h]))", "failed")),
        lines("Spark executors", "short", "Those that run now.", "No executor runs",
              ("sum(spark_executor_running_count)", "running")),
    )  # fmt: skip
    return Section(title="Notebooks and Spark", panels=panels)
