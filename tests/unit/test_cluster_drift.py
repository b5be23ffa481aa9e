"""The drift service as a pod: the same claims as on this machine, through forwarded ports, with the real service."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path

import pytest

from tests.support import edge, meters
from workloads import runner
from workloads.backends.process.bench import Bench
from workloads.backends.process.processes import HOST, answers, free_ports, running
from workloads.checks import drift as checks
from workloads.cluster import Visit
from workloads.jobs import drift
from workloads.outcome import NotMeasurableError, Outcome, Probes

IMAGE = "registry.example/drift@sha256:" + 64 * "0"
SOURCE = Path(drift.__file__).parents[1] / "images" / "drift"


def tried(folder: Path, check: str, *, log: bool = True, **environment: str) -> Probes:
    """Run a check; the pod's two containers are processes of this machine."""
    with meters.place(folder, validation__images={"drift": IMAGE}) as there, contextlib.ExitStack() as stack:
        bench = there.visit.terms
        assert isinstance(bench, Bench)
        profile = dataclasses.replace(bench.profile, drift_windows=5, drift_rows=500, feedback_rows=200)
        small = dataclasses.replace(bench, profile=profile)
        visit = Visit(there.visit.api, run="test", timeout_seconds=5, terms=small)

        def made(body: meters.Json) -> None:
            if body["kind"] != "Pod":
                return
            space, name = body["metadata"]["namespace"], body["metadata"]["name"]
            given = there.cluster.objects[f"/api/v1/namespaces/{space}/configmaps/{name}"]["data"]
            (service, reader) = body["spec"]["containers"]
            assert service["image"] == IMAGE
            told = {one["name"]: one["value"] for one in service["env"]}
            references, kept = folder / "references", folder / "predictions"
            references.mkdir()
            for file, text in given.items():
                (references / file).write_text(text, encoding="utf-8")
            port, log_port = free_ports(2)
            own = {"DRIFT_REFERENCES": str(references), "DRIFT_LOG": str(kept), "DRIFT_HOST": HOST}
            names = {**told, **own, "DRIFT_PORT": str(port), **environment}
            url = f"http://{HOST}:{port}/healthz"
            stack.enter_context(
                running("drift", [sys.executable, *service["command"][1:]], folder=folder / "logs", cwd=SOURCE,
                        env=names, ready=answers(url))
            )  # fmt: skip
            words = [str(log_port) if one == str(drift.LOG_PORT) else one for one in reader["command"][1:-1]]
            command = [sys.executable, *words, str(kept if log else folder), "--bind", HOST]
            stack.enter_context(
                running("log", command, folder=folder / "logs", ready=answers(f"http://{HOST}:{log_port}/"))
                if log
                else contextlib.nullcontext()
            )
            there.cluster.pod(space, name, body["metadata"]["labels"])
            there.cluster.ports[space, name, drift.PORT] = port
            there.cluster.ports[space, name, drift.LOG_PORT] = log_port

        kept_at_once = folder / "predictions"
        kept_at_once.mkdir()
        there.cluster.made = made
        return checks.in_cluster(getattr(checks, check))(there.target, visit)


@pytest.mark.parametrize("check", ["found_in", "kept_by"])
def test_the_service_of_a_cluster_does_what_it_does_here(tmp_path: Path, check: str) -> None:
    outcome, reason = runner.judge(tried(tmp_path, check))
    assert outcome is Outcome.PASS, reason


@pytest.mark.fails("drift.detected", on="cluster")
def test_a_service_that_finds_too_little_fails(tmp_path: Path) -> None:
    broken = edge.broken(tried(tmp_path, "found_in", DRIFT_EFFECT="0.9"))
    assert [claim.split()[-2:] for claim in broken] == [["are", "found"]] * 2


def test_a_log_that_loses_what_was_labelled_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = checks.InPod.log

    def short(pod: checks.InPod) -> str:
        return "".join(whole(pod).splitlines(keepends=True)[:-10])

    monkeypatch.setattr(checks.InPod, "log", short)
    broken = edge.broken(tried(tmp_path, "kept_by"))
    assert broken[0] == "all 200 labels are stored with their predictions"


def test_a_log_that_nobody_can_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(checks.UnexpectedAnswerError, match="connection refused"):
        tried(tmp_path, "kept_by", log=False)


def test_a_service_that_never_comes_measures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_READY_SECONDS", 1)
    with (
        meters.place(tmp_path, validation__images={"drift": IMAGE}) as there,
        pytest.raises(NotMeasurableError, match="nobody is ready at port 8080"),
    ):
        checks.in_cluster(checks.kept_by)(there.target, there.visit)


def test_the_reference_fits_into_a_config_map() -> None:
    assert sum(map(len, drift.reference("x", 1)["data"].values())) < 1_000_000
