"""What a human decides about networks: where the parties outside of the cluster are. A network not named is closed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

_EXAMPLE = "203.0.113.0/24"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSpec:
    """Networks that the platform's own pods may reach, each for one purpose."""

    issuer: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "networks of OIDC issuers whose keys are fetched: of people's, and of the cluster's own, without "
            "which tokens of service accounts open no model",
            "example": _EXAMPLE,
        },
    )
    certificate_authority: tuple[str, ...] = field(
        default=(), metadata={"help": "networks of the authority that certificates are ordered from"}
    )
    database: tuple[str, ...] = field(
        default=(), metadata={"help": "networks of managed databases and caches", "example": "10.30.0.0/28"}
    )
    registry: tuple[str, ...] = field(
        default=(), metadata={"help": "networks of the image registry that tags are resolved at"}
    )

    def __post_init__(self) -> None:
        """Refuse what is no network, all at once."""
        wrong: list[str] = []
        for name, cidrs in (
            ("issuer", self.issuer),
            ("certificateAuthority", self.certificate_authority),
            ("database", self.database),
            ("registry", self.registry),
        ):
            for cidr in cidrs:
                try:
                    ipaddress.ip_network(cidr)
                except ValueError as error:
                    wrong.append(f"{name}: {error}")
        if wrong:
            raise ValueError("; ".join(wrong))
