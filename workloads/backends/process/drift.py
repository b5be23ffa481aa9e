"""The drift service of `workloads/images/drift`, as a process of this machine with an invented model's reference."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workloads.backends.process.bench import Bench
from workloads.backends.process.processes import HOST, answers, free_port, running

MODEL = "invented"
NUMBERS = ("age", "income", "balance", "tenure", "spend", "visits")
CATEGORIES = {"plan": ("basic", "plus", "pro"), "country": ("de", "fr", "it", "es")}
FEATURES = (*NUMBERS, *CATEGORIES)

_SOURCE = Path(__file__).resolve().parents[2] / "images" / "drift"
_REFERENCE_ROWS = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftService:
    """Where it answers, and where it keeps its log."""

    url: str
    log: Path


def rows(
    count: int, random: np.random.Generator, *, shift: float = 0.0, shifted: int = 0, flipped: bool = False
) -> list[list[float | str]]:
    """Rows of the invented model: `shift` standard deviations on the first `shifted` numbers; a category flipped."""
    columns: list[list[float] | list[str]] = []
    for number, _ in enumerate(NUMBERS):
        values = random.normal(10 * (number + 1), number + 1, count) + (shift * (number + 1) if number < shifted else 0)
        columns.append([float(value) for value in values])
    for number, known in enumerate(CATEGORIES.values()):
        weights = np.arange(len(known), 0, -1, dtype=np.float64)
        drawn = random.choice(
            np.array(known), count, p=(weights[::-1] if flipped and not number else weights) / weights.sum()
        )
        columns.append([str(value) for value in drawn])
    return [list(row) for row in zip(*columns, strict=True)]


@contextmanager
def drift_service(bench: Bench) -> Generator[DriftService]:
    """Run the service on the data that the invented model was trained on."""
    folder = bench.folder / "drift"
    references, log = folder / "references", folder / "predictions"
    references.mkdir(parents=True, exist_ok=True)
    columns = zip(*rows(_REFERENCE_ROWS, np.random.default_rng(bench.seed)), strict=True)
    features = [
        {"name": name, "kind": "category" if name in CATEGORIES else "number", "values": list(values)}
        for name, values in zip(FEATURES, columns, strict=True)
    ]
    content = json.dumps({"features": features}).encode()
    (references / f"{MODEL}.json").write_bytes(content)
    (references / f"{MODEL}.sha256").write_text(hashlib.sha256(content).hexdigest(), encoding="utf-8")
    port = free_port()
    url = f"http://{HOST}:{port}"
    settings = {
        "DRIFT_REFERENCES": str(references),
        "DRIFT_LOG": str(log),
        "DRIFT_WINDOW_ROWS": str(bench.profile.drift_rows),
        "DRIFT_HOST": HOST,
        "DRIFT_PORT": str(port),
    }
    command = [sys.executable, "-m", "drift"]
    with running("drift", command, folder=folder, cwd=_SOURCE, env=settings, ready=answers(f"{url}/healthz")):
        yield DriftService(url=url, log=log)
