"""Evidently's report on the latest predictions of each model, for people; the drift service is what raises alarms.

Runs on a schedule in an image of its own, because Evidently brings a gigabyte. Method, threshold and share are set
explicitly: by default Evidently changes its method above 1,000 rows and wants half of the columns to drift.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")  # before the import: no telemetry leaves the cluster

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

ALPHA, SHARE, ROWS = 0.01, 0.2, 5_000


def main(argv: list[str]) -> int:
    """Write `<model>.html` and `<model>.json` for each model that has a reference and a log."""
    parser = argparse.ArgumentParser(prog="report", description=__doc__)
    parser.add_argument("--references", type=Path, default=Path("/references"))
    parser.add_argument("--predictions", type=Path, default=Path("/predictions"))
    parser.add_argument("--out", type=Path, default=Path("/reports"))
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.references.glob("*.json")):
        log = options.predictions / f"{path.stem}.jsonl"
        if not log.exists():
            print(f"{path.stem}: no predictions yet")
            continue
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        shown = write(path.stem, features, log, options.out)
        print(f"{path.stem}: {shown}")
    return 0


def write(model: str, features: list[dict[str, Any]], log: Path, out: Path) -> str:
    """Compare the latest rows of one model with its reference; give back what was found in a line."""
    reference = pd.DataFrame({one["name"]: one["values"] for one in features})
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    rows = [line["row"] for line in lines if "row" in line][-ROWS:]
    current = pd.DataFrame(rows, columns=list(reference.columns))
    columns = DataDefinition(
        numerical_columns=[one["name"] for one in features if one["kind"] == "number"],
        categorical_columns=[one["name"] for one in features if one["kind"] == "category"],
    )
    preset = DataDriftPreset(
        num_method="ks", cat_method="chisquare", num_threshold=ALPHA, cat_threshold=ALPHA, drift_share=SHARE
    )
    found = Report([preset]).run(
        Dataset.from_pandas(current, data_definition=columns), Dataset.from_pandas(reference, data_definition=columns)
    )
    found.save_html(str(out / f"{model}.html"))
    (out / f"{model}.json").write_text(found.json(), encoding="utf-8")
    drifted = json.loads(found.json())["metrics"][0]["value"]
    return (
        f"{len(rows):,} rows, {drifted['count']:g} of {len(features)} features drifted (share {drifted['share']:.2f})"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
