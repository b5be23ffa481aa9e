"""What tenancy, queues and quotas take for granted, in upstream's own objects."""

from __future__ import annotations

import copy
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
import yaml

from kubeflow import autoscaling, profiles, queues, quotas
from kubeflow.distribution import load, table
from kubeflow.install import kinds
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.quantity import Quantity
from kubeflow.spec.autoscaling import AutoscalingSpec
from kubeflow.spec.queues import QueueSpec
from kubeflow.spec.tenants import TenantSpec
from kubeflow.tenancy import namespace
from tests.support.upstream import case, missing, planned

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Json = dict[str, Any]


def one(kind: str, name: str) -> Json:
    (found,) = (item for item in case().objects if (item["kind"], item["metadata"]["name"]) == (kind, name))
    return copy.deepcopy(found)


def stored(definition: str) -> str:
    (version,) = (
        item["name"] for item in one("CustomResourceDefinition", definition)["spec"]["versions"] if item["storage"]
    )
    return version


def test_a_tenants_namespace_has_every_label_that_the_profile_controller_would_add() -> None:
    (text,) = (
        item["data"]["namespace-labels.yaml"]
        for item in case().objects
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith("namespace-labels-data")
    )
    wanted: dict[str, str] = yaml.safe_load(text)
    ours = namespace("team-a", TenantSpec(owner="ada"), profiles.LABELS)["metadata"]["labels"]
    assert wanted.items() <= ours.items()


def test_profiles_and_queues_are_written_in_the_version_that_is_stored() -> None:
    made = profiles.objects("team-a", TenantSpec(owner="ada"), {"profiles"}, {})
    assert next(made)["apiVersion"] == f"kubeflow.org/{stored('profiles.kubeflow.org')}"
    for kind in ("clusterqueues", "localqueues", "resourceflavors", "workloadpriorityclasses"):
        (door,) = queues.local("team-a", {"kueue"})
        assert door["apiVersion"] == f"kueue.x-k8s.io/{stored(f'{kind}.kueue.x-k8s.io')}"


