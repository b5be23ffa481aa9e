"""Plots of a run as SVG of our own: a drawing, its meaning in words, and its numbers as a table. No library, no script.

Which plot fits follows from the units: a share over milliseconds is a distribution, whose limit stands upright; four or
more rows of windows are a map; everything else is drawn as lines. Lines differ by their dashes, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .markup import Markup, details, lines, table, tag
from .model import Curve, Figure

WIDTH, HEIGHT = 440, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 30, 36
_MOST_POINTS = 240  # of one line: more than the drawing has dots
_TABLE_ROWS = 12
_MAP_ROWS = 4
_STYLES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Axis:
    """From values to places."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        inside = min(max(value, self.low), self.high)
        return round(self.start + (inside - self.low) / span * (self.end - self.start), 1)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round numbers."""
        span = (self.high - self.low) or 1.0
        rough = span / wanted
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + index) * step, 10) for index in range(count)]


def drawn(series: Iterable[Curve]) -> list[Markup]:
    """Every curve in the plot that fits it."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in series:
        if curve.points:
            groups.setdefault((curve.name.partition("/")[0], curve.x, curve.y), []).append(curve)
    return [_map(name, curves) if _is_map(curves) else _lines(name, curves) for (name, _, _), curves in groups.items()]


def number(value: float) -> str:
    """A value as people read it: four digits that matter, thousands apart."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    told = f"{value:,.{min(digits, 9)}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def thinned(points: Sequence[tuple[float, float]], most: int = _MOST_POINTS) -> list[tuple[float, float]]:
    """At most so many points; of each stretch the highest stays, for a peak must not vanish."""
    if len(points) <= most:
        return list(points)
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    kept = [max(points[start:end], key=lambda point: point[1]) for start, end in pairwise(edges)]
    return [points[0], *kept[1:-1], points[-1]]


def _is_map(curves: Sequence[Curve]) -> bool:
    return len(curves) >= _MAP_ROWS and all("/" in curve.name and curve.x == "window" for curve in curves)


def _is_distribution(curve: Curve) -> bool:
    return curve.x in ("ms", "s") and curve.y.startswith(("%", "share")) and _rises(curve)


def _rises(curve: Curve) -> bool:
    return all(one[1] <= other[1] for one, other in pairwise(curve.points))


def _lines(name: str, curves: Sequence[Curve]) -> Markup:
    upright = _is_distribution(curves[0])
    limits = [curve.limit for curve in curves if curve.limit is not None]
    xs = [x for curve in curves for x, _ in curve.points] + (limits if upright else [])
    ys = [y for curve in curves for _, y in curve.points] + ([] if upright else limits)
    across = _Axis(low=min(0.0, *xs), high=max(0.0, *xs) * (1.08 if upright else 1), start=_LEFT, end=WIDTH - _RIGHT)
    up = _Axis(low=min(0.0, *ys), high=max(0.0, *ys) * 1.05, start=HEIGHT - _BOTTOM, end=_TOP)
    parts = [*_frame(across, up, curves[0].x, curves[0].y)]
    for index, curve in enumerate(curves):
        places = " ".join(f"{across.at(x)},{up.at(y)}" for x, y in thinned(curve.points))
        parts.append(tag("polyline", class_=f"curve s{index % _STYLES}", points=places))
    for limit in dict.fromkeys(limits):
        parts += _limit(limit, across, up, curves[0].x if upright else curves[0].y, upright=upright)
    parts += _legend([_short(curve.name) for curve in curves])
    meaning = _meaning(curves, limits, upright=upright)
    return _figure(name, meaning, lines(*parts), HEIGHT, _numbers(name, curves))


def _frame(across: _Axis, up: _Axis, x_unit: str, y_unit: str) -> Iterable[Markup]:
    yield tag("path", class_="axis", d=f"M{across.start} {up.end}V{up.start}H{across.end}")
    for tick in across.ticks():
        place = across.at(tick)
        yield tag("line", class_="axis", x1=place, x2=place, y1=up.start, y2=up.start + 4)
        yield tag("text", number(tick), class_="dim", x=place, y=up.start + 16, text_anchor="middle")
    for tick in up.ticks(4):
        place = up.at(tick)
        yield tag("line", class_="axis", x1=across.start, x2=across.end, y1=place, y2=place, opacity="0.5")
        yield tag("text", number(tick), class_="dim", x=across.start - 5, y=place + 4, text_anchor="end")
    yield tag("text", x_unit, class_="dim", x=across.end, y=HEIGHT - 4, text_anchor="end")
    yield tag("text", y_unit, class_="dim", x=4, y=up.end - 6)


def _limit(limit: float, across: _Axis, up: _Axis, unit: str, *, upright: bool) -> Iterable[Markup]:
    said = f"limit {number(limit)} {unit}"
    if upright:
        place = across.at(limit)
        yield tag("line", class_="limit", x1=place, x2=place, y1=up.end, y2=up.start)
        left = place > (across.start + across.end) / 2
        yield tag("text", said, class_="limit-text", x=place + (-5 if left else 5), y=up.start - 8,
                  text_anchor="end" if left else None)  # fmt: skip
        return
    place = up.at(limit)
    yield tag("line", class_="limit", x1=across.start, x2=across.end, y1=place, y2=place)
    yield tag("text", said, class_="limit-text", x=across.end, y=place - 4, text_anchor="end")


def _legend(names: Sequence[str]) -> Iterable[Markup]:
    if len(names) == 1:
        return
    place = float(_LEFT + 60)
    for index, name in enumerate(names):
        yield tag("line", class_=f"curve s{index % _STYLES}", x1=place, x2=place + 22, y1=12, y2=12)
        yield tag("text", name, x=place + 27, y=16)
        place += 40 + 6.2 * len(name)


def _short(name: str) -> str:
    return name.partition("/")[2] or name


def _meaning(curves: Sequence[Curve], limits: Sequence[float], *, upright: bool) -> str:
    told: list[str] = []
    for curve in curves:
        values = [y for _, y in curve.points]
        if upright and curve.limit is not None:
            below = max((y for x, y in curve.points if x <= curve.limit), default=0.0)
            told.append(f"{_short(curve.name)}: {number(below)} {curve.y} within {number(curve.limit)} {curve.x}")
        else:
            told.append(f"{_short(curve.name)}: {number(min(values))} to {number(max(values))} {curve.y}")
    line = "" if upright or not limits else f"; limit {', '.join(number(limit) for limit in dict.fromkeys(limits))}"
    return "; ".join(told) + line


def _numbers(name: str, curves: Sequence[Curve]) -> Markup:
    """A few points of every curve, for those who cannot or will not look at the drawing."""
    first = curves[0]
    rows: list[list[str]] = []
    for curve in curves:
        step = max(1, math.ceil(len(curve.points) / _TABLE_ROWS))
        chosen = [*curve.points[::step], *([] if (len(curve.points) - 1) % step == 0 else [curve.points[-1]])]
        rows += [[_short(curve.name), number(x), number(y)] for x, y in chosen]
    return details("Numbers", table(f"{name}: a selection of the points", ["line", first.x, first.y], rows))


def whiskers(figures: Iterable[Figure]) -> list[Markup]:
    """Values with their intervals and limits, one drawing for each unit."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.low is not None and figure.high is not None:
            groups.setdefault(figure.unit, []).append(figure)
    return [_whiskers(unit, chosen) for unit, chosen in groups.items()]


