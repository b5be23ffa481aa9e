"""The declared flows of Kubeflow and its add-ons, each with its reason and where upstream says so.

Ports are those of pods: a policy sees a connection after the Service's translation. Probes are missing on purpose: a
node may always reach its own pods. Everything that is not here is closed, both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .flows import Flow, Outside, Peer, Protocol, Workload
from .workloads import DNS, TENANT, WORKLOADS

_BY_NAME = {str(workload): workload for workload in WORKLOADS}
_GATEWAY = "istio-system/istio-ingressgateway"
_LOCAL_GATEWAY = "istio-system/cluster-local-gateway"
_PROMETHEUS = "monitoring/prometheus"
_FEAST = ("feast/feast-feature-server", "feast/feature-store")

# Sources, target, ports, why, evidence.
_Row = tuple[Sequence[str | Outside], str | Outside, Sequence[int], str, str]

_USERS: tuple[_Row, ...] = (
    ((Outside.ANYWHERE,), _GATEWAY, (8080, 8443), "people and machines enter here, and only here",
     "Service istio-ingressgateway"),
    ((_GATEWAY,), "oauth2-proxy/oauth2-proxy", (4180,), "external authorization of every request",
     "NetworkPolicy oauth2-proxy/allow-istio-ingressgateway"),
    ((_GATEWAY, "istio-system/istiod", "oauth2-proxy/oauth2-proxy"), "auth/dex", (5556,),
     "login page, token keys and OIDC discovery", "NetworkPolicy auth/allow-istio-and-oauth2-proxy"),
    ((_GATEWAY,), "kubeflow/centraldashboard", (8082,), "user interface", "VirtualService centraldashboard"),
    ((_GATEWAY,), "kubeflow/jupyter-web-app-deployment", (5000,), "user interface", "VirtualService jupyter-web-app"),
    ((_GATEWAY,), "kubeflow/volumes-web-app-deployment", (5000,), "user interface", "VirtualService volumes-web-app"),
    ((_GATEWAY,), "kubeflow/tensorboards-web-app-deployment", (5000,), "user interface",
     "VirtualService tensorboards-web-app"),
    ((_GATEWAY,), "kubeflow/kserve-models-web-app", (5000,), "user interface", "VirtualService kserve-models-web-app"),
    ((_GATEWAY,), "kubeflow/katib-ui", (8080,), "user interface", "VirtualService katib-ui"),
    ((_GATEWAY,), "kubeflow/ml-pipeline-ui", (3000,), "user interface and API", "VirtualService ml-pipeline-ui"),
    ((_GATEWAY,), "kubeflow/metadata-envoy-deployment", (9090,), "lineage in the user interface",
     "VirtualService metadata-grpc"),
    (("kubeflow/centraldashboard",), "kubeflow/profiles-deployment", (8081,), "namespaces and contributors of a user",
     "AuthorizationPolicy profiles-kfam"),
    (("auth/dex", "oauth2-proxy/oauth2-proxy", "istio-system/istiod"), Outside.ISSUER, (443,),
     "federated login and its token keys", "cluster contract: OIDC issuer"),
    (("cert-manager/cert-manager",), Outside.CERTIFICATE_AUTHORITY, (443,), "orders certificates",
     "cert-manager: ACME issuer"),
)  # fmt: skip

_SERVING: tuple[_Row, ...] = (
    ((_GATEWAY, "tenant/pods"), _LOCAL_GATEWAY, (8080, 8081), "models by their cluster-local names",
     "Services cluster-local-gateway, knative-local-gateway"),
    (("knative-serving/net-istio-controller",), _GATEWAY, (8080, 8443), "probes that a route is programmed",
     "NetworkPolicy istio-system/allow-knative-to-istio-gateways"),
    (("knative-serving/net-istio-controller",), _LOCAL_GATEWAY, (8080, 8081), "probes that a route is programmed",
     "NetworkPolicy istio-system/allow-knative-to-istio-gateways; Gateway knative-local-gateway"),
    ((_GATEWAY, _LOCAL_GATEWAY), "knative-serving/activator", (8012, 8013), "requests to a model scaled to zero",
     "NetworkPolicy knative-serving/allow-istio-gateways-to-activator"),
    (("knative-serving/activator",), "knative-serving/autoscaler", (8080,), "reports waiting requests",
     "Service autoscaler"),
    (("knative-serving/autoscaler",), "knative-serving/autoscaler", (8080,), "a replica forwards to the leader",
     "Knative: autoscaler buckets"),
    ((_GATEWAY, _LOCAL_GATEWAY), "tenant/predictors", (8012, 8013, 8112), "requests to a model",
     "Knative: queue-proxy"),
    ((_LOCAL_GATEWAY,), "tenant/predictors", (8080,), "requests to a model that Knative does not scale",
     "KServe: RawDeployment"),
    (("knative-serving/activator",), "tenant/predictors", (8012, 8013, 8112), "requests that waited for a replica",
     "Knative: queue-proxy"),
    (("knative-serving/autoscaler",), "tenant/predictors", (9090,), "concurrency, to decide about replicas",
     "Knative: queue-proxy autoscaling metrics"),
    (("knative-serving/controller",), Outside.REGISTRY, (443,), "resolves image tags to digests",
     "Knative: tag resolution"),
)  # fmt: skip

_PIPELINES: tuple[_Row, ...] = (
    (("kubeflow/ml-pipeline", "kubeflow/cache-server", "kubeflow/metadata-grpc-deployment"), "kubeflow/mysql", (3306,),
     "runs, cache keys and lineage", "AuthorizationPolicy mysql"),
    (("kubeflow/ml-pipeline", "kubeflow/cache-server", "kubeflow/metadata-grpc-deployment", "mlflow/mlflow"),
     Outside.DATABASE, (3306, 5432), "the same data in a managed database", "ConfigMap pipeline-install-config"),
    (("kubeflow/ml-pipeline", "kubeflow/ml-pipeline-ui"), "kubeflow/seaweedfs", (8333,), "pipelines and artifacts",
     "AuthorizationPolicy seaweedfs-service"),
    (("kubeflow/kubeflow-pipelines-profile-controller",), "kubeflow/seaweedfs", (8111, 8333),
     "makes each tenant's key and bucket policy", "env AWS_ENDPOINT_URL, S3_ENDPOINT_URL"),
    (("kubeflow/metacontroller",), "kubeflow/kubeflow-pipelines-profile-controller", (8080,), "sync of a namespace",
     "DecoratorController kubeflow-pipelines-profile-controller"),
    (("kubeflow/ml-pipeline-ui", "kubeflow/ml-pipeline-persistenceagent", "kubeflow/ml-pipeline-scheduledworkflow",
      "kubeflow/ml-pipeline-viewer-crd", "tenant/pods"), "kubeflow/ml-pipeline", (8887, 8888), "the Pipelines API",
     "AuthorizationPolicy and NetworkPolicy ml-pipeline"),
    (("kubeflow/ml-pipeline",), "kubeflow/ml-pipeline-visualizationserver", (8888,), "renders a run's outputs",
     "AuthorizationPolicy ml-pipeline-visualizationserver"),
    (("kubeflow/metadata-envoy-deployment", "kubeflow/metadata-writer", "tenant/pods"),
     "kubeflow/metadata-grpc-deployment", (8080,), "writes and reads lineage", "NetworkPolicy metadata-grpc-server"),
    (("kubeflow/ml-pipeline-ui",), "kubeflow/metadata-envoy-deployment", (9090,), "lineage in the user interface",
     "NetworkPolicy metadata-envoy"),
    (("tenant/pods",), "kubeflow/seaweedfs", (8333,), "artifacts of steps and notebooks", "NetworkPolicy seaweedfs"),
    (("kubeflow/ml-pipeline-ui",), "tenant/artifact-proxy", (3000,), "previews with the tenant's own rights",
     "env ARTIFACTS_SERVICE_PROXY_NAME"),
    (("kubeflow/ml-pipeline", "kubeflow/ml-pipeline-ui", "mlflow/mlflow", "feast/feast-feature-server",
      "observability/loki", "observability/tempo", "tenant/pods"), Outside.OBJECT_STORE, (443,),
     "artifacts, offline features, logs and traces", "cluster contract: artifacts"),
)  # fmt: skip

_NOTEBOOKS_AND_TUNING: tuple[_Row, ...] = (
    ((_GATEWAY, "kubeflow/notebook-controller-deployment"), "tenant/notebooks", (8888,),
     "a user's notebook, and culling of idle ones", "Notebook: VirtualService and culler"),
    ((_GATEWAY,), "tenant/pods", (6006, 8080), "TensorBoards and volume viewers, whose labels hold only their name",
     "tensorboard-controller, pvcviewer-controller"),
    (("kubeflow/katib-db-manager",), "kubeflow/katib-mysql", (3306,), "observations of trials", "Service katib-mysql"),
    (("kubeflow/katib-db-manager",), Outside.DATABASE, (3306,), "observations in a managed database",
     "env KATIB_MYSQL_DB_HOST"),
    (("kubeflow/katib-controller", "kubeflow/katib-ui", "tenant/pods"), "kubeflow/katib-db-manager", (6789,),
     "observations of trials", "NetworkPolicy katib-db-manager"),
    (("kubeflow/katib-controller",), "tenant/suggestions", (6788, 6789), "asks for the next trials and early stops",
     "Katib: suggestion and early stopping services"),
)  # fmt: skip

_DATA_AND_OBSERVABILITY: tuple[_Row, ...] = (
    (("tenant/pods",), "mlflow/mlflow", (5000,), "experiment tracking", "Service mlflow"),
    ((_GATEWAY,), "mlflow/mlflow", (5000,), "user interface", "VirtualService mlflow"),
    (("mlflow/mlflow",), "mlflow/mlflow-postgres", (5432,), "runs and models", "ConfigMap mlflow-env-configmap"),
    (("tenant/pods",), "feast/feast-feature-server", (6566,), "online features", "Service feast-feature-server"),
    (_FEAST, Outside.DATABASE, (5432, 6379), "registry and online store elsewhere", "Feast: SQL registry, Redis"),
    (_FEAST, "feast/feast-postgres", (5432,), "feature registry", "Secret feast-registry"),
    (_FEAST, "feast/feast-redis", (6379,), "online features", "Secret feast-online-store"),
    (("tenant/pods",), "feast/feature-store", (6566, 6570), "online features and registry", "FeatureStore features"),
    (("tenant/pods",), "observability/opentelemetry-collector", (4317, 4318), "traces, metrics and logs of workloads",
     "Service opentelemetry-collector"),
    (("observability/opentelemetry-collector",), "observability/tempo", (4317,), "stores traces",
     "collector configuration: exporters"),
    (("observability/opentelemetry-collector", "observability/loki-gateway", "monitoring/log-agent"),
     "observability/loki", (3100,), "stores and reads logs", "collector configuration: exporters; Service loki"),
    (("observability/loki",), "observability/loki", (7946, 9095), "members of the ring", "Service loki-memberlist"),
    (("observability/loki-canary", "monitoring/kube-prometheus-stack-grafana"), "observability/loki-gateway", (8080,),
     "reads logs, and proves that they arrive", "argument -addr of loki-canary"),
    (("monitoring/kube-prometheus-stack-grafana",), "observability/tempo", (3200,), "reads traces", "Service tempo"),
    (("monitoring/kube-prometheus-stack-grafana",), _PROMETHEUS, (9090,), "dashboards", "Grafana datasource"),
    (("monitoring/kube-prometheus-stack-grafana", _PROMETHEUS), "monitoring/alertmanager", (9093,), "alerts",
     "Prometheus: alerting.alertmanagers"),
    (("monitoring/alertmanager",), "monitoring/alertmanager", (9094,), "members of the cluster",
     "Alertmanager: cluster port"),
)  # fmt: skip

_CONTROL: tuple[_Row, ...] = (
    *(((Outside.ANYWHERE,), target, ports,
       "the API server calls from an address that differs by environment; no fenced pod can, its way out is closed",
       "webhook and APIService configurations")
      for target, ports in (
          ("cert-manager/cert-manager-webhook", (10250,)), ("istio-system/istiod", (15017,)),
          ("knative-serving/net-istio-webhook", (8443,)), ("knative-serving/webhook", (8443,)),
          ("kubeflow/cache-server", (8443,)), ("kubeflow/katib-controller", (8443,)),
          ("kubeflow/admission-webhook-deployment", (4443,)), ("kubeflow/pvcviewer-controller-manager", (9443,)),
          ("kubeflow-system/jobset-controller-manager", (9443,)),
          ("kubeflow-system/kubeflow-trainer-controller-manager", (9443,)),
          ("kubeflow/training-operator", (9443,)), ("kubeflow/kserve-controller-manager", (9443,)),
          ("kubeflow/llmisvc-controller-manager", (9443,)), ("kubeflow/spark-operator-webhook", (9443,)),
          ("monitoring/kube-prometheus-stack-operator", (10250,)),
          ("kueue-system/kueue-controller-manager", (8082, 9443)),
      )),
    ((_GATEWAY, _LOCAL_GATEWAY, "tenant/pods"), "istio-system/istiod", (15012,), "certificates and routes of a proxy",
     "NetworkPolicy istio-system/allow-istiod-control-plane"),
    (("tenant/notebooks", "tenant/pipeline-steps", "tenant/suggestions", "tenant/spark-drivers"), Outside.API_SERVER,
     (443, 6443), "clients of the API: SDKs, workflow executors, trial status, Spark executors",
     "Roles of these pods"),
    ((_PROMETHEUS,), Outside.NODES, (9100, 10250), "kubelets and the node exporter, which use the node's network",
     "ServiceMonitors kubelet, node-exporter"),
)  # fmt: skip

# Pods outside of the mesh are scraped on their own ports; a sidecar serves its own and the application's on 15020.
_METRICS: dict[str, tuple[int, ...]] = {
    "cert-manager/cert-manager": (9402,), "cert-manager/cert-manager-cainjector": (9402,),
    "cert-manager/cert-manager-webhook": (9402,), "kube-system/istio-cni-node": (15014,),
    "kube-system/kube-dns": (9153,), "istio-system/istiod": (15014,), _GATEWAY: (15020,), _LOCAL_GATEWAY: (15020,),
    "oauth2-proxy/oauth2-proxy": (44180,), "kubeflow/katib-controller": (8080,),
    "kubeflow/kserve-controller-manager": (8443,), "kubeflow/spark-operator-controller": (8080,),
    "kubeflow/spark-operator-webhook": (8080,), "kubeflow/training-operator": (8080,),
    "kubeflow-system/jobset-controller-manager": (8443,),
    "kubeflow-system/kubeflow-trainer-controller-manager": (8443,),
    "monitoring/kube-prometheus-stack-grafana": (3000,), "monitoring/kube-prometheus-stack-kube-state-metrics": (8080,),
    "monitoring/kube-prometheus-stack-operator": (10250,), _PROMETHEUS: (8080, 9090),
    "monitoring/alertmanager": (8080,), "gpu-operator/gpu-operator": (8080,),
    "gpu-operator/dcgm-exporter": (9400,),
    "kueue-system/kueue-controller-manager": (8443,), "mlflow/mlflow": (5000,),
    "feast-operator-system/feast-operator-controller-manager": (8443,),
    "observability/opentelemetry-collector": (8888,), "monitoring/log-agent": (8888,), "observability/loki": (3100,),
    "observability/loki-gateway": (4040,), "observability/loki-canary": (3500,), "observability/tempo": (3200,),
    "tenant/pods": (15020,),
}  # fmt: skip

# Installed workloads that hold no role in the cluster: databases, stores, pure proxies.
_NO_API_CLIENTS = frozenset({
    _GATEWAY, _LOCAL_GATEWAY, "oauth2-proxy/oauth2-proxy", "kubeflow/kubeflow-pipelines-profile-controller",
    "kubeflow/metadata-envoy-deployment", "kubeflow/metadata-grpc-deployment",
    "kubeflow/ml-pipeline-visualizationserver", "kubeflow/mysql", "kubeflow/seaweedfs", "kubeflow/katib-db-manager",
    "kubeflow/katib-mysql", "mlflow/mlflow", "mlflow/mlflow-postgres", "feast/feast-feature-server",
    "feast/feast-postgres", "feast/feast-redis", "feast/feature-store", "observability/loki-canary",
    "observability/loki-gateway", "observability/tempo", "monitoring/alertmanager", "monitoring/log-agent",
})  # fmt: skip


def _peer(name: str | Outside) -> Peer:
    if isinstance(name, Outside):
        return name
    return DNS if name == str(DNS) else _BY_NAME[name]


def _declared() -> Iterator[Flow]:
    """The rows, one flow for each source and port."""
    for rows in (_USERS, _SERVING, _PIPELINES, _NOTEBOOKS_AND_TUNING, _DATA_AND_OBSERVABILITY, _CONTROL):
        for sources, target, ports, why, evidence in rows:
            for source in sources:
                for port in ports:
                    yield Flow(source=_peer(source), target=_peer(target), port=port, why=why, evidence=evidence)
    alertmanager = _BY_NAME["monitoring/alertmanager"]
    yield Flow(
        source=alertmanager, target=alertmanager, port=9094, protocol="UDP", why="members of the cluster",
        evidence="Alertmanager: cluster port",
    )  # fmt: skip


def _common() -> Iterator[Flow]:
    """What follows from what a workload is: a client of the API server, a member of the mesh, a target of scrapes."""
    for name, workload in _BY_NAME.items():
        if workload.component and name not in _NO_API_CLIENTS:
            yield from _each(workload, Outside.API_SERVER, (443, 6443), "client of the API", "its Roles and bindings")
        if workload.mesh or name in (_GATEWAY, _LOCAL_GATEWAY):
            collector = _BY_NAME["observability/opentelemetry-collector"]
            yield from _each(workload, collector, (4317,), "spans of its proxy", "mesh configuration: traces")
        if workload.mesh:
            istiod = _BY_NAME["istio-system/istiod"]
            yield from _each(workload, istiod, (15012,), "certificates and routes of its proxy", "sidecar injection")
            why = "metrics of the proxy and the application"
            yield from _each(_BY_NAME[_PROMETHEUS], workload, (15020,), why, "sidecar: merged metrics")
    for name, ports in _METRICS.items():
        yield from _each(_BY_NAME[_PROMETHEUS], _peer(name), ports, "metrics", "metrics port of the pod")


def _each(source: Peer, target: Peer, ports: Sequence[int], why: str, evidence: str) -> Iterator[Flow]:
    for port in ports:
        yield Flow(source=source, target=target, port=port, why=why, evidence=evidence)


def _names(source: Workload) -> Iterator[Flow]:
    """Both transports of name resolution, at the cluster's resolver and at one on the node where there is one."""
    resolvers: tuple[Peer, ...] = (DNS, Outside.RESOLVER)
    protocols: tuple[Protocol, ...] = ("UDP", "TCP")
    for resolver in resolvers:
        for protocol in protocols:
            yield Flow(
                source=source, target=resolver, port=53, protocol=protocol, why="names", evidence="Kubernetes DNS"
            )


def _all() -> tuple[Flow, ...]:
    flows = (*_declared(), *_common())
    clients = {flow.source: None for flow in flows if isinstance(flow.source, Workload) and flow.source.component}
    return (*flows, *(flow for client in clients for flow in _names(client)))


FLOWS: tuple[Flow, ...] = _all()

# What a tenant's namespace allows from the start (`kubeflow.tenancy`). Between tenants' pods a flow never leaves the
# namespace.
TENANCY: tuple[Flow, ...] = (
    Flow(source=TENANT, target=TENANT, port=None, why="a team's pods work together", evidence="allow-same-namespace"),
    *_names(TENANT),
)
