"""Every target of Prometheus as data: whose metrics, on which port, and how they are read. Makes no objects.

The mesh is STRICT and Prometheus is no member of it, so a member's own ports are closed to it. Its sidecar has one
port that neither mutual TLS nor authorization guards: 15020, where it serves its own metrics and, read over the pod's
loopback, those of one port of the application (istio: pilot-agent, `handleStats`). That is one way in for each pod,
fenced by the network policies. Applications that insist on TLS cannot be read so: theirs are exemptions of the mesh.

All targets are read as often as the stack file says, but where a component's own monitor says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from kubeflow.network import Outside, Workload
from kubeflow.network.workloads import DNS, WORKLOADS

PROMETHEUS = "monitoring/prometheus"
MERGED_PORT = 15020
GPU_MONITOR = "nvidia-dcgm-exporter"  # made by the GPU operator, as its ClusterPolicy says
_CHART = "kube-prometheus-stack"


class How(Enum):
    """How a target is read."""

    PROXY = "the proxy's port for its own and the application's metrics"
    PLAIN = "plain HTTP on the port of a pod outside of the mesh"
    TOKEN = "HTTPS with a self-made certificate; the caller shows the token of its service account"  # noqa: S105
    UPSTREAM = "a monitor that the component brings itself"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One workload, or end outside of pods, whose metrics are read."""

    of: Workload | Outside
    ports: tuple[int, ...]  # of the pod
    how: How
    path: str
    why: str
    evidence: str  # where upstream says that the metrics are there
    application: int | None = None  # the port that the sidecar reads for us; None: only its own metrics
    undeclared: str | None = None  # the container whose template does not name the port that it listens on
    monitor: str | None = None  # the component's own, where there is one
    also: str | None = None  # another component, without which nobody makes these pods

    def __str__(self) -> str:
        return self.of.value if isinstance(self.of, Outside) else str(self.of)

    @property
    def component(self) -> str | None:
        """The component that has to be installed; None: it is always there."""
        return self.of.component if isinstance(self.of, Workload) else None

    @property
    def bypasses_sidecar(self) -> bool:
        """Whether a member of the mesh serves this port past its sidecar: an exemption (`kubeflow.mesh`)."""
        return isinstance(self.of, Workload) and self.of.mesh and self.how is How.TOKEN


# Application port and path that a sidecar merges, why, and evidence. Only plain HTTP can be merged, and only one port.
_MERGED: Mapping[str, tuple[int, str, str, str]] = MappingProxyType(
    {
        **{
            f"knative-serving/{name}": (9090, "/metrics", why, "Knative 1.21: containerPort metrics")
            for name, why in (
                ("activator", "requests that wait for a replica"),
                ("autoscaler", "how many replicas each revision should have and has"),
                ("controller", "reconciliation of revisions and routes"),
                ("net-istio-controller", "reconciliation of gateways"),
                ("net-istio-webhook", "its queue"),
                ("webhook", "its queue"),
            )
        },
        "kubeflow/ml-pipeline": (8888, "/metrics", "calls of the Pipelines API and ended runs", "KFP 2.16: apiserver"),
        "kubeflow/ml-pipeline-scheduledworkflow": (
            9090, "/metrics", "recurring runs", "Deployment ml-pipeline-scheduledworkflow: env METRICS_PORT",
        ),
        "kubeflow/workflow-controller": (
            9090, "/metrics", "workflows, their pods and errors", "Argo 3.7: containerPort metrics, metricsConfig",
        ),
        "kubeflow/notebook-controller-deployment": (
            8080, "/metrics", "running and culled notebooks", "notebook-controller 1.10: -metrics-addr",
        ),
        "kubeflow/profiles-deployment": (
            8080, "/metrics", "requests and heartbeat of the controller", "profile-controller 1.10: -metrics-addr",
        ),
        "kubeflow/pvcviewer-controller-manager": (
            8080, "/metrics", "reconciliation", "argument --metrics-bind-address=127.0.0.1:8080",
        ),
        "kubeflow/tensorboard-controller-deployment": (
            8080, "/metrics", "reconciliation", "argument --metrics-bind-address=127.0.0.1:8080",
        ),
        "kubeflow/kserve-localmodel-controller-manager": (
            8080, "/metrics", "reconciliation", "KServe 0.16: cmd/localmodel, metricsAddr",
        ),
    }
)  # fmt: skip

_CONTROLLER = "reconciliation and work queues"

