"""A topology as Mermaid text: groups as they are drawn, every connection as a comment, so that a diff tells all."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Layer


def chart(layer: Layer) -> str:
    """The flow chart. Connections are drawn between groups; each one stands in a line of its own below."""
    return "\n".join(_lines(layer)) + "\n"


def _lines(layer: Layer) -> Iterator[str]:
    yield "flowchart LR"
    for group, title in layer.groups:
        yield f"  subgraph {_id(group)}[{_text(title)}]"
        yield from (f"    {_id(name)}[{_text(name)}]" for name in layer.members(group))
        yield "  end"
    for (source, target), found in layer.between().items():
        if source != target:
            yield f"  {_id(source)} -->|{_text(str(len(found)))}| {_id(target)}"
    for edge in layer.openings:
        for source in edge.sources:
            yield f"  {_id(source)} -.->|{_text(f'{edge.label}: {edge.why}')}| {_id(edge.target)}"
    for edge in layer.edges:
        for source in edge.sources:
            yield f"  %% {_line(f'{source} -> {edge.target} ({edge.label}): {edge.why}')}"


def _id(name: str) -> str:
    """An identifier that no other name has: letters and digits stay, everything else becomes its number."""
    return "n_" + "".join(sign if sign.isascii() and sign.isalnum() else f"_{ord(sign):x}_" for sign in name)


def _text(text: str) -> str:
    """A label. Quotes and angle brackets would end it or begin markup."""
    signs = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;"}
    return '"' + "".join(signs.get(sign, sign) for sign in _line(text)) + '"'


def _line(text: str) -> str:
    """In one line, and without the braces that begin a directive."""
    return " ".join(text.split()).replace("{", "(").replace("}", ")")
