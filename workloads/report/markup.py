"""HTML and SVG as text that cannot be injected into: every text is escaped unless it was made here. No templates."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TypeAlias


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content] | None"

_EMPTY = frozenset({"br", "circle", "col", "hr", "line", "meta", "path", "polyline", "rect"})


def text(value: object) -> Markup:
    """Any value as it may stand between tags or in an attribute."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def tag(element: str, *content: Content, **attributes: object) -> Markup:
    """An element. Attributes that are None are left out; `class_` loses its underscore, `aria_label` gets a dash."""
    said = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' if value is not True else f" {name.rstrip('_')}"
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if element in _EMPTY:
        return Markup(f"<{element}{said}/>")
    return Markup(f"<{element}{said}>{join(content)}</{element}>")


def join(content: Iterable[Content], between: str = "") -> Markup:
    """Parts one after the other; texts among them are escaped."""
    return Markup(between.join(_flat(content)))


def lines(*content: Content) -> Markup:
    """One part a line, so that a change of one part changes one line."""
    return join(content, "\n")


def _flat(content: Iterable[Content]) -> Iterable[str]:
    for part in content:
        if part is None:
            continue
        if isinstance(part, str):
            yield text(part)
        else:
            yield from _flat(part)


def table(caption: str, headings: Iterable[str], rows: Iterable[Iterable[Content]], *, label: str = "") -> Markup:
    """A table that scrolls inside itself; the first cell of each row is its heading."""
    names = list(headings)
    head = tag("tr", [tag("th", heading, scope="col") for heading in names])
    body = [row_of(names, list(row)) for row in rows]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", lines(*body)))
    return tag("div", made, class_="scroll", role="region", tabindex="0", aria_label=label or caption)


def row_of(headings: Sequence[str], cells: Sequence[Content]) -> Markup:
    """A row; each cell knows its heading, for a narrow screen shows cells below each other."""
    others = zip(headings[1:], cells[1:], strict=True)
    return tag("tr", tag("th", cells[0], scope="row"), [tag("td", cell, data_label=name) for name, cell in others])


def details(summary: Content, *content: Content, open_: bool = False, id_: str | None = None) -> Markup:
    """A part that can be folded away without a script."""
    return tag("details", tag("summary", summary), lines(*content), open=open_, id=id_)


def listed(items: Iterable[Content], *, empty: str = "none") -> Markup:
    """A list, or the word for none."""
    made = [tag("li", item) for item in items]
    return tag("ul", lines(*made)) if made else tag("p", empty)


def anchor(name: str) -> str:
    """A name as an identifier of an element: letters, digits, dots and dashes stay."""
    return "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in name)
