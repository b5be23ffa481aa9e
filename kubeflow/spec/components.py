"""What is done about upstream components that somebody else has installed already. Decides nothing about the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Existing(Enum):
    """Who brings a component that a cluster may already have."""

    MANAGE = "manage"  # the platform; one of somebody else is refused, with the reason
    REUSE = "reuse"  # somebody else; the platform leaves its own out and says what is missing


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingSpec:
    """Components that clusters often have before the platform comes."""

    cert_manager: Existing = field(
        default=Existing.MANAGE,
        metadata={"help": "manage: the platform installs cert-manager; reuse: the one that is there is used"},
    )
    istio: Existing = field(
        default=Existing.MANAGE,
        metadata={
            "help": "manage: the platform installs Istio; reuse: the one that is there is used, and mesh-wide rules "
            "stay its owner's"
        },
    )
    prometheus: Existing = field(
        default=Existing.MANAGE,
        metadata={
            "help": "manage: the platform installs the Prometheus operator and its stack; reuse: the operator that is "
            "there is used, and no Grafana comes with the platform"
        },
    )
