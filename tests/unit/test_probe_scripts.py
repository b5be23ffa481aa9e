"""Scripts of probes as processes: they hide no slow answer, count every planned moment, and leave a short result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.probe_ground import SCRIPTS
from tests.support.slow_servers import RESET, Behaviour, serving
from workloads.api import Json
from workloads.backends.cluster import inside
from workloads.checks.inside import percentile
from workloads.checks.meshed import histogram

LOAD = {
    "host": "127.0.0.1", "bytes": 100, "rate": 100.0, "seconds": 2.0, "warmUp": 0.5, "limit": 0.25, "timeout": 5.0,
    "patience": 5.0, "seed": 7,
}  # fmt: skip


def told(script: str, plan: Json, folder: Path) -> Json:
    """What a script has left as its last words."""
    result = folder / "result.json"
    variables = {"PLAN": json.dumps(plan), "POD": "pod", "RESULT": str(result)}
    subprocess.run([sys.executable, SCRIPTS / script], env=os.environ | variables, check=True, timeout=60)
    return inside.spoken(result.read_text(encoding="utf-8"))


def loaded(behaviour: Behaviour, folder: Path, **others: Any) -> Json:  # noqa: ANN401 - of a plan
    with serving(behaviour) as server:
        return told("probe_latency.py", {**LOAD, "port": server.port, **others}, folder)


def test_every_planned_moment_is_counted_once(tmp_path: Path) -> None:
    said = loaded(Behaviour(), tmp_path)
    counted = sum(said["latency"]["buckets"].values())
    assert said["offered"] == counted == sum(said["series"]["offered"]) == said["ok"] + sum(said["errors"].values())
    assert said["planned"] > said["offered"]  # the warm-up
    assert (said["errors"], len(said["series"]["ok"])) == ({}, 2)


def test_a_server_that_stalls_cannot_hide_it(tmp_path: Path) -> None:
    """Half of the time nothing is answered: who asks again only after an answer would see one slow request each time.

    Of every second, requests of the first quarter wait longer than the limit, and they are a quarter of all.
    """
    said = loaded(Behaviour(stall=0.5, period=1.0), tmp_path)
    assert said["over"] >= 0.15 * said["offered"]
    assert sum(said["series"]["over"]) == said["over"]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour(statuses=(200, 503)), "status 503"),
        (Behaviour(bodies=("another",)), "wrong answer"),
        (Behaviour(statuses=(200, RESET)), "RemoteDisconnected"),
    ],
)
def test_what_is_no_right_answer_is_a_failure_and_as_slow_as_can_be(
    behaviour: Behaviour, error: str, tmp_path: Path
) -> None:
    said = loaded(behaviour, tmp_path, patience=0.5)
    assert said["errors"][error] >= 0.3 * said["offered"]
    assert said["over"] >= said["errors"][error]
    assert said["latency"]["greatest"] == LOAD["timeout"]


def test_a_histogram_comes_back_as_wide_as_its_buckets(tmp_path: Path) -> None:
    said = loaded(Behaviour(delays=(0.05,)), tmp_path)["latency"]
    made = histogram(said)
    assert made.count == sum(said["buckets"].values())
    assert 0.05 <= made.percentile(50) == pytest.approx(percentile(said, 0.5), rel=0.01)


def test_a_result_that_is_too_long_comes_packed_and_one_that_cannot_fails(tmp_path: Path) -> None:
    def leave(result: str) -> subprocess.CompletedProcess[str]:
        program = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import os, probe_common as p; p.say({result})"
        where = os.environ | {"RESULT": str(tmp_path / "result")}
        return subprocess.run([sys.executable, "-c", program], env=where, capture_output=True, text=True, check=False)

    assert leave("{'a': ['word'] * 5_000}").returncode == 0
    text = (tmp_path / "result").read_text(encoding="utf-8")
    assert len(text) <= 4096
    assert inside.spoken(text) == {"a": ["word"] * 5_000}
    refused = leave("{'a': os.urandom(9_000).hex()}")
    assert refused.returncode == 1
    assert "a termination message holds 4096" in refused.stderr


def test_ten_minutes_of_load_fit_into_a_message(tmp_path: Path) -> None:
    """The longest window of all profiles, with an error in every second: made up, for it would take as long."""
    seconds = 600
    series = {name: [20 + (index * 7) % 5 for index in range(seconds)] for name in ("offered", "ok", "over")}
    result = {"latency": {"buckets": {str(index * 37): index for index in range(200)}}, "series": series}
    program = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import probe_common as p; p.say({result!r})"
    where = os.environ | {"RESULT": str(tmp_path / "result")}
    subprocess.run([sys.executable, "-c", program], env=where, check=True, capture_output=True)
    assert inside.spoken((tmp_path / "result").read_text(encoding="utf-8")) == result
