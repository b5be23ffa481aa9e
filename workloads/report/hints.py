"""What to do next about a criterion that did not pass, by its area. Says where to look, never what the cause is."""

from __future__ import annotations

from collections.abc import Mapping

_LOOK: Mapping[str, str] = {
    "access": "compare the bindings that `kubectl auth can-i --list` shows with the tenant's roles: the first that "
    "differs is it",
    "alerting": "look for the rule in Prometheus, then for its route in Alertmanager, then for the receiver's answer",
    "batch": "compare the backlog over time with the number of replicas",
    "core": "read the events and the last lines of the first pod that is not ready",
    "drift": "compare the scores of each feature, the age of the feed and the digest of the reference",
    "gpu": "compare the activity of the streaming multiprocessors, memory traffic, power and clocks with the share of "
    "time that the data loader waited",
    "ingress": "compare requests offered, sent and answered in each second, then the gateway's CPU and connections",
    "latency": "compare the time in the gateway, the queue and the model; look for throttling and cold starts",
    "limits": "read the LimitRange of the tenant's namespace",
    "monitoring": "look for the target in Prometheus, then for the series, then for the age of its last sample",
    "mesh": "read the PeerAuthentication that is in force for the workload, and whether its pod has a sidecar",
    "network": "ask whether the cluster's network plugin enforces policies at all, then read those of the namespace",
    "pipelines": "read the log of the first task that failed, then the launcher's, then the artifact store's",
    "pod-security": "read the labels of the tenant's namespace that name its Pod Security Standard",
    "quota": "compare the ResourceQuota's `hard` and `used` with the tenant's specification",
    "scheduling": "read the pod's events: they name the taint, the request or the quota that kept it",
    "serving": "compare the model's golden inputs with its answers; then its readiness, its replicas and its log",
    "storage": "read the events of the volume claim, then the log of the class's provisioner",
    "training": "read the last lines of the first pod that failed, its events, and the slowest rank",
}
_OUTCOMES: Mapping[str, str] = {
    "INVALID": "measure again when the cluster, or the machine that measures, is at rest",
    "ERROR": "the check broke, not the stack: read the run's log and report it with this file",
}


def hint(identifier: str, outcome: str, reason: str) -> str:
    """The next step; empty where there is none, or where the reason of a skip says it already."""
    if outcome == "PASS":
        return ""
    if outcome == "SKIP":
        return "" if "needs" in reason else "measure it where the reason does not hold"
    if outcome in _OUTCOMES:
        return _OUTCOMES[outcome]
    return _LOOK.get(identifier.split(".", 1)[0], "compare the probes that did not hold with what the stack declares")
