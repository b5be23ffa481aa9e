"""The platform's one door: certificates, HTTPS, who is known by which token. Pure.

Upstream's gateway objects are changed on the way (`kubeflow.install.mesh_transforms`); who may enter is decided in
`kubeflow.network.authorization`.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.contract import Capability, Cluster, Ingress, Secrets
from infra.objects import Document, document
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.spec.gateway import Acme, Challenge, Corporate, GatewaySpec, Issuer

NAMESPACE = "istio-system"
CERTIFICATE = "kubeflow-gateway"  # the certificate, and the Secret that the gateway reads
_PART = "gateway"
_AUTHORITIES = "cert-manager"  # where cert-manager looks for the Secrets of ClusterIssuers
_CERT_MANAGER = "cert-manager.io/v1"
_LOCAL, _CORPORATE, _ACME = "gateway-local", "gateway-corporate", "gateway-acme"
# Each header is taken away from a request before it is set: so are the groups, which such a token never holds.
_CLAIMS = [{"header": "kubeflow-userid", "claim": "sub"}, {"header": "kubeflow-groups", "claim": "groups"}]
_YEAR = 365 * 24 * 3600
_SELECTORS = {"ingress": {"istio": "ingressgateway"}, "inside": {"istio": "cluster-local-gateway"}}


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIssuer:
    """Who signs the tokens of service accounts, and where its keys are. One of `jwks_uri` and `jwks` may be None.

    Without either, istiod asks the issuer itself where its keys are, as OIDC discovery has it.
    """

    issuer: pulumi.Input[str]
    jwks_uri: pulumi.Input[str] | None = None
    jwks: pulumi.Input[str] | None = field(default=None, repr=False)  # the keys themselves
    audiences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two places for the same keys."""
        if self.jwks_uri is not None and self.jwks is not None:
            raise ValueError("jwks_uri and jwks are two places for the same keys: give one")


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """What the gateway is on one cluster; wholly plain."""

    domain: str
    spec: GatewaySpec
    ingress: Ingress | None  # None: nothing outside of the cluster reaches it by itself

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the certificate but for those of tenants."""
        return (self.domain, f"*.{self.domain}") if self.wildcards else (self.domain,)

    @property
    def wildcards(self) -> bool:
        """Whether the authority signs wildcards: without a record in the domain, none does."""
        return self.spec.acme is None or self.spec.acme.challenge is Challenge.DNS

    @property
    def page(self) -> bool:
        """Whether the authority asks for a page below /.well-known on port 80."""
        return not self.wildcards

    @property
    def servers(self) -> list[Document]:
        """What the gateway listens to: HTTPS, and HTTP for redirects."""
        tls = {
            "mode": "SIMPLE",
            "credentialName": CERTIFICATE,
            "minProtocolVersion": self.spec.minimum_tls.protocol,
        }
        return [
            {"hosts": ["*"], "port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "tls": tls},
            {
                "hosts": ["*"],
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "tls": {"httpsRedirect": True},
            },
        ]


def door(spec: GatewaySpec, cluster: Cluster) -> Door:
    """The gateway of a cluster; fails at plan time where source ranges are wanted and nothing could keep them."""
    outside = Capability.LOAD_BALANCER in cluster.capabilities
    if spec.source_ranges:
        cluster.require(Capability.LOAD_BALANCER, needed_by="platform.gateway.sourceRanges")
    return Door(domain=spec.domain or cluster.ingress.domain, spec=spec, ingress=cluster.ingress if outside else None)


def objects(
    made: Door, tenants: Collection[str], secrets: Secrets, tokens: Collection[TokenIssuer] = ()
) -> Iterator[Planned]:
    """Everything that the platform adds to upstream's gateways. Certificates come as soon as somebody signs them."""
    spec = made.spec
    for body in (*_issuers(spec, secrets), _certificate(made, tenants)):
        yield own(_PART, Wave.MESH, body)
    yield own(_PART, Wave.AUTHENTICATION, _strict_transport())
    if made.page:
        yield own(_PART, Wave.MESH, _ingress_class())
    if tokens:
        yield own(_PART, Wave.AUTHENTICATION, _machines("machine-tokens", "ingress", tokens))
        if spec.tokens_inside:
            yield own(_PART, Wave.AUTHENTICATION, _machines("machine-tokens-inside", "inside", tokens))


def asks_for_tokens(made: Door, tokens: Collection[TokenIssuer]) -> bool:
    """Whether models ask callers inside the cluster for a token; they can only where somebody vouches for tokens."""
    return made.spec.tokens_inside and bool(tokens)


def _issuers(spec: GatewaySpec, secrets: Secrets) -> Iterator[Document]:
    """Whoever signs the certificate, and what that needs. Nothing where the ClusterIssuer exists."""
    if spec.acme is not None:
        yield _issuer(_ACME, {"acme": _acme(spec.acme)})
    elif spec.corporate is not None:
        yield from _corporate(spec.corporate, secrets)
    else:
        yield _issuer("gateway-self-signed", {"selfSigned": {}})
        yield _authority()
        yield _issuer(_LOCAL, {"ca": {"secretName": _LOCAL}})


