"""`Target`: what a check may know about a stack, read strictly from the stack's outputs. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

SCHEMA = 2
CONTAINERS = "containers"  # the capability of nodes that run what is scheduled on them
POOL_LABEL = "proof.kubeflow/pool"  # every node of a pool carries it
RUN_LABEL = "proof.kubeflow/run"  # everything a validation run creates carries it
RESERVED_PRIORITY_CLASSES = ("kubeflow-platform", "system-cluster-critical", "system-node-critical")

T = TypeVar("T")


class OutputsError(Exception):
    """The outputs are not what a validation run starts from; the message lists all problems."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__("\n".join([f"{source}: not usable as stack outputs", *(f"  - {line}" for line in problems)]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """The accelerators of one node."""

    product: str
    count: int
    memory_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """A mark on a node that keeps away pods which do not tolerate it."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A group of equal nodes."""

    role: str
    machine: str
    min: int
    max: int
    zones: tuple[str, ...]
    gpu: Gpu | None
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """How pods ask for a GPU, and the taint they must tolerate to get one."""

    resource: str
    toleration_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A team: its namespace, its GPUs in all, and the service accounts of its two roles."""

    namespace: str
    gpus: int
    contributor: str
    viewer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """The platform's HTTPS gateway."""

    domain: str
    outside: bool  # something outside of the cluster reaches it
    minimum_tls: str  # as in "1.2"
    models: str  # address of a model, with MODEL and TENANT to be replaced; empty where they have no names outside
    tokens: bool  # tokens of service accounts open it


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Storage classes by purpose; None where the cluster has none."""

    block: str
    shared: str | None
    scratch: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How this stack wants to be judged."""

    disruptive: bool
    required: Mapping[str, bool]
    thresholds: Mapping[str, float]
    images: Mapping[str, str]  # of what runs in the cluster for a check, by name
    timeout_seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One stack, as its outputs describe it."""

    environment: str
    name: str
    region: str
    version: str
    pools: Mapping[str, Pool]
    accelerator: Accelerator | None
    capabilities: frozenset[str]
    standins: tuple[str, ...]
    components: frozenset[str]
    tenants: Mapping[str, Tenant]
    priority_classes: Mapping[str, int]
    door: Door | None  # None where no mesh is installed
    storage: Storage
    rules: Rules
    kubeconfig: str = field(repr=False)

    @property
    def gpu_pools(self) -> frozenset[str]:
        """Names of the pools whose nodes have GPUs."""
        return frozenset(name for name, pool in self.pools.items() if pool.gpu is not None)

    @property
    def usable_priorities(self) -> Mapping[str, int]:
        """Priority classes that tenants may use, lowest first."""
        usable = {name: value for name, value in self.priority_classes.items() if name not in RESERVED_PRIORITY_CLASSES}
        return dict(sorted(usable.items(), key=lambda entry: entry[1]))


class _Node:
    """One mapping of the outputs; what is wrong with it goes into a list shared by all."""

    def __init__(self, value: object, path: str, problems: list[str]) -> None:
        self._path, self._problems = path, problems
        self._values: Mapping[str, object] = {}
        if isinstance(value, dict):
            self._values = cast("Mapping[str, object]", value)
        else:
            problems.append(f"{path}: expected a mapping, found {value!r}")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _take(self, key: str, kind: type[T], said: str, empty: T) -> T:
        if key not in self._values:
            self._problems.append(f"{self._at(key)}: missing")
            return empty
        value = self._values[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._problems.append(f"{self._at(key)}: expected {said}, found {value!r}")
            return empty
        return value

    def text(self, key: str) -> str:
        return self._take(key, str, "a text", "")

    def whole(self, key: str) -> int:
        return self._take(key, int, "a whole number", 0)

    def number(self, key: str) -> float:
        value = self._values.get(key)
        return float(value) if type(value) is int else self._take(key, float, "a number", 0.0)

    def flag(self, key: str) -> bool:
        return self._take(key, bool, "true or false", empty=False)

    def _list(self, key: str) -> list[object]:
        return cast("list[object]", self._take(key, list, "a list", []))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key)
        wrong = [value for value in values if not isinstance(value, str)]
        self._problems.extend(f"{self._at(key)}: expected texts, found {value!r}" for value in wrong)
        return tuple(value for value in values if isinstance(value, str))

    def nodes(self, key: str) -> list[_Node]:
        values = self._list(key)
        return [_Node(value, f"{self._at(key)}[{index}]", self._problems) for index, value in enumerate(values)]

    def child(self, key: str) -> _Node:
        return _Node(self._take(key, dict, "a mapping", {}), self._at(key), self._problems)

    def optional(self, key: str) -> _Node | None:
        return None if key in self._values and self._values[key] is None else self.child(key)

    def known(self, key: str) -> _Node | None:
        return None if self._values.get(key) is None else self.child(key)

    def text_or_none(self, key: str) -> str | None:
        return None if key in self._values and self._values[key] is None else self.text(key)

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)


def parse(outputs: object, *, source: str) -> Target:
    """Read the outputs of a stack, or raise OutputsError with everything that is wrong with them."""
    problems: list[str] = []
    root = _Node(outputs, "", problems)
    if (schema := root.whole("schema")) != SCHEMA and not problems:
        raise OutputsError(source, [f"schema: expected {SCHEMA}, found {schema}: use the validation of that version"])
    cluster, platform, rules = root.child("cluster"), root.child("platform"), root.child("validation")
    accelerator = cluster.optional("accelerator")
    pools, storage, tenants = cluster.child("pools"), cluster.child("storage"), platform.child("tenants")
    classes = platform.child("priorityClasses")
    required, thresholds, images = (rules.child(key) for key in ("required", "thresholds", "images"))
    target = Target(
        environment=root.text("environment"),
        name=cluster.text("name"),
        region=cluster.text("region"),
        version=cluster.text("version"),
        pools={name: _pool(pools.child(name)) for name in pools.names()},
        accelerator=accelerator
        and Accelerator(resource=accelerator.text("resource"), toleration_key=accelerator.text("tolerationKey")),
        capabilities=frozenset(cluster.texts("capabilities")),
        standins=root.texts("standins"),
        components=frozenset(platform.texts("components")),
        tenants={name: _tenant(tenants.child(name)) for name in tenants.names()},
        priority_classes={name: classes.whole(name) for name in classes.names()},
        door=(door := platform.known("gateway")) and _door(door),
        storage=Storage(
            block=storage.text("block"), shared=storage.text_or_none("shared"), scratch=storage.text_or_none("scratch")
        ),
        rules=Rules(
            disruptive=rules.flag("disruptive"),
            required={name: required.flag(name) for name in required.names()},
            thresholds={name: thresholds.number(name) for name in thresholds.names()},
            images={name: images.text(name) for name in images.names()},
            timeout_seconds=rules.whole("timeoutSeconds"),
        ),
        kubeconfig=root.text("kubeconfig"),
    )
    if problems:
        raise OutputsError(source, problems)
    return target


def _pool(node: _Node) -> Pool:
    gpu, labels = node.optional("gpu"), node.child("labels")
    return Pool(
        role=node.text("role"),
        machine=node.text("machine"),
        min=node.whole("min"),
        max=node.whole("max"),
        zones=node.texts("zones"),
        gpu=gpu and Gpu(product=gpu.text("product"), count=gpu.whole("count"), memory_mib=gpu.whole("memoryMib")),
        labels={name: labels.text(name) for name in labels.names()},
        taints=tuple(
            Taint(key=taint.text("key"), value=taint.text("value"), effect=taint.text("effect"))
            for taint in node.nodes("taints")
        ),
    )


def _door(node: _Node) -> Door:
    return Door(
        domain=node.text("domain"),
        outside=node.flag("outside"),
        minimum_tls=node.text("minimumTls"),
        models=node.text_or_none("models") or "",
        tokens=node.flag("tokens"),
    )


def _tenant(node: _Node) -> Tenant:
    accounts = node.child("serviceAccounts")
    return Tenant(
        namespace=node.text("namespace"),
        gpus=node.whole("gpus"),
        contributor=accounts.text("contributor"),
        viewer=accounts.text("viewer"),
    )
