"""Generator processes: one that cannot keep its plan says so, and none is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.loads import all_counted, few, offered, trusted
from tests.support.slow_servers import ROOT, Behaviour, serving
from workloads import load
from workloads.load.run import run_here


class TestOverload:
    """A generator that cannot keep its plan says so, however well the numbers look."""

    def test_too_few_connections_are_named(self) -> None:
        with serving(Behaviour(delays=(0.05,))) as server:
            plan = offered(
                server.http,
                load.constant(rate=200, seconds=1),
                connections=2,
                limit_seconds=0.2,
                timeout_seconds=1,
            )
            result = load.run(plan)
        all_counted(result)
        assert any("all 2 connections busy" in reason and "need 40" in reason for reason in result.diagnosis)

    def test_a_slow_server_is_not_the_generators_fault(self) -> None:
        arrivals = load.constant(rate=100, seconds=1)
        result = trusted(
            Behaviour(delays=(3.0,)),
            lambda server: load.run(
                offered(server.http, arrivals, connections=40, limit_seconds=0.2, timeout_seconds=1)
            ),
        )
        all_counted(result)
        assert (result.ok, result.over) == (0, 100)
        assert result.held >= 40
        assert set(result.errors) <= {"timeout", "unsent"}

    def test_a_loop_that_is_held_up_is_noticed(self) -> None:
        with serving(Behaviour()) as server:
            plan = few(server.http, count=400, rules=load.Rules())
            result = run_here(plan, lambda _: time.sleep(0.2))
        all_counted(result)
        assert any("late at p99" in reason for reason in result.diagnosis)
        assert result.workers[0].stalls >= 1
        assert result.workers[0].longest_stall > 0.15

    def test_a_process_that_gets_a_fifth_of_a_core_is_noticed(self) -> None:
        with serving(Behaviour()) as server, _held_back(0.08, 0.02):
            result = load.run(few(server.http, count=400, rules=load.Rules()))
        all_counted(result)
        assert any("late at p99" in reason for reason in result.diagnosis)

    def test_more_than_one_process_can_send_is_noticed_and_still_ends(self) -> None:
        with serving(Behaviour()) as server:
            plan = offered(server.http, load.constant(rate=40_000, seconds=0.5), timeout_seconds=1)
            result = load.run(plan)
        all_counted(result)
        assert any("too slow" in reason or "late at p99" in reason for reason in result.diagnosis)
        assert result.ok < result.offered == 20_000


@contextlib.contextmanager
def _held_back(stopped: float, running: float) -> Generator[None]:
    """Stop and continue every generator process of this test, as a scheduler without time for it would."""
    over = threading.Event()

    def hold() -> None:
        while not over.wait(running):
            children = [int(one) for one in _generators()]
            for kind, pause in ((signal.SIGSTOP, stopped), (signal.SIGCONT, 0)):
                for one in children:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one, kind)
                time.sleep(pause)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _generators() -> list[str]:
    """Generator processes that this very process started."""
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
    found: list[str] = []
    for one in children:
        with contextlib.suppress(OSError):  # it may end at any moment
            if "workloads.load.part" in Path(f"/proc/{one}/cmdline").read_text():
                found.append(one)
    return found


class TestProcesses:
    def test_progress_is_told_and_what_it_raises_ends_the_run_and_its_processes(self) -> None:
        told: list[load.Progress] = []

        class EnoughError(Exception):
            pass

        def tell(progress: load.Progress) -> None:
            told.append(progress)
            if progress.phase == "measure" and progress.ok:
                raise EnoughError

        with serving(Behaviour()) as server, pytest.raises(EnoughError):
            load.run(offered(server.http, load.constant(rate=50, seconds=600), processes=2), tell)
        assert told[-1].offered >= told[-1].ok > 0
        assert _generators() == []

    def test_a_process_that_dies_is_an_error_and_no_result(self) -> None:
        def kill(progress: load.Progress) -> None:
            if progress.phase == "measure":
                os.kill(int(_generators()[0]), signal.SIGKILL)

        with serving(Behaviour()) as server, pytest.raises(load.LoadError, match="ended with code -9 and no result"):
            load.run(offered(server.http, load.constant(rate=50, seconds=60)), kill)

    def test_what_breaks_inside_is_told_by_name(self) -> None:
        plan = few("http://127.0.0.1:1/", ca="no certificate")
        with pytest.raises(load.LoadError, match=r"SSLError|ValueError"):
            load.run(plan)
        with pytest.raises((ssl.SSLError, ValueError)):
            run_here(plan)

    def test_a_plan_runs_by_itself_from_a_file(self, tmp_path: Path) -> None:
        with serving(Behaviour()) as server:
            plan = few(server.http, count=20)
            (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
            ran = _command(str(tmp_path / "plan.json"))
        assert ran.returncode == 0, ran.stderr
        result = load.LoadResult.from_json(json.loads(ran.stdout))
        assert (result.plan_hash, result.ok) == (plan.hash, 20)
        assert json.loads(ran.stderr)["ok"] == 20

    def test_a_file_that_is_no_plan_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "plan.json").write_text("{}")
        ran = _command(str(tmp_path / "plan.json"))
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "plan.endpoints: missing" in ran.stderr
        assert _command().returncode == 2


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workloads.load", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
