"""The facts of logs and traces, and the agent that reads containers' output on every node. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from infra.objects import Document, document
from kubeflow.network.workloads import WORKLOADS
from kubeflow.priorities import PLATFORM as PRIORITY
from kubeflow.spec.monitoring import MonitoringSpec

from . import telemetry
from .telemetry import AGENT, AGENT_NAMESPACE, PASSWORD, PLATFORM, Signal

COLLECTOR = "opentelemetry-collector"
VERSION = "0.158.0"  # of the collector that the pinned chart installs
SECRET = "log-search"  # noqa: S105 - the name of an object
CONFIGURED = "proof.kubeflow/configuration"  # annotation of pods: another value makes them anew
_RELEASES = "ghcr.io/open-telemetry/opentelemetry-collector-releases"
_WORKLOAD = next(workload for workload in WORKLOADS if str(workload) == f"{AGENT_NAMESPACE}/{AGENT}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Telemetry:
    """The plain facts that logs and traces depend on."""

    spec: MonitoringSpec
    installed: frozenset[str]
    tenants: tuple[str, ...]
    traced_percent: int

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What somebody takes; nothing where nobody collects."""
        return telemetry.signals(self.installed, self.spec.search) if COLLECTOR in self.installed else ()

    @property
    def reads_nodes(self) -> bool:
        """Whether an agent runs on every node: its namespace is Prometheus'."""
        return Signal.LOGS in self.signals and "prometheus" in self.installed

    @property
    def everybody(self) -> str:
        """The header of those who may see all."""
        return "|".join((PLATFORM, *self.tenants))

    @property
    def image(self) -> str:
        """Of collector and agent: the small distribution cannot talk to search engines."""
        kind = "k8s" if self.spec.search is None else "contrib"
        return f"{_RELEASES}/opentelemetry-collector-{kind}:{VERSION}"

    @property
    def program(self) -> str:
        """Of that image."""
        return "/otelcol-k8s" if self.spec.search is None else "/otelcol-contrib"


def objects(one: Telemetry) -> Iterator[Document]:
    """One pod on every node, which reads what containers write and nothing else of the node. It has no API token."""
    configuration = text(telemetry.agent(one.tenants, one.spec.search))
    yield document("v1", "ServiceAccount", AGENT, AGENT_NAMESPACE, automountServiceAccountToken=False)
    yield document("v1", "ConfigMap", AGENT, AGENT_NAMESPACE, data={"relay.yaml": configuration})
    spec = {
        "selector": {"matchLabels": dict(_WORKLOAD.labels)},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
        "template": {
            "metadata": {"labels": dict(_WORKLOAD.labels), "annotations": {CONFIGURED: digest(configuration)}},
            "spec": _pod(one),
        },
    }
    yield document(
        "apps/v1", "DaemonSet", AGENT, AGENT_NAMESPACE, metadata={"labels": dict(_WORKLOAD.labels)}, spec=spec
    )


def _pod(one: Telemetry) -> Document:
    health = {"httpGet": {"path": "/", "port": telemetry.HEALTH_PORT}}
    container = {
        "name": "agent",
        "image": one.image,
        "command": [one.program],
        "args": ["--config=/conf/relay.yaml"],
        "env": [
            {"name": "MY_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *([] if one.spec.search is None else [password()]),
        ],
        "ports": [{"name": "metrics", "containerPort": telemetry.METRICS_PORT}],
        "livenessProbe": health,
        "readinessProbe": health,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "runAsUser": 0,  # the kubelet's folders belong to root; no capability comes with it
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": "/conf", "readOnly": True},
            {"name": "logs", "mountPath": telemetry.FILES, "readOnly": True},
            {"name": "offsets", "mountPath": telemetry.OFFSETS},
        ],
    }
    return {
        "serviceAccountName": AGENT,
        "automountServiceAccountToken": False,
        "priorityClassName": PRIORITY,
        "containers": [container],
        "volumes": [
            {"name": "configuration", "configMap": {"name": AGENT}},
            {"name": "logs", "hostPath": {"path": telemetry.FILES, "type": "Directory"}},
            {"name": "offsets", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }


def password() -> Document:
    """The variable that holds it."""
    return {"name": PASSWORD, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "password"}}}


def text(configuration: Document) -> str:
    """As the collector reads it, the same to the byte for the same facts."""
    return yaml.safe_dump(configuration, sort_keys=True)


def digest(written: str) -> str:
    """By which pods notice another configuration."""
    return hashlib.sha256(written.encode()).hexdigest()[:16]
