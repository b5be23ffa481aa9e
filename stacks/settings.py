"""Everything a stack file may say, as frozen plain values. No I/O, no Pulumi, no secrets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.contract import ClusterSpec
from kubeflow.contract import PlatformSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationSpec:
    """How the finished stack is judged."""

    disruptive: bool = field(
        default=False,
        metadata={"help": "allow checks that fill a GPU pool or preempt pods; they may disturb others and cost money"},
    )
    required: Mapping[str, bool] = field(
        default_factory=dict[str, bool],
        metadata={"help": "criteria by id that are required (true) or optional (false), against the catalog's default"},
    )
    thresholds: Mapping[str, float] = field(
        default_factory=dict[str, float],
        metadata={"help": "limits by criterion, against the catalog's; `python -m workloads list` shows both"},
    )
    images: Mapping[str, str] = field(
        default_factory=dict[str, str],
        metadata={
            "help": "images of folders in workloads/images that checks run in the cluster; built and pushed by you",
            "keys": "drift|models",
        },
    )
    timeout_seconds: int = field(
        default=60, metadata={"help": "longest wait for one effect of a check, in seconds", "min": 1, "max": 3600}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyExemption:
    """One accepted violation. The policy pack reads it; an expired or unused one is an error there."""

    rule: str = field(metadata={"help": "rule of the policy pack", "example": "host-path"})
    resource: str = field(
        metadata={"help": "pattern of the resources' addresses", "example": "DaemonSet/monitoring/*-node-exporter"}
    )
    reason: str = field(
        metadata={"help": "why it is accepted, for the reviewer", "example": "reads the host's metrics"}
    )
    expires: str = field(
        metadata={"help": "day after which it is an error", "pattern": r"\d{4}-\d{2}-\d{2}", "example": "2027-03-31"}
    )

    def __post_init__(self) -> None:
        """Refuse what is no day, and an exemption without a reason."""
        dt.date.fromisoformat(self.expires)
        if not self.reason.strip():
            raise ValueError("reason must not be empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySettings:
    """How the policy pack judges this stack; the program reads only what the API server, too, is to accept."""

    production: bool = field(default=False, metadata={"help": "rules for production, too: deletion protection"})
    upstream: bool = field(
        default=False,
        metadata={"help": "accept what upstream's own objects need, as policies/upstream.json lists it with reasons"},
    )
    exemptions: tuple[PolicyExemption, ...] = field(default=(), metadata={"help": "accepted violations"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One stack file: the configuration objects of the project."""

    cluster: ClusterSpec = field(metadata={"help": "where and how big: environment, version, node pools"})
    platform: PlatformSpec = field(metadata={"help": "what runs in it: tenants and their limits"})
    validation: ValidationSpec = field(default=ValidationSpec(), metadata={"help": "how it is judged"})
    policies: PolicySettings = field(default=PolicySettings(), metadata={"help": "how changes are judged"})
