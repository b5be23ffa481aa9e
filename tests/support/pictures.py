"""Panels of dashboards drawn from a live Prometheus' answers: what somebody would see without a Grafana.

`python -m tests.support.pictures FILE.html` writes a page to look at.
"""

from __future__ import annotations

import math
import re
import sys
import tempfile
from pathlib import Path

from kubeflow.observability.boards import boards
from kubeflow.observability.boards.model import Board, Panel, Query
from tests.support.live import Live, platform
from tests.support.rules import FACTS
from workloads.report.markup import Content, Markup, lines, table, tag
from workloads.report.model import Curve
from workloads.report.page import page
from workloads.report.plots import drawn, number

_MOST = 5  # lines of one drawing: it knows five styles
_UNITS = {"percentunit": "share", "short": "number", "reqps": "requests/s", "celsius": "degrees Celsius"}
_ROWS = 8


def plain(expr: str, tenants: str) -> str:
    """A query as Grafana sends it when every tenant is chosen."""
    return expr.replace("$__rate_interval", "5m").replace("$namespace", tenants)


def pictures(live: Live, chosen: tuple[Board, ...], tenants: str) -> str:
    """One page with every panel of some dashboards, over the last hour."""
    sections = [
        (board.slug, board.title, [tag("p", board.about), tag("div", _panels(live, board, tenants), class_="plots")])
        for board in chosen
    ]
    lead = (
        "Drawn from the answers of a real Prometheus to the dashboards' own queries; most of its input is a stand-in."
    )
    return page("Dashboards, without Grafana", lead, sections, footer="Made by a test.")


def _panels(live: Live, board: Board, tenants: str) -> Markup:
    made = [
        _newest(live, panel, tenants) if panel.kind.newest else _drawn(live, panel, tenants) for panel in board.panels
    ]
    return lines(*(tag("div", lines(*parts)) for parts in made))


def _drawn(live: Live, panel: Panel, tenants: str) -> list[Markup]:
    curves = [
        Curve(
            name=f"{panel.title}/{_name(query, one['metric'])}", x="minutes ago", y=_UNITS.get(panel.unit, panel.unit),
            points=tuple((-round((live.now - at) / 60, 1), float(value)) for at, value in one["values"]
                         if math.isfinite(float(value))),
            limit=None if panel.line is None else panel.line.value,
        )
        for query in panel.queries
        for one in live.over(plain(query.expr, tenants))
    ]  # fmt: skip
    highest = sorted(curves, key=lambda curve: max((value for _, value in curve.points), default=0.0), reverse=True)
    return drawn(highest[:_MOST]) or [tag("p", tag("strong", panel.title), ": ", panel.empty)]


def _newest(live: Live, panel: Panel, tenants: str) -> list[Markup]:
    rows: list[list[Content]] = [
        [_name(query, one["metric"]) or panel.title, number(float(one["value"][1]))]
        for query in panel.queries
        for one in live.query(plain(query.expr, tenants))
    ]
    if not rows:
        return [tag("p", tag("strong", panel.title), ": ", panel.empty)]
    unit = _UNITS.get(panel.unit, panel.unit)
    return [table(f"{panel.title} ({unit}): {panel.about}", ("series", unit), rows[:_ROWS])]


def _name(query: Query, labels: dict[str, str]) -> str:
    """A series as the legend calls it; where there is none, its labels."""
    if not query.legend:
        return ", ".join(f"{key} {value}" for key, value in sorted(labels.items()) if not key.startswith("__"))
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), query.legend).strip()


def main(path: Path) -> None:
    """Write the page of the dashboards of models and of GPUs."""
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as live:
        chosen = tuple(board for board in boards(FACTS) if board.slug in ("proof-serving", "proof-gpu"))
        path.write_text(pictures(live, chosen, "|".join(FACTS.tenants)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
