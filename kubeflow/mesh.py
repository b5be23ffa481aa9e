"""The mesh: which pods are in it and why others are not, strict mutual TLS with its exemptions, and the ways out.

Makes no AuthorizationPolicy (`kubeflow.network.authorization`) and no gateway (`kubeflow.gateway`). Who is in the mesh
is written with the workloads (`kubeflow.network.workloads`); here are the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal

import pulumi

from infra.objects import Document, document
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.network.flows import Outside, Workload
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import DNS, WORKLOADS
from kubeflow.spec.mesh import MeshSpec, OutsideHost

ROOT = "istio-system"  # the mesh's root namespace: what is there without a selector holds everywhere
TRUST_DOMAIN = "cluster.local"
TRACES = "traces"  # name of the tracing provider
COLLECTOR = "opentelemetry-collector"
OWN_PORTS = frozenset({15020, 15021, 15090})  # of the proxy itself: it takes them before any policy looks
_PART = "mesh"
_NAMES = {str(workload): workload for workload in WORKLOADS}


class Place(Enum):
    """Where a pod stands towards the mesh."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"  # a proxy of its own: an identity as a caller, none of its callers' as a server
    OUTSIDE = "outside"
    EITHER = "either"  # tenants' pods: most carry a sidecar, some must not


_GATEWAYS = frozenset({"istio-system/istio-ingressgateway", "istio-system/cluster-local-gateway"})
_TENANTS: Mapping[str, Place] = MappingProxyType(
    {
        "tenant/pods": Place.EITHER,
        "tenant/notebooks": Place.SIDECAR,
        "tenant/predictors": Place.SIDECAR,
        "tenant/artifact-proxy": Place.SIDECAR,
        "tenant/pipeline-steps": Place.OUTSIDE,  # Pipelines writes the label on every workflow's pods
        "tenant/suggestions": Place.OUTSIDE,  # Katib writes the label
        "tenant/spark-drivers": Place.EITHER,
    }
)


def place(workload: Workload) -> Place:
    """Where a workload's pods stand."""
    if workload.namespace is None:
        return _TENANTS[str(workload)]
    if str(workload) in _GATEWAYS:
        return Place.GATEWAY
    return Place.SIDECAR if workload.mesh else Place.OUTSIDE


# Why a namespace, or one workload, is not in the mesh. A workload's own line comes before its namespace's.
OUTSIDE: Mapping[str, str] = MappingProxyType(
    {
        "auth": "the gateway asks for token keys before anybody has an identity; istiod, which has none, asks, too",
        "cert-manager": "it has to run before the mesh does, and its webhook is called by the API server",
        "feast": "its callers are steps of pipelines and training jobs, which carry no sidecar",
        "feast-operator-system": "talks to the API server only",
        "gpu-operator": "its pods install drivers before a node can run anything else",
        "istio-system": "istiod gives out the identities",
        "kube-system": "the CNI plugin has to run before the first sidecar can",
        "kubeflow/admission-webhook-deployment": "only the API server calls it",
        "kubeflow/katib-controller": "only the API server calls it; the suggestions that it calls carry no sidecar",
        "kubeflow/katib-db-manager": "its callers are trials, which carry no sidecar",
        "kubeflow/katib-mysql": "its only caller is the database manager, which carries no sidecar",
        "kubeflow/kserve-controller-manager": "only the API server calls it",
        "kubeflow/kubeflow-pipelines-profile-controller": "its only caller is metacontroller, which carries no sidecar",
        "kubeflow/metacontroller": "calls webhooks by plain HTTP, and nobody calls it",
        "kubeflow/metadata-envoy-deployment": "a proxy already; what it reaches is exempt for steps of pipelines",
        "kubeflow/spark-operator-controller": "talks to the API server only",
        "kubeflow/spark-operator-webhook": "only the API server calls it",
        "kubeflow/training-operator": "only the API server calls it",
        "kueue-system": "only the API server calls it",
        "mlflow": "its callers are steps of pipelines and training jobs, which carry no sidecar",
        "monitoring": "scrapes pods in and outside of the mesh, on ports which the proxy serves in plain text",
        "oauth2-proxy": "the gateway asks it before a request has an identity",
        "observability": "its callers are pods in and outside of the mesh",
    }
)

