"""What a human decides about the rules that the API server keeps in tenants' namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Action(Enum):
    """What happens to an object that breaks a rule."""

    DENY = "deny"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmissionSpec:
    """What differs from the levels of the policy pack: mandatory there is denied here, advisory is warned about."""

    actions: Mapping[str, Action] = field(
        default_factory=dict[str, Action],
        metadata={
            "help": "rule of the policy pack (`python -m policies list`) -> what happens to tenants' objects that "
            "break it",
            "keys": "[a-z0-9-]+",
        },
    )
    registries: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "registries of tenants' images, besides those of the rule image-registry and the mirrors",
            "example": "registry.example.com/",
        },
    )
