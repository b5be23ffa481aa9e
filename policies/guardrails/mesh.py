"""The mesh and the gateway: mutual TLS for everybody, TLS at the door, no rule that lets everybody in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import cel
from .rule import PODS, Config, Finding, Setting, Severity, Subject, in_list, of_kind, relation, rule
from .values import Node

_FLOOR = ("TLSV1_2", "TLSV1_3")
_OPEN = ["HTTP", "HTTP2", "GRPC", "TCP", "MONGO"]
_PEERS, _CALLERS = "security.istio.io/peerauthentications", "networking.istio.io/destinationrules"
# In CEL.
_PORTS = "object.?spec.?portLevelMtls.orValue({})"
_MODES = (
    f"([object.?spec.?mtls.?mode.orValue('')] + {_PORTS}.map(k, {_PORTS}[k].?mode.orValue(''))).map(m, m.upperAscii())"
)
_SETTINGS = (
    "([object.spec.?trafficPolicy.orValue({})] + object.spec.?trafficPolicy.?portLevelSettings.orValue([])"
    " + object.spec.?subsets.orValue([]).map(b, b.?trafficPolicy.orValue({}))).map(q, q.?tls.orValue({}))"
)
_SERVERS = "object.?spec.?servers.orValue([]).filter(s, s.?tls.?mode.orValue('') != 'ISTIO_MUTUAL')"
_PROTOCOL = "s.?port.?protocol.orValue('HTTPS').upperAscii()"
_REDIRECTS = "s.?tls.?httpsRedirect.orValue(false)"
_TLS_FLOOR = f"s.?tls.?minProtocolVersion.orValue('') in {cel.literal([*_FLOOR, ''])}"
_PLAIN = cel.listed("(object.metadata.namespace + '/' + object.metadata.name)", "plain")
_ACTION = "object.?spec.?action.orValue('')"
_ANYBODY = "f.?source.orValue({'': ''}).all(k, k in ['namespaces', 'ipBlocks'] && f.source[k] == ['*'])"
_CONDITION = f"size(r.?to.orValue([])) + size(r.?when.orValue([])) > 0 || r.?from.orValue([]).exists(f, !({_ANYBODY}))"


@rule(
    refuses="Mutual TLS that is permissive or off, of a mesh, a workload or a port.",
    why="A caller without an identity is anybody, and authorization by identity means nothing there.",
    fix="Set STRICT; for a port whose caller has no sidecar, add an exemption with the reason.",
    severity=Severity.HIGH,
    source="Istio: security best practices, mutual TLS",
    types=("PeerAuthentication", "DestinationRule"),
    cluster=(
        cel.thing(_PEERS, "mutual TLS is {}", *cel.every(_MODES, "m", "!(m in ['PERMISSIVE', 'DISABLE'])")),
        cel.thing(_CALLERS, "callers use no TLS", f"({_SETTINGS}).all(t, t.?mode.orValue('') != 'DISABLE')"),
        cel.thing(
            _CALLERS, "certificates are not verified", f"({_SETTINGS}).all(t, !t.?insecureSkipVerify.orValue(false))"
        ),
    ),
)
def mutual_tls_off(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Servers by PeerAuthentication, clients by DestinationRule."""
    if subject.resource.kind == "PeerAuthentication":
        spec = subject.at("spec")
        for place in (spec.at("mtls", "mode"), *(port.at("mode") for _, port in spec.at("portLevelMtls").entries())):
            if place.text("STRICT").upper() in {"PERMISSIVE", "DISABLE"}:
                yield Finding(text=f"mutual TLS is {place.text().upper()}", path=place.path)
        return
    policy = subject.at("spec", "trafficPolicy")
    for place in (
        policy,
        *policy.at("portLevelSettings").items(),
        *(subset.at("trafficPolicy") for subset in subject.at("spec", "subsets").items()),
    ):
        mode = place.at("tls", "mode")
        if mode.text("ISTIO_MUTUAL").upper() == "DISABLE":
            yield Finding(text="callers use no TLS", path=mode.path)
        if place.at("tls", "insecureSkipVerify").flag(unknown=False):
            yield Finding(text="certificates are not verified", path=place.at("tls").path)


@rule(
    refuses="Pods that leave the mesh by their own declaration.",
    why="Neither identity nor authorization of the mesh holds for them.",
    fix="Remove the label or annotation, or add an exemption with the reason.",
    severity=Severity.MEDIUM,
    source="Istio: installing the sidecar, controlling the injection policy",
    types=(PODS,),
    advisory=True,
)
def mesh_left(subject: Subject, _config: Config) -> Iterator[Finding]:
    """The label and the older annotation; ports that the proxy never sees."""
    for pod in subject.pods:
        if not pod.whole:
            continue
        for place in (pod.metadata.at("labels"), pod.metadata.at("annotations")):
            inject = place.at("sidecar.istio.io/inject")
            if inject.present and not inject.flag(unknown=True):
                yield Finding(text="the pod has no sidecar", path=inject.path)
        for key in ("excludeInboundPorts", "excludeOutboundPorts", "excludeOutboundIPRanges"):
            out = pod.metadata.at("annotations", f"traffic.sidecar.istio.io/{key}")
            if out.text():
                yield Finding(text=f"{key} passes the proxy by", path=out.path)


