"""Runs side by side: other environments, other days. A difference is one only where the intervals do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .html import badge, interval, value_of
from .markdown import cell
from .markdown import table as markdown_table
from .markup import Content, listed, table, tag
from .model import Figure, Run, Verdict, measured
from .page import page
from .plots import number

SAME = "no difference"
_HEADING = "difference from the first"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One criterion in every run; None where a run does not have it."""

    id: str
    verdicts: tuple[Verdict | None, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """What each later run's figure is to the first one's."""
        first, *others = self.verdicts
        return tuple(_difference(first, other) for other in others)


def rows(runs: Sequence[Run]) -> list[Row]:
    """Every criterion that any of the runs has, in the order of the first that has it."""
    names = dict.fromkeys(one.id for run in runs for one in run.criteria)
    found = [{one.id: one for one in run.criteria} for run in runs]
    return [Row(id=name, verdicts=tuple(known.get(name) for known in found)) for name in names]


def _difference(first: Verdict | None, other: Verdict | None) -> str:
    if first is None or other is None or first.value is None or other.value is None:
        return "not measured in both"
    if first.backend != other.backend:
        return f"not comparable: measured {first.backend} and {other.backend}"
    one, two = first.main, other.main
    if one is None or two is None:
        return SAME if first.value == other.value else f"{number(first.value)} and {number(other.value)} {first.unit}"
    if (one.metric, one.unit) != (two.metric, two.unit):
        return "not comparable: different figures"
    return _between(one, two)


def _between(one: Figure, two: Figure) -> str:
    if one.low is None or one.high is None or two.low is None or two.high is None:
        return "no interval, so no difference can be told from noise"
    if one.low <= two.high and two.low <= one.high:
        return f"{SAME}: the intervals overlap"
    change = "" if one.value == 0 else f" by {number(abs(two.value / one.value - 1) * 100)} %"
    better = (two.value < one.value) == (one.better == "lower")
    return f"{'better' if better else 'worse'}{change}"


def as_markdown(runs: Sequence[Run]) -> str:
    """The matrix as Markdown."""
    headings = ("Criterion", *(_name(run, runs) for run in runs), _HEADING)
    body = [(row.id, *(_told(one) for one in row.verdicts), "; ".join(row.differences)) for row in rows(runs)]
    notes = [f"- {cell(f'{_name(run, runs)}: {measured(run)}')}" for run in runs]
    lines = [f"# {_title(runs)}", "", *notes, "", *markdown_table(headings, body)]
    return "\n".join(lines).rstrip() + "\n"


def as_page(runs: Sequence[Run]) -> str:
    """The matrix as a page of its own."""
    lead = "Values of different runs are different only where their intervals do not overlap."
    return page(_title(runs), lead, [("matrix", "Criteria of all runs", matrix(runs))], footer=_title(runs))


def matrix(runs: Sequence[Run]) -> Content:
    """The matrix for a page."""
    headings = ("criterion", *(_name(run, runs) for run in runs), _HEADING)
    body = [
        [row.id, *([_cell(one)] for one in row.verdicts), [tag("div", said) for said in row.differences]]
        for row in rows(runs)
    ]
    notes = [f"{_name(run, runs)}: {measured(run)}" for run in runs]
    return [listed(notes), table("Each criterion in each run", headings, body)]


def _title(runs: Sequence[Run]) -> str:
    return f"Comparison of {len(runs)} runs"


def _name(run: Run, runs: Sequence[Run]) -> str:
    """A stack's name; with the time of the run where the stack was run more than once."""
    alone = sum(other.stack == run.stack for other in runs) == 1
    return run.stack if alone else f"{run.stack} {run.started}"


def _told(one: Verdict | None) -> str:
    if one is None:
        return "-"
    if one.value is None:
        return one.outcome
    spread = "" if one.main is None or one.main.low is None else f" ({interval(one.main)})"
    return f"{one.outcome} {value_of(one)}{spread}"


def _cell(one: Verdict | None) -> Content:
    if one is None:
        return "-"
    return [badge(one.outcome), " ", _told(one).removeprefix(one.outcome)]
