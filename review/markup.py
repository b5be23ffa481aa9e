"""Markdown for other people's texts: nothing that a name or a message holds becomes markup, a mention or a link."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

FEW = 8  # rows before a table is folded


def counted(count: int, what: str) -> str:
    """A number with its noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def names(texts: Sequence[str], most: int = FEW) -> str:
    """Several names in one cell, the first ones told."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return "<br>".join((*(code(text) for text in texts[:most]), *more))


def table(head: str, lines: Sequence[str], most: int, what: str) -> Iterator[str]:
    """A table; folded if it is long."""
    yield ""
    if len(lines) > FEW:
        yield from folded(what, head, lines, most)
        return
    yield from _rows(head, lines)


def folded(what: str, head: str, lines: Sequence[str], most: int, *, numbered: bool = True) -> Iterator[str]:
    """A table that is opened by whoever wants it, cut after so many rows."""
    yield f"<details><summary>{counted(len(lines), what) if numbered else what}</summary>"
    yield ""
    yield from _rows(head, lines[:most])
    if len(lines) > most:
        yield from (f"and {len(lines) - most} more: see the artifact", "")
    yield from ("</details>", "")


def _rows(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield head
    yield "|" + "---|" * (head.count("|") - 1)
    yield from lines
    yield ""


def code(text: str) -> str:
    """Text as code, in a cell or out of one."""
    return f"`{cell(text).replace('`', chr(39))}`"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return line(text).replace("|", "\\|")


def line(text: str) -> str:
    """One line that no HTML, mention or comment mark of somebody's name can leave."""
    return " ".join(text.split()).replace("<", "&lt;").replace("@", "@\u200b").replace("-->", "--&gt;")