def test_a_pod_default_can_carry_labels() -> None:
    (version,) = one("CustomResourceDefinition", "poddefaults.kubeflow.org")["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert version["name"] == "v1alpha1"
    assert {"desc", "labels", "selector"} <= set(spec["properties"])


def test_members_come_through_the_principals_that_access_management_knows() -> None:
    (settings,) = (
        item["data"]
        for item in case().objects
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith("profiles-config")
    )
    spec = TenantSpec(owner="ada", viewers=("alan",))
    (policy,) = (
        item
        for item in profiles.objects("team-a", spec, {"profiles", "istio"}, {})
        if item["kind"] == "AuthorizationPolicy"
    )
    ((source,), (header,)) = policy["spec"]["rules"][0]["from"], policy["spec"]["rules"][0]["when"]
    assert source["source"]["principals"] == [settings["ISTIO_INGRESS_GATEWAY_PRINCIPAL"], settings["KFP_UI_PRINCIPAL"]]
    assert header["key"] == f"request.headers[{settings['USERID_HEADER']}]"
    assert settings["USERID_PREFIX"] == ""
    assert settings["WORKLOAD_IDENTITY"] == "", "the controller would write an annotation that tenancy owns"


def test_upstreams_edit_role_could_change_policies_and_ours_cannot() -> None:
    def writers(role: Json) -> list[Json]:
        return [
            rule
            for rule in role["rules"]
            if "networkpolicies" in rule.get("resources", ()) and "create" in rule["verbs"]
        ]

    shipped = load(table.CURRENT, ["kubeflow-roles"]).components["kubeflow-roles"].core
    (role,) = (copy.deepcopy(item) for item in shipped if item["metadata"]["name"] == "kubeflow-kubernetes-edit")
    assert writers(role)
    assert not writers(profiles.without_guards(role, None))


def test_the_example_tenant_is_what_user_namespace_consists_of() -> None:
    objects = load(table.CURRENT, ["user-namespace"]).components["user-namespace"]
    assert [profiles.without_example(item, None) for item in (*objects.core, *objects.late)] == [None]


@pytest.mark.parametrize("variant", ["kueue", "kueue-chart"])
def test_every_kind_of_job_is_one_that_kueue_knows(variant: str) -> None:
    objects = load(table.CURRENT, [variant]).components[variant]
    (config,) = (item for item in objects.core if item["kind"] == "ConfigMap")
    text = config["data"]["controller_manager_config.yaml"]
    before: Json = yaml.safe_load(text)
    every = {"kueue", *(component.name for component in table.components(table.CURRENT))}
    changed = queues.configured(QueueSpec(), every)(copy.deepcopy(config), None)
    after: Json = yaml.safe_load(changed["data"]["controller_manager_config.yaml"])
    (upstream,) = (
        item for item in load(table.CURRENT, ["kueue"]).components["kueue"].core if item["kind"] == "ConfigMap"
    )
    known = upstream["data"]["controller_manager_config.yaml"]
    assert [name for name in after["integrations"]["frameworks"] if f'"{name}"' not in known] == []
    ours = ("integrations", "metrics")
    assert {key: after[key] for key in before if key not in ours} == {
        key: before[key] for key in before if key not in ours
    }
    assert after["metrics"] == before["metrics"] | {"enableClusterQueueResources": True}


def test_the_manager_that_reads_the_configuration_is_marked() -> None:
    changed = queues.configured(QueueSpec(), {"kueue"})(one("Deployment", "kueue-controller-manager"), None)
    assert "proof.kubeflow/config" in changed["spec"]["template"]["metadata"]["annotations"]


def test_the_settings_of_knatives_autoscaler_are_ones_that_it_has() -> None:
    config = one("ConfigMap", "config-autoscaler")
    example: Json = yaml.safe_load(config["data"]["_example"])
    changed = autoscaling.models(AutoscalingSpec(), shrinks=True)(config, None)
    assert set(changed["data"]) - {"_example"} <= set(example)


def test_gateways_and_control_planes_have_two_copies() -> None:
    scaled = [item for item in case().objects if item["kind"] == "HorizontalPodAutoscaler"]
    changed = [autoscaling.copies(AutoscalingSpec())(copy.deepcopy(item), None) for item in scaled]
    assert {item["metadata"]["name"] for item in changed if item["spec"]["minReplicas"] == 2} == {
        "activator", "cluster-local-gateway", "istio-ingressgateway", "istiod", "webhook",
    }  # fmt: skip


def everything() -> list[Planned]:
    """Upstream's objects before quotas, and the pods that the platform adds."""
    upstreams = {(item.body["kind"], item.body["metadata"]["name"]) for item in planned()}
    added = (body for body in case().objects if kinds.pod_spec(body) is not None)
    mine = (body for body in added if (body["kind"], body["metadata"]["name"]) not in upstreams)
    return [*planned(), *(own("added", Wave.BASE, body) for body in mine)]


@cache
def fenced() -> dict[str, Json]:
    return {
        item.body["metadata"]["namespace"]: item.body["spec"]["hard"]
        for item in quotas.objects(everything(), 5, critical=True)
        if item.body["metadata"]["name"] == "platform" and item.body["kind"] == "ResourceQuota"
    }


def test_every_namespace_with_pods_has_a_quota_that_holds_all_of_upstreams_twice() -> None:
    pods: dict[str, int] = {}
    cpu: dict[str, Decimal] = {}
    for item in case().objects:
        pod, space = kinds.pod_spec(item), item["metadata"].get("namespace", "")
        if pod is None or space == "kube-system":
            continue
        copies = 5 if item["kind"] == "DaemonSet" else item["spec"].get("replicas", 1)
        asked = [container["resources"].get("requests", {}).get("cpu", "0") for container in pod["containers"]]
        pods[space] = pods.get(space, 0) + copies
        cpu[space] = cpu.get(space, Decimal(0)) + copies * sum(Quantity(amount).value for amount in asked)
    assert set(pods) == set(fenced())
    small = [
        space
        for space, hard in fenced().items()
        if int(hard["pods"]) < 2 * pods[space] or Quantity(hard["requests.cpu"]).value < 2 * cpu[space]
    ]
    assert small == []


def test_pods_of_the_gpu_operators_priority_may_run_where_that_takes_a_quota() -> None:
    critical = {
        item.body["metadata"]["namespace"]
        for item in quotas.objects(planned(), 5, critical=True)
        if item.body["metadata"]["name"] == "critical-pods"
    }
    assert critical == {"gpu-operator"}
