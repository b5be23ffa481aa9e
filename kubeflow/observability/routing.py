"""Who is told of which alert: Alertmanager's configuration from the stack file. Holds no secret value.

Every receiver hears of everything that is urgent enough for it and about its tenants; nobody's route ends another's.
Secret values flow into one Secret, which the configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.contract import Secrets
from infra.objects import Document, document
from kubeflow.network.policies import selector
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.monitoring import Channel, MonitoringSpec, ReceiverSpec

from .monitors import NAMESPACE

NAME = "platform"
SECRET = "alert-receivers"  # noqa: S105 - the name of an object
HEARTBEAT = "MonitoringSilent"
_ALERTMANAGER = next(workload for workload in WORKLOADS if str(workload) == "monitoring/alertmanager")
_NOBODY = "nobody"
_QUIET = f"{HEARTBEAT}|Watchdog|InfoInhibitor"  # say something about monitoring, not about the platform
_GROUPING = ("alertname", "namespace")
_MERGED = "proof.kubeflow/alert-routes"  # no object has it: the platform's configuration is the only one


def settings(spec: MonitoringSpec, ours: Document) -> Document:
    """What the Alertmanager object says about its configuration; `ours` selects namespaces that are not tenants'."""
    alone = {"matchExpressions": [{"key": _MERGED, "operator": "Exists"}]}
    chosen = {"alertmanagerConfiguration": {"name": NAME}} if spec.receivers else {}
    return {**chosen, "alertmanagerConfigSelector": alone, "alertmanagerConfigNamespaceSelector": ours}


def objects(spec: MonitoringSpec, config: Secrets) -> Iterator[Document]:
    """The configuration, the Secret that it names, and the ways out to the receivers."""
    values = {name: config(receiver.secret) for name, receiver in sorted(spec.receivers.items())}
    yield document("v1", "Secret", SECRET, NAMESPACE, type="Opaque", stringData=values)
    yield document(
        "monitoring.coreos.com/v1alpha1", "AlertmanagerConfig", NAME, NAMESPACE, spec=configuration(spec)
    )  # fmt: skip
    yield document("networking.k8s.io/v1", "NetworkPolicy", SECRET, NAMESPACE, spec=_ways_out(spec))


def configuration(spec: MonitoringSpec) -> Document:
    """Routes and receivers in the words of the Prometheus operator."""
    receivers = [{"name": name, **_receiver(name, one)} for name, one in sorted(spec.receivers.items())]
    return {
        "route": _routes(spec, _operators),
        "receivers": [{"name": _NOBODY}, *receivers],
        "inhibitRules": [
            {
                "sourceMatch": [
                    {"name": "alertname", "value": f"Serving(Latency|Error)Budget{speed}", "matchType": "=~"}
                ],
                "targetMatch": [{"name": "alertname", "value": silenced, "matchType": "=~"}],
                "equal": ["namespace", "serving_kserve_io_inferenceservice", "destination_workload"],
            }
            for speed, silenced in _INHIBITED
        ],
    }


# An alert about a budget that is spent fast says all that the slower ones would.
_INHIBITED = (("Fast", "Serving(LatencyP95High|(Latency|Error)BudgetSlow)"), ("Slow", "ServingLatencyP95High"))


def plain(spec: MonitoringSpec, folder: str = "/etc/alertmanager/secrets") -> Document:
    """The same as Alertmanager itself reads it; secret values are in files of a folder, named as receivers are."""
    receivers = [{"name": name, **_plain(f"{folder}/{name}", one)} for name, one in sorted(spec.receivers.items())]
    return {
        "route": _routes(spec, _plainly),
        "receivers": [{"name": _NOBODY}, *receivers],
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname=~"Serving(Latency|Error)Budget{speed}"'],
                "target_matchers": [f'alertname=~"{silenced}"'],
                "equal": ["namespace", "serving_kserve_io_inferenceservice", "destination_workload"],
            }
            for speed, silenced in _INHIBITED
        ],
    }


_Matcher = tuple[str, str, str]  # label, operator, value


def _routes(spec: MonitoringSpec, spell: Any) -> Document:  # noqa: ANN401 - one of the two below
    made: list[Document] = []
    for name, one in sorted(spec.receivers.items()):
        matchers: list[_Matcher] = [
            ("alertname", "!~", _QUIET), ("severity", "=~", "|".join(one.severity.and_above)),
        ]  # fmt: skip
        if one.tenants:
            matchers.append(("namespace", "=~", "|".join(sorted(one.tenants))))
        made.append(spell(name, matchers, "12h"))
        if one.heartbeat:
            made.append(spell(name, [("alertname", "=", HEARTBEAT)], "5m"))
    return {**spell(_NOBODY, [], "12h"), "routes": made}


def _operators(receiver: str, matchers: list[_Matcher], repeat: str) -> Document:
    listed = [{"name": label, "matchType": sign, "value": value} for label, sign, value in matchers]
    times = {"groupBy": list(_GROUPING), "groupWait": "30s", "groupInterval": "5m", "repeatInterval": repeat}
    return {"receiver": receiver, **times, **({"matchers": listed, "continue": True} if listed else {})}


def _plainly(receiver: str, matchers: list[_Matcher], repeat: str) -> Document:
    listed = [f'{label}{sign}"{value}"' for label, sign, value in matchers]
    times = {"group_by": list(_GROUPING), "group_wait": "30s", "group_interval": "5m", "repeat_interval": repeat}
    return {"receiver": receiver, **times, **({"matchers": listed, "continue": True} if listed else {})}


def _receiver(name: str, one: ReceiverSpec) -> Document:
    secret = {"name": SECRET, "key": name}
    match one.channel:
        case Channel.WEBHOOK:
            return {"webhookConfigs": [{"urlSecret": secret, "sendResolved": True}]}
        case Channel.SLACK:
            return {"slackConfigs": [{"apiURL": secret, "channel": one.room, "sendResolved": True}]}
        case Channel.PAGERDUTY:
            return {"pagerdutyConfigs": [{"routingKey": secret, "sendResolved": True}]}
        case Channel.EMAIL:
            mail = {"to": one.to, "from": one.sender, "smarthost": one.smarthost, "authUsername": one.username}
            return {"emailConfigs": [{**mail, "authPassword": secret, "sendResolved": True}]}


def _plain(path: str, one: ReceiverSpec) -> Document:
    match one.channel:
        case Channel.WEBHOOK:
            return {"webhook_configs": [{"url_file": path, "send_resolved": True}]}
        case Channel.SLACK:
            return {"slack_configs": [{"api_url_file": path, "channel": one.room, "send_resolved": True}]}
        case Channel.PAGERDUTY:
            return {"pagerduty_configs": [{"routing_key_file": path, "send_resolved": True}]}
        case Channel.EMAIL:
            mail = {"to": one.to, "from": one.sender, "smarthost": one.smarthost, "auth_username": one.username}
            return {"email_configs": [{**mail, "auth_password_file": path, "send_resolved": True}]}


def _ways_out(spec: MonitoringSpec) -> Document:
    """Policies add up: this one opens, beyond the table of flows, exactly what the stack file declares."""
    openings = sorted({(cidr, one.port) for one in spec.receivers.values() for cidr in one.networks})
    return {
        "podSelector": selector(_ALERTMANAGER),
        "policyTypes": ["Egress"],
        "egress": [
            {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"protocol": "TCP", "port": port}]}
            for cidr, port in openings
        ],
    }
