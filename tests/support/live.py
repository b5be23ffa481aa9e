"""A real Prometheus with every generated rule, fed by what really runs on this machine and by the stand-in.

Real are Prometheus itself (a rule that fails, a target that is gone, an Alertmanager that nobody runs), the drift
service under its own checks, and a run's `metrics.prom`, pushed as its documentation says. The stand-in is the rest.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from kubeflow.observability import alerts
from tests.support import edge, results
from tests.support.bad_day import HOST, World
from tests.support.listening import exporter
from tests.support.rules import FACTS, find
from workloads import report
from workloads.backends.process import web
from workloads.backends.process.drift import drift_service
from workloads.backends.process.processes import answers, free_ports, running, wait_until
from workloads.checks import drift
from workloads.report import openmetrics

Json = dict[str, Any]
NEEDED = ("prometheus", "promtool")
PAST, STEP = 6.5 * 3600.0, 120.0  # seconds of history, and between two of its samples
_OFTEN = 1.0  # seconds between two scrapes, and between two evaluations
_ROUNDS = 6  # evaluations before anybody asks
# Prometheus' own trouble: many series on both sides of a join that allows one.
_FAILING = {"groups": [{"name": "ill", "rules": [{"record": "ill:rule", "expr": "up * on () up"}]}]}


def missing() -> str:
    """Why nothing can be asked of a live Prometheus; empty where it can."""
    absent = [name for name in NEEDED if find(name) is None]
    return f"needs {', '.join(absent)}, which `make tools` brings" if absent else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """A running Prometheus."""

    url: str
    now: float  # the end of the history that was written down

    def get(self, path: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """What its API answers; AssertionError with its words where it refuses."""
        asked = urllib.parse.urlencode(parameters)
        answer = web.call(f"{self.url}/api/v1/{path}?{asked}").json
        assert answer["status"] == "success", f"{parameters}: {answer['error']}"
        return answer["data"]

    def query(self, expr: str) -> list[Json]:
        """The series of a query now."""
        found = self.get("query", query=expr)
        return found["result"] if found["resultType"] == "vector" else [{"metric": {}, "value": found["result"]}]

    def over(self, expr: str, seconds: float = 3600.0, step: float = STEP) -> list[Json]:
        """The series of a query over the last so many seconds."""
        return self.get("query_range", query=expr, start=self.now - seconds, end=self.now, step=step)["result"]


@contextmanager
def platform(folder: Path) -> Generator[Live]:
    """Everything, as long as the context lasts."""
    now = time.time()
    world = World(now=now, past=PAST)
    series = folder / "series"
    _write_history(world, folder, series)
    names = _rules(folder)
    _remember_rules(folder, series, names, now)
    with (
        edge.bench(folder / "bench", limits={"drift.detected": 100.0}) as bench,
        exporter(lambda: world.exposition(time.time())) as port,
    ):
        service = bench.use(drift_service)
        mine, gone, nobody = free_ports(3)
        scrapes = [
            _scrape("stand-in", port, {}),
            _scrape("prometheus", mine, {"namespace": "monitoring", "pod": "prometheus-0"}),
            _scrape("drift", urllib.parse.urlsplit(service.url).port or 0, {"namespace": "team-a", "pod": "drift-0"}),
            _scrape("gone", gone, {"namespace": "kubeflow", "pod": "gone-0"}),
        ]
        with _prometheus(folder, series, mine, rules=names, scrapes=scrapes, alertmanager=nobody) as url:
            live = Live(url=url, now=now)
            drift.detected(bench)
            drift.errors_stored(bench)
            web.post(service.url, {})  # of no known model: refused, and counted
            _push_run(folder, url)
            _evaluated(live)
            yield live


def _write_history(world: World, folder: Path, series: Path) -> None:
    path = folder / "history.om"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(world.history(STEP))
    _promtool("tsdb", "create-blocks-from", "openmetrics", "--quiet", path, series)


def _rules(folder: Path) -> list[str]:
    """The rule files as the export writes them, and the one that fails."""
    made = {**alerts.files(FACTS), "failing.rules.yaml": yaml.safe_dump(_FAILING)}
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(made)


def _remember_rules(folder: Path, series: Path, names: list[str], now: float) -> None:
    """What recording rules would have recorded, had they been there in the past."""
    (port,) = free_ports(1)
    recorded = next(name for name in names if "recording" in name)
    with _prometheus(folder, series, port) as url:
        _promtool(
            "tsdb", "create-blocks-from", "rules", "--url", url, f"--start={now - PAST:.0f}", f"--end={now:.0f}",
            f"--eval-interval={STEP:.0f}s", f"--output-dir={folder / 'recorded'}", folder / recorded,
        )  # fmt: skip
    for block in (folder / "recorded").iterdir():
        shutil.move(block, series / block.name)


@contextmanager
def _prometheus(
    folder: Path, series: Path, port: int, *, rules: list[str] | None = None, scrapes: list[Json] | None = None,
    alertmanager: int | None = None,
) -> Generator[str]:  # fmt: skip
    often = f"{_OFTEN * 1000:.0f}ms"
    settings: Json = {
        "global": {"scrape_interval": often, "scrape_timeout": often, "evaluation_interval": often},
        "rule_files": [str(folder / name) for name in rules or ()],
        "scrape_configs": scrapes or [],
    }
    if alertmanager is not None:
        settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{alertmanager}"]}]}]}
    path = folder / f"prometheus-{port}.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    url = f"http://{HOST}:{port}"
    command = [
        find("prometheus") or "", "--config.file", path, "--storage.tsdb.path", series, "--web.listen-address",
        f"{HOST}:{port}", "--storage.tsdb.retention.time=2d", "--web.enable-remote-write-receiver",
        "--rules.alert.resend-delay=1s",
    ]  # fmt: skip
    with running(f"prometheus-{port}", command, folder=folder, ready=answers(f"{url}/-/ready")):
        yield url


def _scrape(job: str, port: int, labels: Mapping[str, str]) -> Json:
    targets = [{"targets": [f"{HOST}:{port}"], "labels": dict(labels)}]
    return {"job_name": job, "honor_labels": True, "static_configs": targets}


def _push_run(folder: Path, url: str) -> None:
    """A run becomes series as its report says: `promtool push metrics`."""
    run = report.from_json(report.document(results.record()), source="an invented run")
    path = folder / "metrics.prom"
    path.write_text(openmetrics.report(run), encoding="utf-8")
    _promtool("push", "metrics", url, path)


def _evaluated(live: Live) -> None:
    """Wait until every group has been evaluated often enough, after everything had been read, and alerts are lost."""
    begun = time.time()

    def settled() -> bool:
        groups = live.get("rules")["groups"]
        late = all(_at(group["lastEvaluation"]) > begun + _ROUNDS * _OFTEN for group in groups)
        return late and bool(live.query("increase(prometheus_notifications_dropped_total[10m]) > 0"))

    assert wait_until(settled, within=120, every=0.5), live.get("rules")


def _at(stamp: str) -> float:
    return datetime.fromisoformat(stamp[:19] + "+00:00").timestamp()


def _promtool(*words: str | Path) -> None:
    command = [find("promtool") or "", *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
