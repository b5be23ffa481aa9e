"""What a rehearsal tells: lines while it works, one JSON file per stack, a table in the end. Judges nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_COLUMNS = (
    ("stack", "stack"),
    ("resources", "resources"),
    ("up s", "up_s"),
    ("2nd preview", "second_preview_changes"),
    ("injected", "faults_injected"),
    ("survived", "faults_survived"),
    ("leftovers", "leftovers"),
    ("peak MB", "peak_rss_mb"),
    ("wall s", "wall_s"),
)


class Teller:
    """Says what happens, with the time since the beginning, and collects what is not as expected."""

    def __init__(self, stack: str) -> None:
        self.stack, self.problems = stack, list[str]()
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the rehearsal has been going on."""
        return round(time.monotonic() - self._begun, 1)

    def say(self, text: str) -> None:
        """Tell the reader at the terminal."""
        print(f"{self.stack} {self.seconds:6.1f} s  {text}", flush=True)  # noqa: T201 - a command line

    def wrong(self, text: str) -> None:
        """Something is not as expected; the rehearsal goes on where it can."""
        self.problems.append(text)
        self.say(f"NOT AS EXPECTED: {text}")

    def expect(self, holds: object, otherwise: str) -> bool:
        """Note it if something does not hold."""
        if not holds:
            self.wrong(otherwise)
        return bool(holds)


def write(folder: Path, result: Mapping[str, object]) -> Path:
    """One file per stack, replaced as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result['stack']}.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)
    return file


def table(results: Sequence[Mapping[str, object]]) -> str:
    """The figures of several rehearsals side by side."""
    rows = [[title for title, _ in _COLUMNS] + ["result"]]
    rows += [[_cell(one.get(key)) for _, key in _COLUMNS] + [_verdict(one)] for one in results]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _verdict(one: Mapping[str, object]) -> str:
    found = one.get("problems")
    count = len(found) if isinstance(found, list) else 0  # pyright: ignore[reportUnknownArgumentType] JSON
    return "as expected" if not count else f"{count} not as expected"
