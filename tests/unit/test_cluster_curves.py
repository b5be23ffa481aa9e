"""A curve that the job's own script wrote, shown by a real TensorBoard behind a forwarded port; what is not shown."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import edge, meters
from tests.support.model_bench import needs
from workloads import runner
from workloads.backends.cluster.kinds import path
from workloads.backends.process import python
from workloads.backends.process.processes import HOST, answers, free_port, running
from workloads.checks import curves
from workloads.jobs import curve
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError, Outcome, Probes

SCRIPT = Path(curve.__file__).parent / "scripts" / curve.SCRIPT
Change = Callable[[Path], None]


def unchanged(_: Path) -> None:
    """TensorBoard sees what the job wrote."""


def shown(folder: Path, change: Change = unchanged, *, writes: bool = True) -> Probes:
    """Run the check; the job's script and TensorBoard are processes of this machine, over a folder for the claim."""
    claim = folder / "claim"
    with meters.place(folder) as there, contextlib.ExitStack() as stack:

        def made(body: meters.Json) -> None:
            now, space = there.cluster.objects.get(path(body), {}), body["metadata"]["namespace"]
            if body["kind"] == "Job":
                result = folder / "result.json"
                names = {"LOGS": str(claim / "logs"), "STEPS": str(curve.STEPS), "RESULT": str(result)}
                subprocess.run([sys.executable, SCRIPT], env=os.environ | names, check=True, capture_output=True)
                message = result.read_text(encoding="utf-8") if writes else ""
                state = {"terminated": {"exitCode": 0, "message": message}}
                status = {"phase": "Succeeded", "containerStatuses": [{"name": "curve", "state": state}]}
                labels = {"batch.kubernetes.io/job-name": body["metadata"]["name"]}
                there.cluster.pod(space, "writer", labels, status=status)
                now["status"] = {"conditions": [{"type": "Complete" if writes else "Failed", "status": "True"}]}
            elif body["kind"] == "Tensorboard":
                change(claim / "logs")
                there.cluster.ports[space, "board", curves.PORT] = board(stack, folder, claim / "logs")
                there.cluster.pod(space, "board", {"app": body["metadata"]["name"]})
                now["status"] = {"readyReplicas": 1}

        there.cluster.made = made
        return curves.tensorboard(there.target, there.visit)


def board(stack: contextlib.ExitStack, folder: Path, logs: Path) -> int:
    port = free_port()
    command = [
        python.PYTHON, "-m", "tensorboard.main", "--logdir", logs, "--host", HOST, "--port", str(port),
        "--load_fast", "false", "--reload_interval", "1",
    ]  # fmt: skip
    ready = answers(f"http://{HOST}:{port}/data/plugin/scalars/tags")
    stack.enter_context(
        running("board", command, folder=folder / "logs", env=python.ENVIRONMENT, ready=ready, within=120)
    )
    return port


def test_the_curve_that_the_job_wrote_is_shown(tmp_path: Path) -> None:
    needs("tensorboard")
    probes = shown(tmp_path)
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    assert len(probes.series[0].points) == curve.STEPS


@pytest.mark.fails("monitoring.tensorboard", on="cluster")
def test_a_board_over_something_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("tensorboard")
    monkeypatch.setattr(curves, "_READ_SECONDS", 3)

    def lost(logs: Path) -> None:
        for file in logs.iterdir():
            file.unlink()

    expected = ["TensorBoard shows the loss of every step", "its values are those that the job wrote"]
    assert edge.broken(shown(tmp_path, lost)) == expected


def test_a_board_that_shows_other_values_fails(tmp_path: Path) -> None:
    needs("tensorboard")

    def other(logs: Path) -> None:
        (file,) = logs.iterdir()
        code = SCRIPT.read_text(encoding="utf-8").replace("gauss(0, 0.1)", "gauss(0, 0.2)")
        file.unlink()
        names = {"LOGS": str(logs), "STEPS": str(curve.STEPS), "RESULT": os.devnull}
        subprocess.run([sys.executable, "-c", code], env=os.environ | names, check=True, capture_output=True)

    assert edge.broken(shown(tmp_path, other)) == ["its values are those that the job wrote"]


def test_where_no_curve_was_written_nothing_can_be_shown(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurableError, match="no curve was written: failed"):
        shown(tmp_path, writes=False)


def test_the_job_writes_where_the_board_looks(tmp_path: Path) -> None:
    with meters.place(tmp_path) as there:
        here = Surroundings(target=there.target, tenant=there.target.tenants[meters.HOME])
        _, job = curve.writer(here, "proof-board")
        spec = job["spec"]["template"]["spec"]
        mounted = {one["mountPath"]: one["name"] for one in spec["containers"][0]["volumeMounts"]}
        claims = {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if len(one) == 2
                  and "persistentVolumeClaim" in one}  # fmt: skip
        logs = next(one["value"] for one in spec["containers"][0]["env"] if one["name"] == "LOGS")
        mount, _, inside = logs.rpartition("/")
        board_over = curves.batch.tensorboard(here, "proof-board")["spec"]["logspath"]
        assert board_over == f"pvc://{claims[mounted[mount]]}/{inside}"
        assert json.dumps(curve.claim(here, "proof-board")["spec"]["storageClassName"]) == '"standard"'
