"""What upstream's components have to be told so that the table's targets have something to read.

Each function is a transform (`kubeflow.install.transforms`): an object that it may change, and the object to install.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

import yaml

from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step
from kubeflow.network import Workload

from .scrape import TARGETS, Target, merged_path

_MESH = ("ConfigMap", "istio-system", "istio")
_GATEWAYS = (("istio-system", "istio-ingressgateway"), ("istio-system", "cluster-local-gateway"))
_BOUNDS = "sidecar.istio.io/statsHistogramBuckets"


def _by_controller(*, merged: bool) -> Mapping[tuple[str, str], Target]:
    """Targets by namespace and name of their controller: those that a sidecar reads, or with a port to declare."""
    return MappingProxyType(
        {
            (target.of.namespace, target.of.name): target
            for target in TARGETS
            if isinstance(target.of, Workload)
            and target.of.namespace is not None
            and (target.application if merged else target.undeclared) is not None
        }
    )


_MERGED = _by_controller(merged=True)
_UNDECLARED = _by_controller(merged=False)


def _of(body: Body, targets: Mapping[tuple[str, str], Target]) -> Target | None:
    if kinds.pod_spec(body) is None:
        return None
    return targets.get((body["metadata"].get("namespace", ""), body["metadata"]["name"]))


def _annotations(body: Body) -> Body:
    """The annotations of a workload's pods, to be changed in place."""
    metadata = body["spec"]["template"]["metadata"] = kinds.part(body["spec"]["template"], "metadata")
    metadata["annotations"] = kinds.part(metadata, "annotations")
    return metadata["annotations"]


def with_merged_metrics(body: Body, _context: Context) -> Body:
    """The sidecar reads the port that these annotations name when it is injected."""
    target = _of(body, _MERGED)
    if target is not None:
        _annotations(body).update(
            {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(target.application),
                "prometheus.io/path": merged_path(target),
            }
        )
    return body


def with_declared_port(body: Body, _context: Context) -> Body:
    """A monitor finds only ports that the pod declares; declaring one opens nothing."""
    target = _of(body, _UNDECLARED)
    if target is not None:
        for container in kinds.containers(kinds.pod_spec(body) or {}):
            if container["name"] == target.undeclared:
                port = {"name": "metrics", "containerPort": target.ports[0]}
                container["ports"] = [*kinds.parts(container, "ports"), port]
    return body


def _named(body: Body, kind: str, namespace: str, name: str) -> bool:
    metadata = body["metadata"]
    return (body["kind"], metadata.get("namespace"), metadata["name"]) == (kind, namespace, name)


def with_login_metrics(body: Body, _context: Context) -> Body:
    """The port is declared upstream, but nothing listens on it without this argument."""
    if _named(body, "Deployment", "oauth2-proxy", "oauth2-proxy"):
        container = body["spec"]["template"]["spec"]["containers"][0]
        container["args"] = [*kinds.parts(container, "args"), "--metrics-address=0.0.0.0:44180"]
    return body


def with_serverless_metrics(body: Body, _context: Context) -> Body:
    """Knative exports nothing until both protocols are named."""
    if _named(body, "ConfigMap", "knative-serving", "config-observability"):
        protocols = {"metrics-protocol": "prometheus", "request-metrics-protocol": "prometheus"}
        body["data"] = {**kinds.part(body, "data"), **protocols}
    return body


def with_model_metrics(body: Body, _context: Context) -> Body:
    """KServe's webhook, which is called before the sidecar's, then names the queue's port on every model's pods."""
    if _named(body, "ConfigMap", "kubeflow", "inferenceservice-config"):
        settings = json.loads(body["data"]["metricsAggregator"])
        settings["enablePrometheusScraping"] = "true"
        body["data"]["metricsAggregator"] = json.dumps(settings, indent=2, sort_keys=True)
    return body


def with_workflow_metrics(body: Body, _context: Context) -> Body:
    """Argo serves its metrics by HTTPS; a sidecar merges plain HTTP only, and nobody else reaches the port."""
    if _named(body, "ConfigMap", "kubeflow", "workflow-controller-configmap"):
        metrics = {"enabled": True, "path": "/metrics", "port": 9090, "secure": False}
        body["data"] = {**kinds.part(body, "data"), "metricsConfig": yaml.safe_dump(metrics)}
    return body


def with_pods_of_gpus(body: Body, _context: Context) -> Body:
    """The exporter says whose pod uses a GPU; its operator's monitor would put the exporter's own pod in its place."""
    if body["kind"] == "ClusterPolicy" and kinds.group_kind(body)[0] == "nvidia.com":
        exporter = kinds.part(body["spec"], "dcgmExporter")
        exporter["serviceMonitor"] = {**kinds.part(exporter, "serviceMonitor"), "honorLabels": True}
        body["spec"]["dcgmExporter"] = exporter
    return body


def with_proxy_metrics(body: Body, _context: Context) -> Body:
    """Upstream's mesh names no provider of metrics; without one proxies count nothing (istio: DefaultMeshConfig)."""
    if _named(body, *_MESH):
        body["data"]["mesh"] = edited(body["data"]["mesh"], ("defaultProviders", "metrics"), ["prometheus"])
    return body


def with_bounds(bounds: Iterable[int]) -> Step:
    """Proxies count latency in buckets of these bounds: by default none ends at a limit that rules compare with."""
    value = json.dumps({"istio": sorted(bounds)}, separators=(",", ":"))

    def apply(body: Body, _context: Context) -> Body:
        if _named(body, "ConfigMap", "istio-system", "istio-sidecar-injector"):
            config = yaml.safe_load(body["data"]["config"])
            config["templates"]["bounds"] = yaml.safe_dump({"metadata": {"annotations": {_BOUNDS: value}}})
            config["defaultTemplates"] = [*config["defaultTemplates"], "bounds"]
            body["data"]["config"] = yaml.safe_dump(config, sort_keys=True)
        elif body["kind"] == "Deployment" and _is_gateway(body):
            _annotations(body)[_BOUNDS] = value
        return body

    return Step(apply=apply, why="the share of requests beyond a limit is known only where a bucket ends at it")


def _is_gateway(body: Body) -> bool:
    metadata = body["metadata"]
    return (metadata.get("namespace"), metadata["name"]) in _GATEWAYS


def edited(text: str, path: tuple[str, ...], value: Any) -> str:  # noqa: ANN401 - any YAML value
    """A YAML mapping with one value of it set; mappings on the way are made where they are missing."""
    root = cast("Body", yaml.safe_load(text) or {})
    inner = root
    for key in path[:-1]:
        inner[key] = kinds.part(inner, key)
        inner = inner[key]
    inner[path[-1]] = value
    return yaml.safe_dump(root, sort_keys=True)


STEPS = (
    Step(apply=with_merged_metrics, why="the sidecar reads one port of its application, if it is told which"),
    Step(apply=with_declared_port, why="monitors find only ports that pods declare"),
    Step(apply=with_login_metrics, why="oauth2-proxy declares a port for metrics, but serves them only when asked to"),
    Step(apply=with_serverless_metrics, why="Knative exports nothing by default"),
    Step(apply=with_model_metrics, why="KServe marks the pods of models for their sidecar only when asked to"),
    Step(apply=with_workflow_metrics, why="the sidecar cannot read the HTTPS that Argo serves by default"),
    Step(apply=with_pods_of_gpus, why="otherwise the exporter itself would seem to use the GPUs"),
    Step(apply=with_proxy_metrics, why="proxies count no request until a provider is named"),
)
