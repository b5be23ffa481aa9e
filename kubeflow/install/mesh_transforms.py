"""What the mesh and the gateway change about upstream's objects, each with its reason. Adds no object."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from kubeflow import mesh
from kubeflow.distribution.documents import Body
from kubeflow.gateway import Door
from kubeflow.mesh import Place
from kubeflow.network import authorization
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.mesh import MeshSpec

from . import kinds

INJECT = "sidecar.istio.io/inject"
EXCLUDED = "traffic.sidecar.istio.io/excludeInboundPorts"
_WORKLOADS = {(one.namespace, one.name): one for one in WORKLOADS if one.namespace}
_ACME_PAGE = "/.well-known/acme-challenge/*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change and why it is there; it sees the object only."""

    apply: Callable[[Body], Body | None]
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshChanges:
    """The changes on one cluster, from plain settings."""

    mesh: MeshSpec
    door: Door
    installed: Collection[str]  # components, or their families

    def apply(self, body: Body) -> Body | None:
        """The object after all changes, which are made in place; None where it is left out."""
        made: Body | None = body
        for change in self.all():
            made = None if made is None else change.apply(made)
        return made

    def all(self) -> tuple[Change, ...]:
        """The changes in their order."""
        return (
            Change(apply=_without_replaced_policies, why="policies add up: theirs would open what the table closes"),
            Change(apply=_without_plain_gateway, why="a second server on port 80 would answer without a redirect"),
            Change(apply=_with_decided_sidecar, why="who is in the mesh is decided in one table, not by a namespace"),
            Change(apply=_with_excluded_ports, why="the API server calls webhooks and has no identity in the mesh"),
            Change(apply=_without_sidecars_in_training, why="ranks find each other by address, before a proxy is up"),
            Change(apply=self._with_mesh_settings, why="unknown hosts, old TLS and unlogged requests are let through"),
            Change(apply=self._with_wider_view, why="a proxy refuses what it does not know, the API server included"),
            Change(apply=self._with_https, why="upstream's gateway speaks plain HTTP"),
            Change(apply=self._with_load_balancer, why="upstream's gateway has no address outside of the cluster"),
            Change(apply=self._with_page_for_authority, why="the authority comes without a token"),
            Change(apply=self._with_names_of_models, why="models are found under this platform's name, by HTTPS"),
            Change(apply=_with_service_addresses, why="a proxy refuses addresses of pods, which no Service names"),
        )

    def _with_mesh_settings(self, body: Body) -> Body:
        """The mesh's configuration is YAML inside a text: read and written back as data."""
        if _is(body, "ConfigMap", mesh.ROOT, "istio"):
            settings = cast("dict[str, Any]", yaml.safe_load(body["data"]["mesh"]))
            body["data"]["mesh"] = yaml.safe_dump(settings | self._settings(settings), sort_keys=False)
        return body

    def _settings(self, old: Mapping[str, Any]) -> dict[str, Any]:
        floor = {"minProtocolVersion": self.mesh.minimum_tls.protocol}
        logs = {"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON"}
        traced = mesh.traced(self.mesh, self.installed)
        service = f"{mesh.COLLECTOR}.observability.svc.cluster.local"
        provider = {"name": mesh.TRACES, "opentelemetry": {"service": service, "port": 4317}}
        providers = {"extensionProviders": [*old.get("extensionProviders", ()), provider]}
        return {
            "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
            "meshMTLS": floor,
            **(logs if self.mesh.access_logs else {"accessLogFile": ""}),
            **({"enableTracing": True, **providers} if traced else {}),
        }

    def _with_wider_view(self, body: Body) -> Body:
        if _is(body, "Sidecar", mesh.ROOT, "default"):
            known = [host for part in body["spec"]["egress"] for host in part["hosts"]]
            body["spec"]["egress"] = [{"hosts": list(dict.fromkeys((*known, *mesh.view(self.installed))))}]
        return body

    def _with_https(self, body: Body) -> Body:
        if _is(body, "Gateway", "kubeflow", "kubeflow-gateway"):
            body["spec"]["servers"] = self.door.servers
        return body

    def _with_load_balancer(self, body: Body) -> Body:
        ingress = self.door.ingress
        if ingress is None or not _is(body, "Service", mesh.ROOT, "istio-ingressgateway"):
            return body
        spec, ranges = body["spec"], self.door.spec.source_ranges
        body["metadata"]["annotations"] = {**kinds.part(body["metadata"], "annotations"), **ingress.annotations}
        spec["type"] = "LoadBalancer"
        spec["externalTrafficPolicy"] = "Local"  # or the gateway sees a node's address instead of the caller's
        spec["ports"] = [port for port in spec["ports"] if port["name"] != "status-port"]
        if ingress.load_balancer_class is not None:
            spec["loadBalancerClass"] = ingress.load_balancer_class
        if ranges:
            spec["loadBalancerSourceRanges"] = list(ranges)
        return body

    def _with_page_for_authority(self, body: Body) -> Body:
        kept = ("istio-ingressgateway-oauth2-proxy", "istio-ingressgateway-require-jwt")
        if self.door.page and any(_is(body, "AuthorizationPolicy", mesh.ROOT, name) for name in kept):
            for rule in body["spec"]["rules"]:
                for to in rule.get("to") or ():
                    to["operation"]["notPaths"] = [*to["operation"].get("notPaths", ()), _ACME_PAGE]
        return body

    def _with_names_of_models(self, body: Body) -> Body:
        """Names as the certificate has them: model, tenant, platform. Knative's own template says the same."""
        if _is(body, "ConfigMap", "kubeflow", "inferenceservice-config"):
            ingress = cast("dict[str, Any]", json.loads(body["data"]["ingress"]))
            ingress |= {
                "ingressDomain": self.door.domain,
                "urlScheme": "https",
                "domainTemplate": "{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}",
            }
            body["data"]["ingress"] = json.dumps(ingress, indent=2)
        elif _is(body, "ConfigMap", "knative-serving", "config-domain"):
            example = {"_example": body["data"]["_example"]} if "_example" in body["data"] else {}
            body["data"] = {**example, self.door.domain: ""}
        elif _is(body, "ConfigMap", "knative-serving", "config-network"):
            body["data"]["default-external-scheme"] = "https"
        return body


