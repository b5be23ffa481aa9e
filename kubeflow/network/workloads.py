"""Every workload that policies are made for, as data: where it runs and which labels tell it from its neighbours.

Components are named as the distribution's table names them, or by their family where it has variants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .flows import Workload

OURS = "the platform"

_NAME = "app.kubernetes.io/name"
_PART = "app.kubernetes.io/component"
_KATIB = "katib.kubeflow.org/component"

DNS = Workload(name="kube-dns", namespace="kube-system", labels={"k8s-app": "kube-dns"}, made_by="the cluster")


def _installed(
    component: str, namespace: str, pods: Mapping[str, Mapping[str, str]], *, mesh: bool = False, made_by: str = ""
) -> Iterator[Workload]:
    """The workloads of one component in one namespace: name of the controller -> labels of its pods."""
    for name, labels in pods.items():
        yield Workload(name=name, namespace=namespace, labels=labels, component=component, mesh=mesh, made_by=made_by)


def _by(key: str, *values: str) -> dict[str, dict[str, str]]:
    """Workloads named as the value of their label."""
    return {value: {key: value} for value in values}


_GATEWAYS_AND_LOGIN = (
    *_installed("cert-manager", "cert-manager", {
        "cert-manager": {"app": "cert-manager"},
        "cert-manager-cainjector": {"app": "cainjector"},
        "cert-manager-webhook": {"app": "webhook"},
    }),
    *_installed("istio", "kube-system", _by("k8s-app", "istio-cni-node")),
    *_installed("istio", "istio-system", {
        "istiod": {"istio": "pilot"}, "istio-ingressgateway": {"istio": "ingressgateway"},
    }),
    *_installed("cluster-local-gateway", "istio-system", _by("istio", "cluster-local-gateway")),
    *_installed("oauth2-proxy", "oauth2-proxy", _by(_NAME, "oauth2-proxy")),
    *_installed("dex", "auth", _by("app", "dex")),
    *_installed(
        "knative-serving", "knative-serving",
        _by("app", "activator", "autoscaler", "controller", "net-istio-controller", "net-istio-webhook", "webhook"),
        mesh=True,
    ),
)  # fmt: skip

_KUBEFLOW = (
    *_installed("pipelines", "kubeflow", {
        **_by(
            "app", "cache-server", "metadata-writer", "ml-pipeline", "ml-pipeline-persistenceagent",
            "ml-pipeline-scheduledworkflow", "ml-pipeline-ui", "ml-pipeline-viewer-crd",
            "ml-pipeline-visualizationserver", "mysql", "seaweedfs", "workflow-controller",
        ),
        "metadata-grpc-deployment": {"component": "metadata-grpc-server"},
    }, mesh=True),
    *_installed("pipelines", "kubeflow", {
        **_by("app", "kubeflow-pipelines-profile-controller", "metacontroller"),
        "metadata-envoy-deployment": {"component": "metadata-envoy"},
    }),
    *_installed("katib", "kubeflow", {
        "katib-controller": {_KATIB: "controller"},
        "katib-db-manager": {_KATIB: "db-manager"},
        "katib-mysql": {_KATIB: "mysql"},
    }),
    *_installed("katib", "kubeflow", {"katib-ui": {_KATIB: "ui"}}, mesh=True),
    *_installed("centraldashboard", "kubeflow", _by("app", "centraldashboard"), mesh=True),
    *_installed("admission-webhook", "kubeflow", {"admission-webhook-deployment": {"app": "poddefaults"}}),
    *_installed("jupyter-web-app", "kubeflow", {"jupyter-web-app-deployment": {"app": "jupyter-web-app"}}, mesh=True),
    *_installed(
        "notebook-controller", "kubeflow", {"notebook-controller-deployment": {"app": "notebook-controller"}}, mesh=True
    ),
    *_installed("profiles", "kubeflow", {"profiles-deployment": {"kustomize.component": "profiles"}}, mesh=True),
    *_installed(
        "pvcviewer-controller", "kubeflow", {"pvcviewer-controller-manager": {"app": "pvcviewer"}}, mesh=True
    ),
    *_installed("volumes-web-app", "kubeflow", {"volumes-web-app-deployment": {"app": "volumes-web-app"}}, mesh=True),
    *_installed(
        "tensorboard-controller", "kubeflow",
        {"tensorboard-controller-deployment": {"app": "tensorboard-controller"}}, mesh=True,
    ),
    *_installed(
        "tensorboards-web-app", "kubeflow", {"tensorboards-web-app-deployment": {"app": "tensorboards-web-app"}},
        mesh=True,
    ),
    *_installed("training-operator", "kubeflow", {
        "training-operator": {"control-plane": "kubeflow-training-operator"},
    }),
    *_installed("trainer", "kubeflow-system", {
        "jobset-controller-manager": {"control-plane": "controller-manager"},
        "kubeflow-trainer-controller-manager": {_NAME: "trainer"},
    }, mesh=True),
    *_installed("kserve", "kubeflow", _by("control-plane", "kserve-controller-manager")),
    *_installed(
        "kserve", "kubeflow",
        _by("control-plane", "kserve-localmodel-controller-manager", "llmisvc-controller-manager"), mesh=True,
    ),
    *_installed("kserve-models-web-app", "kubeflow", _by(_PART, "kserve-models-web-app"), mesh=True),
    *_installed("spark-operator", "kubeflow", {
        "spark-operator-controller": {_NAME: "spark-operator", _PART: "controller"},
        "spark-operator-webhook": {_NAME: "spark-operator", _PART: "webhook"},
    }),
)  # fmt: skip

_ADDONS = (
    *_installed("prometheus", "monitoring", {
        "kube-prometheus-stack-grafana": {_NAME: "grafana"},
        "kube-prometheus-stack-kube-state-metrics": {_NAME: "kube-state-metrics"},
        **_by(
            "app", "kube-prometheus-stack-operator", "kube-prometheus-stack-admission-create",
            "kube-prometheus-stack-admission-patch",
        ),
    }),
    *_installed(
        "prometheus", "monitoring", _by(_NAME, "prometheus", "alertmanager"), made_by="the Prometheus operator"
    ),
    *_installed("prometheus", "monitoring", _by(_NAME, "log-agent"), made_by=OURS),
    *_installed("gpu-operator", "gpu-operator", {
        "gpu-operator": {"app": "gpu-operator"},
        "gpu-operator-node-feature-discovery-worker": {_NAME: "node-feature-discovery", "role": "worker"},
        "gpu-operator-node-feature-discovery-gc": {_NAME: "node-feature-discovery", "role": "gc"},
        "gpu-operator-node-feature-discovery-master": {_NAME: "node-feature-discovery", "role": "master"},
    }),
    *_installed("gpu-operator", "gpu-operator", {
        "operands": {"app.kubernetes.io/managed-by": "gpu-operator"},
        "dcgm-exporter": {"app": "nvidia-dcgm-exporter"},
    }, made_by="the GPU operator"),
    *_installed("kueue", "kueue-system", {"kueue-controller-manager": {"control-plane": "controller-manager"}}),
    *_installed("mlflow", "mlflow", _by(_NAME, "mlflow")),
    *_installed("mlflow", "mlflow", _by(_NAME, "mlflow-postgres"), made_by=OURS),
    *_installed("feast-operator", "feast-operator-system", {
        "feast-operator-controller-manager": {_NAME: "feast-operator"},
    }),
    *_installed("feast-feature-server", "feast", _by(_NAME, "feast-feature-server")),
    *_installed("feast-feature-server", "feast", _by(_NAME, "feast-postgres", "feast-redis"), made_by=OURS),
    # Feast's operator labels what it makes so (feast-operator: services/services.go).
    *_installed("feast-operator", "feast", {"feature-store": {"feast.dev/name": "features"}},
                made_by="the Feast operator"),
    *_installed("opentelemetry-collector", "observability", _by(_NAME, "opentelemetry-collector")),
    *_installed("loki", "observability", {
        "loki": {_NAME: "loki", _PART: "single-binary"},
        "loki-gateway": {_NAME: "loki", _PART: "gateway"},
        "loki-canary": {_NAME: "loki", _PART: "canary"},
    }),
    *_installed("tempo", "observability", _by(_NAME, "tempo")),
)  # fmt: skip

TENANT = Workload(name="pods", namespace=None, made_by="people and controllers")

_TENANTS = (
    TENANT,
    Workload(name="notebooks", namespace=None, having=("notebook-name",), made_by="the notebook controller"),
    Workload(
        name="pipeline-steps", namespace=None, having=("workflows.argoproj.io/workflow",),
        made_by="the workflow controller",
    ),
    Workload(
        name="predictors", namespace=None, having=("serving.kserve.io/inferenceservice",), made_by="KServe and Knative"
    ),
    Workload(
        name="suggestions", namespace=None, having=("katib.kubeflow.org/suggestion",), made_by="the Katib controller"
    ),
    Workload(
        name="spark-drivers", namespace=None, labels={"spark-role": "driver"}, made_by="the Spark operator"
    ),
    Workload(
        name="artifact-proxy", namespace=None, labels={"app": "ml-pipeline-ui-artifact"},
        made_by="the Pipelines profile controller",
    ),
)  # fmt: skip

WORKLOADS: tuple[Workload, ...] = (*_GATEWAYS_AND_LOGIN, *_KUBEFLOW, *_ADDONS, *_TENANTS)
