"""GPU software: which operator, who owns which part, how GPUs are shared. Refuses a part with two owners or none.

Driver, container toolkit and device plugin have exactly one owner each, and the cluster says who: what it brings itself
is switched off in the operator. A shared GPU always has a resource name of its own, so that nobody takes a part for a
whole one, and a quota can name both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from infra.contract import Accelerator, Owner, Pool, Taint
from infra.objects import document

from .distribution import table
from .distribution.documents import Body
from .install import kinds
from .install.planned import Planned, own
from .install.transforms import Context, Step
from .install.waves import Wave
from .spec.gpu import METRICS, PARTITIONS, GpuSpec, PoolSharing, Sharing

FAMILY = "gpu-operator"
NAMESPACE = "gpu-operator"
PLUGIN_LABEL = "nvidia.com/device-plugin.config"  # NVIDIA/gpu-operator: chooses a key of the plugin's ConfigMap
MIG_LABEL = "nvidia.com/mig.config"  # NVIDIA/mig-parted: chooses a layout of the MIG manager's ConfigMap
_PLUGIN_CONFIG, _MIG_CONFIG, _METRICS_CONFIG = "gpu-sharing", "gpu-partitions", "gpu-metrics"
_WHOLE, _NO_PARTITIONS = "whole-gpus", "all-disabled"
_TABLE_FILE = "dcgm-metrics.csv"  # the key that the exporter's DaemonSet mounts (NVIDIA/gpu-operator, DCGMExporter)

# Parts with one owner: field of the ClusterPolicy -> the field of the contract that names its owner.
_PARTS: Mapping[str, str] = {"driver": "driver", "toolkit": "toolkit", "devicePlugin": "device_plugin"}
_FOREIGN_PLUGIN = "k8s-device-plugin"  # image of a device plugin that somebody runs beside the operator


def variant(accelerator: Accelerator | None, spec: GpuSpec) -> str | None:
    """The operator's component that fits the cluster; None where nothing is left for it to do."""
    if accelerator is None:
        return None
    if Owner.PLATFORM in (accelerator.driver, accelerator.toolkit):
        return "gpu-operator-onprem"
    if accelerator.device_plugin is Owner.PLATFORM or spec.exporter:
        return "gpu-operator-cloud"
    return None