def _is(body: Body, kind: str, namespace: str, name: str) -> bool:
    metadata = body["metadata"]
    return (body["kind"], metadata.get("namespace"), metadata["name"]) == (kind, namespace, name)


def _without_replaced_policies(body: Body) -> Body | None:
    return None if authorization.dropped(body) else body


def _without_plain_gateway(body: Body) -> Body | None:
    return None if _is(body, "Gateway", mesh.ROOT, "istio-ingressgateway") else body


def _template(body: Body) -> Body | None:
    """Metadata of the pods that a workload of the table makes; labels and annotations may be changed in place."""
    if kinds.pod_spec(body) is None or (body["metadata"].get("namespace"), body["metadata"]["name"]) not in _WORKLOADS:
        return None
    template = (body["spec"]["jobTemplate"]["spec"] if body["kind"] == "CronJob" else body["spec"])["template"]
    template["metadata"] = {**kinds.part(template, "metadata")}
    return template["metadata"]


def _with_decided_sidecar(body: Body) -> Body:
    metadata = _template(body)
    if metadata is not None:
        where = mesh.place(_WORKLOADS[body["metadata"]["namespace"], body["metadata"]["name"]])
        wanted = "true" if where is Place.SIDECAR else "false"
        metadata["labels"] = {**kinds.part(metadata, "labels"), INJECT: wanted}
        metadata["annotations"] = {
            key: value for key, value in kinds.part(metadata, "annotations").items() if key != INJECT
        }
        if not metadata["annotations"]:
            del metadata["annotations"]
    return body


def _with_excluded_ports(body: Body) -> Body:
    metadata = _template(body)
    if metadata is not None:
        workload = _WORKLOADS[body["metadata"]["namespace"], body["metadata"]["name"]]
        ports = [str(one.port) for one in mesh.EXEMPTIONS if one.workload == workload and one.mode == "EXCLUDED"]
        if ports:
            metadata["annotations"] = {**kinds.part(metadata, "annotations"), EXCLUDED: ",".join(ports)}
    return body


def _without_sidecars_in_training(body: Body) -> Body:
    if body["kind"] == "ClusterTrainingRuntime":
        for job in body["spec"]["template"]["spec"]["replicatedJobs"]:
            template = job["template"]["spec"]["template"]
            metadata = template["metadata"] = kinds.part(template, "metadata")
            metadata["labels"] = {**kinds.part(metadata, "labels"), INJECT: "false"}
    return body


def _with_service_addresses(body: Body) -> Body:
    if _is(body, "ConfigMap", "knative-serving", "config-network"):
        body["data"] = {**kinds.part(body, "data"), "mesh-compatibility-mode": "enabled"}
    return body
