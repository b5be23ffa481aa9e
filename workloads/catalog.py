"""Every criterion in one table, and which of them a stack is held to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from workloads.contract import Target
from workloads.criteria.monitoring import MONITORING
from workloads.criteria.network import NETWORK
from workloads.criteria.platform import CORE, PLATFORM
from workloads.criteria.serving import SERVING
from workloads.criteria.training import TRAINING
from workloads.criterion import SHARE, Criterion


class UnknownCriterionError(Exception):
    """Somebody asked for a criterion that is not in the catalog."""

    def __init__(self, where: str, unknown: Iterable[str]) -> None:
        lines: list[str] = []
        for name in unknown:
            near = difflib.get_close_matches(name, BY_ID, n=1, cutoff=0.0)
            lines.append(
                f"{where}: no criterion '{name}'; did you mean '{near[0]}'? `python -m workloads list` shows all"
            )
        super().__init__("\n".join(lines))


class FixedThresholdError(Exception):
    """Somebody changed a limit that is none: all claims of such a criterion must hold."""

    def __init__(self, names: Iterable[str]) -> None:
        allowed = ", ".join(one.id for one in CATALOG if one.unit != SHARE)
        super().__init__(
            "\n".join(f"validation.thresholds: {name} has no threshold; allowed: {allowed or 'none'}" for name in names)
        )


CATALOG: tuple[Criterion, ...] = (*CORE, *PLATFORM, *TRAINING, *SERVING, *NETWORK, *MONITORING)

BY_ID: Mapping[str, Criterion] = {criterion.id: criterion for criterion in CATALOG}


def select(only: Iterable[str]) -> tuple[Criterion, ...]:
    """The named criteria in the catalog's order; all of them if none is named."""
    wanted = set(only)
    _known("--only", wanted)
    return tuple(criterion for criterion in CATALOG if not wanted or criterion.id in wanted)


def required_ids(target: Target) -> frozenset[str]:
    """The criteria that must pass: those a stack of this kind can be held to, changed by `validation.required`."""
    _known("validation.required", target.rules.required)
    return frozenset(
        name for name, one in BY_ID.items() if target.rules.required.get(name, one.required and one.measurable(target))
    )


def limits(target: Target) -> Mapping[str, float]:
    """The thresholds in force: the catalog's, changed by `validation.thresholds`."""
    _known("validation.thresholds", target.rules.thresholds)
    if fixed := sorted(name for name in target.rules.thresholds if BY_ID[name].unit == SHARE):
        raise FixedThresholdError(fixed)
    return {name: target.rules.thresholds.get(name, one.threshold) for name, one in BY_ID.items()}


def _known(where: str, names: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(BY_ID)):
        raise UnknownCriterionError(where, unknown)
