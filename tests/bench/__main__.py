"""`make bench`: the product on the real engine against kubectl with the same objects, in one run, as ratios.

Writes out/bench.json: `measures`, a list of {name, value, unit, peer, peer_value, ratio, runs}; values are medians.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from kubeflow.distribution import CacheMissingError, load
from kubeflow.distribution.table import CURRENT
from tests.bench import clouds, policies, watch
from tests.bench import load as load_bench
from tests.bench.kubectl import Kubectl, crds, waves_of
from tests.support.cluster import TOOLS, standing
from tests.support.engine import ROOT, install_stand_ins, missing
from tests.support.product import Product, local_config

Measure = dict[str, Any]
RUNS = 3
TENANTS = (1, 10, 100)


def main() -> int:
    """Measure, print a table, write the file."""
    if reason := missing(*TOOLS):
        print(reason, file=sys.stderr)
        return 1
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "tenants only": _small,
            "growth": _growth,
            "whole platform": _whole,
            "clouds": clouds.measure,
            "policies": policies.measure,
            "load": _load,
        }
        for name, part in parts.items():
            print(f"{name} ...", flush=True)
            measures += part(Path(folder) / name.replace(" ", "-"))
    out = ROOT / "out" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    document = {"standins": ["language host", "plugins", "simulated nodes"], "measures": measures}
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for measure in measures:
        print(_line(measure))
    print(f"written: {out.relative_to(ROOT)}")
    return 0


def _load(_: Path) -> list[Measure]:
    return load_bench.measure()["measures"]


def _small(folder: Path) -> list[Measure]:
    """The local stack without upstream's components."""
    pairs: dict[str, list[tuple[float, float]]] = {"up": [], "preview without change": [], "destroy": []}
    with standing(folder / "cluster") as plane:
        kubectl = Kubectl(plane.kubeconfig, folder)
        product = Product(folder / "product", install_stand_ins(folder / "bin"), local_config(plane.kubeconfig))
        for _ in range(RUNS):
            ours = [watch.operate(product, "up").seconds, watch.operate(product, "preview").seconds]
            objects = str(kubectl.file("objects", [item for wave in waves_of(product) for item in wave]))
            ours.append(watch.operate(product, "destroy").seconds)
            theirs = [
                kubectl.timed(*command, "-f", objects)
                for command in (("apply", "--server-side"), ("diff", "--server-side"), ("delete",))
            ]
            for name, pair in zip(pairs, zip(ours, theirs, strict=True), strict=True):
                pairs[name].append(pair)
    peers = ("kubectl apply --server-side", "kubectl diff --server-side", "kubectl delete")
    return [
        _ratio(f"tenants only: {name}", peer, found) for (name, found), peer in zip(pairs.items(), peers, strict=True)
    ]


def _growth(folder: Path) -> list[Measure]:
    """Time and memory of `up` with more and more tenants."""
    found: dict[int, watch.Taken] = {}
    for number in TENANTS:
        with standing(folder / str(number) / "cluster") as plane:
            config = local_config(plane.kubeconfig)
            tenants = {f"team-{index}": {"owner": "ada@example.com"} for index in range(number)}
            config["kubeflow-proof:platform"]["tenants"] = tenants
            binaries = install_stand_ins(folder / str(number) / "bin")
            product = Product(folder / str(number) / "product", binaries, config)
            found[number] = watch.operate(product, "up")
    first, *others = TENANTS
    measures: list[Measure] = []
    for few, many in zip((first, *others), others, strict=False):
        time = (found[many].seconds - found[few].seconds) / (many - few)
        memory = (found[many].peak_mib - found[few].peak_mib) / (many - few)
        measures.append(_single(f"up per tenant, {few} to {many}", time, "s"))
        measures.append(_single(f"memory per tenant, {few} to {many}", memory, "MiB"))
    return measures


def _whole(folder: Path) -> list[Measure]:
    """All of upstream's components; nothing where they are not cached."""
    try:
        load(CURRENT, ["dex"])
    except CacheMissingError as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
    with standing(folder / "ours") as plane:
        config = local_config(plane.kubeconfig)
        config["kubeflow-proof:platform"]["components"] = ["default"]
        product = Product(folder / "product", install_stand_ins(folder / "bin"), config)
        up, preview = watch.operate(product, "up"), watch.operate(product, "preview")
        waves, definitions = waves_of(product), crds(product)
        exported = len(product.pulumi("stack", "export").ok().text)
        written = sum(file.stat().st_size for file in (folder / "product" / "state").rglob("dev.json.gz"))
        destroy = watch.operate(product, "destroy")
    with standing(folder / "theirs") as plane:
        peer = Kubectl(plane.kubeconfig, folder).install(definitions, waves)
    objects = len(definitions) + sum(map(len, waves))
    return [
        _ratio(f"whole platform: up of {objects} objects", "kubectl apply and wait in waves", [(up.seconds, peer)]),
        _ratio("whole platform: preview without change", "our up", [(preview.seconds, up.seconds)]),
        _single("whole platform: destroy", destroy.seconds, "s"),
        _single("whole platform: state as written", written / 1e6, "MB"),
        _single("whole platform: state as exported", exported / 1e6, "MB"),
        _single("whole platform: program, CPU time", up.program_seconds, "s"),
        _single("whole platform: memory at most", max(up.peak_mib, preview.peak_mib), "MiB"),
    ]


def _ratio(name: str, peer: str, pairs: list[tuple[float, float]]) -> Measure:
    ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return {
        **_single(name, ours, "s"),
        "peer": peer,
        "peer_value": round(theirs, 3),
        "ratio": round(ours / theirs, 3),
        "runs": len(pairs),
    }


def _single(name: str, value: float, unit: str) -> Measure:
    return {"name": name, "value": round(value, 3), "unit": unit, "runs": 1}


def _line(measure: Measure) -> str:
    text = "{name:48} {value:8.2f} {unit:4}".format(**measure)
    return text + ("  {peer:32} {peer_value:8.2f} s   ratio {ratio:.2f}".format(**measure) if "peer" in measure else "")


if __name__ == "__main__":
    sys.exit(main())
