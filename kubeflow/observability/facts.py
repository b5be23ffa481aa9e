"""The plain facts of one stack that dashboards, rules and alerts are made from. Asks neither cluster nor network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

from infra.contract import Cluster
from kubeflow.distribution import table
from kubeflow.spec.monitoring import CostSpec, EndpointSpec, LimitsSpec, MonitoringSpec
from kubeflow.spec.tenants import TenantSpec

Json = Mapping[str, Any]


class FactsError(Exception):
    """Outputs that no dashboard can be made from; the message lists all problems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A group of equal nodes."""

    nodes: int  # at most
    gpus: int = 0  # of one node
    product: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is watched: machines, tenants, installed components, and what was decided about monitoring."""

    pools: Mapping[str, Pool]
    tenants: Mapping[str, int]  # GPUs of each, by namespace
    installed: frozenset[str]  # components, named as in the table of workloads
    resource: str | None = None  # how pods ask for a GPU
    spec: MonitoringSpec = field(default=MonitoringSpec())

    @property
    def limits(self) -> LimitsSpec:
        """Where alerts begin."""
        return self.spec.limits

    @property
    def gpu(self) -> str:
        """The resource as kube-state-metrics spells it for nodes and pods; that of NVIDIA where there is none."""
        spelled = self.resource or "nvidia.com/gpu"
        return "".join(letter if letter.isalnum() else "_" for letter in spelled)

    @property
    def has_gpus(self) -> bool:
        """Whether any pool has GPUs."""
        return any(pool.gpus for pool in self.pools.values())

    @property
    def products(self) -> Mapping[str, int]:
        """GPUs at most, by product."""
        found: dict[str, int] = {}
        for pool in self.pools.values():
            if pool.product is not None:
                found[pool.product] = found.get(pool.product, 0) + pool.nodes * pool.gpus
        return dict(sorted(found.items()))

    @property
    def tenant_regex(self) -> str:
        """A matcher of the tenants' namespaces; of none where there is none."""
        return "|".join(sorted(self.tenants))

    def milliseconds(self, endpoint: str) -> int:
        """The limit of one endpoint, as tenant/model."""
        own = self.spec.endpoints.get(endpoint, EndpointSpec()).milliseconds
        return self.limits.serving_milliseconds if own is None else own

    @property
    def bounds(self) -> tuple[int, ...]:
        """Bounds of the proxies' histograms of milliseconds: every limit that a rule compares with is one of them."""
        ours = {self.limits.serving_milliseconds, self.limits.in_cluster_milliseconds}
        ours |= {self.milliseconds(endpoint) for endpoint in self.spec.endpoints}
        return tuple(sorted({1, 5, 10, 25, 50, 75, 100, 150, 200, 250, 500, 1000, 2500, 5000, 10000, 60000} | ours))


def of(cluster: Cluster, tenants: Mapping[str, TenantSpec], installed: frozenset[str], spec: MonitoringSpec) -> Facts:
    """The facts of a stack that is being made."""
    accelerator = cluster.accelerator
    return Facts(
        pools={
            name: Pool(nodes=pool.max)
            if pool.gpu is None
            else Pool(nodes=pool.max, gpus=pool.gpu.count, product=pool.gpu.product)
            for name, pool in cluster.pools.items()
        },
        tenants={name: tenant.quota.gpus for name, tenant in tenants.items()},
        installed=installed,
        resource=None if accelerator is None else accelerator.resource,
        spec=spec,
    )


def problems(facts: Facts) -> Iterator[str]:
    """What the settings name and the stack does not have."""
    spec, tenants = facts.spec, ", ".join(sorted(facts.tenants)) or "none"
    for name in sorted(set(spec.cost.prices) - set(facts.pools)):
        yield f"platform.monitoring.cost.prices.{name}: no such pool; allowed: {', '.join(sorted(facts.pools))}"
    for name in sorted(spec.endpoints):
        if name.partition("/")[0] not in facts.tenants:
            yield f"platform.monitoring.endpoints.{name}: no such tenant; allowed: {tenants}"
    if spec.search is not None and "opentelemetry-collector" not in facts.installed:
        yield "platform.monitoring.search: nobody collects logs; add the component opentelemetry-collector"
    for name, receiver in sorted(spec.receivers.items()):
        for tenant in sorted(set(receiver.tenants) - set(facts.tenants)):
            yield f"platform.monitoring.receivers.{name}.tenants: no tenant {tenant}; allowed: {tenants}"