# Workload, port, how, why, evidence; and the container that does not declare the port.
_ROWS: tuple[tuple[str, int, How, str, str, str | None], ...] = (
    ("istio-system/istio-ingressgateway", MERGED_PORT, How.PROXY, "every request from outside",
     "annotation prometheus.io/port", None),
    ("istio-system/cluster-local-gateway", MERGED_PORT, How.PROXY, "predictions asked for inside of the cluster",
     "annotation prometheus.io/port", None),
    ("istio-system/istiod", 15014, How.PLAIN, "rejected configuration, age of the mesh's root certificate",
     "containerPort http-monitoring", None),
    ("kube-system/istio-cni-node", 15014, How.PLAIN, "pods whose traffic could not be captured",
     "annotation prometheus.io/port", None),
    *((f"cert-manager/{name}", 9402, How.PLAIN, "expiry and readiness of certificates", "containerPort http-metrics",
       None)
      for name in ("cert-manager", "cert-manager-cainjector", "cert-manager-webhook")),
    ("oauth2-proxy/oauth2-proxy", 44180, How.PLAIN, "logins and refused requests", "containerPort metrics", None),
    ("kubeflow/katib-controller", 8080, How.PLAIN, "experiments and trials", "annotation prometheus.io/port", None),
    ("kubeflow/training-operator", 8080, How.PLAIN, "jobs by framework and outcome", "Service training-operator", None),
    ("kubeflow/spark-operator-controller", 8080, How.PLAIN, "Spark applications and executors",
     "argument --metrics-bind-address", None),
    ("kubeflow/spark-operator-webhook", 8080, How.PLAIN, "its queue", "argument --metrics-bind-address", None),
    ("kubeflow/kserve-controller-manager", 8443, How.TOKEN, _CONTROLLER,
     "container kube-rbac-proxy, --secure-listen-address", None),
    ("kubeflow-system/jobset-controller-manager", 8443, How.TOKEN, "ended and failed job sets",
     "JobSet 0.10: main.go, SecureServing with WithAuthenticationAndAuthorization", None),
    ("kubeflow-system/kubeflow-trainer-controller-manager", 8443, How.TOKEN, _CONTROLLER,
     "ConfigMap kubeflow-trainer-config: metrics", "manager"),
    ("kueue-system/kueue-controller-manager", 8443, How.TOKEN, "queues, admission and quota in use",
     "ConfigMap kueue-manager-config: metrics", None),
    ("feast-operator-system/feast-operator-controller-manager", 8443, How.TOKEN, _CONTROLLER,
     "argument --metrics-bind-address", "manager"),
    ("gpu-operator/gpu-operator", 8080, How.PLAIN, "state of the GPU software on the nodes", "containerPort metrics",
     None),
    ("mlflow/mlflow", 5000, How.PLAIN, "requests of the tracking server", "argument --expose-prometheus", None),
    ("observability/opentelemetry-collector", 8888, How.PLAIN, "lost spans and log lines",
     "ConfigMap opentelemetry-collector: service.telemetry.metrics", "opentelemetry-collector"),
    ("monitoring/log-agent", 8888, How.PLAIN, "lines that were read, and that did not arrive",
     "ConfigMap log-agent: service.telemetry.metrics", None),
)  # fmt: skip

_ALSO = {"monitoring/log-agent": "opentelemetry-collector"}

# End, ports, the component's own ServiceMonitor, why.
_SHIPPED: tuple[tuple[str | Outside, tuple[int, ...], str, str], ...] = (
    (Outside.API_SERVER, (443, 6443), f"{_CHART}-apiserver", "errors, latency and refusals of webhooks"),
    (Outside.NODES, (10250,), f"{_CHART}-kubelet", "containers, volumes and probes, from each kubelet"),
    (Outside.NODES, (9100,), f"{_CHART}-prometheus-node-exporter", "load, memory and disks of nodes"),
    (str(DNS), (9153,), f"{_CHART}-coredns", "errors and latency of names"),
    ("monitoring/kube-prometheus-stack-kube-state-metrics", (8080,), f"{_CHART}-kube-state-metrics",
     "state of objects: quotas, pods, jobs, conditions of training jobs and models"),
    ("monitoring/kube-prometheus-stack-grafana", (3000,), f"{_CHART}-grafana", "whether dashboards answer"),
    ("monitoring/kube-prometheus-stack-operator", (10250,), f"{_CHART}-operator", "monitors that were refused"),
    (PROMETHEUS, (8080, 9090), f"{_CHART}-prometheus", "itself: rules that fail, samples, storage"),
    ("monitoring/alertmanager", (8080, 9093), f"{_CHART}-alertmanager", "alerts that could not be delivered"),
    ("gpu-operator/dcgm-exporter", (9400,), GPU_MONITOR, "load, memory, heat and errors of GPUs"),
    ("observability/loki", (3100,), "loki", "lines received and discarded"),
    ("observability/loki-gateway", (4040,), "loki", "requests of the gateway"),
    ("observability/loki-canary", (3500,), "loki", "lines that did not arrive"),
    ("observability/tempo", (3200,), "tempo", "spans received and discarded"),
)  # fmt: skip


def _targets() -> Iterator[Target]:
    by_name = {str(workload): workload for workload in (*WORKLOADS, DNS)}
    for name, workload in by_name.items():
        if workload.mesh:
            port, _, why, evidence = _MERGED.get(name, (None, "", "requests to and from the pod", "sidecar injection"))
            yield Target(
                of=workload, ports=(MERGED_PORT,), how=How.PROXY, path="/stats/prometheus", why=why, evidence=evidence,
                application=port,
            )  # fmt: skip
    yield Target(
        of=by_name["tenant/pods"], ports=(MERGED_PORT,), how=How.PROXY, path="/stats/prometheus",
        why="requests to models and notebooks, and the models' own metrics", evidence="sidecar injection",
    )  # fmt: skip
    for name, number, how, why, evidence, container in _ROWS:
        path = "/stats/prometheus" if how is How.PROXY else "/metrics"
        yield Target(
            of=by_name[name], ports=(number,), how=how, path=path, why=why, evidence=evidence, undeclared=container,
            also=_ALSO.get(name),
        )  # fmt: skip
    for end, ports, monitor, why in _SHIPPED:
        of = end if isinstance(end, Outside) else by_name[end]
        yield Target(
            of=of, ports=ports, how=How.UPSTREAM, path="/metrics", why=why, evidence=f"ServiceMonitor {monitor}",
            monitor=monitor,
        )  # fmt: skip


TARGETS: tuple[Target, ...] = tuple(_targets())


def merged_path(target: Target) -> str:
    """Where the application serves what its sidecar merges."""
    return _MERGED[str(target)][1]
