"""Upstream's alerts whose matter is one of ours: left out, for nobody wants to be called twice. Owns no alert."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step

# Upstream's alert and ours, which follows the stack file's limits and has a page of its own.
DOUBLES: Mapping[str, str] = MappingProxyType(
    {
        "KubeHpaMaxedOut": "ReplicasAtMaximum",
        "KubeNodeNotReady": "NodeNotReady",
        "KubeNodePressure": "NodeUnderPressure",
        "KubePersistentVolumeFillingUp": "VolumeFillingUp",
        "KubeQuotaAlmostFull": "QuotaNearlyUsed",
        "KubeQuotaFullyUsed": "QuotaNearlyUsed",
        "PrometheusRuleFailures": "RulesFailing",
        "Watchdog": "MonitoringSilent",
    }
)


def without_doubles(body: Body, _context: Context) -> Body | None:
    """Upstream's rules without those; an object that has no rule left is left out."""
    if body["kind"] != "PrometheusRule":
        return body
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("alert") not in DOUBLES]}
        for group in kinds.parts(body["spec"], "groups")
    ]
    body["spec"]["groups"] = [group for group in groups if group["rules"]]
    return body if body["spec"]["groups"] else None


STEPS = (Step(apply=without_doubles, why="two alerts about one matter, with different limits, wake somebody twice"),)
