"""What the installer has to know about kinds: which live outside namespaces, and which have pods. Asks no server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from kubeflow.distribution.documents import Body

# Of Kubernetes itself; those of custom resources come from their definitions.
_CLUSTER_SCOPED = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiregistration.k8s.io", "APIService"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IngressClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "StorageClass"),
    }
)
WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
WORKLOADS = frozenset({"CronJob", "DaemonSet", "Deployment", "Job", "StatefulSet"})


def group_kind(body: Body) -> tuple[str, str]:
    """API group (empty for the core group) and kind of an object."""
    return body["apiVersion"].rpartition("/")[0], body["kind"]


def cluster_scoped(crds: Iterable[Body]) -> frozenset[tuple[str, str]]:
    """The kinds that live outside namespaces, where these definitions are installed."""
    own = {
        (crd["spec"]["group"], crd["spec"]["names"]["kind"]) for crd in crds if crd["spec"].get("scope") == "Cluster"
    }
    return _CLUSTER_SCOPED | own


def pod_spec(body: Body) -> Body | None:
    """The pod that a workload makes; None for other kinds."""
    if group_kind(body)[0] not in ("apps", "batch") or body["kind"] not in WORKLOADS:
        return None
    spec = body["spec"]["jobTemplate"]["spec"] if body["kind"] == "CronJob" else body["spec"]
    return spec["template"]["spec"]


def containers(pod: Body) -> list[Body]:
    """Every container of a pod, those that run before the others included."""
    return [*parts(pod, "initContainers"), *parts(pod, "containers")]


def parts(body: Body, name: str) -> list[Any]:
    """A list inside an object; empty where it is absent or null."""
    return cast("list[Any]", body.get(name) or [])


def part(body: Body, name: str) -> Body:
    """A mapping inside an object; empty where it is absent or null."""
    return cast("Body", body.get(name) or {})


def conditions(body: Body) -> Body:
    """What the status of an object says about it, by type."""
    return {found["type"]: found for found in parts(part(body, "status"), "conditions")}
