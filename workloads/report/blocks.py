"""What a document says, once, for a page and for Markdown: paragraphs, tables, code, lists and drawings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import markup
from .markdown import cell
from .markdown import table as markdown_table
from .markup import Content, Markup, tag


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table. Wide ones scroll; long ones are folded."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """Something to copy."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Items:
    """A list; the word for none where it is empty."""

    items: tuple[str, ...]
    empty: str = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """The beginning of a smaller part."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A part that looks different on a page and in Markdown."""

    page: Content
    text: str


Block = str | Grid | Code | Items | Heading | Drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A section of a document."""

    id: str
    title: str
    blocks: Sequence[Block]


def grid(caption: str, headings: Iterable[str], rows: Iterable[Iterable[object]], *, folded: bool = False) -> Grid:
    """A table of any values."""
    return Grid(
        caption=caption,
        headings=tuple(headings),
        rows=tuple(tuple(str(part) for part in row) for row in rows),
        folded=folded,
    )


def for_page(parts: Iterable[Part]) -> list[tuple[str, str, Content]]:
    """The sections of a page."""
    return [(part.id, part.title, [_page(block) for block in part.blocks]) for part in parts]


def _page(block: Block) -> Content:
    if isinstance(block, str):
        return tag("p", block)
    if isinstance(block, Heading):
        return tag("h3", block.text)
    if isinstance(block, Code):
        return tag("pre", tag("code", block.text), tabindex="0")
    if isinstance(block, Items):
        return markup.listed(block.items, empty=block.empty)
    if isinstance(block, Grid):
        return _grid(block)
    return block.page


def _grid(block: Grid) -> Markup:
    made = tag("div", markup.table(block.caption, block.headings, block.rows), class_="narrow")
    return markup.details(f"{block.caption} ({len(block.rows)})", made) if block.folded else made


def for_text(title: str, lead: str, parts: Iterable[Part]) -> str:
    """The same as Markdown."""
    lines = [f"# {cell(title)}", "", cell(lead), ""]
    for part in parts:
        lines += [f"## {cell(part.title)}", ""]
        for block in part.blocks:
            lines += [*_text(block), ""]
    kept = [line for index, line in enumerate(lines) if line or index == 0 or lines[index - 1]]
    return "\n".join(kept).rstrip() + "\n"


def _text(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield cell(block)
    elif isinstance(block, Heading):
        yield f"### {cell(block.text)}"
    elif isinstance(block, Code):
        yield "```"
        yield block.text.replace("```", "'''")
        yield "```"
    elif isinstance(block, Items):
        yield from (f"- {cell(item)}" for item in block.items or (block.empty,))
    elif isinstance(block, Grid):
        yield f"{cell(block.caption)}:"
        yield ""
        yield from markdown_table(block.headings, block.rows)
    else:
        yield block.text