def families(components: Iterable[str]) -> frozenset[str]:
    """Components of the current release as the table of workloads names them."""
    known = {one.name: one.family or one.name for one in table.components(table.CURRENT)}
    return frozenset(known.get(name, name) for name in components)


def described(spec: MonitoringSpec, dashboards: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `from_outputs` needs to know of the settings, in the form of a stack's outputs, and where dashboards are."""
    return {
        "grafana": spec.grafana,
        "dashboards": dict(dashboards or {}),
        "limits": {_camel(item.name): getattr(spec.limits, item.name) for item in fields(LimitsSpec)},
        "endpoints": {name: one.milliseconds for name, one in spec.endpoints.items()},
        "cost": {
            "prices": dict(spec.cost.prices), "currency": spec.cost.currency, "monthly": spec.cost.monthly,
        },
        "intervalSeconds": spec.interval_seconds,
        "runbooks": spec.runbooks,
    }  # fmt: skip


def from_outputs(outputs: object) -> Facts:
    """The facts of a finished stack, from `pulumi stack output --json`; raises FactsError with all problems."""
    problems: list[str] = []
    cluster = _mapping(outputs, "cluster", problems)
    platform = _mapping(outputs, "platform", problems)
    pools = _mapping(cluster, "cluster.pools", problems)
    tenants = _mapping(platform, "platform.tenants", problems)
    accelerator = cluster.get("accelerator")
    made = {name: _pool(name, value, problems) for name, value in sorted(pools.items())}
    gpus = {name: _whole(value, f"platform.tenants.{name}.gpus", problems) for name, value in sorted(tenants.items())}
    components = cast("list[object]", platform.get("components") or [])
    spec = _spec(cast("Json", outputs).get("monitoring") if isinstance(outputs, Mapping) else None, problems)
    if problems:
        raise FactsError("not usable as stack outputs:\n" + "\n".join(f"  {problem}" for problem in problems))
    return Facts(
        pools=made,
        tenants=gpus,
        installed=families(str(name) for name in components),
        resource=str(cast("Json", accelerator)["resource"]) if isinstance(accelerator, Mapping) else None,
        spec=spec,
    )


def _mapping(value: object, path: str, problems: list[str]) -> Json:
    found = cast("Json", value).get(path.rpartition(".")[2]) if isinstance(value, Mapping) else None
    if isinstance(found, Mapping):
        return cast("Json", found)
    problems.append(f"{path}: expected a mapping, found {found!r}")
    return {}


def _whole(value: object, path: str, problems: list[str]) -> int:
    found = cast("Json", value).get(path.rpartition(".")[2]) if isinstance(value, Mapping) else None
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    problems.append(f"{path}: expected a whole number, found {found!r}")
    return 0


def _pool(name: str, value: object, problems: list[str]) -> Pool:
    path = f"cluster.pools.{name}"
    nodes = _whole(value, f"{path}.max", problems)
    gpu: object = cast("Json", value).get("gpu") if isinstance(value, Mapping) else None
    if gpu is None:
        return Pool(nodes=nodes)
    product = cast("Json", gpu).get("product") if isinstance(gpu, Mapping) else None
    return Pool(nodes=nodes, gpus=_whole(cast("object", gpu), f"{path}.gpu.count", problems), product=str(product))


def _spec(value: object, problems: list[str]) -> MonitoringSpec:
    """Outputs of a stack that was made before they told of monitoring stand for the defaults."""
    if value is None:
        return MonitoringSpec()
    try:
        told = cast("Json", value)
        limits = {item.name: told["limits"][_camel(item.name)] for item in fields(LimitsSpec)}
        return MonitoringSpec(
            limits=LimitsSpec(**limits),
            endpoints={name: EndpointSpec(milliseconds=one) for name, one in told["endpoints"].items()},
            cost=CostSpec(**told["cost"]),
            interval_seconds=told["intervalSeconds"],
            runbooks=told["runbooks"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problems.append(f"monitoring: {type(error).__name__}: {error}")
        return MonitoringSpec()


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
