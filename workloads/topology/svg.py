"""A topology as SVG: a column for each group in a fixed order, nodes by name, connections between groups with counts.

One element a line, and rows below each other by their own step: a service more is one line more. Connections to the
right are arcs above the columns, those to the left arcs below them; openings are red lines with their reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from workloads.report.markup import Markup, lines, tag

from .model import Edge, Layer

_COLUMN, _GAP, _STEP = 138, 10, 15
_HEAD = 34  # of a column's title
_ROOM = 20  # letters that fit into a column
_ROW = 30  # of an opening
_SIGN = 5.4  # width of a letter, to keep texts inside
_NAMED = 2  # targets of one opening that are still named

_Rows = Sequence[tuple[tuple[str, str], list[tuple[str, Edge]]]]


def drawing(layer: Layer) -> Markup:
    """The drawing of one layer, with its meaning in words for those who do not see it."""
    found, holes = layer.between(), _holes_of(layer)
    forward = [row for row in found.items() if _position(layer, row[0][0]) < _position(layer, row[0][1])]
    backward = [row for row in found.items() if _position(layer, row[0][0]) > _position(layer, row[0][1])]
    above, beneath = _band(layer, forward), _band(layer, backward)
    columns = _HEAD + max((len(layer.members(group)) for group, _ in layer.groups), default=0) * _STEP + 10
    width = len(layer.groups) * (_COLUMN + _GAP) + _GAP
    width = max([width, *(round(_GAP + len(said) * _SIGN + 20) for _, _, said in holes)])
    below = above + columns
    bottom = below + beneath
    meaning = (
        f"{len(layer.nodes)} ends in {len(layer.groups)} groups, {sum(map(len, found.values()))} connections, "
        f"{len(layer.openings)} openings"
    )
    parts = lines(
        "",
        tag("title", layer.title),
        tag("desc", meaning),
        *_arcs(layer, forward, above - 2, up=True),
        Markup(f'<svg y="{above}" width="{width}" height="{columns}">'),
        *_columns(layer, found),
        Markup("</svg>"),
        *_moved(below, _arcs(layer, backward, 2, up=False)),
        *_moved(bottom, _holes(layer, holes, width)),
        "",
    )
    height = bottom + (24 + len(holes) * _ROW if holes else 4)
    made = tag(
        "svg", parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=f"{layer.title}. {meaning}",
        style=f"max-width:{width}px",
    )  # fmt: skip
    wide = "scroll wide" if width > 4 * _COLUMN * 2 else "scroll"
    return tag("div", made, class_=wide, role="region", tabindex="0", aria_label=layer.title)


def _moved(down: int, parts: Iterator[Markup]) -> Iterator[Markup]:
    """Parts that begin further down; where they begin is one line."""
    yield Markup(f'<g transform="translate(0,{down})">')
    yield from parts
    yield Markup("</g>")


def _band(layer: Layer, rows: _Rows) -> int:
    """The height that arcs take."""
    return 34 + 11 * len(layer.groups) if rows else 12


def _position(layer: Layer, group: str) -> int:
    return [name for name, _ in layer.groups].index(group)


def _left(layer: Layer, group: str) -> int:
    return _GAP + _position(layer, group) * (_COLUMN + _GAP)


def _middle(layer: Layer, group: str) -> float:
    return _left(layer, group) + _COLUMN / 2


def _columns(layer: Layer, found: dict[tuple[str, str], list[tuple[str, Edge]]]) -> Iterator[Markup]:
    """All as high as the drawing inside which they are."""
    short = Counter(name.rpartition("/")[2] for name in layer.nodes)
    for group, title in layer.groups:
        left, among = _left(layer, group), len(found.get((group, group), ()))
        yield tag("rect", class_="group", x=left, y=0, width=_COLUMN, height="100%", rx=6)
        yield tag("text", title, class_="title", x=left + 8, y=16)
        yield tag("text", f"{among} among themselves" if among else "", class_="dim", x=left + 8, y=29)
        yield Markup(f'<text class="small" y="{_HEAD}">')
        for name in layer.members(group):
            last = name.rpartition("/")[2]
            alone = short[last] == 1 and not last.isdigit()  # a network keeps its length
            yield tag("tspan", _fitting(last if alone else name), x=left + 8, dy=_STEP)
        yield Markup("</text>")


def _fitting(name: str) -> str:
    """What fits into a column; the whole name is in the table of connections."""
    return name if len(name) <= _ROOM else f"{name[:6]}\N{HORIZONTAL ELLIPSIS}{name[7 - _ROOM :]}"


def _arcs(layer: Layer, rows: _Rows, base: int, *, up: bool) -> Iterator[Markup]:
    """From one column's edge to another's, as wide as there are connections."""
    titles, sign = dict(layer.groups), -1 if up else 1
    counts: list[Markup] = []
    for (source, target), found in rows:
        start, end = _middle(layer, source) - 20 * sign, _middle(layer, target) + 20 * sign
        span = abs(_position(layer, source) - _position(layer, target))
        rise = (_band(layer, rows) - 24) * (0.25 + 0.75 * span / max(1, len(layer.groups) - 1))
        top = round(base + sign * rise * 4 / 3, 1)
        said = f"{titles[source]} to {titles[target]}: {len(found)}"
        yield tag(
            "path", tag("title", said), class_="edge", d=f"M{start} {base}C{start} {top} {end} {top} {end} {base}",
            stroke_width=round(0.8 + len(found) ** 0.5 * 0.45, 1),
        )  # fmt: skip
        place = round(base + sign * rise + (-3 if up else 11), 1)
        counts.append(tag("text", str(len(found)), x=(start + end) / 2, y=place, text_anchor="middle", class_="small"))
    yield from counts


_Hole = tuple[str, tuple[str, ...], str]  # group of the source, groups of the targets, words


def _holes_of(layer: Layer) -> list[_Hole]:
    """Openings for the same reason are one."""
    rows: dict[tuple[tuple[str, ...], str], list[Edge]] = {}
    for edge in layer.openings:
        rows.setdefault((edge.sources, edge.why), []).append(edge)
    found: list[_Hole] = []
    for (sources, why), edges in rows.items():
        targets = dict.fromkeys(layer.nodes[edge.target] for edge in edges)
        named = "; ".join(f"{edge.target} {edge.label}" for edge in edges)
        said = named if len(edges) <= _NAMED else f"{len(edges)} ends"
        arrow = "\N{RIGHTWARDS ARROW}"
        found.append((layer.nodes[sources[0]], tuple(targets), f"{', '.join(sources)} {arrow} {said}: {why}"))
    return found


def _holes(layer: Layer, holes: Sequence[_Hole], width: int) -> Iterator[Markup]:
    if holes:
        yield tag("text", "Openings", class_="title opening-text", x=_GAP, y=14)
    for index, (source, targets, said) in enumerate(holes):
        y = 28 + index * _ROW
        places = [_middle(layer, group) for group in (source, *targets)]
        yield tag("line", class_="opening", x1=min(places), x2=max(places), y1=y, y2=y)
        yield from (tag("circle", class_="opening-end", cx=place, cy=y, r=3) for place in places[1:])
        begin = min(min(places) - 20, width - _GAP - len(said) * _SIGN)
        yield tag("text", said, class_="opening-text", x=round(max(_GAP, begin)), y=y + 15)