def _issuer(name: str, spec: Document) -> Document:
    return document(_CERT_MANAGER, "ClusterIssuer", name, spec=spec)


def _authority() -> Document:
    """A local authority, which outlives the certificates that it signs."""
    spec = {
        "isCA": True,
        "commonName": "kubeflow-proof local authority",
        "secretName": _LOCAL,
        "duration": _hours(5 * _YEAR),
        "renewBefore": _hours(_YEAR),
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"kind": "ClusterIssuer", "name": "gateway-self-signed", "group": "cert-manager.io"},
    }
    return document(_CERT_MANAGER, "Certificate", _LOCAL, _AUTHORITIES, spec=spec)


def _corporate(corporate: Corporate, secrets: Secrets) -> Iterator[Document]:
    if corporate.certificate is None or corporate.key is None:
        return
    data = {"tls.crt": _encoded(secrets(corporate.certificate)), "tls.key": _encoded(secrets(corporate.key))}
    yield document("v1", "Secret", _CORPORATE, _AUTHORITIES, type="kubernetes.io/tls", data=data)
    yield _issuer(_CORPORATE, {"ca": {"secretName": _CORPORATE}})


def _encoded(text: pulumi.Output[str]) -> pulumi.Output[str]:
    """As the API server keeps it; it stays a secret."""
    return text.apply(lambda plain: base64.b64encode(plain.encode()).decode())


def _acme(acme: Acme) -> Document:
    solver: Document = {"http01": {"ingress": {"ingressClassName": "istio"}}}
    if acme.dns_provider is not None:
        solver = {"dns01": {acme.dns_provider: _nested(acme.dns_settings)}}
    return {
        "email": acme.email,
        "server": acme.server,
        "privateKeySecretRef": {"name": _ACME},
        "solvers": [solver],
    }


def _nested(settings: Mapping[str, str]) -> Document:
    """Settings with dots in their keys, as a tree."""
    tree: Document = {}
    for key, value in settings.items():
        *path, last = key.split(".")
        branch: dict[str, Any] = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def _certificate(made: Door, tenants: Collection[str]) -> Document:
    """Short-lived, with a new key at each renewal. Models have names one level below their tenant's."""
    spec = made.spec
    names = [*made.names, *(f"*.{tenant}.{made.domain}" for tenant in sorted(tenants) if made.wildcards)]
    days = 90 if spec.issuer is Issuer.ACME else 30  # a public authority decides by itself
    body = {
        "secretName": CERTIFICATE,
        "dnsNames": names,
        "duration": _hours(days * 24 * 3600),
        "renewBefore": _hours(days * 8 * 3600),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "key encipherment", "server auth"],
        "issuerRef": {"kind": "ClusterIssuer", "name": issuer_name(spec), "group": "cert-manager.io"},
    }
    return document(_CERT_MANAGER, "Certificate", CERTIFICATE, NAMESPACE, spec=body)


def issuer_name(spec: GatewaySpec) -> str:
    """The ClusterIssuer that signs."""
    if spec.acme is not None:
        return _ACME
    if spec.corporate is not None:
        return spec.corporate.cluster_issuer or _CORPORATE
    return _LOCAL


def _hours(seconds: int) -> str:
    """In the spelling that a Go program gives a duration when it writes one back."""
    return f"{seconds // 3600}h0m0s"


def _machines(name: str, where: str, tokens: Collection[TokenIssuer]) -> Document:
    """Tokens of service accounts as an identity beside people's; their subject becomes the user of the request."""
    rules = [
        {
            "issuer": token.issuer,
            **({} if token.jwks_uri is None else {"jwksUri": token.jwks_uri}),
            **({} if token.jwks is None else {"jwks": token.jwks}),
            **({"audiences": list(token.audiences)} if token.audiences else {}),
            "forwardOriginalToken": True,
            "fromHeaders": [{"name": "Authorization", "prefix": "Bearer "}],
            "outputClaimToHeaders": _CLAIMS,
        }
        for token in tokens
    ]
    spec = {"selector": {"matchLabels": _SELECTORS[where]}, "jwtRules": rules}
    return document("security.istio.io/v1", "RequestAuthentication", name, NAMESPACE, spec=spec)


def _strict_transport() -> Document:
    """Browsers come back by HTTPS only. No VirtualService could say it for all of them."""
    header = {"key": "strict-transport-security", "value": f"max-age={_YEAR}; includeSubDomains"}
    patch = {
        "applyTo": "ROUTE_CONFIGURATION",
        "match": {"context": "GATEWAY"},
        "patch": {
            "operation": "MERGE",
            "value": {
                "response_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
            },
        },
    }
    spec = {"workloadSelector": {"labels": _SELECTORS["ingress"]}, "configPatches": [patch]}
    return document("networking.istio.io/v1alpha3", "EnvoyFilter", "strict-transport", NAMESPACE, spec=spec)


def _ingress_class() -> Document:
    """The class of the short-lived Ingress by which cert-manager shows the authority its page."""
    spec = {"controller": "istio.io/ingress-controller"}
    return document("networking.k8s.io/v1", "IngressClass", "istio", spec=spec)
