"""`make bench`: the local stack through Pulumi against kubectl with the same objects, in one run, as ratios.

Writes out/bench.json: `measures`, a list of {name, value, unit, peer, peer_value, ratio, runs}; values are medians.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.local.control_plane import ControlPlane
from tests.support.cluster import TOOLS
from tests.support.engine import ROOT, install_stand_ins, missing, tools
from tests.support.product import Product, local_config

RUNS = 3
PAIRS = {
    "up": "kubectl apply --server-side",
    "preview without change": "kubectl diff --server-side",
    "destroy": "kubectl delete",
}
Times = dict[str, list[tuple[float, float]]]


def main() -> int:
    """Measure, print a table, write the file."""
    kubectl = shutil.which("kubectl")
    if reason := missing(*TOOLS):
        print(reason, file=sys.stderr)
        return 1
    if kubectl is None:
        print("kubectl is missing: it is the yardstick", file=sys.stderr)
        return 1
    times: Times = {name: [] for name in PAIRS}
    with tempfile.TemporaryDirectory() as folder:
        plane = ControlPlane(Path(folder) / "cluster", tools())
        try:
            plane.up()
            binaries = install_stand_ins(Path(folder) / "bin")
            product = Product(Path(folder) / "product", binaries, local_config(plane.kubeconfig))
            for number in range(RUNS):
                print(f"run {number + 1} of {RUNS}", flush=True)
                _measure(product, [kubectl, "--kubeconfig", str(plane.kubeconfig)], Path(folder), times)
        finally:
            plane.down()
    measures = [_measure_of(name, pairs) for name, pairs in times.items()]
    out = ROOT / "out" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    document = {"standins": ["language host", "Kubernetes provider", "simulated nodes"], "measures": measures}
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for measure in measures:
        print("{name:24} {value:6.2f} s   {peer:28} {peer_value:6.2f} s   ratio {ratio:.2f}".format(**measure))
    print(f"written: {out.relative_to(ROOT)}")
    return 0


def _measure(product: Product, kubectl: list[str], folder: Path, times: Times) -> None:
    """Take the stack through its life, then the same objects through kubectl's."""
    ours = [
        _timed(lambda: product.up().ok()),
        _timed(lambda: product.preview("--expect-no-changes").ok()),
    ]
    objects = folder / "objects.json"
    objects.write_text(json.dumps(_objects(product)), encoding="utf-8")
    ours.append(_timed(lambda: product.operate("destroy").ok()))
    theirs = [
        _timed(lambda: _run([*kubectl, "apply", "--server-side", "-f", str(objects)])),
        _timed(lambda: _run([*kubectl, "diff", "--server-side", "-f", str(objects)])),
        _timed(lambda: _run([*kubectl, "delete", "-f", str(objects)])),
    ]
    for name, pair in zip(PAIRS, zip(ours, theirs, strict=True), strict=True):
        times[name].append(pair)


def _objects(product: Product) -> dict[str, Any]:
    """The Kubernetes objects of the stack, namespaces first, as kubectl reads them."""
    found = [part["inputs"] for part in product.state() if part["type"].startswith("kubernetes:")]
    return {"apiVersion": "v1", "kind": "List", "items": sorted(found, key=lambda item: item["kind"] != "Namespace")}


def _run(command: list[str]) -> None:
    """Run kubectl; a difference is a result, not a failure."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"KUBECTL_EXTERNAL_DIFF": "diff -q"}
    )
    if done.returncode > ("diff" in command):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _measure_of(name: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return {
        "name": name,
        "value": round(ours, 3),
        "unit": "s",
        "peer": PAIRS[name],
        "peer_value": round(theirs, 3),
        "ratio": round(ours / theirs, 3),
        "runs": len(pairs),
    }


if __name__ == "__main__":
    sys.exit(main())
