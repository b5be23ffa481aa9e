"""GPU software and placement on upstream's real objects: one owner of each part, and nothing of ours on a GPU node."""

from __future__ import annotations

import copy
from functools import cache
from itertools import product
from typing import Any, cast

import pytest

from infra.contract import Accelerator, Gpu, Owner, Pool, Quirks, Role, Taint
from infra.naming import ROLE_LABEL, accelerator_of, complete_pool
from kubeflow import gpu, quotas
from kubeflow.distribution import CacheMissingError, Distribution, load, table
from kubeflow.install import kinds, placement
from kubeflow.install.planned import own
from kubeflow.install.transforms import Context, autoscaled, transform
from kubeflow.install.waves import Wave
from kubeflow.spec.gpu import GpuSpec, PoolSharing, Sharing

Json = dict[str, Any]

OWNERS = list(product(Owner, repeat=3))
POOLS = {
    name: complete_pool(name, pool)
    for name, pool in {
        "system": Pool(role=Role.SYSTEM, machine="small", min=1, max=3),
        "h100": Pool(
            role=Role.GPU, machine="big", min=0, max=2, taints=(Taint(key="spot", value="true"),),
            gpu=Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559),
        ),
        "l4": Pool(
            role=Role.GPU, machine="mid", min=0, max=2, gpu=Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)
        ),
    }.items()
}  # fmt: skip
SPEC = GpuSpec(
    sharing={
        "h100": PoolSharing(mode=Sharing.MIG, profiles={"1g.10gb": 7}),
        "l4": PoolSharing(mode=Sharing.TIME_SLICING, replicas=4),
    },
    metrics=("DCGM_FI_DEV_GPU_UTIL",),
)


def accelerator(driver: Owner, toolkit: Owner, plugin: Owner) -> Accelerator:
    made = accelerator_of(POOLS, driver, toolkit=toolkit, device_plugin=plugin, driver_root="/opt/driver")
    assert made is not None
    return made


@cache
def distribution(*names: str) -> Distribution:
    try:
        return load(table.CURRENT, names)
    except CacheMissingError as error:
        pytest.skip(f"upstream's objects are not at hand: {error}")


@cache
def installed(owners: tuple[Owner, Owner, Owner] | None) -> tuple[Json, ...]:
    """Every object of the usual installation, as it goes to a cluster with these owners, or without GPUs."""
    owner = None if owners is None else accelerator(*owners)
    pools = POOLS if owner is not None else {"system": POOLS["system"]}
    usual = tuple(component.name for component in table.components(table.CURRENT) if component.default)
    names, _ = gpu.select(usual, owner, SPEC)
    steps = (
        *gpu.steps(SPEC, owner, pools),
        *placement.steps(placement.placement(pools, owner, Quirks(webhook_labels={"opt-out": "true"}))),
    )
    made: list[Json] = [planned.body for planned in gpu.objects(SPEC, owner, pools)]
    components = distribution(*names).components.values()
    scopes = kinds.cluster_scoped(crd for rendered in components for crd in rendered.crds)
    for rendered in components:
        objects = (*rendered.core, *rendered.late)
        context = Context(
            namespace=rendered.namespace,
            webhooks=True,
            containers=True,
            cluster_scoped=scopes,
            scaled=autoscaled(objects),
        )
        for upstream in objects:
            body = transform(upstream, context)
            for step in steps:
                body = None if body is None else step.apply(body, context)
            if body is not None:
                made.append(body)
    return tuple(made)


@pytest.mark.parametrize("owners", OWNERS, ids=lambda owners: "-".join(owner.value for owner in owners))
def test_each_part_of_the_gpu_software_is_installed_once(owners: tuple[Owner, Owner, Owner]) -> None:
    assert gpu.conflicts(accelerator(*owners), installed(owners)) == ()


@pytest.mark.parametrize("part", ["driver", "toolkit", "devicePlugin"])
@pytest.mark.parametrize("owners", OWNERS, ids=lambda owners: "-".join(owner.value for owner in owners))
def test_a_part_that_changes_hands_is_noticed(owners: tuple[Owner, Owner, Owner], part: str) -> None:
    objects = [copy.deepcopy(body) if body["kind"] == "ClusterPolicy" else body for body in installed(owners)]
    (policy,) = [body for body in objects if body["kind"] == "ClusterPolicy"]
    policy["spec"][part]["enabled"] = not policy["spec"][part]["enabled"]
    (found,) = gpu.conflicts(accelerator(*owners), objects)
    assert found.startswith(part)


def test_a_cluster_without_gpus_gets_no_gpu_software() -> None:
    assert gpu.conflicts(None, installed(None)) == ()
    assert [body["kind"] for body in installed(None) if body["metadata"].get("namespace") == gpu.NAMESPACE] == []


def test_the_policy_is_what_its_definition_allows() -> None:
    (rendered,) = distribution("gpu-operator-onprem").components.values()
    (definition,) = [crd for crd in rendered.crds if crd["spec"]["names"]["kind"] == "ClusterPolicy"]
    (stored,) = [version for version in definition["spec"]["versions"] if version["storage"]]
    schema = stored["schema"]["openAPIV3Schema"]["properties"]["spec"]
    (policy,) = [body for body in installed((Owner.PLATFORM,) * 3) if body["kind"] == "ClusterPolicy"]
    assert _unknown(policy["spec"], schema, "spec") == []
    assert policy["spec"]["hostPaths"]["driverInstallDir"] == "/opt/driver"


