"""Quotas of the platform's namespaces: large enough for what is installed and its updates, and for little else."""

from __future__ import annotations

from typing import Any

from infra.objects import Document
from kubeflow import quotas
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave

Json = dict[str, Any]


def workload(kind: str, name: str = "web", namespace: str = "kubeflow", **changes: Any) -> Planned:  # noqa: ANN401
    container = {"name": "main", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
    pod: Json = {"containers": [container], **changes.pop("pod", {})}
    return own(
        "part",
        Wave.CONTROLLERS,
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": {"spec": pod}, **changes},
        },
    )


def made(*planned: Planned, nodes: int = 3, critical: bool = False) -> dict[tuple[str, str, str], Document]:
    found = list(quotas.objects(planned, nodes, critical=critical))
    assert {one.wave for one in found} <= {Wave.BASE}
    return {
        (one.body["kind"], one.body["metadata"]["namespace"], one.body["metadata"]["name"]): one.body for one in found
    }


def hard(*planned: Planned, nodes: int = 3) -> dict[str, str]:
    return made(*planned, nodes=nodes)["ResourceQuota", "kubeflow", "platform"]["spec"]["hard"]


def test_a_rolling_update_of_everything_fits() -> None:
    found = hard(workload("Deployment", replicas=2))
    assert int(found["pods"]) >= 2 * 2
    assert int(found["requests.cpu"]) >= 2 * 2 * 0.51
    assert found["requests.memory"] == "5Gi"


def test_an_autoscaler_may_make_all_its_copies() -> None:
    scaler = own(
        "part",
        Wave.CONTROLLERS,
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "kubeflow"},
            "spec": {"maxReplicas": 7, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
        },
    )
    assert int(hard(workload("Deployment"), scaler)["pods"]) - int(hard(workload("Deployment"))["pods"]) == 2 * 6


def test_a_daemon_may_run_on_every_node() -> None:
    assert int(hard(workload("DaemonSet"), nodes=9)["pods"]) - int(hard(workload("DaemonSet"), nodes=8)["pods"]) == 2


def test_pods_that_an_operator_makes_are_counted() -> None:
    prometheus: Json = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "p", "namespace": "kubeflow"},
        "spec": {"replicas": 2, "resources": {"requests": {"cpu": "1", "memory": "8Gi"}}},
    }
    found = hard(own("part", Wave.CONTROLLERS, prometheus))
    assert int(found["pods"]) >= 4
    assert int(found["requests.memory"].removesuffix("Gi")) >= 32


def test_a_namespace_under_quota_gives_requests_and_no_limits_to_what_asks_for_nothing() -> None:
    found = made(workload("Deployment"))
    (limit,) = found["LimitRange", "kubeflow", "defaults"]["spec"]["limits"]
    assert set(limit["defaultRequest"]) == {"cpu", "memory"}
    assert "default" not in limit


def test_the_clusters_own_namespace_gets_no_quota_for_critical_pods_either() -> None:
    vital = workload("DaemonSet", namespace="kube-system", pod={"priorityClassName": "system-node-critical"})
    assert made(vital, critical=True) == {}


def test_the_clusters_own_namespace_and_those_without_pods_get_no_quota() -> None:
    settings = own(
        "part", Wave.DATA, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "auth"}}
    )
    assert made(workload("DaemonSet", namespace="kube-system"), settings) == {}


def test_pods_of_the_systems_priority_are_allowed_where_the_environment_asks_for_it() -> None:
    vital = workload("Deployment", namespace="gpu-operator", pod={"priorityClassName": "system-node-critical"})
    key = ("ResourceQuota", "gpu-operator", "critical-pods")
    assert key not in made(vital)
    spec = made(vital, workload("Deployment"), critical=True)[key]["spec"]
    (expression,) = spec["scopeSelector"]["matchExpressions"]
    assert expression["values"] == ["system-cluster-critical", "system-node-critical"]
    assert int(spec["hard"]["pods"]) >= 16 * 3
    assert ("ResourceQuota", "kubeflow", "critical-pods") not in made(vital, workload("Deployment"), critical=True)
