"""What a human decides about logging in: people with passwords of the platform, identity providers, rotation."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.contract import METADATA_ADDRESSES


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectorSpec:
    """An identity provider that speaks OpenID Connect."""

    issuer: str = field(
        metadata={
            "help": "address of the provider",
            "pattern": r"https://[^\s$]+",
            "example": "https://login.example.com",
        }
    )
    client_id: str = field(
        metadata={"help": "the platform's name at the provider", "pattern": r"[^\s$]+", "example": "kubeflow"}
    )
    client_secret: str = field(
        metadata={
            "help": "name of the secret configuration key that holds the platform's password at the provider",
            "pattern": "[A-Za-z][A-Za-z0-9-]*",
            "example": "loginClientSecret",
        }
    )
    networks: tuple[str, ...] = field(
        metadata={"help": "networks where the provider answers: all that the login may reach", "example": "10.9.0.0/24"}
    )
    name: str | None = field(default=None, metadata={"help": "what people read on the button; default: the key"})
    scopes: tuple[str, ...] = field(
        default=("openid", "profile", "email", "groups"),
        metadata={"help": "what the provider is asked to tell", "pattern": r"[^\s$]+"},
    )
    unverified_emails: bool = field(
        default=False,
        metadata={"help": "accept e-mail addresses that the provider does not call verified; some never do"},
    )

    def __post_init__(self) -> None:
        """Refuse networks that are none, or that hold an instance metadata address."""
        problems: list[str] = [] if self.networks else ["at least one is needed, or nobody can log in"]
        for text in self.networks:
            try:
                network = ipaddress.ip_network(text)
            except ValueError as error:
                problems.append(str(error))
                continue
            reached = [address for address in METADATA_ADDRESSES if ipaddress.ip_address(address) in network]
            if reached:
                problems.append(f"{text} holds the instance metadata address {', '.join(reached)}")
        if problems:
            raise ValueError(f"networks: {'; '.join(problems)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginSpec:
    """Who may log in, and how they prove who they are."""

    users: tuple[str, ...] | None = field(
        default=None,
        metadata={
            "help": "people with a generated password (`pulumi stack output --show-secrets`), by e-mail address; "
            "default: the owners of the tenants, or nobody where there is a connector",
            "pattern": r"[^@\s]+@[^@\s]+",
            "example": "ada@example.com",
        },
    )
    connectors: Mapping[str, ConnectorSpec] = field(
        default_factory=dict[str, ConnectorSpec],
        metadata={"help": "identity providers", "keys": "[a-z][a-z0-9-]{0,30}"},
    )
    rotation: int = field(
        default=1,
        metadata={"help": "another number makes other passwords, where nothing outside keeps the old one", "min": 1},
    )

    def __post_init__(self) -> None:
        """Refuse people who are named twice, and a login that nobody could pass."""
        users = [user.strip() for user in self.users or ()]
        if len({user.casefold() for user in users}) < len(users) or not all(users):
            raise ValueError("users: each of them has to have an address of their own")
        if self.users is not None and not users and not self.connectors:
            raise ValueError("users are none, and connectors are none: nobody could log in")

    def people(self, owners: Iterable[str]) -> tuple[str, ...]:
        """Everybody with a password of the platform, where these own the tenants."""
        if self.users is None:
            return () if self.connectors else tuple(sorted({owner.strip() for owner in owners}))
        return tuple(sorted(user.strip() for user in self.users))

    @property
    def networks(self) -> tuple[str, ...]:
        """Where the identity providers answer."""
        return tuple(sorted({network for connector in self.connectors.values() for network in connector.networks}))
