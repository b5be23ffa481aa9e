"""MLflow's tracking server in a cluster, as a reader of what pipelines have logged; removes what a check had logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.forward import Pods, Reply, Spot

COMPONENT = "mlflow"
SERVER = Spot(namespace="mlflow", selector="app.kubernetes.io/name=mlflow,app.kubernetes.io/instance=mlflow", port=5000)
URL = "http://mlflow.mlflow.svc.cluster.local"  # for steps of pipelines
_HOST = {"Host": "localhost:5000"}  # MLflow answers only to the names in MLFLOW_SERVER_ALLOWED_HOSTS
_API = "/api/2.0"

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """One run of an experiment."""

    metrics: Mapping[str, float]


class Tracking:
    """One tracking server."""

    def __init__(self, reach: Pods) -> None:
        self._reach = reach

    def runs(self, experiment: str) -> tuple[Logged, ...]:
        """Runs of an experiment, newest first; none of one that is not there."""
        found = self._experiment(experiment)
        if not found:
            return ()
        said = self._expect("POST", "mlflow/runs/search", {"experiment_ids": [found]})
        return tuple(_logged(one) for one in cast("list[Json]", said.get("runs") or []))

    def versions(self, model: str) -> dict[str, str]:
        """Registered versions of a model, and where each came from."""
        chosen = urlencode({"filter": f"name='{model}'"})
        said = self._expect("GET", f"mlflow/model-versions/search?{chosen}")
        return {str(one["version"]): str(one["source"]) for one in said.get("model_versions") or ()}

    def files(self, experiment: str, source: str) -> list[str]:
        """Names of a logged model's files, as the artifact store lists them. `source` is models:/<id>."""
        path = f"{self._experiment(experiment)}/models/{source.removeprefix('models:/')}/artifacts"
        said = self._expect("GET", f"mlflow-artifacts/artifacts?{urlencode({'path': path})}")
        return [str(one["path"]) for one in said.get("files") or ()]

    def remove(self, prefix: str) -> None:
        """Delete the models and experiments whose names begin like this; MLflow hides deleted experiments."""
        chosen = {"filter": f"name LIKE '{prefix}%'"}
        said = self._expect("GET", f"mlflow/registered-models/search?{urlencode(chosen)}")
        for model in said.get("registered_models") or ():
            self._expect("DELETE", "mlflow/registered-models/delete", {"name": model["name"]})
        said = self._expect("POST", "mlflow/experiments/search", {**chosen, "max_results": 1000})
        for experiment in said.get("experiments") or ():
            self._expect("POST", "mlflow/experiments/delete", {"experiment_id": experiment["experiment_id"]})

    def _experiment(self, name: str) -> str:
        reply = self._ask("GET", f"mlflow/experiments/get-by-name?{urlencode({'experiment_name': name})}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return ""
        return str(_read(reply, name)["experiment"]["experiment_id"])

    def _ask(self, method: str, path: str, body: object = None) -> Reply:
        return self._reach.call(SERVER, f"{_API}/{path}", method=method, body=body, headers=_HOST)

    def _expect(self, method: str, path: str, body: object = None) -> Json:
        return _read(self._ask(method, path, body), path)


def _read(reply: Reply, what: str) -> Json:
    if not reply.ok:
        raise UnexpectedAnswerError(f"{what}: MLflow answered {reply}")
    return cast("Json", reply.json)


def _logged(run: Json) -> Logged:
    metrics = cast("list[Json]", run.get("data", {}).get("metrics") or [])
    return Logged(metrics={str(one["key"]): float(one["value"]) for one in metrics})
