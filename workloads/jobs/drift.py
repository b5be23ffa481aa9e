"""The drift service of `workloads/images/drift` as a pod: an invented model is its reference, its log can be read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from workloads.backends.process.drift import CATEGORIES, FEATURES, MODEL, rows
from workloads.jobs import images
from workloads.jobs.surroundings import BATCH, SCRIPTS, Amounts, Surroundings, outside_mesh

Json = dict[str, Any]

PORT, LOG_PORT = 8080, 8081
_LOG = "/tmp/predictions"  # noqa: S108 - a volume of the pod, which both containers have
_ROWS, _DIGITS = 5_000, 4  # of the reference: a ConfigMap holds a MiB
_SERVICE, _READER = Amounts(cpu="500m", memory="512Mi"), Amounts(cpu="50m", memory="64Mi")


def reference(name: str, seed: int) -> Json:
    """What the invented model was trained on, and its digest."""
    columns = zip(*rows(_ROWS, np.random.default_rng(seed)), strict=True)
    features = [
        {
            "name": feature,
            "kind": "category" if feature in CATEGORIES else "number",
            "values": [round(one, _DIGITS) if isinstance(one, float) else one for one in values],
        }
        for feature, values in zip(FEATURES, columns, strict=True)
    ]
    text = json.dumps({"features": features}, separators=(",", ":"))
    data = {f"{MODEL}.json": text, f"{MODEL}.sha256": hashlib.sha256(text.encode()).hexdigest()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(here: Surroundings, name: str, image: str, window: int) -> Json:
    """The service, and beside it a reader of its log; the ConfigMap of the same name is the reference."""
    service = here.container(
        "drift",
        images.PYTHON,
        _SERVICE,
        command=["python", "-m", "drift"],
        environment={"DRIFT_REFERENCES": SCRIPTS, "DRIFT_LOG": _LOG, "DRIFT_WINDOW_ROWS": str(window)},
    )
    command = ["python", "-m", "http.server", str(LOG_PORT), "--directory", _LOG]
    reader = here.container("log", images.PYTHON, _READER, command=command)
    spec = here.pod({**service, "image": image}, _SERVICE, name, priority=BATCH)
    metadata = outside_mesh()
    metadata = {**metadata, "name": name, "labels": {**metadata["labels"], "app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**spec, "containers": [*spec["containers"], reader], "restartPolicy": "Never"},
    }
