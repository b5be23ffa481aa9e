"""Which series the stand-in offers (`bad_day`): labels that have to fit each other, and usual values for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

Row = Mapping[str, str]
_MODEL = "serving_kserve_io_inferenceservice"

# Values of labels, where a metric is in no table below.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "namespace": ("team-a", "team-b"), "job_namespace": ("team-a", "team-b"), "tenant": ("team-a", "team-b"),
    "k8s_namespace_name": ("team-a",), "kn_revision_name": ("iris-00001", "ill-00001"),
    "model": ("iris", "ill"), "feature": ("age", "income"), "method": ("psi",), "model_name": ("iris", "ill"),
    "http_response_status_code": ("200", "503"), "http_request_method": ("POST",), "kn_route_tag": ("",),
    "server_address": ("iris.team-a.svc",), "type": ("cds", "ill-type"), "controller": ("inferenceservice",),
    "result": ("success", "error"), "name": ("first", "ill-one"), "framework": ("pytorch", "tensorflow"),
    "jobset_name": ("first",), "cluster_queue": ("team-a", "team-b"), "replica_role": ("leader",),
    "preempting_cluster_queue": ("team-a",), "reason": ("InsufficientQuota",), "underlying_cause": ("",),
    "cohort": ("platform",), "flavor": ("accelerated",), "resource": ("cpu", "nvidia.com/gpu"),
    "cause": ("OperationPanic",),
    "queue_name": ("workflow_queue", "cron_wf_queue"), "component": ("profile",), "kind": ("profile",),
    "severity": ("major",), "app_type": ("Python",), "operation": ("CREATE",), "error_type": ("calling_webhook_error",),
    "rejection_code": ("500",), "environment": ("stand-in",), "unit": ("ms",), "required": ("true",),
    "id": ("serving.latency", "ill.criterion"), "deployment": ("ml-pipeline", "ill-deployment"),
    "horizontalpodautoscaler": ("iris", "ill-model"), "persistentvolumeclaim": ("data", "ill-claim"),
    "server_port": ("3100",),
    "exporter": ("otlp_http/kubeflow", "otlp_grpc/kubeflow"), "job_name": ("first",),
    "label_pod_security_kubernetes_io_enforce": ("restricted",),
    "issuer_name": ("platform",), "issuer_kind": ("ClusterIssuer",), "issuer_group": ("cert-manager.io",),
    "device": ("eth0", "nvme0n1"), "fstype": ("ext4",), "mountpoint": ("/",), "cpu": ("0", "1"),
    "mode": ("idle", "user"), "status": ("active", "pending", "inadmissible", "running"),
    "phase": ("Pending", "Running", "Succeeded", "Failed", "Error"), "condition": ("True", "False", "Unknown"),
}  # fmt: skip

_GENERAL, _GPUS, _BLIND = "general-0", "gpu-0", "ill-gpu-1"  # the last one has no exporter
_NODES = (_GENERAL, _GPUS, _BLIND)
# Pod, its namespace, its node, the GPU that it holds.
_PODS = (
    ("trainer-worker-0", "team-a", _GPUS, 0), ("trainer-worker-1", "team-a", _GPUS, 1),
    ("stalled-worker-0", "team-a", _GPUS, 2), ("ill-waiting", "team-a", "", None),
)  # fmt: skip


def _gpus() -> Iterator[Row]:
    held = {number: (pod, namespace) for pod, namespace, _, number in _PODS if number is not None}
    for number in range(8):
        pod, namespace = held.get(number, ("", ""))
        yield {
            "gpu": str(number), "UUID": f"{'ill' if number == 7 else 'GPU'}-{number}", "device": f"nvidia{number}",
            "modelName": "NVIDIA L4", "GPU_I_PROFILE": "", "GPU_I_ID": "", "Hostname": _GPUS, "namespace": namespace,
            "pod": pod, "container": "main" if pod else "", "instance": f"{_GPUS}:9400",
        }  # fmt: skip


def _mesh() -> Iterator[Row]:
    """Requests from outside, to two models, between components, and one without mutual TLS."""
    inside, door = "istio-system", "istio-ingressgateway"
    ways = (
        # reporter, source, its namespace, target, its namespace, protection, model
        ("source", door, inside, "ill-predictor", "team-b", "unknown", ""),
        ("destination", door, inside, "iris-predictor", "team-a", "mutual_tls", "iris"),
        ("destination", door, inside, "ill-predictor", "team-b", "mutual_tls", "ill"),
        ("destination", "ml-pipeline-ui", "kubeflow", "ml-pipeline", "kubeflow", "mutual_tls", ""),
        ("destination", "workflow-controller", "kubeflow", "ill-server", "kubeflow", "mutual_tls", ""),
        ("destination", "intruder", "team-a", "iris-predictor", "team-a", "none", "iris"),
    )
    for reporter, source, home, target, place, protection, model in ways:
        for code, flags in (("200", "-"), ("404", "-"), ("503", "UO")):
            yield {
                "reporter": reporter, "source_workload": source, "source_workload_namespace": home,
                "source_principal": f"spiffe://cluster.local/ns/{home}/sa/{source}", "destination_workload": target,
                "destination_workload_namespace": place,
                "destination_principal": f"spiffe://cluster.local/ns/{place}/sa/{target}",
                "destination_service": f"{target}.{place}.svc.cluster.local", "destination_service_name": target,
                "destination_service_namespace": place, "request_protocol": "http", "response_code": code,
                "response_flags": flags, "connection_security_policy": protection,
                "namespace": home if reporter == "source" else place,
                "pod": f"{source if reporter == 'source' else target}-0", _MODEL: model,
            }  # fmt: skip


def _each(**labels: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(dict(zip(labels, values, strict=True)) for values in product(*labels.values()))


_TEAMS = ("team-a", "team-b")
_JOBS = _each(namespace=("team-a",), name=("first", "ill-one"), type=("Failed", "Succeeded", "Complete"))

# The first pattern that a metric's name matches decides.
ROWS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    (r"istio_tcp_.*|istio_request.*|istio_response.*", tuple(_mesh())),
    (r"DCGM_.*", tuple(_gpus())),
    (r"kn_serving_queue_depth", _each(namespace=_TEAMS, pod=("predictor-0",))),
    (r"kn_serving_.*", _each(namespace=_TEAMS, pod=("predictor-0",), http_response_status_code=("200", "503"))),
    (r"request_(preprocess|predict|postprocess)_seconds", _each(namespace=_TEAMS, model_name=("iris",))),
    (r"drift_score", _each(namespace=("team-a",), model=("iris", "ill"), feature=("age",), method=("psi",))),
    (r"drift_detected", _each(namespace=("team-a",), model=("iris", "ill"), feature=("age", "income"))),
    (r"drift_.*|prediction.*", _each(namespace=("team-a",), model=("iris", "ill"))),
    (r"kueue_pending_workloads",
     _each(cluster_queue=_TEAMS, replica_role=("leader",), status=("active", "inadmissible"))),
    (r"kueue_cluster_queue_status",
     _each(cluster_queue=_TEAMS, replica_role=("leader",), status=("active", "pending", "terminated"))),
    (r"argo_workflows_pod_pending_count", _each(reason=("Unschedulable",), namespace=_TEAMS)),
    (r"argo_workflows_pods_gauge", _each(phase=("Pending", "Running"))),
    (r"katib_.*_current", _each(namespace=_TEAMS, status=("running", "failed"))),
    (r"apiserver_admission_webhook_rejection_count", (
        {"name": "ill.webhook", "operation": "CREATE", "type": "admit", "error_type": "calling_webhook_error",
         "rejection_code": "500"},)),
    (r"apiserver_admission_webhook_fail_open_count", ({"name": "ill.webhook", "type": "admit"},)),
    (r"(loki|tempo)_discarded_.*", _each(reason=("rate_limited",), tenant=_TEAMS)),
    (r"kubeflow_inferenceservice_.*", _each(namespace=("team-a",), name=("iris", "ill-model"), type=("Ready",))),
    (r"kubeflow_.*_condition_status", _JOBS),
    (r"kubeflow_peerauthentication_mode_info", ({"namespace": "kubeflow", "name": "open", "mode": "PERMISSIVE"},)),
    (r"kubeflow_peerauthentication_port_info",
     ({"namespace": "kubeflow", "name": "declared", "port": "8888", "mode": "PERMISSIVE"},
      {"namespace": "team-a", "name": "undeclared", "port": "7777", "mode": "DISABLE"})),
    (r"kube_pod_status_phase", tuple(
        {"namespace": namespace, "pod": pod, "phase": phase}
        for pod, namespace, _, _ in _PODS for phase in ("Pending", "Running", "Succeeded"))),
    (r"kube_pod_container_resource_requests", tuple(
        {"namespace": namespace, "pod": pod, "container": "main", "resource": "nvidia_com_gpu", "unit": "integer",
         "node": node}
        for pod, namespace, node, _ in _PODS)),
    (r"kube_pod_info", tuple(
        {"namespace": namespace, "pod": pod, "node": node, "created_by_kind": "PyTorchJob", "created_by_name": pod}
        for pod, namespace, node, _ in _PODS)),
    (r"container_.*", tuple(
        {"namespace": namespace, "pod": pod, "container": "main", "node": node} for pod, namespace, node, _ in _PODS)),
    (r"kube_node_status_(capacity|allocatable)", tuple(
        {"node": node, "resource": "nvidia_com_gpu", "unit": "integer"} for node in (_GPUS, _BLIND))),
    (r"kube_node_status_condition",
     _each(node=_NODES, condition=("Ready", "MemoryPressure"), status=("true", "false", "unknown"))),
    (r"kube_node_labels", (
        {"node": _GENERAL, "label_proof_kubeflow_pool": "general", "label_nvidia_com_gpu_product": ""},
        *({"node": node, "label_proof_kubeflow_pool": "accelerated", "label_nvidia_com_gpu_product": "NVIDIA-L4"}
          for node in (_GPUS, _BLIND)))),
    (r"node_cpu_seconds_total",
     _each(instance=tuple(f"{node}:9100" for node in _NODES), cpu=("0", "1"), mode=("idle", "user"))),
    (r"node_memory_.*", _each(instance=tuple(f"{node}:9100" for node in _NODES))),
    (r"kube_resourcequota", tuple(
        {"namespace": team, "resourcequota": "kf-resource-quota", "resource": resource, "type": kind}
        for team in _TEAMS for resource in ("requests.cpu", "requests.nvidia.com/gpu") for kind in ("hard", "used"))),
    (r"kube_persistentvolumeclaim_status_phase",
     _each(namespace=("team-a",), persistentvolumeclaim=("data", "ill-claim"), phase=("Bound", "Pending", "Lost"))),
    (r"kubelet_volume_stats_.*", _each(namespace=("team-a",), persistentvolumeclaim=("data", "ill-claim"))),
    (r"kube_deployment_.*", _each(namespace=("kubeflow",), deployment=("ml-pipeline", "ill-deployment"))),
    (r"kube_horizontalpodautoscaler_.*", _each(namespace=("team-a",), horizontalpodautoscaler=("iris", "ill-model"))),
    (r"kube_namespace_created", _each(namespace=("team-a", "team-b", "kubeflow"))),
    (r"kube_namespace_labels", tuple(
        {"namespace": name, "label_pod_security_kubernetes_io_enforce": level}
        for name, level in (("team-a", "restricted"), ("team-b", "privileged"), ("kubeflow", "baseline")))),
)  # fmt: skip
