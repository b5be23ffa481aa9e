"""Real Prometheus and Alertmanager: the checks pass when alerts work, and fail for each way in which they do not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import edge
from workloads import runner
from workloads.backends.process import monitoring
from workloads.backends.process.bench import Bench
from workloads.backends.process.monitoring import FIRING, RESOLVED, Receiver, Rule, Target
from workloads.backends.process.processes import SoftwareError, free_port
from workloads.checks import alerting
from workloads.checks.alerting import DOWN, MEMORY, RULES, Watch
from workloads.outcome import NotMeasurableError, Outcome, SkippedError

REASON = edge.missing("envoy", "prometheus", "alertmanager")
real = pytest.mark.skipif(bool(REASON), reason=REASON)


def with_rules(*rules: Rule) -> dict[object, object]:
    @contextmanager
    def watch(bench: Bench) -> Generator[Watch]:
        with alerting.watch(bench, rules) as one:
            yield one

    return {alerting.watch: watch}


def changed(alert: str, expression: str) -> tuple[Rule, ...]:
    """The rules, one of them with another expression."""
    return tuple(dataclasses.replace(one, expression=expression) if one.alert == alert else one for one in RULES)


@real
def test_faults_are_told_and_so_is_their_end(tmp_path: Path) -> None:
    with edge.bench(tmp_path) as bench:
        for check in (alerting.metrics, alerting.received):
            outcome, reason = runner.judge(check(bench))
            assert outcome is Outcome.PASS, reason


@real
@pytest.mark.fails("alerting.received", on="process")
def test_a_rule_that_can_never_fire_is_found(tmp_path: Path) -> None:
    rules = changed(MEMORY, f'process_resident_memory_bytes{{job="watchd"}} > {1 << 20}')
    with edge.bench(tmp_path, with_rules(*rules), {"alerting.received": 8.0}) as bench:
        broken = edge.broken(alerting.received(bench))
    expected = [f"{MEMORY} is received as {status}" for status in (FIRING, RESOLVED)]
    assert [claim.rpartition(": ")[2] for claim in broken] == expected


@real
@pytest.mark.fails("alerting.received", on="process")
def test_a_rule_that_fires_for_another_fault_is_found(tmp_path: Path) -> None:
    wrong = f"{RULES[1].expression} or up{{job='watched'}} == 0"
    with edge.bench(tmp_path, with_rules(*changed(MEMORY, wrong))) as bench:
        assert edge.broken(alerting.received(bench)) == [f"this fault does not raise {MEMORY}"]


@real
def test_an_alert_that_is_always_there_makes_the_measurement_meaningless(tmp_path: Path) -> None:
    with (
        edge.bench(tmp_path, with_rules(*changed(DOWN, "vector(1)")), {"alerting.received": 8.0}) as bench,
        pytest.raises(NotMeasurableError, match="under way before any fault"),
    ):
        alerting.received(bench)


@real
@pytest.mark.fails("monitoring.metrics", on="process")
def test_a_series_that_nobody_exports_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "PROMISED", (*alerting.PROMISED[:1], "nobody_exports_this"))
    with edge.bench(tmp_path, limits={"alerting.received": 12.0}) as bench:
        assert edge.broken(alerting.metrics(bench)) == ["nobody_exports_this is there and fresh"]


@real
def test_a_rule_that_prometheus_cannot_read_is_explained_by_its_log(tmp_path: Path) -> None:
    rule = Rule(alert="Broken", expression="sum by (")
    with (
        edge.bench(tmp_path) as bench,
        pytest.raises(SoftwareError, match=r"(?s)prometheus-\d+ .*parse error"),
        monitoring.monitor(bench, [Target(job="none", port=free_port())], [rule], interval=1),
    ):
        raise AssertionError


def message(alert: str, status: str) -> bytes:
    return json.dumps({"alerts": [{"status": status, "labels": {"alertname": alert}}]}).encode()


def test_a_receiver_waits_for_one_alert_and_leaves_the_others() -> None:
    receiver = Receiver()
    receiver.take(message("Other", FIRING))
    receiver.take(message("Wanted", RESOLVED))
    assert receiver.wait("Wanted", FIRING, 0.05) is None
    receiver.take(message("Wanted", FIRING))
    notice = receiver.wait("Wanted", FIRING, 5)
    assert notice is not None
    assert receiver.wait("Wanted", FIRING, 0.05, since=notice.at + 1) is None
    assert [one.alert for one in receiver.seen(status=FIRING)] == ["Other", "Wanted"]


def test_without_prometheus_the_reason_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "_PROGRAMS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SkippedError, match="needs prometheus, which `make tools` brings"):
        monitoring.program("prometheus")
