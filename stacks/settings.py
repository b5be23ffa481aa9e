"""Everything a stack file may say, as frozen plain values. No I/O, no Pulumi, no secrets."""

from __future__ import annotations

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
    timeout_seconds: int = field(
        default=60, metadata={"help": "longest wait for one effect of a check, in seconds", "min": 1, "max": 3600}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One stack file: the three configuration objects of the project."""

    cluster: ClusterSpec = field(metadata={"help": "where and how big: environment, version, node pools"})
    platform: PlatformSpec = field(metadata={"help": "what runs in it: tenants and their limits"})
    validation: ValidationSpec = field(default=ValidationSpec(), metadata={"help": "how it is judged"})