Mode = Literal["PERMISSIVE", "EXCLUDED"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exemption:
    """A port of a meshed workload that also takes callers without an identity. Its NetworkPolicy says which."""

    workload: Workload
    port: int
    mode: Mode  # EXCLUDED: the proxy never sees the port
    reason: str
    evidence: str
    shipped: bool = False  # upstream ships the object or the annotation

    @property
    def fence(self) -> tuple[str, str]:
        """Namespace and name of the NetworkPolicy that admits only the declared callers (`network.policies`)."""
        return str(self.workload.namespace), self.workload.name


_API_SERVER = "the API server calls the webhook and is not in the mesh"
_STEPS = "steps of pipelines carry no sidecar: Pipelines takes it from every workflow's pods"

# Workload, ports, mode, reason, evidence, shipped.
_Row = tuple[str, tuple[int, ...], Mode, str, str, bool]
_ROWS: tuple[_Row, ...] = (
    ("knative-serving/webhook", (8443,), "PERMISSIVE", _API_SERVER, "PeerAuthentication webhook", True),
    ("knative-serving/net-istio-webhook", (8443,), "PERMISSIVE", _API_SERVER, "PeerAuthentication net-istio-webhook",
     True),
    ("kubeflow/cache-server", (8443,), "PERMISSIVE", _API_SERVER, "MutatingWebhookConfiguration cache-webhook", False),
    ("kubeflow/llmisvc-controller-manager", (9443,), "PERMISSIVE", _API_SERVER,
     "ValidatingWebhookConfiguration llminferenceservice.serving.kserve.io", False),
    ("kubeflow/ml-pipeline", (8887, 8888), "PERMISSIVE", _STEPS, "Pipelines: workflow compiler", False),
    ("kubeflow/metadata-grpc-deployment", (8080,), "PERMISSIVE", f"{_STEPS}; so does metadata-envoy",
     "Pipelines: workflow compiler; Deployment metadata-envoy-deployment", False),
    ("kubeflow/seaweedfs", (8333,), "PERMISSIVE", f"{_STEPS}; the profile controller makes the buckets",
     "Pipelines: workflow compiler; env S3_ENDPOINT_URL", False),
    ("kubeflow/seaweedfs", (8111,), "PERMISSIVE", "the profile controller, without a sidecar, makes keys",
     "Deployment kubeflow-pipelines-profile-controller", False),
    *((name, (9443,), "EXCLUDED", _API_SERVER, "annotation traffic.sidecar.istio.io/excludeInboundPorts", True)
      for name in ("kubeflow/pvcviewer-controller-manager", "kubeflow-system/jobset-controller-manager",
                   "kubeflow-system/kubeflow-trainer-controller-manager")),
    *((name, (8443,), "EXCLUDED", "serves metrics by TLS of its own and asks for a token; Prometheus has no identity",
       "JobSet: main.go SecureServing; ConfigMap kubeflow-trainer-config: metrics", False)
      for name in ("kubeflow-system/jobset-controller-manager",
                   "kubeflow-system/kubeflow-trainer-controller-manager")),
)  # fmt: skip

EXEMPTIONS: tuple[Exemption, ...] = tuple(
    Exemption(workload=_NAMES[name], port=port, mode=mode, reason=reason, evidence=evidence, shipped=shipped)
    for name, ports, mode, reason, evidence, shipped in _ROWS
    for port in ports
)


def exempt(workload: Workload, port: int) -> Exemption | None:
    """The exemption of a port; None where strict mutual TLS holds."""
    return next((one for one in EXEMPTIONS if one.workload == workload and one.port == port), None)


# Sidecars that upstream ships for workloads which have to see the namespaces of tenants.
_SHIPPED_VIEWS = frozenset({"kubeflow/ml-pipeline-ui", "kubeflow/notebook-controller-deployment"})
_API_SERVER_HOST = "default/kubernetes.default.svc.cluster.local"
_RESOLVER_HOST = "kube-system/kube-dns.kube-system.svc.cluster.local"


def view(installed: Collection[str]) -> tuple[str, ...]:
    """Hosts that sidecars have to know: the targets of their declared flows. What a proxy does not know, it refuses.

    The API server is one of them. Every client reaches it by a Service in `default`, which upstream's list leaves out
    because unknown hosts are let through there.
    """
    found = {"./*", f"{ROOT}/*"}
    for flow in FLOWS:
        if not (isinstance(flow.source, Workload) and _present(flow.source, installed)) or not _captured(flow.source):
            continue
        if flow.target is Outside.API_SERVER:
            found.add(_API_SERVER_HOST)
        elif flow.target == DNS:
            found.add(_RESOLVER_HOST)
        elif isinstance(flow.target, Workload) and flow.target.namespace and _present(flow.target, installed):
            found.add(f"{flow.target.namespace}/*")
    return tuple(sorted(found))


def far_sighted(installed: Collection[str]) -> tuple[Workload, ...]:
    """Workloads of the platform with a sidecar and flows into the namespaces of tenants, whose names may change."""
    seen = {
        str(flow.source): flow.source
        for flow in FLOWS
        if isinstance(flow.source, Workload)
        and isinstance(flow.target, Workload)
        and flow.target.namespace is None
        and place(flow.source) is Place.SIDECAR
        and _present(flow.source, installed)
        and flow.source.namespace is not None
    }
    return tuple(seen.values())


def _present(workload: Workload, installed: Collection[str]) -> bool:
    return workload.component is None or workload.component in installed


def _captured(workload: Workload) -> bool:
    """Whether a sidecar sees what the workload sends. A gateway knows every host by itself."""
    return place(workload) in (Place.SIDECAR, Place.EITHER)


@dataclass(frozen=True, kw_only=True, slots=True)
class External:
    """An end outside of the cluster that proxies may know: object store, issuer, database, registry."""

    name: str
    hosts: tuple[pulumi.Input[str], ...]
    port: int = 443
    protocol: Literal["TLS", "TCP"] = "TLS"  # TCP: a protocol in which the server speaks first, as databases do
    addresses: pulumi.Input[list[str]] | None = None  # networks, by which TCP is told apart; None: every one
    why: str


def declared(hosts: Collection[OutsideHost]) -> Iterator[External]:
    """The hosts that a human declared."""
    for one in hosts:
        name = one.host.replace("*", "any").replace(".", "-")
        yield External(name=f"{name}-{one.port}", hosts=(one.host,), port=one.port, why=one.reason)


def objects(spec: MeshSpec, installed: Collection[str], externals: Collection[External] = ()) -> Iterator[Planned]:
    """Everything that the platform adds to upstream's mesh; comes after the gateways, before the first meshed pod."""
    for body in (*_peers(installed), *_views(installed), *_ways_out((*externals, *declared(spec.outside)))):
        yield own(_PART, Wave.AUTHENTICATION, body)
    if traced(spec, installed):
        yield own(_PART, Wave.AUTHENTICATION, _tracing(spec))


def traced(spec: MeshSpec, installed: Collection[str]) -> bool:
    """Whether proxies send traces: somebody has to take them."""
    return spec.traced_percent > 0 and COLLECTOR in installed


def _peers(installed: Collection[str]) -> Iterator[Document]:
    """Strict for everybody, and one object for each workload with ports that take callers without an identity."""
    version, kind = "security.istio.io/v1", "PeerAuthentication"
    yield document(version, kind, "default", ROOT, spec={"mtls": {"mode": "STRICT"}})
    ports: dict[str, dict[str, Document]] = {}
    for one in EXEMPTIONS:
        if one.mode == "PERMISSIVE" and not one.shipped and _present(one.workload, installed):
            ports.setdefault(str(one.workload), {})[str(one.port)] = {"mode": one.mode}
    for name, modes in ports.items():
        workload = _NAMES[name]
        selector = {"matchLabels": dict(workload.labels)}
        spec = {"selector": selector, "mtls": {"mode": "STRICT"}, "portLevelMtls": modes}
        yield document(version, kind, workload.name, workload.namespace, spec=spec)


def _views(installed: Collection[str]) -> Iterator[Document]:
    for workload in far_sighted(installed):
        if str(workload) not in _SHIPPED_VIEWS:
            spec = {"workloadSelector": {"labels": dict(workload.labels)}, "egress": [{"hosts": ["*/*"]}]}
            yield document("networking.istio.io/v1", "Sidecar", workload.name, workload.namespace, spec=spec)


def _ways_out(externals: Collection[External]) -> Iterator[Document]:
    """Known hosts outside. The proxy passes TLS on to the address that the pod chose, which a NetworkPolicy fences."""
    for one in externals:
        port = {"number": one.port, "name": f"{one.protocol.lower()}-{one.port}", "protocol": one.protocol}
        spec: Document = {
            "hosts": list(one.hosts),
            **({} if one.addresses is None else {"addresses": one.addresses}),
            "ports": [port],
            "location": "MESH_EXTERNAL",
            "resolution": "NONE",
        }
        metadata = {"annotations": {"proof.kubeflow/reason": one.why}}
        yield document("networking.istio.io/v1", "ServiceEntry", one.name, ROOT, metadata=metadata, spec=spec)


def _tracing(spec: MeshSpec) -> Document:
    tracing = {"providers": [{"name": TRACES}], "randomSamplingPercentage": spec.traced_percent}
    return document("telemetry.istio.io/v1", "Telemetry", "default", ROOT, spec={"tracing": [tracing]})
