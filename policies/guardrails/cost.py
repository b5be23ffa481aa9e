"""Money: a ceiling for the month, requests without which nobody can plan, and things that cost while nobody looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .pod_security import each
from .pools import POOL_TYPES, Bound, NodePool, pools_of
from .rule import PODS, Config, Finding, Setting, Severity, Subject, relation, rule

_HOURS = 730  # of a month, as price lists count


@relation(
    refuses="Pools that may cost more in a month than agreed.",
    why="An autoscaler spends up to its maximum, at night as well.",
    fix="Lower a maximum, or raise `ceiling` with whoever pays.",
    severity=Severity.HIGH,
    source="FinOps Foundation: budget management",
    types=POOL_TYPES,
    settings={
        "ceiling": Setting(type="number", default=0, about="of all pools at their maximum, per month; 0: none agreed"),
        "hourly": Setting(type="object", default={}, about="price of a machine per hour, by its type"),
    },
)
def cost_ceiling(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """A machine without a price is a finding: an estimate that leaves it out is wrong by the dearest part."""
    if not config["ceiling"]:
        return
    total, unpriced = 0.0, dict[str, None]()
    by_urn = {subject.resource.urn: subject for subject in subjects}
    for subject in subjects:
        for pool in pools_of(subject):
            # A template of machines may say the type in place of the pool.
            templates = [by_urn[urn] for urn in subject.resource.dependencies if urn in by_urn]
            machines = pool.machines or tuple(text for item in templates for text in item.at("instanceType").texts())
            if not machines and pool.most != 0:
                unpriced[f"a pool without a machine type, {subject.resource.name}"] = None
            total += _monthly(pool, machines, config, unpriced)
    for machine in unpriced:
        yield Finding(text=f"no price for {machine}")
    if total > config["ceiling"]:
        yield Finding(text=f"up to {total:.0f} a month, agreed are {config['ceiling']:.0f}")


def _monthly(pool: NodePool, machines: tuple[str, ...], config: Config, unpriced: dict[str, None]) -> float:
    """At the pool's maximum; the dearest of its machine types."""
    missing = [machine for machine in machines if machine not in config["hourly"]]
    unpriced.update(dict.fromkeys(missing))
    prices = [float(config["hourly"][machine]) for machine in machines if machine not in missing]
    most = 0.0 if isinstance(pool.most, Bound) else pool.most
    return max(prices, default=0.0) * most * pool.zones * _HOURS


@rule(
    refuses="A container without requests of CPU and memory.",
    why="The scheduler takes it for nothing; it is the first to be evicted, and its cost is nobody's.",
    fix="Set resources.requests.cpu and memory; a LimitRange fills in only what the API server sees.",
    severity=Severity.MEDIUM,
    source="Kubernetes: Resource Management for Pods and Containers; CIS Kubernetes 5.7.1",
    types=(PODS,),
    advisory=True,
)
def requests_missing(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A limit without a request is a request of the same amount."""
    for _, container in each(subject, whole=True):
        resources = container.node.at("resources")
        for name in ("cpu", "memory"):
            if not resources.unknown and not any(
                resources.at(key).unknown or resources.at(key, name).present for key in ("requests", "limits")
            ):
                yield Finding(text=f"no request of {name}", path=resources.path)


@rule(
    refuses="A container without a limit of memory.",
    why="It takes the node's memory, and the kernel ends somebody else.",
    fix="Set resources.limits.memory.",
    severity=Severity.MEDIUM,
    source="NSA/CISA Kubernetes Hardening Guidance",
    types=(PODS,),
    advisory=True,
)
def memory_limit_missing(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Only memory: a limit of CPU slows down what it should protect."""
    for _, container in each(subject, whole=True):
        limits = container.node.at("resources", "limits")
        if not limits.unknown and not limits.at("memory").present:
            yield Finding(text="no limit of memory", path=limits.path)


@rule(
    refuses="Amounts that were surely meant otherwise: a memory of millibytes, a request above its limit.",
    why="`m` behind memory is a thousandth of a byte, and the pod is killed at once.",
    fix="Write Mi or Gi.",
    severity=Severity.MEDIUM,
    source="Kubernetes: Resource Management, meaning of memory",
    types=(PODS,),
)
def amount_absurd(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Unknown amounts are not compared."""
    for _, container in each(subject):
        resources = container.node.at("resources")
        for key in ("requests", "limits"):
            memory = resources.at(key, "memory")
            if memory.text("Mi").endswith("m"):
                yield Finding(text="memory in thousandths of a byte", path=memory.path)
        for name in ("cpu", "memory"):
            request, limit = resources.at("requests", name), resources.at("limits", name)
            if request.present and limit.present and request.number(unknown=0) > limit.number(unknown=float("inf")):
                yield Finding(text=f"the request of {name} is above its limit", path=request.path)


@rule(
    refuses="A Job that nobody ends or clears away.",
    why="A hanging training job holds its GPUs; finished ones fill etcd.",
    fix="Set activeDeadlineSeconds for jobs with GPUs, ttlSecondsAfterFinished, and a backoffLimit.",
    severity=Severity.LOW,
    source="Kubernetes: Jobs, TTL mechanism",
    types=("Job", "CronJob"),
    advisory=True,
)
def job_endless(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A CronJob keeps a history that is bounded by itself."""
    spec = subject.at("spec", "jobTemplate", "spec") if subject.resource.kind == "CronJob" else subject.at("spec")
    if subject.resource.kind == "Job" and not spec.at("ttlSecondsAfterFinished").present:
        yield Finding(text="no ttlSecondsAfterFinished", path=spec.path)
    gpus = any("gpu" in name for _, c in each(subject) for name, _ in c.node.at("resources", "limits").entries())
    if gpus and not spec.at("activeDeadlineSeconds").present:
        yield Finding(text="GPUs without a deadline", path=spec.path)


RULES = (cost_ceiling, requests_missing, memory_limit_missing, amount_absurd, job_endless)
