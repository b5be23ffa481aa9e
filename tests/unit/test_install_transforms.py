"""What is changed about upstream's objects, one sentence for each."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubeflow.distribution import CacheMissingError, load, table
from kubeflow.install import kinds, transforms
from kubeflow.install.transforms import Context, autoscaled, ignored, pod_labels, transform

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io/v1"
HOOKS = "admissionregistration.k8s.io/v1"


def context(**changes: Any) -> Context:  # noqa: ANN401 - any field of the context
    fields: Object = {
        "namespace": None,
        "webhooks": True,
        "containers": True,
        "cluster_scoped": kinds.cluster_scoped(()),
    }
    return Context(**{**fields, **changes})


def thing(kind: str, version: str = "v1", metadata: Object | None = None, **body: Any) -> Object:  # noqa: ANN401 - JSON
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "it", "namespace": "home", **(metadata or {})},
        **body,
    }


def workload(kind: str = "Deployment", pod: Object | None = None, **spec: object) -> Object:
    made = {"containers": [{"name": "main", "image": "image"}], **(pod or {})}
    template = {"metadata": {"creationTimestamp": None, "labels": {"app": "it"}}, "spec": made}
    return thing(kind, "batch/v1" if kind == "Job" else "apps/v1", spec={"template": template, **spec})


def changed(body: Object, **of_context: Any) -> Object:  # noqa: ANN401 - any field of the context
    made = transform(body, context(**of_context))
    assert made is not None
    return made


def test_every_transform_has_a_reason() -> None:
    assert all(step.why for step in transforms.STEPS)


def test_the_given_object_stays_as_it_is() -> None:
    body = workload(replicas=1)
    before = copy.deepcopy(body)
    changed(body)
    assert body == before


def test_hooks_that_only_helm_would_run_are_left_out() -> None:
    assert transform(thing("Job", "batch/v1", {"annotations": {"helm.sh/hook": "pre-delete"}}), context()) is None


def test_hooks_of_an_installation_become_ordinary_objects() -> None:
    notes = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "1", "own": "kept"}
    made = changed(thing("Secret", metadata={"annotations": notes}, data={"a": "Yg=="}))
    assert made["metadata"]["annotations"].items() >= {("own", "kept")}
    assert not any(key.startswith("helm.sh/hook") for key in made["metadata"]["annotations"])


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("MutatingWebhookConfiguration", HOOKS),
        ("ValidatingWebhookConfiguration", HOOKS),
        ("APIService", "apiregistration.k8s.io/v1"),
    ],
)
def test_what_calls_into_pods_is_left_out_where_nothing_answers(kind: str, version: str) -> None:
    body = thing(kind, version, webhooks=[])
    assert transform(body, context(webhooks=False)) is None
    assert transform(body, context()) is not None


def test_a_webhook_declares_no_ca_for_somebody_fills_it_in() -> None:
    body = thing("MutatingWebhookConfiguration", HOOKS, webhooks=[{"clientConfig": {"caBundle": "", "service": {}}}])
    made = changed(body)
    assert made["webhooks"] == [{"clientConfig": {"service": {}}}]
    assert "pulumi.com/waitFor" not in made["metadata"].get("annotations", {}), "a gate waits for it, for all at once"
    assert "namespace" not in made["metadata"]


def test_nulls_and_fields_of_the_server_are_dropped() -> None:
    body = thing("ConfigMap", metadata={"creationTimestamp": None, "labels": {"a": None}}, status={}, data={"a": "b"})
    made = changed(body)
    assert "status" not in made
    assert made["metadata"]["labels"] == {}
    assert changed(workload())["spec"]["template"]["metadata"] == {"labels": {"app": "it"}}
    assert "creationTimestamp" not in changed(thing("Secret", metadata={"creationTimestamp": "2020"}))["metadata"]


def test_empty_rules_and_data_are_dropped_and_others_kept() -> None:
    assert "rules" not in changed(thing("ClusterRole", RBAC, rules=[]))
    assert "data" not in changed(thing("Secret", data={}))
    assert changed(thing("Secret", data={"a": "Yg=="}))["data"] == {"a": "Yg=="}
    assert changed(thing("PrometheusRule", "monitoring.coreos.com/v1", rules=[]))["rules"] == []


def test_an_object_without_a_namespace_gets_its_components_and_a_cluster_scoped_one_loses_it() -> None:
    homeless = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    assert changed(homeless, namespace="mlflow")["metadata"]["namespace"] == "mlflow"
    assert changed(thing("ConfigMap"), namespace="mlflow")["metadata"]["namespace"] == "home"
    assert "namespace" not in changed(thing("ClusterRole", RBAC), namespace="mlflow")["metadata"]


def test_the_scope_of_a_custom_kind_comes_from_its_definition() -> None:
    crd = {"spec": {"group": "example.test", "names": {"kind": "Wide"}, "scope": "Cluster"}}
    body = thing("Wide", "example.test/v1")
    assert "namespace" not in changed(body, cluster_scoped=kinds.cluster_scoped([crd]))["metadata"]
    assert changed(body)["metadata"]["namespace"] == "home"


def test_replicas_are_left_to_the_autoscaler_where_there_is_one() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "it"}
    scaler = thing("HorizontalPodAutoscaler", "autoscaling/v2", spec={"scaleTargetRef": target})
    assert "replicas" not in changed(workload(replicas=3), scaled=autoscaled([scaler]))["spec"]
    assert changed(workload(replicas=3))["spec"]["replicas"] == 3


def test_every_container_gets_the_requests_that_it_lacks() -> None:
    asked = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    pod = {"containers": [{"name": "a"}, {"name": "b", "resources": asked}], "initContainers": [{"name": "c"}]}
    made = changed(workload(pod=pod))["spec"]["template"]["spec"]
    assert made["containers"][0]["resources"] == {"requests": {"cpu": "20m", "memory": "64Mi"}}
    assert made["containers"][1]["resources"] == asked
    assert made["initContainers"][0]["resources"] == {"requests": {"cpu": "20m", "memory": "64Mi"}}


def test_platform_pods_get_the_platforms_priority_unless_they_have_one() -> None:
    assert changed(workload())["spec"]["template"]["spec"]["priorityClassName"] == "kubeflow-platform"
    own = changed(workload(pod={"priorityClassName": "system-node-critical"}))
    assert own["spec"]["template"]["spec"]["priorityClassName"] == "system-node-critical"


def test_only_objects_without_dependents_are_deleted_in_the_background() -> None:
    key = "pulumi.com/deletionPropagationPolicy"
    assert changed(thing("ConfigMap"))["metadata"]["annotations"][key] == "background"
    assert "annotations" not in changed(thing("Namespace"))["metadata"]
    assert "annotations" not in changed(workload())["metadata"]


def test_a_job_stays_after_its_end() -> None:
    assert "ttlSecondsAfterFinished" not in changed(workload("Job", ttlSecondsAfterFinished=60))["spec"]


def test_a_service_waits_for_its_pods_unless_nothing_here_could_make_them() -> None:
    service = thing("Service", spec={"selector": {"app": "it"}})
    own = pod_labels([workload()])
    on_host = pod_labels([workload(pod={"hostNetwork": True})])

    def waits(**of_context: Any) -> bool:  # noqa: ANN401 - any field of the context
        return "pulumi.com/skipAwait" not in changed(service, **of_context)["metadata"]["annotations"]

    assert waits(containers=False, pods=own)
    assert waits(containers=True, pods=())
    assert not waits(containers=False, pods=())
    assert not waits(containers=False, pods=on_host)


def test_fields_that_a_controller_changes_are_ignored_by_kind() -> None:
    assert ignored(thing("ClusterRole", RBAC, aggregationRule={}, rules=[{}])) == ["rules"]
    assert ignored(thing("ClusterRole", RBAC, rules=[{}])) == []
    assert ignored(thing("MutatingWebhookConfiguration", HOOKS, webhooks=[{}])) == [
        "webhooks[0].clientConfig.caBundle", "webhooks[0].failurePolicy",
    ]  # fmt: skip


@pytest.mark.parametrize("stranger", ["system:authenticated", "system:unauthenticated", "system:anonymous"])
def test_rights_of_everybody_become_rights_of_service_accounts(stranger: str) -> None:
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
    other = {"kind": "User", "name": "ada"}
    body = thing("RoleBinding", RBAC, subjects=[{**group, "name": stranger}, other])
    assert changed(body)["subjects"] == [other, {**group, "name": "system:serviceaccounts"}]
    alone = thing("RoleBinding", RBAC, subjects=[other])
    assert changed(alone)["subjects"] == [other]


def test_of_all_that_upstream_installs_nothing_is_bound_to_strangers() -> None:
    """Two bindings of Kubeflow 26.03 are; clients in pods read the version and the training runtimes through them."""
    try:
        # One at a time: some are variants of each other.
        components = [
            rendered
            for one in table.components(table.CURRENT)
            for rendered in load(table.CURRENT, (one.name,)).components.values()
        ]
    except CacheMissingError as error:
        pytest.skip(f"upstream's objects are not at hand: {error}")
    bound = [
        body
        for rendered in components
        for body in (*rendered.core, *rendered.late)
        if body["kind"] in ("ClusterRoleBinding", "RoleBinding")
    ]
    before = {name for body in bound for name in groups(body) if "authenticated" in name or "anonymous" in name}
    assert before == {"system:authenticated"}
    installed = [made for body in bound if (made := transform(body, context())) is not None]
    after = {body["metadata"]["name"]: groups(body) for body in installed}
    assert not {name for names in after.values() for name in names if "authenticated" in name or "anonymous" in name}
    assert {name for name, names in after.items() if "system:serviceaccounts" in names} == {
        "kubeflow-pipelines-public", "kubeflow-trainer-view-cluster-runtimes",
    }  # fmt: skip


def groups(body: Object) -> set[str]:
    return {subject["name"] for subject in body.get("subjects") or () if subject["kind"] != "ServiceAccount"}
