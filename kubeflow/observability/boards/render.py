"""Boards as Grafana reads them. The only module that imports Grafana's SDK, and only when boards are made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    SpecialValueMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .model import Board, Kind, Line, Panel, Query, Section

TAG = "kubeflow-proof"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS = 24
_Mapping = ValueMap | SpecialValueMap


def render(board: Board) -> str:
    """The JSON of one dashboard: the same for the same board, whoever makes it."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.slug)
        .description(board.about)
        .tags([TAG])
        .readonly()
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(_links())
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    if board.tenants:
        made.with_variable(
            dashboard.CustomVariable("namespace")
            .label("Tenant")
            .values(",".join(sorted(board.tenants)))
            .multi(multi=True)
            .include_all(include_all=True)
        )
    for placed in _placed(board.sections):
        if isinstance(placed, dashboard.Row):
            made.with_row(placed)
        else:
            made.with_panel(placed)
    plain = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    return json.dumps(plain, sort_keys=True, separators=(",", ":")) + "\n"


def _links() -> dashboard.DashboardLink:
    """To all the other boards, with the time that is looked at."""
    link = dashboard.DashboardLink("Platform").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(as_dropdown=True).keep_time(keep_time=True).include_vars(include_vars=True)


def _placed(sections: tuple[Section, ...]) -> Iterator[Any]:
    """Headings and panels from left to right and from top to bottom, numbered in order."""
    number, top = 1, 0
    for section in sections:
        row = dashboard.Row(section.title).id(number).grid_pos(GridPos(h=1, w=_COLUMNS, x=0, y=top))
        number, top, left, lowest = number + 1, top + 1, 0, top + 1
        yield row
        for panel in section.panels:
            if left + panel.width > _COLUMNS:
                left, top = 0, lowest
            lowest = max(lowest, top + panel.height)
            position = GridPos(h=panel.height, w=panel.width, x=left, y=top)
            yield _panel(panel).id(number).grid_pos(position)
            number, left = number + 1, left + panel.width
        top = lowest


def _panel(panel: Panel) -> Any:  # noqa: ANN401 - builders have no common type
    made: Any = {
        Kind.LINES: lines.Panel, Kind.NUMBER: stat.Panel, Kind.TABLE: table.Panel, Kind.BARS: bargauge.Panel,
        Kind.STATES: statetimeline.Panel,
    }[panel.kind]()  # fmt: skip
    made.title(panel.title).description(panel.about).unit(panel.unit).no_value(panel.empty).datasource(_SOURCE)
    made.thresholds(_thresholds(panel.line))
    if panel.words:
        made.mappings(_mappings(panel.words))
    for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False):
        made.with_target(_target(query, letter, panel.kind))
    if panel.kind is Kind.LINES:
        legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        made.legend(legend.show_legend(show_legend=True)).min(0).fill_opacity(5)
        if panel.line is not None:
            made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    if panel.kind is Kind.NUMBER:
        made.graph_mode(BigValueGraphMode.NONE)
    return made


def _target(query: Query, letter: str, kind: Kind) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(_SOURCE)
    if query.legend:
        made.legend_format(query.legend)
    if kind.newest:
        made.instant()
    return made.format(PromQueryFormat.TABLE) if kind is Kind.TABLE else made


def _thresholds(line: Line | None) -> dashboard.ThresholdsConfig:
    """Green, and red beyond the line; the first step has no value, for it begins at minus infinity."""
    made = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    if line is None:
        return made.steps([Threshold(value=None, color="green")])
    good, bad = ("green", "red") if line.above_is_bad else ("red", "green")
    return made.steps([Threshold(value=None, color=good), Threshold(value=line.value, color=bad)])


def _mappings(words: tuple[tuple[str, str, str], ...]) -> list[_Mapping]:
    options = {
        value: ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, text, colour) in enumerate(words)
    }
    return [ValueMap(options=options)]