def _unknown(value: object, schema: Json, path: str) -> list[str]:
    """Fields that the schema has not, and values that are none of its choices."""
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}={value}"]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known: Json = schema["properties"]
    parts = cast("Json", value)
    return [
        line
        for key, part in parts.items()
        for line in ([f"{path}.{key}"] if key not in known else _unknown(part, known[key], f"{path}.{key}"))
    ]


def test_every_configuration_that_the_policy_names_is_installed() -> None:
    objects = installed((Owner.PLATFORM,) * 3)
    (policy,) = [body["spec"] for body in objects if body["kind"] == "ClusterPolicy"]
    configs = {
        body["metadata"]["name"]: body["data"]
        for body in objects
        if body["kind"] == "ConfigMap" and body["metadata"].get("namespace") == gpu.NAMESPACE
    }
    for part in ("devicePlugin", "migManager", "dcgmExporter"):
        assert policy[part]["config"]["name"] in configs
    assert policy["devicePlugin"]["config"]["default"] in configs[policy["devicePlugin"]["config"]["name"]]


def _pods(objects: tuple[Json, ...], *, of_nodes: bool) -> list[tuple[str, Json]]:
    return [
        (f"{body['kind']} {body['metadata']['namespace']}/{body['metadata']['name']}", pod)
        for body in objects
        if (body["kind"] == "DaemonSet") is of_nodes and (pod := kinds.pod_spec(body)) is not None
    ]


def test_nothing_of_the_platform_can_land_on_a_gpu_node() -> None:
    pods = _pods(installed((Owner.PLATFORM,) * 3), of_nodes=False)
    assert len(pods) > 50
    open_to_gpus: list[str] = []
    for name, pod in pods:
        required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        for term in required["nodeSelectorTerms"]:
            kept_off = {"key": ROLE_LABEL, "operator": "NotIn", "values": ["gpu", "tpu"]}
            if kept_off not in term["matchExpressions"]:
                open_to_gpus.append(name)
    assert open_to_gpus == []


def test_what_looks_after_each_node_runs_on_every_pool() -> None:
    taints = {(taint.key, taint.effect.value) for pool in POOLS.values() for taint in pool.taints}
    assert len(taints) == 2
    lacking = [
        f"{name}: {key}"
        for name, pod in _pods(installed((Owner.PLATFORM,) * 3), of_nodes=True)
        for key, effect in taints
        if not any(one.get("key") in (None, key) and one.get("effect") in (None, effect) for one in pod["tolerations"])
    ]
    assert lacking == []


def test_training_runtimes_reach_gpus() -> None:
    runtimes = [body for body in installed((Owner.PLATFORM,) * 3) if body["kind"] == "ClusterTrainingRuntime"]
    assert runtimes
    for body in runtimes:
        for job in body["spec"]["template"]["spec"]["replicatedJobs"]:
            pod = job["template"]["spec"]["template"]["spec"]
            assert {one["key"] for one in pod["tolerations"]} == {"nvidia.com/gpu", "spot"}


def test_every_control_service_is_one_that_upstream_has_and_can_lose_a_node() -> None:
    objects = installed((Owner.PLATFORM,) * 3)
    found = {
        (body["metadata"]["namespace"], body["metadata"]["name"])
        for body in objects
        if body["kind"] == "Deployment" and "topologySpreadConstraints" in body["spec"]["template"]["spec"]
    }
    assert found == set(placement.CONTROL)
    scaled = {target[1:]: None for target in autoscaled(objects)}
    for body in objects:
        place = (body["metadata"].get("namespace"), body["metadata"]["name"])
        if body["kind"] == "Deployment" and place in found and place not in scaled:
            assert body["spec"]["replicas"] >= 2, place
        if body["kind"] == "HorizontalPodAutoscaler" and place in found:
            assert body["spec"]["minReplicas"] >= 2, place


def test_every_control_service_has_one_disruption_budget() -> None:
    objects = installed((Owner.PLATFORM,) * 3)
    where = placement.placement(POOLS, accelerator(*(Owner.PLATFORM,) * 3), Quirks())
    budgets = [body for body in objects if body["kind"] == "PodDisruptionBudget"]
    budgets += [item.body for item in placement.budgets(where, objects)]
    guarded = [(body["metadata"]["namespace"], body["spec"]["selector"]["matchLabels"]) for body in budgets]
    for body in objects:
        place = (body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if body["kind"] == "Deployment" and place in placement.CONTROL:
            assert guarded.count((place[0], body["spec"]["selector"]["matchLabels"])) == 1, place
    assert all(body["spec"].get("minAvailable") != 0 for body in budgets)


def test_every_webhook_carries_the_labels_that_the_environment_asks_for() -> None:
    webhooks = [body for body in installed(None) if body["kind"] in kinds.WEBHOOKS]
    assert len(webhooks) > 20
    assert [body["metadata"]["name"] for body in webhooks if body["metadata"]["labels"].get("opt-out") != "true"] == []


def test_critical_pods_have_their_quota_where_the_environment_asks_for_it() -> None:
    planned = [own("part", Wave.CONTROLLERS, body) for body in installed((Owner.PLATFORM,) * 3)]
    made = [item.body["metadata"] for item in quotas.objects(planned, nodes=2, critical=True)]
    assert gpu.NAMESPACE in {metadata["namespace"] for metadata in made if metadata["name"] == "critical-pods"}
