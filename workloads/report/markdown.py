"""The report of one run as Markdown: the same facts as the page, for code hosts and terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .html import bound, interval, limit_of, value_of
from .model import Run, Verdict, measured
from .plots import number

_SPECIAL = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "\n": " ", "`": "'"})


def report(run: Run) -> str:
    """A document of its own."""
    passed = sum(one.outcome == "PASS" for one in run.required)
    lines = [
        f"# Validation of stack {cell(run.stack)}: {run.verdict}",
        "",
        cell(measured(run)),
        "",
        f"{passed} of {len(run.required)} required criteria passed.",
        f"{run.started} to {run.finished or 'not finished'}, Kubernetes {cell(run.server) or 'not looked at'},",
        f"{len(run.nodes)} nodes, {_unready(run)}.",
        "",
        *_notes(run),
        *criteria(run),
    ]
    for one in run.criteria:
        lines += [*_details(one)]
    return "\n".join(lines).rstrip() + "\n"


def criteria(run: Run) -> Iterator[str]:
    """The table of all criteria."""
    yield from table(
        ("Outcome", "Criterion", "Required", "Measured", "Limit", "Where", "Seconds"),
        (
            (one.outcome, one.id, "yes" if one.required else "no", value_of(one), limit_of(one), one.where,
             f"{one.seconds:g}")
            for one in run.criteria
        ),
    )  # fmt: skip


def cell(text: object) -> str:
    """Any text in one line, so that it can break neither a table nor the page."""
    return str(text).translate(_SPECIAL)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table with an empty line after it."""
    names = [cell(heading) for heading in headings]
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(cell(part) for part in row) + " |"
    yield ""


def _unready(run: Run) -> str:
    names = [node.name for node in run.nodes if not node.ready]
    return f"NOT ready: {cell(', '.join(names))}" if names else "all ready"


def _notes(run: Run) -> Iterator[str]:
    if run.selected:
        yield f"Partial run, no acceptance: only {cell(', '.join(run.selected))}."
        yield ""
    if run.pending:
        yield f"Not reached before the run ended: {cell(', '.join(run.pending))}."
        yield ""
    if not run.standins:
        yield "Nothing in this run was simulated."
        yield ""
        return
    yield "**Simulated in this run**, so that it proves nothing about the real parts in their place:"
    yield ""
    yield from (f"- {cell(one)}" for one in run.standins)
    yield ""


def _details(one: Verdict) -> Iterator[str]:
    yield f"## {one.id}: {one.outcome}"
    yield ""
    yield f"{cell(one.title)}. {one.level}" + (f", {cell(one.clause)}." if one.clause else ".")
    yield ""
    yield f"{cell(one.reason.rstrip('.'))}."
    yield ""
    if one.hint:
        yield f"Next step: {cell(one.hint)}"
        yield ""
    if one.notes:
        yield from (f"- note: {cell(note)}" for note in one.notes)
        yield ""
    for figure in one.figures:
        yield (
            f"- {cell(figure.metric)}: {number(figure.value)} {cell(figure.unit)}, {cell(bound(figure))}; "
            f"interval {interval(figure)}; n = {figure.n:,}; {cell(figure.method)}"
        )
    for seen in one.evidence:
        mark = "held" if seen.held else "**NOT SO**"
        yield f"- {mark} ({seen.probe}): {cell(seen.claim)}. Saw: {cell(seen.saw)}"
    for file in one.files:
        yield f"- evidence: [{cell(file.name)}]({file.path}), SHA-256 {file.sha256}"
    if one.figures or one.evidence or one.files:
        yield ""
