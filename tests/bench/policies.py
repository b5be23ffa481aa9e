"""The preview of the whole platform with the policy pack against the one without, in one run, taking turns."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from tests.bench import watch
from tests.support.cluster import standing
from tests.support.engine import ROOT, install_stand_ins
from tests.support.product import Product, local_config

Measure = dict[str, Any]
RUNS = 3
PACK = ("--policy-pack", str(ROOT / "policies"))


def measure(folder: Path) -> list[Measure]:
    """Medians of first previews on an empty cluster."""
    found: dict[bool, list[float]] = {True: [], False: []}
    with standing(folder / "cluster") as plane:
        config = local_config(plane.kubeconfig)
        config["kubeflow-proof:platform"]["components"] = ["default"]
        product = Product(folder / "product", install_stand_ins(folder / "bin"), config)
        for _ in range(RUNS):
            for judged, seconds in found.items():
                seconds.append(watch.operate(product, "preview", *(PACK if judged else ())).seconds)
    ours, theirs = statistics.median(found[True]), statistics.median(found[False])
    return [
        {
            "name": "whole platform: first preview with policies", "value": round(ours, 3), "unit": "s",
            "peer": "first preview without", "peer_value": round(theirs, 3), "ratio": round(ours / theirs, 3),
            "runs": RUNS,
        }
    ]  # fmt: skip
