"""What a human decides about the queues in front of the cluster's machines."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueSpec:
    """How tenants share what one of them leaves idle."""

    guaranteed: int = field(
        default=50,
        metadata={
            "help": "percent of a tenant's quota that is its own at any time; the rest it borrows from what other "
            "tenants leave idle, and gives back when they need it",
            "min": 0,
            "max": 100,
            "example": 50,
        },
    )
    fair_sharing: bool = field(
        default=True, metadata={"help": "whoever borrows least of its share gets the next idle machine"}
    )
