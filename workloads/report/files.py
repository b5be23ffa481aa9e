"""The folder of one run: result.json, and everything that is rendered from it. No file is ever half written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from . import conformance, ctrf, evidence, junit, openmetrics
from .html import report as page
from .markdown import report as document
from .model import Document, Run, from_json

RESULT = "result.json"


def write(out: Path, content: Document, *, name: str, attachments: Mapping[str, str] | None = None) -> Path:
    """Store one run under its own name, render it, and let `latest` point to it; give back its folder."""
    folder = save(out, content, name=name, attachments=attachments)
    for file, text in rendered(from_json(content, source=name)).items():
        put(folder / file, text)
    evidence.seal(folder)
    return folder


def save(out: Path, content: Document, *, name: str, attachments: Mapping[str, str] | None = None) -> Path:
    """Store what a run has so far; fit to be called after each criterion."""
    folder = out / "validation" / name
    for file, text in {**(attachments or {}), RESULT: json.dumps(content, indent=2) + "\n"}.items():
        put(folder / file, text)
    link, fresh = folder.parent / "latest", folder.parent / f".latest-{name}"
    fresh.unlink(missing_ok=True)  # of a run that was cut off here
    fresh.symlink_to(folder.name)
    os.replace(fresh, link)  # noqa: PTH105 - Path.replace follows neither, and os.replace says that it is atomic
    return folder


def rendered(run: Run) -> dict[str, str]:
    """Every form of a run's report by its file's name."""
    return {
        "report.html": page(run),
        "report.md": document(run),
        "junit.xml": junit.report(run),
        "ctrf.json": ctrf.report(run),
        "conformance.yaml": conformance.report(run),
        "metrics.prom": openmetrics.report(run),
    }


def put(path: Path, text: str) -> None:
    """Write a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
