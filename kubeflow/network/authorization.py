"""AuthorizationPolicies made from the table of flows: what a proxy lets in, by who calls. Pure.

Upstream denies by default (an empty policy in the mesh's root namespace, which stays) and adds policies that let in
everybody, or by headers that a caller may choose. Those are dropped (`DROPPED`) and made again from the table. A caller
with a sidecar, or a gateway, is known by its service account; one without is let in on exempt ports only, where its
NetworkPolicy says who it may be. Workloads that share a service account are one caller to the mesh.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from infra.objects import Document, document
from kubeflow.install import kinds
from kubeflow.mesh import OWN_PORTS, ROOT, TRUST_DOMAIN, Place, exempt, place

from .flows import Flow, Outside, Workload
from .table import FLOWS
from .workloads import WORKLOADS

USER = "request.headers[kubeflow-userid]"  # set by the gateways from a verified token, whatever the caller sent
_VERSION, _KIND = "security.istio.io/v1", "AuthorizationPolicy"
_NOBODY = ("notPrincipals", "*")  # a caller without a sidecar
_PROBES = ("/healthz", "/metrics", "/wait-for-drain")  # Knative: authorization of its system pods
_GATEWAY = "istio-system/istio-ingressgateway"
_LOCAL_GATEWAY = "istio-system/cluster-local-gateway"
_PEOPLE_COME_BY = (_GATEWAY, "kubeflow/ml-pipeline-ui")  # callers that say which person they speak for
_ACTIVATOR, _AUTOSCALER = "knative-serving/activator", "knative-serving/autoscaler"
_CONTROLLER = "profiles"  # the component that makes each tenant's policy for its owner
_CULLER = "kubeflow/notebook-controller-deployment"
_PREDICTORS = "tenant/predictors"
_INSIDE = ("", ".svc", ".svc.cluster.local")  # how a Service's name ends, after that of its namespace

# Upstream's policies that stay, and those that give way to the table: namespace/name -> why.
KEPT: Mapping[str, str] = MappingProxyType(
    {
        "istio-system/global-deny-all": "whatever no policy lets in is refused, in every namespace",
        "istio-system/istio-ingressgateway-oauth2-proxy": "people without a token are sent to the login page",
        "istio-system/istio-ingressgateway-require-jwt": "nobody passes the gateway without a verified token",
    }
)
_EVERYBODY = "lets in everybody on every port"
_SAME = "names the same callers, but opens every port to them"
DROPPED: Mapping[str, str] = MappingProxyType(
    {
        "istio-system/cluster-local-gateway": _EVERYBODY,
        "istio-system/istio-ingressgateway": _EVERYBODY,
        "knative-serving/activator-service": _EVERYBODY,
        "knative-serving/autoscaler": _EVERYBODY,
        "knative-serving/controller": _EVERYBODY,
        "knative-serving/istio-webhook": _EVERYBODY,
        "knative-serving/webhook": _EVERYBODY,
        "kubeflow/central-dashboard": _SAME,
        "kubeflow/jupyter-web-app": _SAME,
        "kubeflow/katib-ui": _SAME,
        "kubeflow/kserve-models-web-app": _SAME,
        "kubeflow/metadata-grpc-service": _EVERYBODY,
        "kubeflow/ml-pipeline": "lets in every pod that leaves out a header; here only tenants' pods may do that",
        "kubeflow/ml-pipeline-ui": "lets in every pod that sends any token at all",
        "kubeflow/ml-pipeline-visualizationserver": "names callers that never call",
        "kubeflow/mysql": "names callers that never call",
        "kubeflow/profiles-kfam": _SAME,
        "kubeflow/seaweedfs-service": _EVERYBODY,
        "kubeflow/service-cache-server": _EVERYBODY,
        "kubeflow/tensorboards-web-app": _SAME,
        "kubeflow/volumes-web-app": _SAME,
    }
)

# What a request of a tenant's pod must not claim: a person's name in a header that the server trusts.
_CONDITIONS: Mapping[str, Document] = MappingProxyType({"kubeflow/ml-pipeline": {"key": USER, "notValues": ["*"]}})


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """Who may call on one platform: what is installed, its service accounts, its tenants and their people."""

    installed: frozenset[str]
    accounts: Mapping[str, str] = field(hash=False)  # workload -> service account, see `accounts`
    people: Mapping[str, tuple[str, ...]] = field(hash=False)  # tenant's namespace -> users of what runs there
    tokens_inside: bool  # the local gateway asks for tokens

    def __post_init__(self) -> None:
        """Refuse a name that a policy would take for a pattern."""
        wrong = [f"{namespace}: {user}" for namespace, users in self.people.items() for user in users if "*" in user]
        if wrong:
            raise ValueError(f"users of tenants must not have * in their names, found {', '.join(wrong)}")

    def principal(self, workload: Workload | str) -> str:
        """The identity of a workload's pods."""
        name = str(workload)
        return f"{TRUST_DOMAIN}/ns/{name.partition('/')[0]}/sa/{self.accounts[name]}"

    def known(self, workload: str) -> bool:
        """Whether the workload is installed."""
        return workload in self.accounts


