"""What was predicted lately: rows joined with their answers, windows of them, and the log of predictions and labels."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

Row = Sequence[float | str]

_WAITING = 10_000  # requests whose answer has not come, and predictions whose label has not


class PayloadError(Exception):
    """A payload is neither of the V1 nor of the V2 inference protocol, or of other features than the reference."""


def rows(payload: object, features: Sequence[str]) -> list[Row]:
    """The input rows of a V1 or V2 inference request."""
    body = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if isinstance(body.get("instances"), list):
        found = cast("list[Row]", body["instances"])
    elif isinstance(body.get("inputs"), list):
        found = _tensor(body["inputs"][0])
    else:
        raise PayloadError("expected `instances` (V1) or `inputs` (V2)")
    if wrong := [row for row in found if len(row) != len(features)]:
        raise PayloadError(f"a row has {len(wrong[0])} values; the reference has {len(features)} features")
    return found


def predictions(payload: object) -> list[object]:
    """The answers of a V1 or V2 inference response."""
    body = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if isinstance(body.get("predictions"), list):
        return cast("list[object]", body["predictions"])
    if isinstance(body.get("outputs"), list):
        return list(body["outputs"][0]["data"])
    raise PayloadError("expected `predictions` (V1) or `outputs` (V2)")


def _tensor(tensor: Mapping[str, Any]) -> list[Row]:
    data = cast("list[Any]", tensor["data"])
    if data and isinstance(data[0], list):
        return cast("list[Row]", data)
    width = int(tensor["shape"][-1])
    return [data[start : start + width] for start in range(0, len(data), width)]


@dataclass(kw_only=True)
class Window:
    """Rows of one model since the last look."""

    features: tuple[str, ...]
    size: int
    _rows: list[Row] = field(default_factory=list[Row], init=False)

    def add(self, found: Sequence[Row]) -> list[Mapping[str, Sequence[float] | Sequence[str]]]:
        """Take rows; give back every window that became full, as columns."""
        self._rows.extend(found)
        full: list[Mapping[str, Sequence[float] | Sequence[str]]] = []
        while len(self._rows) >= self.size:
            taken, self._rows = self._rows[: self.size], self._rows[self.size :]
            columns = zip(*taken, strict=True)
            full.append({name: list(values) for name, values in zip(self.features, columns, strict=True)})  # type: ignore[misc]
        return full

    def __len__(self) -> int:
        return len(self._rows)


@dataclass(kw_only=True)
class PredictionLog:
    """Predictions with their labels, one JSON line each, in files of a limited size."""

    folder: Path
    most_bytes: int = 64 * 1024 * 1024
    _open: OrderedDict[str, Any] = field(default_factory=OrderedDict[str, Any], init=False)

    def predicted(self, model: str, key: str, row: Row, prediction: object) -> None:
        """Remember a prediction until its label comes, and write it down."""
        self._open[f"{model}/{key}"] = prediction
        while len(self._open) > _WAITING:
            self._open.popitem(last=False)
        self._write(model, {"id": key, "row": list(row), "prediction": prediction})

    def labelled(self, model: str, key: str, label: object) -> bool | None:
        """Whether the prediction was wrong; None if it is not known."""
        if f"{model}/{key}" not in self._open:
            return None
        prediction = self._open.pop(f"{model}/{key}")
        wrong = prediction != label
        self._write(model, {"id": key, "prediction": prediction, "label": label, "error": wrong})
        return wrong

    def _write(self, model: str, entry: dict[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{model}.jsonl"
        if path.exists() and path.stat().st_size > self.most_bytes:
            path.replace(path.with_suffix(".jsonl.1"))
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **entry}, separators=(",", ":")) + "\n")
