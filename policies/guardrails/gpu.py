"""GPUs: how pods ask for them, and how pools of them are bounded, marked and kept for those who need them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence

from . import cel
from .pod_security import each
from .pods import Container
from .pools import POOL_TYPES, Bound, pools_of
from .rule import PODS, Config, Finding, Setting, Severity, Subject, relation, rule
from .values import Node, quantity

_PODS = (PODS,)
_RESOURCE = re.compile(
    r"(nvidia\.com/(gpu|mig-.+)(\.shared)?|amd\.com/gpu|gpu\.intel\.com/.+|google\.com/tpu|aliyun\.com/gpu-.+)"
)
# The same in CEL. A map is a list of its keys there.
_REQUESTS, _LIMITS = (f"c.?resources.?{key}.orValue({{}})" for key in ("requests", "limits"))
_GPU = cel.matches("k", f"^({_RESOURCE.pattern})$")
_BOTH = f"{_GPU} && k in {_LIMITS} && isQuantity(string({_LIMITS}[k])) && isQuantity(string({_REQUESTS}[k]))"
_SAME = f"quantity(string({_REQUESTS}[k])).compareTo(quantity(string({_LIMITS}[k]))) == 0"


def _whole(of: str) -> str:
    amount = f"quantity(string({of}[k]))"
    return f"isQuantity(string({of}[k])) && {amount}.isInteger() && !{amount}.isLessThan(quantity('0'))"


_AMOUNTS = f"{_LIMITS}.filter(k, {_GPU} && {_whole(_LIMITS)}).map(k, quantity(string({_LIMITS}[k])).asInteger())"
_TOTAL = f"p.containers.map(c, {_AMOUNTS}.sum()).sum()"
_ASKS = f"c.?resources.?limits.orValue({{}}).exists(k, {_GPU}) || {_REQUESTS}.exists(k, {_GPU})"
_KEY = "t.?key.orValue('')"
_TOLERATES = (
    f"({_KEY} == '' && has(t.operator)) || {_KEY} == 'nvidia.com/gpu' || {_KEY} in c.?resources.?limits.orValue({{}})"
)
_TOLERATED = (
    f"variables.admitted || p.containers.all(c, !({_ASKS}) || p.spec.?tolerations.orValue([]).exists(t, {_TOLERATES}))"
)
_UNSEEN = "e.name != 'NVIDIA_VISIBLE_DEVICES' || e.?value.orValue('void').lowerAscii() in ['', 'none', 'void']"
_DEVICE = "v.?hostPath.?path.orValue('')"


def is_gpu(resource: str) -> bool:
    """Whether a resource of a node is a GPU or a part of one."""
    return _RESOURCE.fullmatch(resource) is not None


def _asked(container: Container) -> Iterator[tuple[str, str, Node]]:
    """What a container asks for: resource, where it stands, amount."""
    for key, place in (("requests", ("resources", "requests")), ("limits", ("resources", "limits"))):
        for resource, amount in container.node.at(*place).entries():
            if is_gpu(resource):
                yield resource, key, amount
    per_node = container.node.at("resourcesPerNode")
    for key in ("requests", "limits"):
        yield from ((resource, key, amount) for resource, amount in per_node.at(key).entries() if is_gpu(resource))


@rule(
    refuses="A GPU request without the same limit, or a limit with another request.",
    why="Kubernetes has no shares of such resources: the API server refuses the pod, after the job was accepted.",
    fix="Write the amount under resources.limits; requests may be left out or be the same.",
    severity=Severity.HIGH,
    source="Kubernetes: Schedule GPUs; CIS Kubernetes 5.7.1",
    types=_PODS,
    cluster=(
        cel.container(
            "{} is requested without a limit", *cel.every(f"{_REQUESTS}.filter(k, {_GPU})", "k", f"k in {_LIMITS}")
        ),
        cel.container("request and limit of {} differ", *cel.every(f"{_REQUESTS}.filter(k, {_BOTH})", "k", _SAME)),
    ),
)
def gpu_limit_missing(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A limit alone is complete: the request follows it."""
    for _, container in each(subject):
        asked: dict[str, dict[str, Node]] = {}
        for resource, key, amount in _asked(container):
            asked.setdefault(resource, {})[key] = amount
        for resource, amounts in asked.items():
            if "limits" not in amounts:
                yield Finding(text=f"{resource} is requested without a limit", path=amounts["requests"].path)
            elif "requests" in amounts:
                limit, request = (amounts[key].number(unknown=math.nan) for key in ("limits", "requests"))
                if not math.isnan(limit) and not math.isnan(request) and limit != request:
                    yield Finding(text=f"request and limit of {resource} differ", path=amounts["requests"].path)