def _whiskers(unit: str, figures: Sequence[Figure]) -> Markup:
    row, height = 34, 34 * len(figures) + 34
    values = [value for one in figures for value in (one.value, one.low, one.high, one.limit) if value is not None]
    margin = (max(values) - min(values)) * 0.15 or abs(max(values)) * 0.1 or 1.0
    across = _Axis(low=min(values) - margin, high=max(values) + margin, start=12, end=WIDTH - _RIGHT)
    parts: list[Markup] = []
    for tick in across.ticks():
        place = across.at(tick)
        parts.append(tag("line", class_="axis", x1=place, x2=place, y1=4, y2=height - 28, opacity="0.5"))
        parts.append(tag("text", number(tick), class_="dim", x=place, y=height - 14, text_anchor="middle"))
    for index, one in enumerate(figures):
        middle = index * row + 26
        low, high = across.at(one.low or 0.0), across.at(one.high or 0.0)
        parts.append(tag("text", one.metric, x=14, y=middle - 10))
        parts.append(
            tag("path", class_="curve s0", d=f"M{low} {middle - 5}v10M{low} {middle}H{high}M{high} {middle - 5}v10")
        )
        parts.append(tag("circle", class_="dot", cx=across.at(one.value), cy=middle, r=4))
        if one.limit is not None:
            place = across.at(one.limit)
            parts.append(tag("line", class_="limit", x1=place, x2=place, y1=middle - 9, y2=middle + 9))
    parts.append(tag("text", unit, class_="dim", x=WIDTH - _RIGHT, y=height - 2, text_anchor="end"))
    said = "; ".join(
        f"{one.metric} {number(one.value)} ({number(one.low or 0.0)} to {number(one.high or 0.0)})"
        + ("" if one.limit is None else f", limit {number(one.limit)}")
        for one in figures
    )
    return _figure(f"Intervals ({unit})", said, lines(*parts), height, None)


def _map(name: str, curves: Sequence[Curve]) -> Markup:
    """Rows of cells: the darker, the higher; a cell over its limit carries a cross, so that colour is not needed."""
    columns = max(len(curve.points) for curve in curves)
    left, row = 96, 18
    cell = (WIDTH - left - _RIGHT) / columns
    height = row * len(curves) + 48
    highest = max(y for curve in curves for _, y in curve.points) or 1.0
    parts: list[Markup] = []
    for index, curve in enumerate(curves):
        top = index * row + 8
        parts.append(tag("text", _short(curve.name), x=left - 6, y=top + 13, text_anchor="end"))
        for column, (_, value) in enumerate(curve.points):
            place, share = round(left + column * cell, 1), round(max(0.0, value) / highest, 2)
            parts.append(
                tag("rect", class_="cell", x=place, y=top, width=round(cell, 1), height=row, fill_opacity=share)
            )
            if curve.limit is not None and value > curve.limit:
                parts.append(
                    tag(
                        "text",
                        "\N{MULTIPLICATION SIGN}",
                        x=round(place + cell / 2, 1),
                        y=top + 13,
                        text_anchor="middle",
                    )
                )
    first = curves[0]
    parts.append(tag("text", first.x, class_="dim", x=WIDTH - _RIGHT, y=height - 22, text_anchor="end"))
    over = sum(1 for curve in curves for _, y in curve.points if curve.limit is not None and y > curve.limit)
    limit = "" if first.limit is None else f"; {over} of them over the limit {number(first.limit)}, marked with a cross"
    meaning = f"{len(curves)} rows, up to {number(highest)} {first.y}{limit}"
    return _figure(name, meaning, lines(*parts), height, _numbers(name, curves))


def _figure(name: str, meaning: str, drawing: Markup, height: float, numbers: Markup | None) -> Markup:
    drawn_ = tag(
        "svg",
        lines("", tag("title", name), tag("desc", meaning), drawing, ""),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=f"{name}. {meaning}",
    )
    return tag("figure", drawn_, tag("figcaption", tag("strong", name), ". ", meaning), numbers)
