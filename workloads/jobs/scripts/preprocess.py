"""Two steps over the same volume: rows are made, some broken, then the broken ones are dropped."""

import csv
import random
import sys
from pathlib import Path

WORK = Path("/work")
ROWS, BROKEN = 1000, 37


def make() -> int:
    """Rows of which a known number lack a value."""
    numbers = random.Random(1)  # noqa: S311 - data, no secret
    rows = [[f"{numbers.gauss(0, 1):.4f}" for _ in range(4)] for _ in range(ROWS)]
    for row in rows[:BROKEN]:
        row[0] = ""
    numbers.shuffle(rows)
    return store("raw.csv", rows)


def clean() -> int:
    """The rows that are whole."""
    with (WORK / "raw.csv").open(newline="", encoding="utf-8") as file:
        return store("clean.csv", [row for row in csv.reader(file) if all(row)])


def store(name: str, rows: list[list[str]]) -> int:
    """Write rows and tell how many."""
    with (WORK / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return len(rows)


if __name__ == "__main__":
    (WORK / "rows").write_text(str({"make": make, "clean": clean}[sys.argv[1]]()), encoding="utf-8")
