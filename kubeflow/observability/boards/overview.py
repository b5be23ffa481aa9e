"""The first dashboard: what is wrong now, and the few numbers that tell whether the platform works."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-overview"
_RATE = "$__rate_interval"


def board(facts: Facts) -> Board:
    """The dashboard of the whole platform."""
    return Board(
        slug=SLUG, title="Platform", about="What is wrong now, and whether the platform does its work.",
        sections=(_now(), _work(facts), _components()),
    )  # fmt: skip


def _now() -> Section:
    small = {"kind": Kind.NUMBER, "width": 6, "height": 4}
    panels = (
        lines("Critical alerts", "short", "Somebody is needed now.", "0",
              ('count(ALERTS{alertstate="firing",severity="critical",alertname!="Watchdog"})', "critical"), **small,
              line=Line(value=1)),
        lines("Warnings", "short", "For the next working day.", "0",
              ('count(ALERTS{alertstate="firing",severity="warning"})', "warnings"), **small, line=Line(value=1)),
        lines("Targets that cannot be read", "short", "What is not read raises no alarm.", "0",
              ("count(up == 0)", "unread"), **small, line=Line(value=1)),
        lines("Components without a pod", "short", "Deployments that should run and do not.", "0",
              (("count(kube_deployment_spec_replicas > 0 unless on (namespace, deployment) "
               "kube_deployment_status_replicas_available > 0)"), "down"), **small, line=Line(value=1)),
        lines("Alerts", "short", "What fires, with the page that says what to do in its annotation.",
              "Nothing is wrong", (('sum by (alertname, severity, namespace, component) '
                                   '(ALERTS{alertstate="firing",severity=~"critical|warning"})'), ""),
              kind=Kind.TABLE, width=24),
    )  # fmt: skip
    return Section(title="Now", panels=panels)


def _work(facts: Facts) -> Section:
    gpus = "The stack has no GPU pool" if not facts.has_gpus else "No GPU is watched"
    panels = (
        lines("Predictions", "reqps", "Answers of models per second, by tenant.", "No model has been asked yet",
              ("sum by (namespace) (model:requests:rate5m)", "{{namespace}}")),
        lines("Predictions slower than their limit", "percentunit",
              f"The worst of each tenant; {facts.limits.slow_percent:g} % are allowed.", "No model has been asked yet",
              ("max by (namespace) (model:slow:ratio_rate5m)", "{{namespace}}"),
              line=Line(value=facts.limits.slow_percent / 100)),
        lines("Jobs that wait and that run", "short", "As Kueue counts.", "No job has been submitted",
              ("sum(kueue_pending_workloads)", "wait"), ("sum(kueue_admitted_active_workloads)", "run")),
        lines("Workflows", "short", "Runs of pipelines by phase.", "No pipeline has run yet",
              ("sum by (phase) (argo_workflows_gauge)", "{{phase}}")),
        lines("GPUs", "short", "Offered by nodes, held by pods, and busy.", gpus,
              ("sum(pool:gpus:sum)", "offered"), ("sum(namespace:gpus_held:sum)", "held"),
              ("sum(gpu:active:ratio)", "busy")),
        lines("Notebooks", "short", "That run, by namespace.", "No notebook runs",
              ("sum by (namespace) (notebook_running)", "{{namespace}}")),
    )  # fmt: skip
    return Section(title="Work", panels=panels)


def _components() -> Section:
    panels = (
        lines("Controllers that fail", "ops", "Failed attempts per second, the ten worst.", "No controller fails",
              ((f'topk(10, sum by (namespace, controller) (rate(controller_runtime_reconcile_total{{result="error"}}'
               f"[{_RATE}])))"), "{{controller}} of {{namespace}}"), line=Line(value=0.1)),
        lines("Queues of controllers", "short", "Objects that they have not looked at, the ten longest.",
              "No queue is read",
              ("topk(10, sum by (namespace, name) (workqueue_depth))", "{{name}} of {{namespace}}")),
        lines("Webhooks that do not answer", "ops", "By webhook: refused, or passed without judgement.",
              "All webhooks answer",
              (('sum by (name) (rate(apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error"}'
               f"[{_RATE}]))"), "{{name}} refused"),
              (f"sum by (name) (rate(apiserver_admission_webhook_fail_open_count[{_RATE}]))", "{{name}} passed")),
        lines("Logs and traces", "short", "Lines and spans per second.", "Neither Loki nor Tempo is read",
              (f"sum(rate(loki_distributor_lines_received_total[{_RATE}]))", "lines"),
              (f"sum(rate(tempo_distributor_spans_received_total[{_RATE}]))", "spans"),
              (f"sum(rate(loki_discarded_samples_total[{_RATE}]))", "lines discarded"),
              (f"sum(rate(tempo_discarded_spans_total[{_RATE}]))", "spans discarded"),
              (f"sum(rate(otelcol_exporter_send_failed_log_records[{_RATE}]))", "lines not delivered"),
              (f"sum(rate(otelcol_exporter_send_failed_spans[{_RATE}]))", "spans not delivered")),
    )  # fmt: skip
    return Section(title="Components", panels=panels)
