"""Stands in for pandas where Feast's library is stood in for: a table is a list of rows by name."""

from __future__ import annotations


class DataFrame:
    """Rows."""

    def __init__(self, data: list[tuple[object, ...]], columns: list[str]) -> None:
        self.rows = [dict(zip(columns, row, strict=True)) for row in data]
