"""The Prometheus stack as this platform runs it: changes of upstream's objects, and the objects that it lacks.

Control-plane components are not read: a managed one hides them, any other binds them to its loopback address, and the
table of flows has no way there. Their monitors, Services, rules and dashboards would only raise false alarms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from infra.contract import Secrets
from infra.naming import POOL_LABEL
from infra.objects import Document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step
from kubeflow.install.waves import Wave
from kubeflow.network.policies import TENANT_LABEL
from kubeflow.priorities import PLATFORM
from kubeflow.spec.monitoring import MonitoringSpec

from . import alerts, dashboards, doubles, exports, facts, routing, stores
from .facts import Facts
from .monitors import PART, TOKEN_CLASS
from .states import MESH, STATES, State, configuration, rules

_CHART = "kube-prometheus-stack"
_STATE_METRICS = f"{_CHART}-kube-state-metrics"
_TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
_FILLED = 85  # per cent of the volume: the log of the last hours and compaction need the rest
_ENFORCED = "pod-security.kubernetes.io/enforce"

_UNREACHABLE = "nothing in the cluster can reach it"
_FOREIGN = "about machines that a cluster does not have"
_BROKEN = "names a port that no pod has; the platform's own monitor reads it"

# Kind and name of upstream's objects that are left out, and why.
DROPPED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **{
            (kind, f"{_CHART}-{name}"): _UNREACHABLE
            for kind in ("Service", "ServiceMonitor")
            for name in ("kube-controller-manager", "kube-etcd", "kube-proxy", "kube-scheduler")
        },
        **{
            ("PrometheusRule", f"{_CHART}-{name}"): _UNREACHABLE
            for name in (
                "etcd", "kube-scheduler.rules", "kubernetes-system-controller-manager",
                "kubernetes-system-kube-proxy", "kubernetes-system-scheduler",
            )
        },
        **{
            ("ConfigMap", f"{_CHART}-{name}"): _UNREACHABLE
            for name in ("controller-manager", "etcd", "proxy", "scheduler")
        },
        **{("ConfigMap", f"{_CHART}-{name}"): _FOREIGN for name in ("nodes-aix", "nodes-darwin")},
        ("ServiceMonitor", "mlflow"): _BROKEN,
        ("ServiceMonitor", "opentelemetry-collector"): _BROKEN,
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """The plain facts that the stack depends on."""

    spec: MonitoringSpec
    storage_class: str | None  # of block volumes; None: the cluster's default
    installed: frozenset[str]  # components, named as in the table of workloads
    facts: Facts | None = None  # None: neither dashboards nor rules
    traced_percent: int = 0  # of requests, by the mesh and by Knative

    @property
    def states(self) -> tuple[State, ...]:
        """The kinds whose conditions become metrics."""
        return tuple(state for state in STATES if state.component in self.installed)

    @property
    def described(self) -> dict[str, Any]:
        """What readers of a finished stack are told."""
        watched = self.facts if "prometheus" in self.installed else None
        return facts.described(self.spec, None if watched is None else dashboards.titles(watched))

    @property
    def bounds(self) -> tuple[int, ...]:
        """Bounds of the proxies' histograms."""
        return (self.facts or Facts(pools={}, tenants={}, installed=self.installed, spec=self.spec)).bounds


def steps(stack: Stack) -> tuple[Step, ...]:
    """The transforms of monitoring, in order."""

    def prometheus(body: Body, _context: Context) -> Body:
        if body["kind"] == "Prometheus":
            body["spec"] |= _prometheus(stack)
        return body

    def alertmanager(body: Body, _context: Context) -> Body:
        if body["kind"] == "Alertmanager":
            body["spec"] |= {"priorityClassName": PLATFORM, **routing.settings(stack.spec, _ours())}
        return body

    def states(body: Body, _context: Context) -> Body:
        return _with_states(body, stack.states, mesh=MESH in stack.installed)

    def rates(body: Body, _context: Context) -> Body:
        return _with_interval(body, stack.spec)

    return (
        Step(apply=_without_dropped, why="monitors, rules and dashboards of what cannot be read are false alarms"),
        Step(apply=prometheus, why="upstream's keeps its data in the pod and obeys monitors of every namespace"),
        Step(apply=alertmanager, why="its pods come from an operator, so no other transform sees them"),
        Step(apply=states, why="upstream exports no metrics of training jobs, models and workloads that wait"),
        Step(apply=rates, why="Grafana has to know how far apart samples are, or rates over short spans are empty"),
        *stores.steps(_telemetry(stack)),
        *dashboards.STEPS,
        *doubles.STEPS,
        exports.with_bounds(stack.bounds),
        *exports.STEPS,
    )


