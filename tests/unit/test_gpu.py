"""Who owns which part of the GPU software, and how GPUs are shared: one sentence for each."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from infra.contract import Accelerator, Effect, Gpu, Owner, Pool, Role, Taint
from infra.naming import GPU_RESOURCE, GPU_TAINT, accelerator_of
from kubeflow import gpu
from kubeflow.install import kinds
from kubeflow.install.transforms import Context
from kubeflow.spec.gpu import PARTITIONS, GpuSpec, PoolSharing, Sharing

Object = dict[str, Any]
H100 = Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559)
POOLS = {
    "cpu": Pool(role=Role.CPU, machine="small", min=1, max=3),
    "h100": Pool(role=Role.GPU, machine="big", min=0, max=2, gpu=H100, taints=(Taint(key="spot", value="true"),)),
    "l4": Pool(role=Role.GPU, machine="mid", min=0, max=2, gpu=Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)),
}
SLICED = PoolSharing(mode=Sharing.TIME_SLICING, replicas=4)
SEVEN = PoolSharing(mode=Sharing.MIG, profiles={"1g.10gb": 7})


def accelerator(driver: Owner, toolkit: Owner | None = None, plugin: Owner | None = None) -> Accelerator:
    made = accelerator_of(POOLS, driver, toolkit=toolkit, device_plugin=plugin)
    assert made is not None
    return made


def policy() -> Object:
    """The fields of upstream's ClusterPolicy that are touched (NVIDIA/gpu-operator v26.7.0)."""
    return {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "cluster-policy"},
        "spec": {
            "driver": {"enabled": True},
            "toolkit": {"enabled": True, "installDir": "/usr/local/nvidia"},
            "devicePlugin": {"enabled": True},
            "hostPaths": {"driverInstallDir": "/run/nvidia/driver"},
            "mig": {"strategy": "single"},
            "migManager": {"enabled": True, "config": {"default": "all-disabled"}},
            "dcgmExporter": {"enabled": True, "serviceMonitor": {"enabled": True, "interval": "15s"}},
            "operator": {"runtimeClass": "nvidia"},
            "daemonsets": {"tolerations": []},
        },
    }


def changed(spec: GpuSpec, owner: Accelerator | None) -> Object:
    body = policy()
    context = Context(namespace=None, webhooks=True, containers=True, cluster_scoped=kinds.cluster_scoped(()))
    for step in gpu.steps(spec, owner, POOLS):
        made = step.apply(body, context)
        assert made is not None
        body = made
    return body["spec"]


@pytest.mark.parametrize(
    ("driver", "toolkit", "plugin", "name"),
    [
        (Owner.PLATFORM, Owner.PLATFORM, Owner.PLATFORM, "gpu-operator-onprem"),
        (Owner.PLATFORM, Owner.CLOUD, Owner.PLATFORM, "gpu-operator-onprem"),
        (Owner.CLOUD, Owner.PLATFORM, Owner.CLOUD, "gpu-operator-onprem"),
        (Owner.CLOUD, Owner.CLOUD, Owner.PLATFORM, "gpu-operator-cloud"),
        (Owner.CLOUD, Owner.CLOUD, Owner.CLOUD, "gpu-operator-cloud"),
    ],
)
def test_the_operator_fits_what_is_left_to_do(driver: Owner, toolkit: Owner, plugin: Owner, name: str) -> None:
    owner = accelerator(driver, toolkit, plugin)
    assert gpu.variant(owner, GpuSpec()) == name
    assert gpu.select(("trainer", "gpu-operator-onprem"), owner, GpuSpec()) == (("trainer", name), ())


def test_without_gpus_no_operator_is_installed_and_the_reason_is_told() -> None:
    names, left_out = gpu.select(("gpu-operator-onprem", "trainer"), None, GpuSpec())
    assert names == ("trainer",)
    assert left_out == ("gpu-operator-onprem: no pool has GPUs",)
    assert list(gpu.objects(GpuSpec(metrics=("DCGM_FI_DEV_GPU_UTIL",)), None, POOLS)) == []
    assert gpu.steps(GpuSpec(), None, POOLS) == ()


def test_where_the_cluster_brings_all_and_nobody_measures_no_operator_is_installed() -> None:
    names, left_out = gpu.select(("gpu-operator-cloud",), accelerator(Owner.CLOUD), GpuSpec(exporter=False))
    assert names == ()
    assert "the cluster brings all GPU software" in left_out[0]


def test_who_did_not_ask_for_the_operator_does_not_get_it() -> None:
    assert gpu.select(("trainer",), accelerator(Owner.PLATFORM), GpuSpec()) == (("trainer",), ())
    assert gpu.select(("trainer",), None, GpuSpec()) == (("trainer",), ())


def test_two_variants_become_one() -> None:
    names, _ = gpu.select(("gpu-operator-onprem", "gpu-operator-cloud"), accelerator(Owner.CLOUD), GpuSpec())
    assert names == ("gpu-operator-cloud",)


