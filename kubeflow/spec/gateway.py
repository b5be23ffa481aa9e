"""What a human decides about the platform's one door: its name, who signs its certificate, who may knock."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .mesh import Tls

_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_CONFIGURATION_KEY = "[A-Za-z0-9_.-]+"


class Issuer(Enum):
    """Who signs the gateway's certificate."""

    ACME = "acme"  # a public authority, after a proof that the domain is ours
    CORPORATE = "corporate"  # the owner's own authority
    LOCAL = "local"  # an authority made in the cluster, which no browser trusts by itself


class Challenge(Enum):
    """How a public authority is shown that the domain is ours."""

    DNS = "dns-01"  # a record in the domain; the only way to a wildcard
    HTTP = "http-01"  # a page on port 80; needs an address that the authority reaches


@dataclass(frozen=True, kw_only=True, slots=True)
class Acme:
    """A public certificate authority that is spoken to by ACME."""

    email: str = field(metadata={"help": "where the authority writes to before a certificate runs out",
                                 "pattern": r"[^@\s]+@[^@\s]+", "example": "platform@example.com"})  # fmt: skip
    server: str = field(
        default="https://acme-v02.api.letsencrypt.org/directory", metadata={"help": "directory of the authority"}
    )
    challenge: Challenge = field(default=Challenge.DNS, metadata={"help": "how the domain is proven to be ours"})
    dns_provider: str | None = field(
        default=None,
        metadata={"help": "solver, as cert-manager names it below `dns01`; for `dns-01`", "example": "webhook"},
    )
    dns_settings: Mapping[str, str] = field(
        default_factory=dict[str, str],
        metadata={"help": "settings of the solver; a dot in a key goes one level deeper, as in solverName or "
                          "tokenSecretRef.name"},
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse a challenge that nobody could answer."""
        if not self.server.startswith("https://"):
            raise ValueError("server must begin with https://")
        if (self.challenge is Challenge.DNS) != (self.dns_provider is not None):
            raise ValueError("dnsProvider belongs to exactly the challenge dns-01")
        if self.dns_settings and self.dns_provider is None:
            raise ValueError("dnsSettings need a dnsProvider")
        deeper = [key for key in self.dns_settings if any(other.startswith(f"{key}.") for other in self.dns_settings)]
        if deeper:
            raise ValueError(f"dnsSettings: {', '.join(deeper)} cannot be a value and hold others")


@dataclass(frozen=True, kw_only=True, slots=True)
class Corporate:
    """The owner's own authority: one that the cluster knows already, or its certificate and key."""

    cluster_issuer: str | None = field(
        default=None, metadata={"help": "name of a ClusterIssuer that exists", "pattern": _NAME, "example": "corporate"}
    )
    certificate: str | None = field(
        default=None,
        metadata={"help": "secret configuration key that holds the authority's certificate chain (PEM)",
                  "pattern": _CONFIGURATION_KEY, "example": "corporateCaCertificate"},
    )  # fmt: skip
    key: str | None = field(
        default=None,
        metadata={"help": "secret configuration key that holds the authority's private key (PEM)",
                  "pattern": _CONFIGURATION_KEY, "example": "corporateCaKey"},
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse half an authority, and two."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if (self.cluster_issuer is None) == (self.certificate is None):
            raise ValueError("name either clusterIssuer, or certificate and key")


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewaySpec:
    """The HTTPS gateway. Plain HTTP is always answered with a redirect."""

    domain: str | None = field(
        default=None,
        metadata={"help": "name of the platform; default: the one that the cluster has", "pattern": _NAME,
                  "example": "ml.example.com"},
    )  # fmt: skip
    issuer: Issuer = field(default=Issuer.LOCAL, metadata={"help": "who signs the certificate"})
    acme: Acme | None = field(default=None, metadata={"help": "the public authority; for issuer acme"})
    corporate: Corporate | None = field(default=None, metadata={"help": "the own authority; for issuer corporate"})
    minimum_tls: Tls = field(default=Tls.V1_2, metadata={"help": "oldest TLS that browsers and machines may speak"})
    source_ranges: tuple[str, ...] = field(
        default=(),
        metadata={"help": "networks that the load balancer lets in; empty: all", "example": "203.0.113.0/24"},
    )
    tokens_inside: bool = field(
        default=True,
        metadata={"help": "models ask for a service account's token of their own tenant when pods call them by their "
                          "cluster-local names; false lets every tenant call every tenant's models"},
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse an issuer without its settings, settings without their issuer, and what is no network."""
        if (self.issuer is Issuer.ACME) != (self.acme is not None):
            raise ValueError("`acme` belongs to exactly the issuer acme")
        if (self.issuer is Issuer.CORPORATE) != (self.corporate is not None):
            raise ValueError("`corporate` belongs to exactly the issuer corporate")
        wrong: list[str] = []
        for text in self.source_ranges:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                wrong.append(str(error))
        if wrong:
            raise ValueError(f"sourceRanges: {'; '.join(wrong)}")
