"""Dashboard of models: requests, latency against its criterion, errors, replicas, stages."""

from __future__ import annotations

from kubeflow.observability.facts import Facts
from kubeflow.observability.recording import MODEL

from .model import MANY, Board, Kind, Line, Section, lines

SLUG = "proof-serving"
_MINE = 'namespace=~"$namespace"'
_SEEN = f'reporter="destination",{_MINE},{MODEL}!=""'
_NONE = "No model has been asked yet: send a prediction through the gateway"
_NAME = f"{{{{{MODEL}}}}} ({{{{namespace}}}}) {{{{destination_workload}}}}"
_RATE = "$__rate_interval"


def board(facts: Facts) -> Board:
    """The dashboard of this stack's models."""
    return Board(
        slug=SLUG, title="Serving", tenants=tuple(facts.tenants),
        about="Models as their proxies see them. A client's own measurement decides about the criteria.",
        sections=(_asked(facts), _replicas(facts), _endpoints(facts)),
    )  # fmt: skip


def _asked(facts: Facts) -> Section:
    limits = facts.limits
    by = f"namespace, {MODEL}, destination_workload"
    quantile = (
        f"histogram_quantile(0.95, sum by ({by}, le) "
        f"(rate(istio_request_duration_milliseconds_bucket{{{_SEEN}}}[{_RATE}])))"
    )
    panels = (
        lines("Requests", "reqps", "Predictions per second, by model and revision.", _NONE,
              (f"model:requests:rate5m{{{_MINE}}}", _NAME)),
        lines("95th percentile of latency", "ms",
              f"Interpolated between the bounds of the histogram, so only near its bounds exact. Limit: "
              f"{limits.serving_milliseconds} ms.", _NONE, (quantile, _NAME),
              line=Line(value=limits.serving_milliseconds)),
        lines("Predictions slower than their limit", "percentunit",
              f"Exact: the limit is a bound of the histogram. The criterion allows {limits.slow_percent:g} %.", _NONE,
              (f"model:slow:ratio_rate5m{{{_MINE}}}", _NAME), line=Line(value=limits.slow_percent / 100)),
        lines("Failed requests (5xx)", "percentunit",
              f"Share of requests that failed. The budget is {limits.error_percent:g} %.", _NONE,
              (f"model:errors:ratio_rate5m{{{_MINE}}}", _NAME), line=Line(value=limits.error_percent / 100)),
        lines("Why requests fail", "reqps", "Codes and the proxies' flags: UO overflow, UH no healthy replica, UF "
              "connection failure, DC the client went away.", "No request has failed",
              ((f'sum by (namespace, response_code, response_flags) (rate(istio_requests_total{{{_SEEN},'
               f'response_code=~"[45].."}}[{_RATE}]))'), "{{namespace}} {{response_code}} {{response_flags}}")),
        lines("Time in the model server", "s", "95th percentile of the server's own stages, for models on KServe's "
              "Python servers.", "No model on a Python server has been asked yet",
              *(((f"histogram_quantile(0.95, sum by (model_name, le) "
                 f"(rate(request_{step}_seconds_bucket{{{_MINE}}}[{_RATE}])))"), f"{{{{model_name}}}} {step}")
                for step in ("preprocess", "predict", "postprocess"))),
    )  # fmt: skip
    return Section(title="Requests and criteria", panels=panels)


def _replicas(facts: Facts) -> Section:
    none = "No serverless model is deployed"
    panels = (
        lines("Replicas wanted and there", "short", "What Knative's autoscaler asks for, and what is ready.", none,
              ("max by (kn_revision_name) (kn_revision_pods_desired)", "{{kn_revision_name}} wanted"),
              ("max by (kn_revision_name) (kn_revision_pods_count)", "{{kn_revision_name}} there")),
        lines("Requests in flight against target", "short", "Above the target, the autoscaler adds replicas.", none,
              ("max by (kn_revision_name) (kn_revision_concurrency_stable)", "{{kn_revision_name}}"),
              ("max by (kn_revision_name) (kn_revision_concurrency_target)", "{{kn_revision_name}} target")),
        lines("Requests that wait", "short", f"In the replicas' queues; {facts.limits.backlog} are too many.", none,
              (f"sum by (namespace) (kn_serving_queue_depth{{{_MINE}}})", "{{namespace}}"),
              line=Line(value=facts.limits.backlog)),
        lines("Models that are not ready", "short", "Conditions of InferenceServices that do not hold.",
              "All models are ready", (f'kubeflow_inferenceservice_condition_status{{{_MINE},type="Ready"}} == 0',
                                       "{{name}} of {{namespace}}"), kind=Kind.TABLE),
    )  # fmt: skip
    return Section(title="Replicas", panels=panels)


def _endpoints(facts: Facts) -> Section:
    if len(facts.spec.endpoints) > MANY:
        every = lines("Slower than their limit", "percentunit", "All models; those of the stack file are alerts when "
                      "they are absent.", _NONE,
                      (f"max by (namespace, {MODEL}) (model:slow:ratio_rate5m{{{_MINE}}})",
                       f"{{{{{MODEL}}}}} of {{{{namespace}}}}"),
                      kind=Kind.BARS, width=24, line=Line(value=facts.limits.slow_percent / 100))  # fmt: skip
        return Section(title="Promised endpoints", panels=(every,))
    panels = tuple(
        lines(f"{name}: slower than {facts.milliseconds(name)} ms", "percentunit",
              "An endpoint of the stack file. Its absence is an alert, too.", f"Nobody has asked {name} yet",
              (f'max(model:slow:ratio_rate5m{{namespace="{namespace}",{MODEL}="{model}"}})', "share"),
              kind=Kind.NUMBER, width=6, height=4, line=Line(value=facts.limits.slow_percent / 100))
        for name in sorted(facts.spec.endpoints)
        for namespace, _, model in (name.partition("/"),)
    )  # fmt: skip
    return Section(title="Promised endpoints", panels=panels)