@rule(
    refuses="A part of a GPU written as a fraction, or an amount that is no number.",
    why="Device plugins hand out whole devices; 0.5 is refused by the API server, 500m as well.",
    fix="Ask for 1 of a shared or partitioned resource, such as nvidia.com/mig-1g.10gb.",
    severity=Severity.HIGH,
    source="Kubernetes: extended resources are integers",
    types=_PODS,
    cluster=tuple(
        cel.container("the amount of {} is not a whole number", *cel.every(f"{of}.filter(k, {_GPU})", "k", _whole(of)))
        for of in (_LIMITS, _REQUESTS)
    ),
)
def gpu_fraction(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Also negative amounts, and quantities which look whole but are not."""
    for _, container in each(subject):
        for resource, _key, amount in _asked(container):
            if amount.unknown:
                continue
            number = quantity(amount.value)
            if math.isnan(number) or number < 0 or not number.is_integer():
                yield Finding(text=f"the amount of {resource} is not a whole number", path=amount.path)


@rule(
    refuses="A pod with more GPUs than any node has.",
    why="It waits forever, and it holds a share of the queue's quota while it waits.",
    fix="Ask for at most `most` in one pod and use more pods.",
    severity=Severity.MEDIUM,
    source="Kueue: admission counts what is asked for",
    types=_PODS,
    settings={"most": Setting(type="number", default=16, about="GPUs of the largest machine")},
    cluster=(
        cel.pod(
            "{}",
            f"double({_TOTAL}) <= double(variables.most)",
            f"string({_TOTAL}) + ' GPUs in one pod, at most ' + string(variables.most)",
        ),
    ),
)
def gpu_too_many(subject: Subject, config: Config) -> Iterator[Finding]:
    """Over all containers of the pod."""
    for pod in subject.pods:
        total = 0.0
        for container in pod.containers:
            amounts = [amount.number(unknown=0) for _, key, amount in _asked(container) if key == "limits"]
            total += sum(amount for amount in amounts if not math.isnan(amount))
        if total > config["most"]:
            yield Finding(text=f"{total:g} GPUs in one pod, at most {config['most']:g}", path=pod.node.path)


@rule(
    refuses="A pod that asks for GPUs, but does not tolerate the taint of their nodes.",
    why="It can never be scheduled on a tainted pool, and it scales nothing up.",
    fix="Add a toleration with key nvidia.com/gpu, operator Exists.",
    severity=Severity.MEDIUM,
    source="contract rule C4: pools of GPUs are tainted",
    types=("Pod", "PodTemplate", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job",
           "CronJob", "PyTorchJob", "JobSet", "RayCluster", "RayJob", "RayService", "MPIJob", "Notebook"),
    advisory=True,
    settings={
        "admitted": Setting(type="boolean", default=False, about="whether the API server adds the toleration by itself")
    },
    cluster=(cel.pod("no toleration for the nodes of GPUs", _TOLERATED, of=cel.SCHEDULED),),
)  # fmt: skip
def gpu_without_toleration(subject: Subject, config: Config) -> Iterator[Finding]:
    """An empty key tolerates everything."""
    if config["admitted"]:
        return
    for pod in subject.pods:
        resources = {resource for container in pod.containers for resource, _, _ in _asked(container)}
        tolerations = pod.node.at("tolerations")
        if not resources or tolerations.unknown:
            continue
        keys = {item.at("key").text("*") for item in tolerations.items()}
        keys |= {"*" for item in tolerations.items() if not item.at("key").present and item.at("operator").present}
        if not keys & {"*", *resources, "nvidia.com/gpu"}:
            yield Finding(text="no toleration for the nodes of GPUs", path=tolerations.path or pod.node.path)


@rule(
    refuses="GPUs taken past the device plugin: NVIDIA_VISIBLE_DEVICES in a pod, or a GPU's device as a path.",
    why="The pod sees every GPU of the node, those of other tenants included; no quota counts it.",
    fix="Remove the variable and ask for nvidia.com/gpu.",
    severity=Severity.HIGH,
    source="NVIDIA/k8s-device-plugin, README: deviceListStrategy envvar and unprivileged containers",
    types=_PODS,
    cluster=(
        cel.container("NVIDIA_VISIBLE_DEVICES is set", f"c.?env.orValue([]).all(e, {_UNSEEN})"),
        cel.pod(
            "a GPU's device is mounted", f"p.spec.?volumes.orValue([]).all(v, !{_DEVICE}.startsWith('/dev/nvidia'))"
        ),
    ),
)
def gpu_past_the_scheduler(subject: Subject, _config: Config) -> Iterator[Finding]:
    """`none` and `void` take GPUs away, which is allowed."""
    for _, container in each(subject):
        for item in container.node.at("env").items():
            value = item.at("value").text("void").lower()
            if item.at("name").text() == "NVIDIA_VISIBLE_DEVICES" and value not in {"", "none", "void"}:
                yield Finding(text="NVIDIA_VISIBLE_DEVICES is set", path=item.path)
    for pod in subject.pods:
        for volume in pod.node.at("volumes").items():
            if volume.at("hostPath", "path").text().startswith("/dev/nvidia"):
                yield Finding(text="a GPU's device is mounted", path=volume.path)


@rule(
    refuses="A pool of GPU nodes without a taint.",
    why="Pods without GPUs fill it, and the dearest machines of the account never scale to zero.",
    fix="Taint the pool nvidia.com/gpu=present:NoSchedule.",
    severity=Severity.HIGH,
    source="contract rule C4",
    types=POOL_TYPES,
)
def gpu_pool_untainted(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A taint of effect PreferNoSchedule keeps nobody out."""
    for pool in pools_of(subject):
        if pool.gpu and not pool.tainted:
            yield Finding(text="the pool has GPUs and no taint", path=pool.node.path)


@rule(
    refuses="A pool of GPU nodes without an upper bound, or with one above the budget.",
    why="An autoscaler buys what it is asked for.",
    fix="Set the maximum of the pool, or raise `most` with the budget.",
    severity=Severity.HIGH,
    source="upstream: cluster-autoscaler FAQ",
    types=POOL_TYPES,
    settings={
        "most": Setting(type="number", default=16, about="nodes of one pool, or of one zone where a cloud counts so")
    },
)
def gpu_pool_unbounded(subject: Subject, config: Config) -> Iterator[Finding]:
    """An unknown bound is not judged."""
    for pool in pools_of(subject):
        if not pool.gpu or pool.most is Bound.UNKNOWN:
            continue
        if pool.most is Bound.NONE:
            yield Finding(text="the pool has no maximum", path=pool.node.path)
        elif pool.most > config["most"]:
            yield Finding(text=f"up to {pool.most:g} nodes, at most {config['most']:g}", path=pool.node.path)


@relation(
    refuses="A pool of GPU nodes that does not say whose it is and until when.",
    why="Forgotten GPUs are the dearest thing in an account.",
    fix="Tag the pool with each of `tags`.",
    severity=Severity.LOW,
    source="FinOps Foundation: cost allocation",
    types=POOL_TYPES,
    advisory=True,
    settings={"tags": Setting(type="array", default=["owner", "expires"], about="tags, in any case of letters")},
)
def gpu_pool_untagged(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """Tags of the pool, or of its provider's defaults where the cloud has them."""
    by_urn = {subject.resource.urn: subject for subject in subjects}
    for subject in subjects:
        for pool in pools_of(subject):
            if not pool.gpu or pool.tags is None:
                continue
            provider = by_urn.get("::".join(subject.resource.provider.split("::")[:4]))
            defaults = provider.at("defaultTags") if provider else subject.at("defaultTags")
            if defaults.unknown:
                continue
            every = pool.tags | {key.lower() for key, _ in _json(defaults).at("tags").entries()}
            missing = [tag for tag in config["tags"] if tag.lower() not in every]
            if missing:
                yield Finding(text=f"tags {', '.join(missing)} are missing", path=pool.node.path, subject=subject)


def _json(place: Node) -> Node:
    """Inputs of providers are text."""
    return place.parsed(json.loads(place.text())) if isinstance(place.value, str) else place


RULES = (
    gpu_limit_missing, gpu_fraction, gpu_too_many, gpu_without_toleration, gpu_past_the_scheduler, gpu_pool_untainted,
    gpu_pool_unbounded, gpu_pool_untagged,
)  # fmt: skip
