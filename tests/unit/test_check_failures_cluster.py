"""Faults of software in pods that no other test breaks: a drift service that forgets, a bigger job that learns nothing.

The API server is a double; the drift service is the real one with a fault, as a process of this machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import edge, meters
from workloads import runner
from workloads.backends.process.bench import Bench
from workloads.backends.process.processes import HOST, answers, free_ports, running
from workloads.checks import drift as checks
from workloads.checks import kept
from workloads.cluster import Visit
from workloads.jobs import drift
from workloads.outcome import Outcome, Probes

IMAGE = "registry.example/drift@sha256:" + 64 * "0"
SOURCE = Path(drift.__file__).parents[1] / "images" / "drift"


def forgetful(folder: Path) -> Path:
    """The service's source, changed so that every tenth label is not written down."""
    shutil.copytree(SOURCE, folder)
    file = folder / "drift" / "window.py"
    write = 'self._write(model, {"id": key, "prediction": prediction, "label"'
    text = file.read_text(encoding="utf-8")
    assert text.count(write) == 1
    file.write_text(text.replace(write, f'key.endswith("7") or {write}'), encoding="utf-8")
    return folder


def kept_by(folder: Path, source: Path) -> Probes:
    """Ask for errors that a service of this source keeps; the pod's two containers are processes."""
    references, predictions = folder / "references", folder / "predictions"
    references.mkdir()
    predictions.mkdir()
    with meters.place(folder, validation__images={"drift": IMAGE}) as there, contextlib.ExitStack() as stack:
        bench = there.visit.terms
        assert isinstance(bench, Bench)
        small = dataclasses.replace(
            bench, profile=dataclasses.replace(bench.profile, drift_rows=500, feedback_rows=200)
        )

        def made(body: meters.Json) -> None:
            if body["kind"] != "Pod":
                return
            space, name = body["metadata"]["namespace"], body["metadata"]["name"]
            data = there.cluster.objects[f"/api/v1/namespaces/{space}/configmaps/{name}"]["data"]
            for file, text in data.items():
                (references / file).write_text(text, encoding="utf-8")
            port, log_port = free_ports(2)
            own = {"DRIFT_REFERENCES": references, "DRIFT_LOG": predictions, "DRIFT_HOST": HOST, "DRIFT_PORT": port}
            told = {one["name"]: one["value"] for one in body["spec"]["containers"][0]["env"]}
            environment = told | {key: str(value) for key, value in own.items()}
            files = ["-m", "http.server", str(log_port), "--directory", str(predictions), "--bind", HOST]
            for words, cwd, at in ((["-m", "drift"], source, f"{port}/healthz"), (files, folder, f"{log_port}/")):
                ready, logs = answers(f"http://{HOST}:{at}"), folder / "logs"
                command = [sys.executable, *words]
                stack.enter_context(
                    running(f"part-{len(words)}", command, folder=logs, cwd=cwd, env=environment, ready=ready)
                )
            there.cluster.pod(space, name, body["metadata"]["labels"])
            there.cluster.ports[space, name, drift.PORT] = port
            there.cluster.ports[space, name, drift.LOG_PORT] = log_port

        there.cluster.made = made
        visit = Visit(there.visit.api, run="test", timeout_seconds=5, terms=small)
        return checks.in_cluster(checks.kept_by)(there.target, visit)


@pytest.mark.fails("drift.errors-stored", on="cluster")
def test_a_service_in_a_pod_that_loses_every_tenth_label_fails(tmp_path: Path) -> None:
    probes = kept_by(tmp_path, forgetful(tmp_path / "source"))
    assert runner.judge(probes)[0] is Outcome.FAIL
    assert "all 200 labels are stored with their predictions" in edge.broken(probes)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(one, marks=pytest.mark.fails(f"training.distributed-{one}", on="cluster"))
        for one in ("small", "medium")
    ],
)
def test_two_nodes_that_learn_nothing_together_fail(size: str, tmp_path: Path) -> None:
    def says(_: str, nodes: int) -> meters.Json:
        if nodes == 1:
            return {"bytes": 3, "sha256": "abc"}
        return meters.told(nodes, 100.0, parameters=7, sha256="abc", loss={"first": 2.0, "last": 1.99})

    with meters.place(tmp_path) as there, meters.ending(there, says):
        probes = kept.together(size)(there.target, there.visit)
    assert runner.judge(probes)[0] is Outcome.FAIL
    assert edge.broken(probes) == ["the loss of 7 parameters falls"]