def select(
    names: tuple[str, ...], accelerator: Accelerator | None, spec: GpuSpec
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The components with the right variant of the operator in place of any, and what is left out, with the reason."""
    known = {component.name for component in table.components(table.CURRENT) if component.family == FAMILY}
    asked = [name for name in names if name in known]
    fitting = variant(accelerator, spec)
    kept = tuple(dict.fromkeys(name if name not in known else fitting for name in names))
    reason = "no pool has GPUs" if accelerator is None else "the cluster brings all GPU software, and exporter is false"
    left_out = (f"{asked[0]}: {reason}",) if asked and fitting is None else ()
    return tuple(name for name in kept if name is not None), left_out


def problems(spec: GpuSpec, accelerator: Accelerator | None, pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """Everything about the sharing of pools that this cluster cannot do, each with its key."""
    found: list[str] = []
    with_gpus = [name for name, pool in pools.items() if pool.gpu is not None]
    for name, sharing in spec.sharing.items():
        key = f"platform.gpu.sharing.{name}"
        if name not in with_gpus:
            found.append(f"{key}: no such pool has GPUs; allowed: {', '.join(with_gpus) or 'none'}")
            continue
        if sharing.mode is not Sharing.NONE and accelerator is not None and accelerator.device_plugin is Owner.CLOUD:
            found.append(
                f"{key}.mode: found {sharing.mode.value}; allowed: none, for this cluster brings its own plugin"
            )
        gpu = pools[name].gpu
        if sharing.mode is Sharing.MIG and gpu is not None:
            found.extend(f"{key}.profiles: {problem}" for problem in _partition_problems(gpu.product, sharing.profiles))
    return tuple(found)


def _partition_problems(product: str, profiles: Mapping[str, int]) -> Iterator[str]:
    known = PARTITIONS.get(product)
    if known is None:
        yield f"{product} has no MIG; products that have it: {', '.join(PARTITIONS)}"
        return
    if unknown := [name for name in profiles if name not in known]:
        yield f"found {', '.join(unknown)}; allowed for {product}: {', '.join(known)}"
        return
    yield from (
        f"{name}: found {count}; at most {known[name].most} fit on {product}"
        for name, count in profiles.items()
        if count > known[name].most
    )
    compute = sum(known[name].compute * count for name, count in profiles.items())
    memory = sum(known[name].memory * count for name, count in profiles.items())
    most_compute = max(part.compute for part in known.values())
    most_memory = max(part.memory for part in known.values())
    if compute > most_compute or memory > most_memory:
        yield (
            f"together they take {compute} of {most_compute} compute slices and {memory} of {most_memory} memory "
            f"slices of {product}"
        )


def resources(spec: GpuSpec, accelerator: Accelerator | None, pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """Every extended resource by which a pod can ask for a GPU. A quota that misses one does not limit it."""
    if accelerator is None:
        return ()
    names = {accelerator.resource: None}
    for name, sharing in _shared(spec, pools):
        if sharing.mode is Sharing.MIG:
            names |= {f"nvidia.com/mig-{profile}": None for profile in spec.sharing[name].profiles}
        else:
            names[f"{accelerator.resource}.shared"] = None
    return tuple(names)


def node_labels(spec: GpuSpec, pools: Mapping[str, Pool]) -> Mapping[str, Mapping[str, str]]:
    """Labels that the nodes of a pool need, by pool: the environment puts them on as they join."""
    return {
        name: {MIG_LABEL if sharing.mode is Sharing.MIG else PLUGIN_LABEL: name}
        for name, sharing in _shared(spec, pools)
    }


def objects(spec: GpuSpec, accelerator: Accelerator | None, pools: Mapping[str, Pool]) -> Iterator[Planned]:
    """The configurations that the operator's parts mount; none where nothing is shared and nothing is listed."""
    if variant(accelerator, spec) is None or accelerator is None:
        return
    shared = dict(_shared(spec, pools))
    turns = {name: sharing for name, sharing in shared.items() if sharing.mode is not Sharing.MIG}
    if turns:
        data = {name: _turns(sharing, accelerator.resource) for name, sharing in turns.items()}
        yield _config(_PLUGIN_CONFIG, {_WHOLE: json.dumps({"version": "v1"}), **data})
    if len(turns) != len(shared):
        layouts: dict[str, Any] = {_NO_PARTITIONS: [{"devices": "all", "mig-enabled": False}]}
        for name, sharing in shared.items():
            if sharing.mode is Sharing.MIG:
                profiles = dict(sharing.profiles)
                layouts[name] = [{"devices": "all", "mig-enabled": True, "mig-devices": profiles}]
        yield _config(_MIG_CONFIG, {"config.yaml": json.dumps({"version": "v1", "mig-configs": layouts})})
    if spec.metrics:
        lines = (f"{name}, {kind}, {text}" for name, (kind, text) in METRICS.items() if name in spec.metrics)
        yield _config(_METRICS_CONFIG, {_TABLE_FILE: "".join(f"{line}\n" for line in lines)})


def _config(name: str, data: Mapping[str, str]) -> Planned:
    return own("gpu", Wave.BASE, document("v1", "ConfigMap", name, NAMESPACE, data=dict(data)))


def _turns(sharing: PoolSharing, resource: str) -> str:
    """The device plugin's configuration, as JSON, which is YAML."""
    shared: dict[str, Any] = {
        "renameByDefault": True,  # nvidia.com/gpu.shared: never taken for a whole GPU
        "resources": [{"name": resource, "replicas": sharing.replicas}],
    }
    if sharing.mode is Sharing.TIME_SLICING:
        shared["failRequestsGreaterThanOne"] = True  # two turns are no more than one, whatever the pod asked for
    kind = "timeSlicing" if sharing.mode is Sharing.TIME_SLICING else "mps"
    return json.dumps({"version": "v1", "sharing": {kind: shared}})


def _shared(spec: GpuSpec, pools: Mapping[str, Pool]) -> Iterator[tuple[str, PoolSharing]]:
    """The pools with shared GPUs."""
    for name, sharing in spec.sharing.items():
        if sharing.mode is not Sharing.NONE and name in pools and pools[name].gpu is not None:
            yield name, sharing


def steps(spec: GpuSpec, accelerator: Accelerator | None, pools: Mapping[str, Pool]) -> tuple[Step, ...]:
    """What is changed about the operator's objects."""
    if accelerator is None:
        return ()

    def policy(body: Body, _context: Context) -> Body:
        if kinds.group_kind(body) == ("nvidia.com", "ClusterPolicy"):
            _own_parts(body["spec"], accelerator)
            _sharing(body["spec"], dict(_shared(spec, pools)))
            _exporter(body["spec"], spec)
            body["spec"]["operator"]["runtimeClass"] = spec.runtime_class
            body["spec"]["daemonsets"]["tolerations"] = tolerations(_gpu_taints(accelerator, pools))
        return body

    return (Step(apply=policy, why="two drivers or device plugins on a node break each other: each has one owner"),)


def _own_parts(policy: Body, accelerator: Accelerator) -> None:
    for part, owner in _PARTS.items():
        policy[part]["enabled"] = getattr(accelerator, owner) is Owner.PLATFORM
    if accelerator.driver_root is not None:
        policy["hostPaths"]["driverInstallDir"] = accelerator.driver_root
        policy["toolkit"]["installDir"] = accelerator.driver_root


def _sharing(policy: Body, shared: Mapping[str, PoolSharing]) -> None:
    partitioned = any(sharing.mode is Sharing.MIG for sharing in shared.values())
    policy["migManager"]["enabled"] = partitioned
    if partitioned:
        policy["mig"]["strategy"] = "mixed"  # each profile is a resource of its own, for requests and quotas
        policy["migManager"]["config"] = {"name": _MIG_CONFIG, "default": _NO_PARTITIONS}
    if any(sharing.mode is not Sharing.MIG for sharing in shared.values()):
        policy["devicePlugin"]["config"] = {"name": _PLUGIN_CONFIG, "default": _WHOLE}


def _exporter(policy: Body, spec: GpuSpec) -> None:
    exporter = policy["dcgmExporter"]
    exporter["enabled"] = spec.exporter
    exporter["serviceMonitor"] |= {"enabled": spec.exporter, "interval": spec.interval}
    if spec.metrics:
        exporter["config"] = {"name": _METRICS_CONFIG}


def _gpu_taints(accelerator: Accelerator, pools: Mapping[str, Pool]) -> tuple[Taint, ...]:
    extra = (taint for pool in pools.values() if pool.gpu is not None for taint in pool.taints)
    return tuple(dict.fromkeys((accelerator.toleration, *extra)))


def tolerations(taints: Iterable[Taint]) -> list[Body]:
    """Tolerations of taints whatever their value, each key and effect once."""
    pairs = dict.fromkeys((taint.key, taint.effect.value) for taint in taints)
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in pairs]


def conflicts(accelerator: Accelerator | None, bodies: Collection[Body]) -> tuple[str, ...]:
    """Parts with two owners, or with none, among the objects that would be installed."""
    policies = [body for body in bodies if kinds.group_kind(body) == ("nvidia.com", "ClusterPolicy")]
    plugins = [
        f"{body['kind']} {body['metadata'].get('namespace')}/{body['metadata']['name']}"
        for body in bodies
        if body["kind"] == "DaemonSet"
        and any(_FOREIGN_PLUGIN in container["image"] for container in kinds.containers(kinds.pod_spec(body) or {}))
    ]
    found: list[str] = []
    for part, owner in _PARTS.items():
        owners = [f"ClusterPolicy {body['metadata']['name']}" for body in policies if body["spec"][part]["enabled"]]
        if part == "devicePlugin":
            owners += plugins
        if accelerator is not None and getattr(accelerator, owner) is Owner.CLOUD:
            owners.insert(0, "the cluster")
        wanted = 0 if accelerator is None else 1
        if len(owners) != wanted:
            found.append(f"{part}: {' and '.join(owners) or 'nobody'} installs it; it needs exactly {wanted} owner")
    return tuple(found)
