"""The report of one run on a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from .html import value_of
from .model import Document, from_json

_COLOURS = {"PASS": "green", "FAIL": "bold red", "SKIP": "yellow", "INVALID": "magenta", "ERROR": "bold red"}


def table(content: Document) -> Table:
    """All criteria with their reasons; a server's words are shown as they are."""
    run = from_json(content, source="this run")
    made = Table(title=f"Validation of stack {run.stack}: {run.verdict}", title_justify="left")
    for heading in ("outcome", "criterion", "required", "where", "measured", "seconds"):
        made.add_column(heading, no_wrap=heading != "measured")
    made.add_column("reason", overflow="fold")
    for one in run.criteria:
        made.add_row(
            Text(one.outcome, style=_COLOURS[one.outcome]),
            one.id,
            "yes" if one.required else "no",
            one.backend or "-",
            value_of(one),
            f"{one.seconds:.1f}",
            Text(one.reason),
        )
    return made
