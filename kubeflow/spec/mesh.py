"""What a human decides about the mesh: TLS floor, logs, traces, and which hosts outside its pods may reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Tls(Enum):
    """Oldest version of TLS that is accepted. Older ones are deliberately not offered."""

    V1_2 = "1.2"
    V1_3 = "1.3"

    @property
    def protocol(self) -> str:
        """As proxies spell it."""
        return f"TLSV{self.value.replace('.', '_')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutsideHost:
    """A host outside of the cluster that pods in the mesh may reach; a network policy has to open its address, too."""

    host: str = field(
        metadata={
            "help": "name of the host; *.NAME stands for all names below it",
            "pattern": r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+",
            "example": "features.example.com",
        }
    )
    reason: str = field(metadata={"help": "why pods need it, for the reviewer", "example": "feature store"})
    port: int = field(
        default=443, metadata={"help": "port, which has to speak TLS: its name is what the proxy knows", "min": 1,
                               "max": 65535}
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse a host without a reason."""
        if not self.reason.strip():
            raise ValueError("reason must not be empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshSpec:
    """What holds for every proxy. Mutual TLS is not a choice: it is strict everywhere."""

    minimum_tls: Tls = field(default=Tls.V1_3, metadata={"help": "oldest TLS between proxies, which are all alike"})
    access_logs: bool = field(default=True, metadata={"help": "proxies write one line of JSON for each request"})
    traced_percent: int = field(
        default=1,
        metadata={
            "help": "share of requests that is traced, where the collector is installed; 0: none",
            "min": 0,
            "max": 100,
        },
    )
    outside: tuple[OutsideHost, ...] = field(
        default=(), metadata={"help": "further hosts that pods may reach; every host that is not declared is closed"}
    )