@pytest.mark.parametrize("driver", list(Owner))
@pytest.mark.parametrize("toolkit", list(Owner))
@pytest.mark.parametrize("plugin", list(Owner))
def test_every_part_has_exactly_one_owner(driver: Owner, toolkit: Owner, plugin: Owner) -> None:
    owner = accelerator(driver, toolkit, plugin)
    spec = changed(GpuSpec(), owner)
    for part, who in (("driver", driver), ("toolkit", toolkit), ("devicePlugin", plugin)):
        assert spec[part]["enabled"] is (who is Owner.PLATFORM)
    assert gpu.conflicts(owner, [{**policy(), "spec": spec}]) == ()


def test_a_second_driver_and_a_second_device_plugin_are_refused() -> None:
    owner = accelerator(Owner.CLOUD)
    pod = {"containers": [{"name": "plugin", "image": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0"}]}
    plugin = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "plugin", "namespace": "kube-system"},
        "spec": {"template": {"spec": pod}},
    }  # fmt: skip
    ours = {**policy(), "spec": changed(GpuSpec(), accelerator(Owner.PLATFORM))}
    found = gpu.conflicts(owner, [ours, plugin])
    assert [line.partition(":")[0] for line in found] == ["driver", "toolkit", "devicePlugin"]
    assert "DaemonSet kube-system/plugin" in found[2]


def test_a_part_without_an_owner_is_refused() -> None:
    off = copy.deepcopy(policy())
    off["spec"]["driver"]["enabled"] = False
    assert gpu.conflicts(accelerator(Owner.PLATFORM), [off]) == (
        "driver: nobody installs it; it needs exactly 1 owner",
    )


def test_a_driver_elsewhere_on_the_node_is_found() -> None:
    owner = replace(accelerator(Owner.CLOUD, Owner.PLATFORM), driver_root="/home/bin/nvidia")
    spec = changed(GpuSpec(), owner)
    assert spec["hostPaths"]["driverInstallDir"] == spec["toolkit"]["installDir"] == "/home/bin/nvidia"


def test_the_operators_pods_tolerate_every_taint_of_gpu_pools() -> None:
    spec = changed(GpuSpec(), accelerator(Owner.PLATFORM))
    assert spec["daemonsets"]["tolerations"] == [
        {"key": GPU_TAINT.key, "operator": "Exists", "effect": Effect.NO_SCHEDULE.value},
        {"key": "spot", "operator": "Exists", "effect": Effect.NO_SCHEDULE.value},
    ]


def test_a_time_sliced_gpu_is_never_taken_for_a_whole_one() -> None:
    spec, owner = GpuSpec(sharing={"l4": SLICED}), accelerator(Owner.CLOUD, plugin=Owner.PLATFORM)
    (config,) = [planned.body for planned in gpu.objects(spec, owner, POOLS)]
    made = json.loads(config["data"]["l4"])["sharing"]["timeSlicing"]
    assert made["renameByDefault"] is True
    assert made["failRequestsGreaterThanOne"] is True
    assert made["resources"] == [{"name": GPU_RESOURCE, "replicas": 4}]
    assert gpu.resources(spec, owner, POOLS) == (GPU_RESOURCE, "nvidia.com/gpu.shared")


def test_pools_that_are_not_shared_give_whole_gpus() -> None:
    spec, owner = GpuSpec(sharing={"l4": SLICED}), accelerator(Owner.CLOUD, plugin=Owner.PLATFORM)
    chosen = changed(spec, owner)["devicePlugin"]["config"]
    (config,) = [planned.body for planned in gpu.objects(spec, owner, POOLS)]
    assert chosen["name"] == config["metadata"]["name"]
    assert json.loads(config["data"][chosen["default"]]) == {"version": "v1"}
    assert gpu.node_labels(spec, POOLS) == {"l4": {gpu.PLUGIN_LABEL: "l4"}}


def test_mps_parts_have_the_shared_name_as_well() -> None:
    sharing = PoolSharing(mode=Sharing.MPS, replicas=2)
    spec, owner = GpuSpec(sharing={"h100": sharing}), accelerator(Owner.PLATFORM)
    (config,) = [planned.body for planned in gpu.objects(spec, owner, POOLS)]
    assert set(json.loads(config["data"]["h100"])["sharing"]) == {"mps"}
    assert gpu.resources(spec, owner, POOLS) == (GPU_RESOURCE, "nvidia.com/gpu.shared")


def test_each_mig_profile_is_a_resource_that_a_quota_can_name() -> None:
    sharing = PoolSharing(mode=Sharing.MIG, profiles={"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1})
    spec, owner = GpuSpec(sharing={"h100": sharing}), accelerator(Owner.PLATFORM)
    assert gpu.problems(spec, owner, POOLS) == ()
    names = tuple(f"nvidia.com/mig-{profile}" for profile in sharing.profiles)
    assert gpu.resources(spec, owner, POOLS) == (GPU_RESOURCE, *names)
    made = changed(spec, owner)
    assert made["mig"]["strategy"] == "mixed"
    assert made["migManager"]["enabled"] is True
    (config,) = [planned.body for planned in gpu.objects(spec, owner, POOLS)]
    layouts = json.loads(config["data"]["config.yaml"])["mig-configs"]
    assert layouts["h100"][0]["mig-devices"] == dict(sharing.profiles)
    assert made["migManager"]["config"] == {"name": config["metadata"]["name"], "default": "all-disabled"}
    assert "all-disabled" in layouts
    assert gpu.node_labels(spec, POOLS) == {"h100": {gpu.MIG_LABEL: "h100"}}


def test_nothing_partitions_gpus_where_nobody_asked() -> None:
    made = changed(GpuSpec(), accelerator(Owner.PLATFORM))
    assert made["migManager"]["enabled"] is False
    assert "config" not in made["devicePlugin"]
    assert gpu.node_labels(GpuSpec(), POOLS) == {}
    assert gpu.resources(GpuSpec(), None, POOLS) == ()


@pytest.mark.parametrize(
    ("pool", "sharing", "driver", "text"),
    [
        ("cpu", SLICED, Owner.PLATFORM, "no such pool has GPUs; allowed: h100, l4"),
        ("absent", SLICED, Owner.PLATFORM, "no such pool has GPUs"),
        ("l4", SLICED, Owner.CLOUD, "brings its own plugin"),
        ("l4", PoolSharing(mode=Sharing.MIG, profiles={"1g.6gb": 4}), Owner.PLATFORM, "NVIDIA-L4 has no MIG"),
        ("h100", PoolSharing(mode=Sharing.MIG, profiles={"1g.5gb": 7}), Owner.PLATFORM, "found 1g.5gb; allowed"),
        ("h100", PoolSharing(mode=Sharing.MIG, profiles={"3g.40gb": 3}), Owner.PLATFORM, "at most 2 fit"),
        (
            "h100", PoolSharing(mode=Sharing.MIG, profiles={"3g.40gb": 2, "1g.10gb": 1}), Owner.PLATFORM,
            "9 of 8 memory slices",
        ),
    ],
)  # fmt: skip
def test_what_no_gpu_can_do_is_refused_by_name(pool: str, sharing: PoolSharing, driver: Owner, text: str) -> None:
    found = gpu.problems(GpuSpec(sharing={pool: sharing}), accelerator(driver), POOLS)
    assert any(line.startswith(f"platform.gpu.sharing.{pool}") and text in line for line in found)


def test_all_problems_are_told_at_once() -> None:
    spec = GpuSpec(sharing={"cpu": SLICED, "l4": SEVEN})
    assert len(gpu.problems(spec, accelerator(Owner.PLATFORM), POOLS)) == 2


@pytest.mark.parametrize("product", list(PARTITIONS))
def test_each_profile_fits_as_often_as_its_slices_allow(product: str) -> None:
    known = PARTITIONS[product]
    compute, memory = (max(getattr(part, name) for part in known.values()) for name in ("compute", "memory"))
    for name, part in known.items():
        assert part.most == min(compute // part.compute, memory // part.memory), name


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"mode": Sharing.MPS}, "replicas is missing"),
        ({"mode": Sharing.MIG, "profiles": {"1g.10gb": 1}, "replicas": 2}, "replicas belongs to"),
        ({"mode": Sharing.MPS, "replicas": 2, "profiles": {"1g.10gb": 1}}, "exactly when mode is mig"),
        ({"mode": Sharing.MIG}, "exactly when mode is mig"),
        ({"mode": Sharing.MIG, "profiles": {"1g.10gb": 0}}, "1 or more"),
    ],
)
def test_options_of_another_mode_are_refused(fields: Object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PoolSharing(**fields)


def test_the_exporter_gets_a_line_for_each_metric_that_is_listed() -> None:
    spec, owner = GpuSpec(metrics=("DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_DEV_GPU_UTIL")), accelerator(Owner.PLATFORM)
    (config,) = [planned.body for planned in gpu.objects(spec, owner, POOLS)]
    lines = config["data"]["dcgm-metrics.csv"].splitlines()
    assert {line.partition(",")[0] for line in lines} == set(spec.metrics)
    assert all(len(line.split(", ", 2)) == 3 for line in lines)
    assert changed(spec, owner)["dcgmExporter"]["config"] == {"name": config["metadata"]["name"]}


def test_metrics_that_nobody_exports_are_refused() -> None:
    with pytest.raises(ValueError, match="DCGM_FI_DEV_NOTHING"):
        GpuSpec(metrics=("DCGM_FI_DEV_NOTHING",))
    with pytest.raises(ValueError, match="exporter is false"):
        GpuSpec(exporter=False, metrics=("DCGM_FI_DEV_GPU_UTIL",))