@rule(
    refuses="A door of the cluster without TLS, or with a version of it that is broken.",
    why="Tokens and cookies of all users cross it.",
    fix="Serve HTTPS with minProtocolVersion TLSV1_2 or above; on port 80 set tls.httpsRedirect.",
    severity=Severity.HIGH,
    source="RFC 8996; NIST SP 800-52r2",
    types=("Gateway", "Ingress"),
    settings={"plain": Setting(type="array", default=[], about="namespace/name of gateways inside of the mesh only")},
    cluster=(
        cel.thing(
            "networking.istio.io/gateways",
            "{} without a redirect to HTTPS",
            *cel.every(_SERVERS, "s", f"{_PLAIN} || !({_PROTOCOL} in {_OPEN}) || {_REDIRECTS}", _PROTOCOL),
        ),
        cel.thing(
            "networking.istio.io/gateways",
            "TLS below 1.2 is taken",
            f"({_SERVERS}).all(s, {_PLAIN} || !({_PROTOCOL} in ['HTTPS', 'TLS']) || {_TLS_FLOOR})",
        ),
        cel.thing(
            "gateway.networking.k8s.io/gateways",
            "a listener without TLS",
            f"{_PLAIN} || object.spec.?listeners.orValue([]).all(l, !(l.protocol.upperAscii() in ['HTTP', 'TCP']))",
        ),
        cel.thing("networking.k8s.io/ingresses", "an Ingress without TLS", f"{_PLAIN} || has(object.spec.tls)"),
    ),
)
def gateway_without_tls(subject: Subject, config: Config) -> Iterator[Finding]:
    """Istio's gateways, those of the Gateway API, and Ingress."""
    resource = subject.resource
    if in_list(f"{resource.namespace}/{resource.object_name}", config["plain"]):
        return
    for server in subject.at("spec", "servers").items():
        protocol = server.at("port", "protocol").text("HTTPS").upper()
        mode = server.at("tls", "mode").text("SIMPLE").upper()
        if mode == "ISTIO_MUTUAL":
            continue
        if protocol in _OPEN and not server.at("tls", "httpsRedirect").flag(unknown=True):
            yield Finding(text=f"{protocol} without a redirect to HTTPS", path=server.path)
        floor = server.at("tls", "minProtocolVersion")
        if protocol in {"HTTPS", "TLS"} and floor.text(_FLOOR[0]) not in {*_FLOOR, ""}:
            yield Finding(text="TLS below 1.2 is taken", path=floor.path)
    for listener in subject.at("spec", "listeners").items():
        if listener.at("protocol").text("HTTPS").upper() in {"HTTP", "TCP"}:
            yield Finding(text="a listener without TLS", path=listener.path)
    if resource.kind == "Ingress" and not subject.at("spec", "tls").present:
        yield Finding(text="an Ingress without TLS", path="spec.tls")


@rule(
    refuses="An authorization that allows everything to everybody.",
    why="One such object outweighs all others of its workload: Istio allows what any rule allows.",
    fix="Name principals, namespaces or paths, or remove the empty rule.",
    severity=Severity.HIGH,
    source="Istio: AuthorizationPolicy, allow-all example",
    types=("AuthorizationPolicy",),
    cluster=(
        cel.thing(
            "security.istio.io/authorizationpolicies",
            "a rule without any condition allows everything",
            f"!({_ACTION} in ['', 'ALLOW']) || object.?spec.?rules.orValue([]).all(r, {_CONDITION})",
        ),
    ),
)
def authorization_allows_all(subject: Subject, _config: Config) -> Iterator[Finding]:
    """An empty rule, and one whose every condition is a lone asterisk."""
    if subject.at("spec", "action").text() not in {"", "ALLOW"}:
        return
    for one in subject.at("spec", "rules").items():
        if one.unknown or any(one.at(key).unknown for key in ("from", "to", "when")):
            continue
        conditions = [place for key in ("from", "to", "when") for place in one.at(key).items()]
        if not conditions or all(_any(place) for place in conditions):
            yield Finding(text="a rule without any condition allows everything", path=one.path)


def _any(condition: Node) -> bool:
    """`namespaces: ['*']` is no condition; `principals: ['*']` asks for some identity and is one."""
    source = condition.at("source")
    if condition.unknown or not source.present:
        return False
    keys = {key: value.texts() for key, value in source.entries() if not value.unknown}
    return not keys or all(texts == ["*"] and key in {"namespaces", "ipBlocks"} for key, texts in keys.items())


@relation(
    refuses="A namespace with pods outside of the mesh.",
    why="Its traffic is neither encrypted nor known by identity.",
    fix="Label the namespace istio-injection: enabled, or add an exemption with the reason.",
    severity=Severity.MEDIUM,
    source="Istio: security best practices",
    types=("Namespace",),
    advisory=True,
    settings={
        "outside": Setting(type="array", default=["kube-*", "istio-system"], about="namespaces outside by design")
    },
)
def namespace_outside_mesh(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """Only namespaces of this stack; an unknown label is not judged."""
    busy = {item.resource.namespace for item in subjects if any(pod.whole for pod in item.pods)}
    for subject in of_kind(subjects, "Namespace"):
        name, labels = subject.resource.object_name, subject.at("metadata", "labels")
        if name not in busy or in_list(name, config["outside"]) or labels.unknown:
            continue
        if labels.at("istio-injection").text("enabled") != "enabled" and not labels.at("istio.io/rev").present:
            yield Finding(text="no label of the mesh", subject=subject, path="metadata.labels")


RULES = (mutual_tls_off, mesh_left, gateway_without_tls, authorization_allows_all, namespace_outside_mesh)
