"""What the collector and the agents on nodes do with logs and spans, as plain data. Makes no objects.

A store knows tenants by a header (`X-Scope-OrgID`), and believes it. So nobody who sends anything chooses it: whose a
line is follows from the folder that the kubelet writes it to, and whose a span is from the address of the pod that it
comes from. What a sender claims about itself is deleted first. Each tenant has a pipeline with a header of its own;
everything that is no tenant's belongs to the platform.

Metrics are read, never taken: a pod that could push them could say anything about anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum
from typing import Any

from infra.objects import Document
from kubeflow.spec.monitoring import Engine, SearchSpec

PLATFORM = "kubeflow"  # whose everything is that is no tenant's: a name that no tenant may have
HEADER = "X-Scope-OrgID"
PASSWORD = "SEARCH_PASSWORD"  # noqa: S105 - the name of a variable
METRICS_PORT, HEALTH_PORT = 8888, 13133
OFFSETS = "/var/lib/otelcol"  # of files that the agent has read
FILES = "/var/log/pods"
AGENT = "log-agent"
AGENT_NAMESPACE = "monitoring"  # the one namespace of the platform whose pods may read the node
_OWNER = "k8s.namespace.name"
# What a pod must not say about itself: the collector finds it out, and would keep what is there already.
_CLAIMS = ("k8s.cluster.name", _OWNER, "k8s.pod.name", "k8s.pod.uid", "k8s.pod.ip", "k8s.node.name")
_FOUND = (_OWNER, "k8s.pod.name", "k8s.pod.uid", "k8s.node.name", "k8s.deployment.name", "k8s.job.name")
_POD_IP = "${env:MY_POD_IP}"
_LOKI = "http://loki.observability.svc.cluster.local:3100/otlp"
_TEMPO = "tempo.observability.svc.cluster.local:4317"


class Signal(Enum):
    """What is collected."""

    LOGS = "logs"
    TRACES = "traces"


def signals(installed: Collection[str], search: SearchSpec | None) -> tuple[Signal, ...]:
    """What somebody takes."""
    taken = {Signal.LOGS: "loki" in installed or search is not None, Signal.TRACES: "tempo" in installed}
    return tuple(signal for signal, wanted in taken.items() if wanted)


def collector(tenants: Iterable[str], wanted: Collection[Signal], search: SearchSpec | None) -> Document:
    """The collector that pods and proxies send to."""
    protocols = {"grpc": {"endpoint": f"{_POD_IP}:4317"}, "http": {"endpoint": f"{_POD_IP}:4318"}}
    claims = [{"key": key, "action": "delete"} for key in _CLAIMS]
    return _configuration(
        tenants, wanted, search,
        receivers={"otlp": {"protocols": protocols}},
        processors={
            "resource/claims": {"attributes": claims},
            "k8s_attributes": {
                "extract": {"metadata": list(_FOUND)},
                "pod_association": [{"sources": [{"from": "connection"}]}],
            },
        },
    )  # fmt: skip


def agent(tenants: Iterable[str], search: SearchSpec | None) -> Document:
    """The agent that reads what containers of its node write. It asks nobody: the kubelet's folders name the pod."""
    files = {
        "include": [f"{FILES}/*/*/*.log"],
        "exclude": [f"{FILES}/{AGENT_NAMESPACE}_{AGENT}-*/*/*.log"],  # or each line that is read would write another
        "start_at": "beginning",
        "include_file_path": True,
        "storage": "file_storage",
        "operators": [{"type": "container", "id": "kubelet"}],
    }
    made = _configuration(tenants, (Signal.LOGS,), search, receivers={"file_log": files}, processors={})
    made["extensions"]["file_storage"] = {"directory": OFFSETS}
    made["service"]["extensions"].append("file_storage")
    return made


def _configuration(
    tenants: Iterable[str], wanted: Collection[Signal], search: SearchSpec | None, *, receivers: Document,
    processors: Document,
) -> Document:  # fmt: skip
    owners = (PLATFORM, *sorted(tenants))
    exporters: Document = {}
    connectors: Document = {}
    pipelines: Document = {}
    for signal in wanted:
        name = signal.value
        connectors[f"routing/{name}"] = _routes(name, owners)
        pipelines[f"{name}/in"] = {
            "receivers": list(receivers),
            "processors": ["memory_limiter", *processors],
            "exporters": [f"routing/{name}"],
        }
        for owner in owners:
            exporter, settings = _exporter(signal, owner, search)
            exporters[exporter] = settings
            pipelines[f"{name}/{owner}"] = {
                "receivers": [f"routing/{name}"], "processors": ["batch"], "exporters": [exporter],
            }  # fmt: skip
    extensions: Document = {"health_check": {"endpoint": f"{_POD_IP}:{HEALTH_PORT}"}}
    if search is not None and search.engine is Engine.OPENSEARCH and Signal.LOGS in wanted:
        extensions["basicauth/search"] = {"client_auth": _login(search)}
    return {
        "receivers": receivers,
        "processors": {
            "memory_limiter": {"check_interval": "5s", "limit_percentage": 80, "spike_limit_percentage": 25},
            **processors,
            "batch": {},
        },
        "connectors": connectors,
        "exporters": exporters,
        "extensions": extensions,
        "service": {"extensions": list(extensions), "pipelines": pipelines, "telemetry": {"metrics": _own_metrics()}},
    }


def _routes(signal: str, owners: tuple[str, ...]) -> Document:
    """By the namespace that was found out; whatever matches nothing, or cannot be judged, is the platform's."""
    table = [
        {"context": "resource", "condition": f'attributes["{_OWNER}"] == "{one}"', "pipelines": [f"{signal}/{one}"]}
        for one in owners  # the platform's own row is for a stack without tenants: an empty table is refused
    ]
    return {"default_pipelines": [f"{signal}/{PLATFORM}"], "error_mode": "ignore", "table": table}


def _exporter(signal: Signal, owner: str, search: SearchSpec | None) -> tuple[str, Document]:
    header = {"headers": {HEADER: owner}}
    if signal is Signal.TRACES:
        return f"otlp_grpc/{owner}", {"endpoint": _TEMPO, "tls": {"insecure": True}, **header}
    if search is None:
        return f"otlp_http/{owner}", {"endpoint": _LOKI, **header}
    index = f"{search.index}-{owner}"
    if search.engine is Engine.OPENSEARCH:
        server = {"endpoint": search.address, "auth": {"authenticator": "basicauth/search"}}
        return f"opensearch/{owner}", {"http": server, "logs_index": index}
    login = _login(search)
    return f"elasticsearch/{owner}", {
        "endpoints": [search.address], "user": login["username"], "password": login["password"], "logs_index": index,
    }  # fmt: skip


def _login(search: SearchSpec) -> dict[str, str]:
    return {"username": search.username, "password": f"${{env:{PASSWORD}}}"}


def _own_metrics() -> dict[str, Any]:
    exporter = {"prometheus": {"host": _POD_IP, "port": METRICS_PORT}}
    return {"readers": [{"pull": {"exporter": exporter}}]}
