"""Every query of every dashboard and every alert, asked of a real Prometheus that runs every rule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from kubeflow.observability import alerts
from kubeflow.observability.boards import boards
from kubeflow.observability.boards.model import Panel, Query
from kubeflow.observability.metrics import DECLARED, METRICS, SERIES, TARGET_LABELS
from tests.support import live
from tests.support.live import Live
from tests.support.pictures import pictures, plain
from tests.support.rules import FACTS

pytestmark = pytest.mark.skipif(bool(live.missing()), reason=live.missing())

ALERTS = [alert for group in alerts.groups(FACTS) for alert in group.alerts]
TENANTS = "|".join(FACTS.tenants)

# What has nothing to show even on this day, and why.
EMPTY = {
    "team-a/fast: slower than 50 ms": "nobody deployed it: its absence is what ServingSeriesMissing tells",
}
# Shares that may be more than a whole, numbers that may be below nothing, and why.
BEYOND = {
    "Measured against limit": "a criterion that fails is beyond its limit, and a rate may be far above what is asked",
    "Verdicts": "-1 stands for what was not measured",
}
# What is no stand-in: the job of its target, and the metrics that it has to export.
REAL = {
    "drift": "drift_|predict",
    "promtool": "validation_",
    "prometheus": "prometheus_(rule_eval|notifications_drop)|up",
}


def asked() -> Iterator[tuple[str, Panel, Query]]:
    """Every panel's queries, by the dashboard's title."""
    for board in boards(FACTS):
        for panel in board.panels:
            yield from ((board.title, panel, query) for query in panel.queries)


def most(unit: str) -> float:
    """A whole, but for rounding; everything else has no upper end."""
    return 1.0 + 1e-6 if unit == "percentunit" else math.inf


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live.platform(tmp_path_factory.mktemp("live")) as one:
        yield one


@pytest.fixture(scope="module")
def answers(prometheus: Live) -> dict[str, list[float]]:
    """The values of every query's series, by the query."""
    return {
        query.expr: [float(one["value"][1]) for one in prometheus.query(plain(query.expr, TENANTS))]
        for _, _, query in asked()
    }


def test_every_metric_of_the_registry_is_there_and_of_its_type(prometheus: Live) -> None:
    there = set(prometheus.get("label/__name__/values"))
    told = prometheus.get("metadata")
    types = {name: {entry["type"] for entry in entries} for name, entries in told.items()}
    wrong = {
        metric.name: types[metric.name]
        for metric in DECLARED
        if metric.name in types and types[metric.name] != {metric.type.value}
    }
    assert set(SERIES) - there == set()
    assert wrong == {}


@pytest.mark.parametrize("job", REAL)
def test_what_really_runs_here_exports_what_the_registry_says(prometheus: Live, job: str) -> None:
    found: dict[str, set[str]] = {}
    for one in prometheus.get("series", **{"match[]": f'{{job="{job}",__name__=~"({REAL[job]}).*"}}'}):
        if one["__name__"] in METRICS:
            found.setdefault(one["__name__"], set()).update(set(one) - {"__name__", *TARGET_LABELS})
    assert found == {name: set(METRICS[name].labels) - set(TARGET_LABELS) for name in found}
    assert set(found) == {name for name in METRICS if re.match(REAL[job], name)}


def test_bounds_are_stored_with_a_fraction_and_rules_find_them(prometheus: Live) -> None:
    """Proxies write `le="200"`; a rule that asked for just that would find nothing in Prometheus 3."""
    bounds = {one["metric"]["le"] for one in prometheus.query("count by (le) (istio_request_bytes_bucket)")}
    assert {"10.0", "100.0", "+Inf"} <= bounds
    assert "10" not in bounds


def test_every_rule_is_evaluated_without_an_error_but_for_the_one_that_is_meant_to_fail(prometheus: Live) -> None:
    rules = [(group["name"], rule) for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    failing = {rule["name"]: rule.get("lastError", "") for _, rule in rules if rule["health"] != "ok"}
    assert list(failing) == ["ill:rule"]
    made = sum(len(group.rules) for group in alerts.groups(FACTS))
    assert len(rules) == made + 1


def test_every_recording_rule_records_something(prometheus: Live) -> None:
    names = {rule.record for group in alerts.groups(FACTS) for rule in group.recordings}
    assert [name for name in sorted(names) if not prometheus.query(name)] == []


def test_every_query_of_every_dashboard_has_an_answer(answers: dict[str, list[float]]) -> None:
    silent = {panel.title: query.expr for _, panel, query in asked() if not answers[query.expr]}
    assert {title: expr for title, expr in silent.items() if title not in EMPTY} == {}
    assert sorted(silent) == sorted(EMPTY)


def test_no_panel_shows_only_what_is_no_number(answers: dict[str, list[float]]) -> None:
    nothing = {
        panel.title: query.expr
        for _, panel, query in asked()
        if answers[query.expr] and not any(math.isfinite(value) for value in answers[query.expr])
    }
    assert nothing == {}


def test_values_fit_their_units(answers: dict[str, list[float]]) -> None:
    odd = {
        f"{title}: {panel.title}: {query.expr}": value
        for title, panel, query in asked()
        for value in answers[query.expr]
        if math.isfinite(value) and panel.title not in BEYOND and not 0 <= value <= most(panel.unit)
    }
    assert odd == {}


def test_dashboards_are_drawn_from_the_answers_with_their_limits(prometheus: Live) -> None:
    chosen = tuple(board for board in boards(FACTS) if board.slug in ("proof-serving", "proof-gpu"))
    page = pictures(prometheus, chosen, TENANTS)
    lines = [panel for board in chosen for panel in board.panels if not panel.kind.newest]
    assert page.count("<figure>") == len(lines)
    assert page.count('class="limit"') == sum(panel.line is not None for panel in lines)
    assert "limit 200 ms" in page


def test_every_alert_finds_its_trouble(prometheus: Live) -> None:
    silent = {alert.name: alert.expr for alert in ALERTS if not prometheus.query(alert.expr)}
    assert silent == {}


def test_alerts_that_need_not_hold_fire_and_the_others_wait(prometheus: Live) -> None:
    state = {one["labels"]["alertname"]: one["state"] for one in prometheus.get("alerts")["alerts"]}
    assert state == {alert.name: "firing" if alert.hold == "0m" else "pending" for alert in ALERTS}


def test_what_is_well_raises_no_alarm(prometheus: Live) -> None:
    """Trouble is only where the stand-in is in trouble, never with what it calls healthy."""
    well = {"iris", "iris-00001", "trainer-worker-0", "first", "general-0"}
    found = {
        one["labels"]["alertname"]: sorted(well & set(one["labels"].values()))
        for one in prometheus.get("alerts")["alerts"]
        if "team-b" not in one["labels"].values()  # of which everything is in trouble
    }
    assert {name: labels for name, labels in found.items() if labels} == {}
