"""The newest review of the stack (`python -m review`), where there is one: what it costs, and what the policies found.

The review is of a change, not of what runs: each table says of which commit it speaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from workloads.report.blocks import Block, Items, grid
from workloads.report.model import ReportError
from workloads.report.plots import number

Json = dict[str, Any]
_LONGEST = 12  # rows that are shown unfolded


def newest(out: Path, stack: str) -> Path | None:
    """Where a review of the stack left its numbers; None where nobody has made one."""
    path = out / "review" / stack / "report.json"
    return path if path.is_file() else None


def read(path: Path) -> Json:
    """A review's numbers; ReportError where the file holds none."""
    try:
        body = cast("object", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: no review can be read: {error}") from error
    if not isinstance(body, dict) or not isinstance(cast("Json", body).get("head"), dict):
        raise ReportError(f"{path}: no review: it has no head")
    return cast("Json", body)


def cost(review: Json) -> Iterator[Block]:
    """What the stack costs an hour and a month, at its fewest and at its most nodes."""
    try:
        told: Json = review["head"]["cost"]
        label, currency = review["head"]["label"], told["currency"]
        spans = {name: (told[name]["least"], told[name]["most"]) for name in ("hourly", "monthly")}
        rows = [(row["name"], row["unit"], *map(_amount, row["hourly"])) for row in told["rows"]]
        unknown = sorted({str(name) for side in told["unknown"].values() for name in side})
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"the review's cost lacks {error}") from error
    yield f"Estimated by the review of {label} from list prices: no bill."
    sums = [(name, _amount(least), _amount(most)) for name, (least, most) in spans.items()]
    yield grid(f"Cost in {currency}", ("span", "at least", "at most"), sums)
    title = f"Cost of an hour in {currency}, by part"
    yield grid(title, ("part", "of", "at least", "at most"), rows, folded=len(rows) > _LONGEST)
    if unknown:
        yield Items(items=tuple(f"price unknown: {name}" for name in unknown))


def findings(review: Json) -> Iterator[Block]:
    """What the policies found, what could not be decided, and what is exempt."""
    head: Json = review["head"]
    yield f"Policies over the review of {head.get('label', 'the stack')}: {review.get('verdict', 'unknown')}."
    for title, key, empty in (
        ("Findings of the policies", "findings", "no policy is broken"),
        ("Not decided before it exists", "undecided", "everything could be decided"),
        ("Exemptions of the policies, each with its reason", "exemptions", "nothing is exempt"),
    ):
        listed = [cast("Json", row) for row in head.get(key) or ()]
        if not listed:
            yield f"{title}: {empty}."
            continue
        headings = tuple(dict.fromkeys(name for row in listed for name in row))
        rows = ([_text(row.get(name)) for name in headings] for row in listed)
        yield grid(title, headings, rows, folded=len(listed) > _LONGEST)


def _amount(value: float | None) -> str:
    return "unknown" if value is None else number(float(value))


def _text(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
