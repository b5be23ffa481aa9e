"""Stands in for MLflow's tracking server 3: the part of its REST API that a reader needs, in memory.

Its answers are those that the real server gave when they were compared (MLflow's `log_model` and `register_model`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from tests.support.cluster import Object
from tests.support.stand_in import Request

_MLFLOW = "/api/2.0/mlflow/"


class TrackingServer:
    """Experiments with a run each, and registered models."""

    def __init__(self) -> None:
        self.experiments: dict[str, Object] = {}  # name -> its metrics, and its model's files
        self.models: dict[str, list[str]] = {}  # name -> versions
        self._ids = itertools.count(1)

    def log(self, experiment: str, metrics: Mapping[str, float], *, register: str = "") -> None:
        """As a step of a pipeline does it."""
        number = str(next(self._ids))
        self.experiments[experiment] = {"id": number, "metrics": dict(metrics), "files": ["MLmodel", "model.pkl"]}
        if register:
            versions = self.models.setdefault(register, [])
            versions.append(str(len(versions) + 1))

    def answer(self, asked: Request) -> tuple[int, object]:  # noqa: PLR0911 - one for each question
        """One request."""
        numbers = {name: one["id"] for name, one in self.experiments.items()}
        names = {number: name for name, number in numbers.items()}
        path, chosen = asked.path.removeprefix(_MLFLOW), asked.query.get("filter") or asked.body.get("filter") or ""
        if path == "experiments/get-by-name":
            name = asked.query["experiment_name"]
            if name not in numbers:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Could not find experiment {name}"}
            return 200, {"experiment": {"experiment_id": numbers[name], "name": name}}
        if path == "experiments/search":
            found = [name for name in numbers if _like(name, chosen)]
            return 200, {"experiments": [{"experiment_id": numbers[name], "name": name} for name in found]}
        if path == "experiments/delete":
            del self.experiments[names[asked.body["experiment_id"]]]
            return 200, {}
        if path == "runs/search":
            kept = [self.experiments[names[one]] for one in asked.body["experiment_ids"]]
            return 200, {"runs": [{"data": {"metrics": _metrics(one["metrics"])}} for one in kept]}
        if path == "registered-models/search":
            return 200, {"registered_models": [{"name": name} for name in self.models if _like(name, chosen)]}
        if path == "registered-models/delete":
            del self.models[asked.body["name"]]
            return 200, {}
        if path == "model-versions/search":
            found = self.models.get(chosen.removeprefix("name='").removesuffix("'"), [])
            return 200, {"model_versions": [{"version": one, "source": f"models:/m-{one}"} for one in found]}
        experiment = names.get(asked.query.get("path", "").partition("/")[0], "")
        files = self.experiments.get(experiment, {"files": []})["files"]
        return 200, {"files": [{"path": one, "is_dir": False} for one in files]}


def _like(name: str, chosen: str) -> bool:
    prefix = re.fullmatch(r"name LIKE '(.*)%'", chosen)
    assert prefix is not None, f"the stand-in for MLflow reads no filter of this kind: {chosen}"
    return name.startswith(prefix[1])


def _metrics(given: Mapping[str, float]) -> list[Object]:
    return [{"key": key, "value": value, "timestamp": 0, "step": 0} for key, value in given.items()]
