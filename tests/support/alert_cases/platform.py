"""Cases of the alerts about nodes, volumes, quotas, components, cost and monitoring itself."""

from __future__ import annotations

from tests.support.rules import Case, always, steady

_NODE = 'node="n1"'
_READY = f'kube_node_status_condition{{{_NODE},condition="Ready",status="true"}}'
_PRESSURE = f'kube_node_status_condition{{{_NODE},condition="DiskPressure",status="true"}}'
_NETWORK = f'kube_node_status_condition{{{_NODE},condition="NetworkUnavailable",status="true"}}'
_CLAIM = 'namespace="team-a",persistentvolumeclaim="data"'
_OF_CLAIM = {"namespace": "team-a", "persistentvolumeclaim": "data"}
_PVC = f'kube_persistentvolumeclaim_status_phase{{{_CLAIM},phase="Pending"}}'


def quota(used: float, hard: float) -> dict[str, str]:
    name = 'kube_resourcequota{namespace="team-a",resourcequota="q",resource="requests.cpu",'
    return {f'{name}type="used"}}': always(used), f'{name}type="hard"}}': always(hard)}


def volume(left: float, per_minute: float, minutes: int = 400) -> dict[str, str]:
    """GiB that are left of 100, after so many minutes of filling evenly."""
    samples = f"{left + per_minute * minutes:g}-{per_minute:g}x{minutes}" if per_minute else always(left, minutes)
    return {
        f"kubelet_volume_stats_available_bytes{{{_CLAIM}}}": samples,
        f"kubelet_volume_stats_capacity_bytes{{{_CLAIM}}}": always(100, minutes),
    }


def deployment(wanted: float, there: float, namespace: str = "kubeflow") -> dict[str, str]:
    who = f'namespace="{namespace}",deployment="ml-pipeline"'
    return {
        f"kube_deployment_spec_replicas{{{who}}}": always(wanted),
        f"kube_deployment_status_replicas_available{{{who}}}": always(there),
    }


def nodes(count: int) -> dict[str, str]:
    """Machines of the pool that costs 3.5 an hour; a month of 1000 pays for 0.39 of them."""
    return {
        f'kube_node_labels{{node="n{number}",label_proof_kubeflow_pool="accelerated"}}': always(1, 300)
        for number in range(count)
    }


def general(count: int) -> dict[str, str]:
    """Machines of the pool that costs 0.4 an hour; a month of 1000 pays for 3.4 of them."""
    return {
        f'kube_node_labels{{node="n{number}",label_proof_kubeflow_pool="general"}}': always(1, 300)
        for number in range(count)
    }


_UP = 'up{namespace="kubeflow",job="kubeflow/ml-pipeline",pod="p",instance="i"}'
_OF_UP = {"namespace": "kubeflow", "job": "kubeflow/ml-pipeline", "pod": "p", "instance": "i"}
_RECONCILE = 'controller_runtime_reconcile_total{{namespace="kubeflow",controller="c",result="{}"}}'.format
_REFUSED = 'apiserver_admission_webhook_rejection_count{{name="w",error_type="{}"}}'.format
_CALL = "calling_webhook_error"
_OPEN = 'apiserver_admission_webhook_fail_open_count{name="w"}'
_RULES = 'prometheus_rule_evaluation_failures_total{rule_group="g"}'
_DROPPED = 'prometheus_notifications_dropped_total{alertmanager="a"}'
_LINES = 'loki_discarded_samples_total{reason="rate_limited",tenant="t"}'
_SPANS = 'tempo_discarded_spans_total{reason="rate_limited",tenant="t"}'
_UNSENT = 'otelcol_exporter_send_failed_{}{{exporter="otlp_http/team-a"}}'.format
_CRITERION = 'validation_criterion_status{{id="serving.p95",required="{}",environment="local"}}'.format
_PRESSED = {"node": "n1", "condition": "DiskPressure"}
_QUOTA = {"namespace": "team-a", "resourcequota": "q", "resource": "requests.cpu"}
_DOWN = {"namespace": "kubeflow", "deployment": "ml-pipeline"}
_FAILING = {"namespace": "kubeflow", "controller": "c"}
_SENDER = {"exporter": "otlp_http/team-a"}
_LIMITED = {"reason": "rate_limited"}