def objects(stack: Stack, config: Secrets | None = None) -> Iterator[Planned]:
    """The objects that monitoring adds, besides its monitors; `config` holds what nobody else must know."""
    yield from stores.objects(_telemetry(stack), config)
    if "prometheus" in stack.installed:
        if stack.facts is not None:
            for body in (*dashboards.objects(stack.facts), *alerts.objects(stack.facts)):
                yield own(PART, Wave.MONITORS, body)
        if stack.spec.receivers and config is not None:
            yield from (own(PART, Wave.BASE, body) for body in routing.objects(stack.spec, config))


def _telemetry(stack: Stack) -> stores.Telemetry:
    tenants = () if stack.facts is None else tuple(sorted(stack.facts.tenants))
    return stores.Telemetry(
        spec=stack.spec, installed=stack.installed, tenants=tenants, traced_percent=stack.traced_percent
    )


def _without_dropped(body: Body, _context: Context) -> Body | None:
    return None if (body["kind"], body["metadata"]["name"]) in DROPPED else body


def _prometheus(stack: Stack) -> Document:
    spec = stack.spec
    volume: Document = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(spec.storage)}}}
    if stack.storage_class is not None:
        volume["storageClassName"] = stack.storage_class
    ours = _ours()
    selectors = ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor")
    return {
        **{f"{name}Selector": {} for name in selectors},
        **{f"{name}NamespaceSelector": ours for name in selectors},
        "scrapeInterval": f"{spec.interval_seconds}s",
        "evaluationInterval": f"{spec.interval_seconds}s",
        "retention": f"{spec.retention_days}d",
        "retentionSize": f"{int(spec.storage.value) * _FILLED // 100}B",
        "storage": {"volumeClaimTemplate": {"spec": volume}},
        "resources": {
            "requests": {"cpu": str(spec.cpu), "memory": str(spec.memory)},
            "limits": {"memory": str(spec.memory_limit)},
        },
        "priorityClassName": PLATFORM,
        "enableRemoteWriteReceiver": True,  # validation runs are pushed; the fences let only administrators in
        "scrapeClasses": [
            {
                "name": TOKEN_CLASS,
                "authorization": {"credentialsFile": _TOKEN_FILE},
                "tlsConfig": {"insecureSkipVerify": True},
            }
        ],
    }


def _ours() -> Document:
    """A tenant's monitor could send Prometheus, and its token, wherever the tenant likes; so could a route."""
    return {"matchExpressions": [{"key": key, "operator": "DoesNotExist"} for key in TENANT_LABEL]}


def _with_states(body: Body, states: tuple[State, ...], *, mesh: bool) -> Body:
    """Custom resources as metrics, the right to read them, the pool of each node, the standard of each namespace."""
    if body["metadata"]["name"] != _STATE_METRICS:
        return body
    if body["kind"] == "ClusterRole":
        body["rules"] = [*kinds.parts(body, "rules"), *rules(states, mesh=mesh)]
    if body["kind"] == "Deployment":
        container = body["spec"]["template"]["spec"]["containers"][0]
        container["args"] = [
            *kinds.parts(container, "args"),
            f"--metric-labels-allowlist=nodes=[{POOL_LABEL},nvidia.com/gpu.product],namespaces=[{_ENFORCED}]",
            *([f"--custom-resource-state-config={configuration(states, mesh=mesh)}"] if states or mesh else []),
        ]
    return body


def _with_interval(body: Body, spec: MonitoringSpec) -> Body:
    if (body["kind"], body["metadata"]["name"]) == ("ConfigMap", f"{_CHART}-grafana-datasource"):
        sources = yaml.safe_load(body["data"]["datasource.yaml"])
        for source in sources["datasources"]:
            if source["type"] == "prometheus":
                source["jsonData"]["timeInterval"] = f"{spec.interval_seconds}s"
        body["data"]["datasource.yaml"] = yaml.safe_dump(sources, sort_keys=True)
    return body
