"""Dashboards as data. Knows neither a particular dashboard nor how Grafana writes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from kubeflow.observability.alerts import watched
from kubeflow.observability.facts import Facts

MANY = 12  # with more of a kind, one panel shows all of them


class Kind(Enum):
    """How a panel shows its queries."""

    LINES = "lines over time"
    NUMBER = "one number each"
    TABLE = "a table of the newest values"
    BARS = "a bar for each of the newest values"
    STATES = "coloured stretches of time"

    @property
    def newest(self) -> bool:
        """Whether only the newest value counts."""
        return self in (Kind.NUMBER, Kind.TABLE, Kind.BARS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One query and how its results are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A limit, drawn where it is."""

    value: float
    above_is_bad: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One picture: what it shows, in which unit, what to think of it, and what it says when there is nothing."""

    title: str
    about: str
    unit: str  # Grafana's name of the unit
    queries: tuple[Query, ...]
    empty: str
    kind: Kind = Kind.LINES
    line: Line | None = None
    width: int = 12  # of 24
    height: int = 8
    words: tuple[tuple[str, str, str], ...] = ()  # value, what it means, colour


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Panels with a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One dashboard."""

    slug: str  # its address in Grafana, never changed
    title: str
    about: str
    sections: tuple[Section, ...]
    tenants: tuple[str, ...] = field(default=())  # offered as a choice, as $namespace

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels in order."""
        return tuple(panel for section in self.sections for panel in section.panels)


def lines(title: str, unit: str, about: str, empty: str, *queries: tuple[str, str], **more: object) -> Panel:
    """A panel, as boards write it: each query with its legend."""
    made = tuple(Query(expr=expr, legend=legend) for expr, legend in queries)
    return replace(Panel(title=title, unit=unit, about=about, empty=empty, queries=made), **more)  # pyright: ignore[reportArgumentType]


def visible(board: Board, facts: Facts) -> Board:
    """The board without queries about what the stack does not have, and without panels that lost all of theirs."""
    sections = (replace(section, panels=tuple(_visible(section.panels, facts))) for section in board.sections)
    return replace(board, sections=tuple(section for section in sections if section.panels))


def _visible(panels: tuple[Panel, ...], facts: Facts) -> list[Panel]:
    kept = [
        replace(panel, queries=tuple(query for query in panel.queries if watched(facts, query.expr)))
        for panel in panels
    ]
    return [panel for panel in kept if panel.queries]
