"""The rules, all of them, in one list. Standalone: imports nothing of the project that it judges."""

from __future__ import annotations

from . import (
    access,
    cluster,
    cost,
    data,
    gpu,
    identity,
    mesh,
    network,
    pod_security,
    reliability,
    secrets,
    supply_chain,
    tenancy,
)  # fmt: skip
from .rule import Rule

RULES: tuple[Rule, ...] = (
    *cluster.RULES,
    *data.RULES,
    *identity.RULES,
    *access.RULES,
    *pod_security.RULES,
    *gpu.RULES,
    *network.RULES,
    *mesh.RULES,
    *tenancy.RULES,
    *supply_chain.RULES,
    *secrets.RULES,
    *cost.RULES,
    *reliability.RULES,
)

__all__ = ["RULES", "Rule"]