def accounts(objects: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """The service account of each workload whose pods these objects make."""
    named = {(one.namespace, one.name): one for one in WORKLOADS if one.namespace}
    found: dict[str, str] = {}
    for body in objects:
        pod = kinds.pod_spec(dict(body))
        workload = named.get((body["metadata"].get("namespace"), body["metadata"]["name"]))
        if pod is not None and workload is not None:
            found[str(workload)] = pod.get("serviceAccountName") or "default"
    return MappingProxyType(found)


def dropped(body: Mapping[str, Any]) -> bool:
    """Whether one of upstream's objects gives way to the table."""
    metadata = body["metadata"]
    return body["kind"] == _KIND and f"{metadata.get('namespace')}/{metadata['name']}" in DROPPED


def platform(callers: Callers) -> Iterator[Document]:
    """One policy for each workload with a proxy that anybody may call; the others stay closed by the root's."""
    incoming: dict[Workload, list[Flow]] = defaultdict(list)
    for flow in _through_proxies(callers.installed):
        incoming[flow.target].append(flow)  # type: ignore[index] # only workloads are yielded
    for workload in WORKLOADS:
        if not incoming[workload] or not callers.known(str(workload)):
            continue
        tokens = callers.tokens_inside and str(workload) == _LOCAL_GATEWAY
        rules = list(_by_token(callers.people) if tokens else _rules(workload, incoming[workload], callers))
        selector = {"matchLabels": dict(workload.labels)}
        spec = {"selector": selector, "action": "ALLOW", "rules": rules}
        yield document(_VERSION, _KIND, f"declared-{workload.name}", workload.namespace, spec=spec)


def tenant(namespace: str, callers: Callers) -> Iterator[Document]:
    """What a tenant's models need, and without Kubeflow's profile controller what that would let in."""
    rules = [*(() if _CONTROLLER in callers.installed else _members(namespace, callers)), *_models(namespace, callers)]
    if rules:
        yield document(_VERSION, _KIND, "declared", namespace, spec={"action": "ALLOW", "rules": rules})


def doors(domain: str, people: Mapping[str, Sequence[str]]) -> Iterator[Document]:
    """At the ingress gateway: a tenant's models are for its people and its service accounts.

    The gateway has to say so: where a model is scaled to zero, the request comes to its pod from Knative's activator.
    """
    for namespace, users in people.items():
        hosts = [name for suffix in (f".{domain}", *_INSIDE) for name in _with_ports(f"*.{namespace}{suffix}", 443)]
        paths = [f"/serving/{namespace}", f"/serving/{namespace}/*"]
        to = [{"operation": {"paths": paths}}, {"operation": {"hosts": hosts}}]
        when = [{"key": USER, "notValues": [*users, _machines(namespace)]}]
        selector = {"matchLabels": {"istio": "ingressgateway"}}
        spec = {"selector": selector, "action": "DENY", "rules": [{"to": to, "when": when}]}
        yield document(_VERSION, _KIND, f"models-{namespace}", ROOT, spec=spec)


def _members(namespace: str, callers: Callers) -> Iterator[Document]:
    """A tenant's own pods, its people, and the culler of idle notebooks (the controller: ns-owner-access-istio)."""
    yield _rule([{"namespaces": [namespace]}])
    doors = [name for name in _PEOPLE_COME_BY if callers.known(name)]
    if doors:
        came = [{"principals": [callers.principal(name) for name in doors]}]
        yield _rule(came, _ports(None, doors, callers), when=_user(*callers.people[namespace]))
    if callers.known(_CULLER):
        operation = {"methods": ["GET"], "paths": ["*/api/kernels"]}
        yield _rule([{"principals": [callers.principal(_CULLER)]}], _ports(None, (_CULLER,), callers), operation)


def _models(namespace: str, callers: Callers) -> Iterator[Document]:
    """Requests to models, which the gateways have judged already, and Knative's probes and measurements."""
    served = _ports(_PREDICTORS, (_GATEWAY, _LOCAL_GATEWAY, _ACTIVATOR), callers)
    if callers.known(_GATEWAY):
        yield _rule([{"principals": [callers.principal(_GATEWAY)]}], served, when=_user(_machines(namespace)))
    inside = [callers.principal(name) for name in (_LOCAL_GATEWAY, _ACTIVATOR) if callers.known(name)]
    if inside:
        known = _user(*callers.people[namespace], _machines(namespace)) if callers.tokens_inside else None
        yield _rule([{"principals": inside}], served, when=known)
    if callers.known(_ACTIVATOR):
        yield _rule([{"principals": [callers.principal(_ACTIVATOR)]}], served, {"paths": list(_PROBES)})
    if callers.known(_AUTOSCALER):
        measured = _ports(_PREDICTORS, (_AUTOSCALER,), callers)
        yield _rule([{"principals": [callers.principal(_AUTOSCALER)]}], measured)


def _by_token(people: Mapping[str, Sequence[str]]) -> Iterator[Document]:
    """At the local gateway: a token of the model's own tenant, or a probe."""
    for namespace in people:
        hosts = [name for suffix in _INSIDE for name in _with_ports(f"*.{namespace}{suffix}", 80)]
        claim = {"key": "request.auth.claims[sub]", "values": [_machines(namespace)]}
        yield {"to": [{"operation": {"hosts": hosts}}], "when": [claim]}
    yield {"to": [{"operation": {"paths": [*_PROBES, "*/healthz"]}}]}


def _with_ports(host: str, port: int) -> tuple[str, str]:
    """A host as clients write it: some with the port."""
    return host, f"{host}:{port}"


def _machines(namespace: str) -> str:
    """Every service account of a namespace, as tokens name them."""
    return f"system:serviceaccount:{namespace}:*"


def _user(*names: str) -> Document:
    return {"key": USER, "values": list(names)}


def _through_proxies(installed: Collection[str]) -> Iterator[Flow]:
    """The flows that a proxy of the platform decides about."""
    for flow in FLOWS:
        target = flow.target
        if not isinstance(target, Workload) or target.namespace is None or flow.port is None:
            continue
        if place(target) not in (Place.SIDECAR, Place.GATEWAY) or flow.port in OWN_PORTS:
            continue
        exemption = exempt(target, flow.port)
        ends = [end for end in (flow.source, target) if isinstance(end, Workload) and end.component]
        if all(end.component in installed for end in ends) and (exemption is None or exemption.mode != "EXCLUDED"):
            yield flow


def _rules(target: Workload, flows: Iterable[Flow], callers: Callers) -> Iterator[Document]:
    """One rule for each set of ports and condition, with all callers that share it."""
    condition = _CONDITIONS.get(str(target))
    opened: dict[tuple[bool, str, str], set[int]] = defaultdict(set)
    for flow in flows:
        limited = condition is not None and isinstance(flow.source, Workload) and flow.source.namespace is None
        for kind, name in _sources(target, flow, callers):
            opened[limited, kind, name].add(flow.port or 0)
    shared: dict[tuple[bool, tuple[int, ...]], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (limited, kind, name), ports in opened.items():
        shared[limited, tuple(sorted(ports))][kind].append(name)
    for (limited, ports), sources in shared.items():
        froms = [] if "" in sources else [{kind: names} for kind, names in sources.items()]
        yield _rule(froms, [str(port) for port in ports], when=condition if limited else None)


def _sources(target: Workload, flow: Flow, callers: Callers) -> Iterator[tuple[str, str]]:
    """How a proxy knows a flow's caller: field of a rule's source, and its value. Both are empty for anybody."""
    if place(target) is Place.GATEWAY:  # its callers speak plain HTTP or TLS of the outside to it
        yield "", ""
        return
    if isinstance(flow.source, Outside):
        yield _NOBODY
    elif isinstance(flow.source, Workload):
        where = place(flow.source)
        if flow.source.namespace is not None and where in (Place.SIDECAR, Place.GATEWAY):
            if callers.known(str(flow.source)):
                yield "principals", callers.principal(flow.source)
        elif flow.source.namespace is None and where in (Place.SIDECAR, Place.EITHER):
            yield from (("namespaces", namespace) for namespace in callers.people)
        if where in (Place.OUTSIDE, Place.EITHER):
            yield _NOBODY


def _ports(target: str | None, sources: Collection[str], callers: Callers) -> list[str]:
    """The declared ports of tenants' pods towards some parts of the platform; of one kind of pod, or of all."""
    found = {
        flow.port
        for flow in FLOWS
        if isinstance(flow.target, Workload)
        and flow.target.namespace is None
        and place(flow.target) is not Place.OUTSIDE
        and str(flow.target) == (target or str(flow.target))
        and str(flow.source) in sources
        and callers.known(str(flow.source))
        and flow.port is not None
    }
    return [str(port) for port in sorted(found)]


def _rule(
    sources: Sequence[Document],
    ports: Sequence[str] = (),
    operation: Document | None = None,
    when: Document | None = None,
) -> Document:
    allowed = {**(operation or {}), **({"ports": list(ports)} if ports else {})}
    return {
        **({"from": [{"source": source} for source in sources]} if sources else {}),
        **({"to": [{"operation": allowed}]} if allowed else {}),
        **({"when": [when]} if when else {}),
    }
