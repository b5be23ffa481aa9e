"""MLflow's tracking server: runs and registered models in SQLite, artifacts in the S3-compatible store."""

from __future__ import annotations

import urllib.parse
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workloads.backends.process import processes, python, storage, web
from workloads.backends.process.bench import Bench

_READY_SECONDS = 240.0  # it makes some seventy tables first


class TrackingError(Exception):
    """The tracking server refused a question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """A tracking server and what can be read from it; clients write to it with MLflow's own library."""

    url: str
    bucket: storage.Bucket

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which MLflow's library finds it. Artifacts go through the server: no key is needed."""
        return {"MLFLOW_TRACKING_URI": self.url}

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """Finished and unfinished runs of an experiment, newest first."""
        named = urllib.parse.quote(experiment, safe="")
        found = self._ask("GET", f"experiments/get-by-name?experiment_name={named}")["experiment"]
        body = {"experiment_ids": [found["experiment_id"]]}
        return self._ask("POST", "runs/search", body).get("runs", [])

    def versions(self, model: str) -> list[dict[str, Any]]:
        """Registered versions of a model."""
        chosen = urllib.parse.quote(f"name='{model}'", safe="")
        return self._ask("GET", f"model-versions/search?filter={chosen}").get("model_versions", [])

    def artifacts(self, run: str) -> list[str]:
        """Names of a run's artifacts, as the server lists them."""
        return [one["path"] for one in self._ask("GET", f"artifacts/list?run_id={run}").get("files", [])]

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = f"{self.url}/api/2.0/mlflow/{path}"
        reply = web.call(url, method=method) if body is None else web.post(url, body)
        if not reply.ok:
            raise TrackingError(f"MLflow does not answer {path}: {reply}")
        return reply.json


@contextmanager
def tracking(bench: Bench) -> Generator[Tracking]:
    """The server, empty at first."""
    python.require("mlflow", "sqlalchemy", "alembic")
    bucket, port = bench.use(storage.artifacts), processes.free_port()
    url = f"http://{processes.HOST}:{port}"
    folder = bench.folder / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        python.PYTHON, "-m", "mlflow", "server", "--host", processes.HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'tracking.db'}",
        "--artifacts-destination", f"s3://{bucket.name}/mlflow",
    ]  # fmt: skip
    env = python.ENVIRONMENT | bucket.environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with processes.running(
        "mlflow", command, folder=bench.folder / "logs", ready=processes.answers(f"{url}/health"), env=env,
        within=_READY_SECONDS, cwd=folder,
    ):  # fmt: skip
        yield Tracking(url=url, bucket=bucket)
