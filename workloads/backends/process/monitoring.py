"""Prometheus and Alertmanager as processes, and whoever receives the alerts. What to scrape and the rules are given."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import urllib.parse
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from workloads.backends.process import web
from workloads.backends.process.bench import Bench
from workloads.backends.process.processes import HOST, answers, free_ports, running
from workloads.outcome import SkippedError

Json = dict[str, Any]

PLACE = "Prometheus and Alertmanager on this machine, over a server and a gateway beside them; no pod, no node"
FIRING, RESOLVED = "firing", "resolved"
_PROGRAMS = Path(__file__).resolve().parents[3] / ".tools" / "bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Something to scrape, over plain HTTP."""

    job: str
    port: int
    path: str = "/metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """An alert. `seconds`: how long its expression must hold before it fires."""

    alert: str
    expression: str
    seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One alert as it was received, and when."""

    alert: str
    status: str
    labels: Mapping[str, str]
    at: float  # on the monotonic clock


class Receiver:
    """Keeps every alert that Alertmanager sends to it."""

    def __init__(self) -> None:
        self._notices: list[Notice] = []
        self._changed = threading.Condition()

    def take(self, body: bytes) -> None:
        """Note what one message holds."""
        with self._changed:
            for one in json.loads(body)["alerts"]:
                labels = dict[str, str](one["labels"])
                self._notices.append(
                    Notice(alert=labels["alertname"], status=one["status"], labels=labels, at=time.monotonic())
                )
            self._changed.notify_all()

    def seen(self, alert: str | None = None, status: str | None = None) -> list[Notice]:
        """What has come so far, of one alert or of all."""
        with self._changed:
            return [
                one
                for one in self._notices
                if (alert is None or one.alert == alert) and (status is None or one.status == status)
            ]

    def wait(self, alert: str, status: str, seconds: float, *, since: float = 0.0) -> Notice | None:
        """The first message of an alert with that status after a moment, or None when the time is over."""

        def found() -> Notice | None:
            return next(
                (one for one in self._notices if (one.alert, one.status) == (alert, status) and one.at >= since), None
            )

        with self._changed:
            return self._changed.wait_for(found, seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitoring:
    """A running pair."""

    url: str  # of Prometheus
    alertmanager: str
    receiver: Receiver
    interval: float  # seconds between two scrapes, and between two evaluations

    def query(self, expression: str) -> list[Json]:
        """The series that an expression gives now."""
        reply = web.call(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        if not reply.ok:
            raise OSError(f"Prometheus refuses {expression}: {reply}")
        return list(reply.json["data"]["result"])

    def value(self, expression: str) -> float | None:
        """The only value of an expression; None where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


def program(name: str) -> str:
    """Where a program of the Prometheus project is."""
    path = os.pathsep.join([str(_PROGRAMS), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise SkippedError(f"needs {name}, which `make tools` brings")
    return found


@contextmanager
def monitor(
    bench: Bench, targets: Sequence[Target], rules: Sequence[Rule], *, interval: float
) -> Generator[Monitoring]:
    """Run both over some targets, with these rules, scraped and evaluated every so many seconds."""
    prometheus, alertmanager = program("prometheus"), program("alertmanager")
    port, alert_port = free_ports(2)
    folder = bench.folder / "monitoring" / str(port)
    folder.mkdir(parents=True)
    url, alert_url = f"http://{HOST}:{port}", f"http://{HOST}:{alert_port}"
    receiver = Receiver()
    with _receiving(receiver) as webhook:
        _write(folder / "alertmanager.json", _alertmanager(webhook, interval))
        _write(folder / "rules.json", _rules(rules))
        _write(folder / "prometheus.json", _prometheus(targets, alert_port, interval))
        alerting = [
            alertmanager, "--config.file", folder / "alertmanager.json", "--storage.path", folder / "alerts",
            "--web.listen-address", f"{HOST}:{alert_port}", "--cluster.listen-address=",
        ]  # fmt: skip
        measuring = [
            prometheus, "--config.file", folder / "prometheus.json", "--storage.tsdb.path", folder / "series",
            "--web.listen-address", f"{HOST}:{port}",
        ]  # fmt: skip
        logs = bench.folder / "logs"
        with (
            running(f"alertmanager-{alert_port}", alerting, folder=logs, ready=answers(f"{alert_url}/-/ready")),
            running(f"prometheus-{port}", measuring, folder=logs, ready=answers(f"{url}/-/ready")),
        ):
            yield Monitoring(url=url, alertmanager=alert_url, receiver=receiver, interval=interval)


@contextmanager
def _receiving(receiver: Receiver) -> Generator[str]:
    """The receiver's address, as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401 - as in the base class
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _prometheus(targets: Sequence[Target], alert_port: int, interval: float) -> Json:
    scrapes = [
        {"job_name": one.job, "metrics_path": one.path, "static_configs": [{"targets": [f"{HOST}:{one.port}"]}]}
        for one in targets
    ]
    often = _duration(interval)
    return {
        "global": {"scrape_interval": often, "scrape_timeout": often, "evaluation_interval": often},
        "rule_files": ["rules.json"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{alert_port}"]}]}]},
        "scrape_configs": scrapes,
    }


def _rules(rules: Sequence[Rule]) -> Json:
    every = [
        {"alert": one.alert, "expr": one.expression, "for": _duration(one.seconds), "labels": dict(one.labels)}
        for one in rules
    ]
    return {"groups": [{"name": "validation", "rules": every}]}


def _alertmanager(webhook: str, interval: float) -> Json:
    """Every alert goes to the receiver on its own and as soon as it comes, and once more when it has ended."""
    soon = _duration(interval)
    route = {
        "receiver": "validation", "group_by": ["..."], "group_wait": "0s", "group_interval": soon,
        "repeat_interval": "1h",
    }  # fmt: skip
    hooks = [{"url": webhook, "send_resolved": True}]
    return {"route": route, "receivers": [{"name": "validation", "webhook_configs": hooks}]}


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _write(file: Path, settings: Json) -> None:
    """JSON is YAML, and both programs read their settings as YAML."""
    file.write_text(json.dumps(settings, indent=1), encoding="utf-8")
