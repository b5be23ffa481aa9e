"""Every query is parsed by a real parser, asks only for what somebody exports, and for labels that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest

from kubeflow.observability import alerts
from kubeflow.observability.boards import boards
from kubeflow.observability.boards.model import Kind
from kubeflow.observability.metrics import EVERY_PROXY, SERIES, TARGET_LABELS, TENANT_LABELS, Type
from tests.support.rules import FACTS

RECORDED = {rule.record: rule for group in alerts.groups(FACTS) for rule in group.recordings}
_OVER_TIME = {"rate", "increase", "irate", "absent", "absent_over_time"}  # what may be asked of a counter
Problems = list[str]


def parsed(expr: str) -> promql.Expr:
    """A query; the parser does not know Grafana's variables outside of texts."""
    return promql.parse(expr.replace("$__rate_interval", "5m"))


def of_series(name: str, problems: Problems) -> set[str]:
    """Labels that a series has."""
    if name in RECORDED:
        rule = RECORDED[name]
        return labels(parsed(rule.expr), problems) | set(rule.labels)
    metric = SERIES.get(name)
    if metric is None:
        problems.append(f"nobody exports {name}")
        return set()
    bucket = {"le"} if name.endswith("_bucket") and metric.type is Type.HISTOGRAM else set[str]()
    tenants = set(TENANT_LABELS) if metric.of in (EVERY_PROXY, "tenant/pods") else set[str]()
    return {*metric.labels, *TARGET_LABELS, *bucket, *tenants}


def known(wanted: list[str], there: set[str], what: str, problems: Problems) -> None:
    problems += [f"{what}: no label {label}" for label in wanted if label not in there | {"__name__"}]


def labels(node: Any, problems: Problems, over: str = "") -> set[str]:  # noqa: ANN401 - one of the parser's nodes
    """Labels that results may have; what is wrong on the way is added to the problems."""
    match node:
        case promql.VectorSelector():
            return selected(node, problems, over)
        case promql.MatrixSelector():
            return labels(node.vector_selector, problems, over)
        case promql.SubqueryExpr() | promql.ParenExpr() | promql.UnaryExpr():
            return labels(node.expr, problems, over)
        case promql.AggregateExpr():
            return aggregated(node, problems)
        case promql.Call() | promql.BinaryExpr():
            return called(node, problems) if isinstance(node, promql.Call) else joined(node, problems)
        case _:
            return set()


def selected(node: promql.VectorSelector, problems: Problems, over: str) -> set[str]:
    there = of_series(str(node.name), problems)
    asked = [matcher.name for matcher in node.matchers.matchers if matcher.name != "__name__"]
    known(asked, there, str(node.name), problems)
    metric = SERIES.get(str(node.name))
    if metric is not None and metric.type is not Type.GAUGE and over not in _OVER_TIME:
        problems.append(f"{node.name} only ever grows: ask for its rate")
    if metric is not None and metric.type is Type.GAUGE and over in ("rate", "increase", "irate"):
        problems.append(f"{node.name} is no counter")
    equal = {matcher.name for matcher in node.matchers.matchers if matcher.op == promql.MatchOp.Equal}
    return equal if over.startswith("absent") else there


def called(node: promql.Call, problems: Problems) -> set[str]:
    given = node.args
    there = set[str]()
    for argument in given:
        there |= labels(argument, problems, node.func.name)
    if node.func.name == "label_replace":
        known([given[3].val], there, "label_replace", problems)
        return there | {given[1].val}
    if node.func.name == "histogram_quantile":
        known(["le"], there, "histogram_quantile", problems)
        return there - {"le"}
    return there


def aggregated(node: promql.AggregateExpr, problems: Problems) -> set[str]:
    there = labels(node.expr, problems)
    if node.modifier is None:
        return there if node.param is not None else set()  # topk keeps what it chooses
    known(node.modifier.labels, there, "by", problems)
    assert node.modifier.type == promql.AggModifierType.By
    return set(node.modifier.labels)


def joined(node: promql.BinaryExpr, problems: Problems) -> set[str]:
    left, right = labels(node.lhs, problems), labels(node.rhs, problems)
    if node.modifier is not None:
        if node.modifier.matching is not None and node.modifier.matching.type == promql.LabelModifierType.Include:
            known(node.modifier.matching.labels, left, "on, left", problems)
            known(node.modifier.matching.labels, right, "on, right", problems)
        known(node.modifier.group_labels or [], right, "group_left", problems)
        left |= set(node.modifier.group_labels or [])
    return left or right


def wrong(expr: str) -> Problems:
    problems: Problems = []
    labels(parsed(expr), problems)
    return problems


def queries() -> Iterator[tuple[str, str]]:
    for group in alerts.groups(FACTS):
        yield from ((rule.record, rule.expr) for rule in group.recordings)
        yield from ((alert.name, alert.expr) for alert in group.alerts)
    for board in boards(FACTS):
        yield from ((f"{board.title}: {panel.title}", query.expr) for panel in board.panels for query in panel.queries)


def test_every_query_asks_for_what_somebody_exports() -> None:
    found = {f"{name}: {expr}": problems for name, expr in queries() if (problems := wrong(expr))}
    assert found == {}


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("revision_request_count", "nobody exports revision_request_count"),
        ("sum by (revision) (rate(istio_requests_total[5m]))", "by: no label revision"),
        ('rate(istio_requests_total{code="200"}[5m])', "istio_requests_total: no label code"),
        ("sum(istio_requests_total)", "istio_requests_total only ever grows: ask for its rate"),
        ("rate(DCGM_FI_DEV_GPU_TEMP[5m])", "DCGM_FI_DEV_GPU_TEMP is no counter"),
        ("up * on (node) kube_node_labels", "on, left: no label node"),
        (
            "histogram_quantile(0.9, sum by (pod) (rate(istio_request_bytes_bucket[5m])))",
            "histogram_quantile: no label le",
        ),
        ("istio_request_bytes", "nobody exports istio_request_bytes"),
    ],
)  # fmt: skip
def test_a_query_for_nothing_is_found(expr: str, problem: str) -> None:
    assert problem in wrong(expr)


def test_what_the_parser_refuses_is_found() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        parsed("sum by (")


def test_texts_name_only_labels_that_results_have() -> None:
    found: dict[str, set[str]] = {}
    for group in alerts.groups(FACTS):
        for alert in group.alerts:
            asked = set(re.findall(r"\$labels\.(\w+)", f"{alert.summary} {alert.namespace}"))
            found[alert.name] = asked - labels(parsed(alert.expr), [])
    for board in boards(FACTS):
        for panel in board.panels:
            for query in panel.queries:
                asked = set(re.findall(r"\{\{(\w+)\}\}", query.legend)) if panel.kind is not Kind.TABLE else set[str]()
                found[f"{panel.title}: {query.expr}"] = asked - labels(parsed(query.expr), [])
    assert {name: lacking for name, lacking in found.items() if lacking} == {}


def test_no_recording_rule_is_recorded_in_vain() -> None:
    everything = " ".join(expr for _, expr in queries())
    assert [name for name in RECORDED if not re.search(rf"(?<![\w:]){name}(?![\w:])", everything)] == []