CASES: tuple[Case, ...] = (
    Case(alert="NodeNotReady", name="not ready", past={_READY: always(0)}, fires=({"node": "n1"},), since=0),
    Case(alert="NodeNotReady", name="ready", past={_READY: always(1)}, since=30),
    Case(alert="NodeUnderPressure", name="no disk", past={_PRESSURE: always(1)}, fires=(_PRESSED,), since=0),
    Case(alert="NodeUnderPressure", name="room", past={_PRESSURE: always(0)}, since=30),
    Case(alert="NodeUnderPressure", name="something else", past={_NETWORK: always(1)}, since=30),
    Case(alert="QuotaNearlyUsed", name="full", past=quota(19, 20), fires=(_QUOTA,), since=0),
    Case(alert="QuotaNearlyUsed", name="half", past=quota(17, 20), since=30),
    Case(alert="QuotaNearlyUsed", name="nothing is allowed", past=quota(0, 0), since=30),
    Case(alert="QuotaNearlyUsed", name="nothing is allowed any more", past=quota(1, 0), since=30),
    Case(alert="VolumeFillingUp", name="fills", past=volume(11, 0.05), fires=(_OF_CLAIM,), since=320),
    Case(alert="VolumeFillingUp", name="fills slowly", past=volume(11, 0.001), since=360),
    Case(alert="VolumeFillingUp", name="there is room", past=volume(20, 0.05), since=355),
    Case(alert="VolumeFillingUp", name="is full, which is another alert", past=volume(0, 0), since=355),
    Case(alert="VolumeFull", name="full", past=volume(1, 0), fires=(_OF_CLAIM,), since=0),
    Case(alert="VolumeFull", name="nearly", past=volume(4, 0), since=30),
    Case(alert="VolumeClaimPending", name="waits", past={_PVC: always(1)}, since=0,
         fires=({**_OF_CLAIM, "phase": "Pending"},)),
    Case(alert="VolumeClaimPending", name="bound", past={_PVC: always(0)}, since=30),
    Case(alert="ComponentDown", name="none runs", past=deployment(1, 0), fires=(_DOWN,), since=0),
    Case(alert="ComponentDown", name="one of two runs", past=deployment(2, 1), since=30),
    Case(alert="ComponentDown", name="none is wanted", past=deployment(0, 0), since=30),
    Case(alert="ComponentDown", name="a tenant's", past=deployment(1, 0, "team-a"), since=30),
    Case(alert="ComponentUnreadable", name="no answer", past={_UP: always(0)}, fires=(_OF_UP,), since=0),
    Case(alert="ComponentUnreadable", name="answers", past={_UP: always(1)}, since=30),
    Case(alert="ControllerErrors", name="often", past={_RECONCILE("error"): steady(6.6)}, fires=(_FAILING,), since=1),
    Case(alert="ControllerErrors", name="seldom", past={_RECONCILE("error"): steady(5.4)}, since=60),
    Case(alert="ControllerErrors", name="successes", past={_RECONCILE("success"): steady(60)}, since=60),
    Case(alert="WebhookRefusing", name="no answer", past={_REFUSED(_CALL): steady(1)}, fires=({"name": "w"},), since=1),
    Case(alert="WebhookRefusing", name="its own judgement", past={_REFUSED("no_error"): steady(1)}, since=30),
    Case(alert="WebhookRefusing", name="long ago", past={_REFUSED(_CALL): always(9)}, since=30),
    Case(alert="WebhookSkipped", name="no answer", past={_OPEN: steady(1)}, fires=({"name": "w"},), since=1),
    Case(alert="WebhookSkipped", name="long ago", past={_OPEN: always(9)}, since=30),
    Case(alert="RulesFailing", name="fail", past={_RULES: steady(1)}, fires=({"rule_group": "g"},), since=1),
    Case(alert="RulesFailing", name="failed once", past={_RULES: always(4)}, since=30),
    Case(alert="AlertsNotDelivered", name="dropped", past={_DROPPED: steady(1)}, fires=({},), since=1),
    Case(alert="AlertsNotDelivered", name="dropped once", past={_DROPPED: always(4)}, since=30),
    Case(alert="LogsDiscarded", name="some", past={_LINES: steady(1)}, fires=(_LIMITED,), since=1),
    Case(alert="LogsDiscarded", name="none of late", past={_LINES: always(4)}, since=60),
    Case(alert="TelemetryNotDelivered", name="lines", past={_UNSENT("log_records"): steady(1)}, fires=(_SENDER,),
         since=1),
    Case(alert="TelemetryNotDelivered", name="spans", past={_UNSENT("spans"): steady(1)}, fires=(_SENDER,), since=1),
    Case(alert="TelemetryNotDelivered", name="all arrive", since=30,
         past={_UNSENT("spans"): always(4), _UNSENT("log_records"): always(4)}),
    Case(alert="TracesDiscarded", name="some", past={_SPANS: steady(1)}, fires=(_LIMITED,), since=1),
    Case(alert="TracesDiscarded", name="none of late", past={_SPANS: always(4)}, since=60),
    Case(alert="MonitoringSilent", name="always", past={"nothing": always(0)}, fires=({},)),
    Case(alert="BudgetExceeded", name="four small machines", past=general(4), fires=({},), since=0),
    Case(alert="BudgetExceeded", name="three small machines", past=general(3), since=60),
    Case(alert="BudgetExceeded", name="one large machine", past=nodes(1), fires=({},), since=0),
    Case(alert="ValidationFailed", name="fails", past={_CRITERION("true"): always(0)}, fires=({"id": "serving.p95"},)),
    Case(alert="ValidationFailed", name="holds", past={_CRITERION("true"): always(1)}),
    Case(alert="ValidationFailed", name="is optional", past={_CRITERION("false"): always(0)}),
)  # fmt: skip
