"""Transforms that set when models and gateways grow and shrink. Adds no object."""

from __future__ import annotations

from collections.abc import Callable

from kubeflow.distribution.documents import Body
from kubeflow.spec.autoscaling import AutoscalingSpec

_KNATIVE = "knative-serving"
_ALWAYS_THERE = frozenset({"istio-system", _KNATIVE})  # every request, or every new pod, passes what is scaled in them


def models(spec: AutoscalingSpec, *, shrinks: bool) -> Callable[[Body, object], Body]:
    """A transform: Knative's autoscaler as chosen. `shrinks` says whether pools of nodes shrink with their pods."""
    to_zero = shrinks if spec.scale_to_zero is None else spec.scale_to_zero
    chosen = {
        "enable-scale-to-zero": str(to_zero).lower(),
        "scale-to-zero-pod-retention-period": f"{spec.last_pod_seconds}s",
        "stable-window": f"{spec.idle_seconds}s",
    }

    def apply(body: Body, _context: object) -> Body:
        metadata = body["metadata"]
        if (body["kind"], metadata.get("namespace"), metadata["name"]) == ("ConfigMap", _KNATIVE, "config-autoscaler"):
            body["data"] = {**(body.get("data") or {}), **chosen}
        return body

    return apply


def copies(spec: AutoscalingSpec) -> Callable[[Body, object], Body]:
    """A transform: no fewer copies than chosen, of which a drained node takes only one where there is another."""

    def apply(body: Body, _context: object) -> Body:
        if body["metadata"].get("namespace") in _ALWAYS_THERE:
            if body["kind"] == "HorizontalPodAutoscaler":
                body["spec"]["minReplicas"] = max(spec.replicas, int(body["spec"].get("minReplicas") or 1))
            elif body["kind"] == "PodDisruptionBudget" and spec.replicas > 1:
                body["spec"]["minAvailable"] = 1
        return body

    return apply
