"""The data that models were trained on, from files that name their digest. Refuses a file that changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from .core import Kind, Reference


class UnusableReferenceError(Exception):
    """A reference cannot be used; the message says which and why."""


def load(folder: Path) -> Mapping[str, Reference]:
    """Every `<model>.json` of a folder: {"features": [{"name", "kind", "values"}]}, its digest in `<model>.sha256`."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}


def _read(path: Path) -> Reference:
    content = path.read_bytes()
    expected = path.with_suffix(".sha256")
    found = hashlib.sha256(content).hexdigest()
    if not expected.exists():
        raise UnusableReferenceError(
            f"{path}: {expected.name} is missing; without it nobody knows what it is compared with"
        )
    if (named := expected.read_text(encoding="utf-8").split()[:1]) != [found]:
        raise UnusableReferenceError(f"{path}: sha256 is {found}, {expected.name} says {named or 'nothing'}")
    try:
        features = cast("list[dict[str, Any]]", json.loads(content)["features"])
        kinds = {str(one["name"]): Kind(one["kind"]) for one in features}
        columns = {str(one["name"]): list(one["values"]) for one in features}
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableReferenceError(f"{path}: not a reference: {type(error).__name__}: {error}") from error
    if len({len(values) for values in columns.values()}) != 1 or not next(iter(columns.values())):
        raise UnusableReferenceError(f"{path}: its features have different numbers of values, or none")
    return Reference(kinds=kinds, columns=columns)
