"""Queues: GPUs by product and capacity, a guaranteed part for each tenant, and never more than its quota."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

from infra.contract import Accelerator, Capacity, Gpu, Owner, Pool, Role, Taint
from infra.naming import accelerator_of, complete_pool
from infra.objects import Document
from kubeflow import queues
from kubeflow.install.waves import Wave
from kubeflow.quantity import Quantity
from kubeflow.spec.queues import QueueSpec
from kubeflow.spec.tenants import Quota, TenantSpec

Json = dict[str, Any]

H100 = Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559)
L4 = Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)
TEAM = Taint(key="team", value="vision")


def pool(gpu: Gpu | None, capacity: Capacity = Capacity.ON_DEMAND, largest: int = 2, *taints: Taint) -> Pool:
    reservation = "block-1" if capacity is Capacity.RESERVED else None
    role = Role.CPU if gpu is None else Role.GPU
    return Pool(
        role=role, machine="m", min=0, max=largest, gpu=gpu, capacity=capacity, reservation=reservation, taints=taints
    )


POOLS = {
    name: complete_pool(name, one)
    for name, one in {
        "cpu": pool(None),
        "h100": pool(H100, Capacity.ON_DEMAND, 1, TEAM),
        "h100-b": pool(H100, Capacity.ON_DEMAND, 3),
        "h100-kept": pool(H100, Capacity.RESERVED, 2),
        "l4": pool(L4, Capacity.SPOT, 4, TEAM),
    }.items()
}
ACCELERATOR = accelerator_of(POOLS, Owner.PLATFORM)
QUOTA = Quota(cpu=Quantity("33"), memory=Quantity("64Gi"), gpus=9, pods=101)
TENANTS = {"team-a": TenantSpec(owner="ada", quota=QUOTA), "team-b": TenantSpec(owner="alan")}


def made(
    spec: QueueSpec | None = None, accelerator: Accelerator | None = ACCELERATOR
) -> dict[tuple[str, str], Document]:
    planned = list(queues.objects(spec or QueueSpec(), TENANTS, POOLS, accelerator, {"kueue"}))
    assert {one.wave for one in planned} <= {Wave.RUNTIMES}
    return {(one.body["kind"], one.body["metadata"]["name"]): one.body for one in planned}


def resources(queue: Document) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (flavor["name"], resource["name"]): (resource["nominalQuota"], resource["borrowingLimit"])
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
        for resource in flavor["resources"]
    }


def test_without_kueue_there_are_no_queues() -> None:
    assert list(queues.objects(QueueSpec(), TENANTS, POOLS, ACCELERATOR, {"katib"})) == []
    assert list(queues.local("team-a", {"katib"})) == []


def test_gpus_are_told_apart_by_product_and_capacity_and_those_that_are_paid_for_come_first() -> None:
    assert [(one.name, one.gpus) for one in queues.flavors(POOLS, ACCELERATOR)] == [
        ("nvidia-h100-80gb-hbm3-reserved", 16), ("nvidia-l4-spot", 16), ("nvidia-h100-80gb-hbm3-on-demand", 32),
    ]  # fmt: skip


def test_a_flavor_selects_nodes_by_the_labels_that_they_have() -> None:
    for pool_of in POOLS.values():
        if pool_of.gpu is not None:
            labels = [
                item["spec"]["nodeLabels"]
                for (kind, _), item in made().items()
                if kind == "ResourceFlavor" and "spec" in item
            ]
            assert [one for one in labels if one.items() <= pool_of.labels.items()]


def test_a_job_tolerates_the_accelerators_taint_by_itself_and_others_only_if_it_says_so() -> None:
    spec = made()["ResourceFlavor", "nvidia-l4-spot"]["spec"]
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}
    ]
    assert spec["nodeTaints"] == [{"key": "team", "value": "vision", "effect": "NoSchedule"}]


def test_a_taint_that_only_some_nodes_have_keeps_no_job_from_the_others() -> None:
    assert "nodeTaints" not in made()["ResourceFlavor", "nvidia-h100-80gb-hbm3-on-demand"]["spec"]


def test_a_tenant_owns_the_guaranteed_part_and_borrows_the_rest() -> None:
    found = resources(made(QueueSpec(guaranteed=50))["ClusterQueue", "team-a"])
    assert found["machines", "cpu"] == ("16500m", "16500m")
    assert found["machines", "memory"] == ("32Gi", "32Gi")
    assert found["machines", "pods"] == ("50", "51")


@pytest.mark.parametrize("guaranteed", [0, 33, 50, 100])
def test_with_what_it_borrows_a_tenant_never_holds_more_than_its_quota(guaranteed: int) -> None:
    found = resources(made(QueueSpec(guaranteed=guaranteed))["ClusterQueue", "team-a"])
    allowed = {"cpu": QUOTA.cpu.value, "memory": QUOTA.memory.value, "pods": Decimal(101), "nvidia.com/gpu": Decimal(9)}
    for (_, name), (nominal, borrowed) in found.items():
        assert Quantity(nominal).value + Quantity(borrowed).value == allowed[name]


def test_guaranteed_gpus_are_whole_and_spread_over_what_there_is() -> None:
    found = resources(made(QueueSpec(guaranteed=50))["ClusterQueue", "team-a"])
    gpus = [nominal for (_, name), (nominal, _) in found.items() if name == "nvidia.com/gpu"]
    assert gpus == ["1", "1", "3"]


def test_a_cluster_without_gpus_has_queues_without_gpus() -> None:
    (group,) = made(accelerator=None)["ClusterQueue", "team-a"]["spec"]["resourceGroups"]
    assert group["coveredResources"] == ["cpu", "memory", "pods"]


def test_tenants_share_one_cohort_and_each_queue_serves_one_namespace() -> None:
    found = {name: item["spec"] for (kind, name), item in made().items() if kind == "ClusterQueue"}
    assert {spec["cohortName"] for spec in found.values()} == {"tenants"}
    for name, spec in found.items():
        assert spec["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": name}}
        (door,) = queues.local(name, {"kueue"})
        assert (door["metadata"]["namespace"], door["spec"]["clusterQueue"]) == (name, name)


def test_jobs_wait_in_the_order_in_which_pods_yield() -> None:
    found = {name: item["value"] for (kind, name), item in made().items() if kind == "WorkloadPriorityClass"}
    assert sorted(found, key=lambda name: -found[name]) == ["kubeflow-serving", "kubeflow-training", "kubeflow-batch"]


def config(text: str = "integrations: {frameworks: [pod]}\nmetrics:\n  bindAddress: :8443\n") -> Json:
    metadata = {"name": "kueue-manager-config", "namespace": "kueue-system"}
    return {"kind": "ConfigMap", "metadata": metadata, "data": {"controller_manager_config.yaml": text}}


def configured(spec: QueueSpec, installed: set[str]) -> Json:
    changed = queues.configured(spec, installed)(config(), None)
    return yaml.safe_load(changed["data"]["controller_manager_config.yaml"])


def test_only_jobs_of_tenants_wait_and_what_upstream_set_besides_stays() -> None:
    found = configured(QueueSpec(), {"kueue", "trainer"})
    assert found["managedJobsNamespaceSelector"] == {"matchLabels": {"app.kubernetes.io/part-of": "kubeflow-profile"}}
    assert found["metrics"] == {"bindAddress": ":8443", "enableClusterQueueResources": True}
    assert found["integrations"]["frameworks"] == [
        "batch/job", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob",
    ]  # fmt: skip


def test_jobs_of_the_first_training_operator_wait_where_it_is_installed() -> None:
    assert (
        "kubeflow.org/pytorchjob"
        in configured(QueueSpec(), {"kueue", "training-operator"})["integrations"]["frameworks"]
    )
    assert "kubeflow.org/pytorchjob" not in configured(QueueSpec(), {"kueue"})["integrations"]["frameworks"]


def test_fair_sharing_is_a_choice() -> None:
    assert "fairSharing" in configured(QueueSpec(), {"kueue"})
    assert "fairSharing" not in configured(QueueSpec(fair_sharing=False), {"kueue"})


def test_another_configuration_is_another_pod() -> None:
    def mark(spec: QueueSpec) -> str:
        manager: Json = {
            "kind": "Deployment",
            "metadata": {"name": "kueue-controller-manager"},
            "spec": {"template": {"metadata": {"annotations": {"kept": "yes"}}}},
        }
        annotations = queues.configured(spec, {"kueue"})(manager, None)["spec"]["template"]["metadata"]["annotations"]
        assert annotations["kept"] == "yes"
        return annotations["proof.kubeflow/config"]

    assert mark(QueueSpec()) == mark(QueueSpec(guaranteed=10))
    assert mark(QueueSpec()) != mark(QueueSpec(fair_sharing=False))
