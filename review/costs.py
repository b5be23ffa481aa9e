"""The cost of a report as text: before and after, per pool and part, with what the sums leave out."""

from __future__ import annotations

from collections.abc import Iterator

from .cost import HOURS, Estimate, Row, differing
from .report import Report, Side


def cost_section(report: Report) -> Iterator[str]:
    """A section of the comment."""
    if report.head is None or not report.head.preview.resources:
        return
    yield "### Cost by list prices"
    yield ""
    yield f"USD, {HOURS} hours a month. A sum holds what has a price in the table, and no traffic."
    yield ""
    yield "| | fewest nodes, an hour | a month | most nodes, an hour | a month | for GPU nodes, at most |"
    yield "|---|---|---|---|---|---|"
    sides = [("before", report.base)] if report.base else []
    for name, side in (*sides, ("after", report.head)):
        yield _totals(name, side)
    if report.base:
        yield _difference(report.base.cost, report.head.cost)
    yield ""
    unknown = report.head.cost.unknown(most=True)
    if unknown:
        yield f"**Without a price, and in no sum:** {', '.join(unknown)}."
        yield ""
    yield from _rows(report.head.cost, report.base.cost if report.base else None)
    if report.head.cost.sources:
        yield f"Prices: {'; '.join(report.head.cost.sources)}."
        yield ""


def _totals(name: str, side: Side) -> str:
    least, most = side.cost.total(most=False), side.cost.total(most=True)
    lower = "≥ " if side.cost.unknown(most=True) else ""
    share = side.cost.gpu_share
    told = "unknown" if share is None else f"{share:.0%} of the sum"
    least_open = "≥ " if side.cost.unknown(most=False) else ""
    return (
        f"| {name} | {least_open}{least:,.2f} | {least_open}{least * HOURS:,.0f} | {lower}{most:,.2f} | "
        f"{lower}{most * HOURS:,.0f} | {told} |"
    )


def _difference(before: Estimate, after: Estimate) -> str:
    """Nothing is said to cost nothing more while a part of it has no price."""
    cells: list[str] = []
    open_ = dict[str, None]()
    for most in (False, True):
        changed = {row.name for pair in differing(before.rows, after.rows) for row in pair if row}
        unknown = [name for name in (*after.unknown(most=most), *before.unknown(most=most)) if name in changed]
        open_ |= dict.fromkeys(unknown)
        amount = after.total(most=most) - before.total(most=most)
        known = f"{amount:+,.2f}", f"{amount * HOURS:+,.0f}"
        cells += [f"unknown; {one} without what has no price" if unknown else one for one in known]
    names = f"no price: {', '.join(open_)}" if open_ else ""
    return f"| **difference** | {' | '.join(cells)} | {names} |"


def _rows(after: Estimate, before: Estimate | None) -> Iterator[str]:
    changed = {row.name for pair in differing(before.rows, after.rows) for row in pair if row} if before else set[str]()
    gone = [old for old, new in differing(before.rows, after.rows) if old and not new] if before else []
    yield f"<details{' open' if changed else ''}><summary>per pool and part</summary>"
    yield ""
    yield "| | machine | GPUs | nodes | price, an hour | at the fewest | at the most | |"
    yield "|---|---|---|---|---|---|---|---|"
    olds = {row.name for row in before.rows} if before else set[str]()
    for row in after.rows:
        mark = ("new" if row.name not in olds else "changed") if before and row.name in changed else ""
        yield _row(row, mark, after)
    for row in gone:
        yield f"| ~~{row.name}~~ | {row.unit} | | | | | | gone |"
    yield from ("", "</details>", "")


def _row(row: Row, mark: str, whole: Estimate) -> str:
    least, most = (f"{amount:,.2f}" if amount is not None else "unknown" for amount in row.hourly)
    counted = f"{row.least:g}" if row.least == row.most else f"{row.least:g} to {row.most:g}"
    price = "unknown" if row.price is None else f"{row.price:,.3f}"
    machine = f"`{row.unit}`" if row in whole.pools else ""
    gpus = f"{row.gpus} a node" if row.gpus else ""
    notes = "; ".join((*([f"**{mark}**"] if mark else []), *row.notes))
    return f"| {row.name} | {machine} | {gpus} | {counted} | {price} | {least} | {most} | {notes} |"
