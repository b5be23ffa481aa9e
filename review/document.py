"""A report as JSON, for programs. Holds what the comment shows, unfolded and uncut."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .cost import HOURS, Estimate
from .report import Report, Side
from .topology import Reach

Object = dict[str, Any]


def document(report: Report) -> Object:
    """The document."""
    found = report.topology
    return {
        "schema": 1,
        "stack": report.stack,
        "file": report.file,
        "verdict": report.verdict.name.lower(),
        "exit": int(report.verdict),
        "refused": list(report.refused),
        "notJudged": list(report.broken),
        "rulesChanged": report.rules_changed,
        "lifted": list(report.lifted),
        "edits": [asdict(one) for one in report.edits],
        "operations": {one.value: count for one, count in report.operations.items()},
        "changes": [asdict(one) for one in report.changes],
        "head": _side(report.head),
        "base": _side(report.base),
        "topology": None if found is None else {
            "head": _reach(found.head),
            "base": None if found.base is None else _reach(found.base),
            "added": found.added,
            "removed": found.removed,
            "opened": found.opened,
            "closed": found.closed,
        },
        "leftOut": list(report.left_out),
    }  # fmt: skip


def _side(side: Side | None) -> Object | None:
    if side is None:
        return None
    preview = side.preview
    return {
        "label": preview.label,
        "resources": len(preview.resources),
        "judged": preview.judged,
        "errors": list(preview.errors),
        "standIns": list(preview.stand_ins),
        "findings": [asdict(one) for one in preview.findings],
        "undecided": [asdict(one) for one in preview.doubts],
        "exemptions": [asdict(one) for one in preview.exempted],
        "cost": _cost(side.cost),
    }


def _cost(cost: Estimate) -> Object:
    totals = {name: cost.total(most=most) for name, most in (("least", False), ("most", True))}
    return {
        "currency": "USD",
        "hourly": totals,
        "monthly": {name: amount * HOURS for name, amount in totals.items()},
        "gpuShare": cost.gpu_share,
        "unknown": {"least": cost.unknown(most=False), "most": cost.unknown(most=True)},
        "rows": [{**asdict(row), "hourly": row.hourly} for row in cost.rows],
        "sources": list(cost.sources),
    }


def _reach(side: Reach) -> Object:
    return {
        "holds": side.holds,
        "missing": side.missing,
        "findings": list(side.findings),
        "policies": side.policies,
        "remade": side.remade,
        "authorizations": side.authorizations,
        "beside": list(side.beside),
        "flows": len(side.edges),
    }
