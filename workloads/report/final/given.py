"""Files that others made and that belong into the report: costs, policy results, exemptions, the proof of the flows.

They are shown as tables whatever their shape is, for they are the makers' words; nothing is computed from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from workloads.report.blocks import Block, Code, Grid, grid
from workloads.report.model import ReportError

_LONGEST = 4_000  # characters of a file that is no JSON
_MOST = 200  # rows


def blocks(title: str, path: Path) -> Iterator[Block]:
    """One file as tables, or as the text that it is."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read for the report: {error}") from error
    yield f"{title}, from {path.name}:"
    try:
        value = cast("object", json.loads(text))
    except ValueError:
        yield Code(text=text[:_LONGEST])
        return
    yield from tables(title, value)


def tables(title: str, value: object) -> Iterator[Block]:
    """A JSON value: lists of objects are tables of their own, everything else is a row."""
    if isinstance(value, list):
        yield _rows(title, cast("list[object]", value))
        return
    body = cast("Mapping[str, object]", value) if isinstance(value, dict) else {title: value}
    plain = {name: part for name, part in body.items() if not _is_table(part)}
    if plain:
        yield grid(title, ("what", "value"), ((name, _short(part)) for name, part in plain.items()))
    for name, part in body.items():
        if _is_table(part):
            yield _rows(f"{title}: {name}", cast("list[object]", part))


def _is_table(value: object) -> bool:
    if not isinstance(value, list):
        return False
    rows = cast("list[object]", value)
    return bool(rows) and all(isinstance(row, dict) for row in rows)


def _rows(title: str, rows: list[object]) -> Grid:
    found = [cast("Mapping[str, Any]", row) if isinstance(row, dict) else {"value": row} for row in rows[:_MOST]]
    headings = tuple(dict.fromkeys(name for row in found for name in row))
    more = "" if len(rows) <= _MOST else f" (the first {_MOST} of {len(rows)})"
    body = ([_short(row.get(name, "-")) for name in headings] for row in found)
    return grid(f"{title}{more}", headings, body, folded=len(rows) > 12)  # noqa: PLR2004


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
