"""Pages and Markdown: what they show, what they cost, and that no text of anybody becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support import results
from tests.support.pages import Outline
from workloads import report
from workloads.report import compare, junit, markdown, plots
from workloads.report.html import report as page_of
from workloads.report.markup import Markup, tag
from workloads.report.model import Curve, Run, Verdict
from workloads.report.page import POLICY

KIB = 1024


def run_of(record: report.Record) -> Run:
    return report.from_json(report.document(record), source="test")


USUAL, HOSTILE = run_of(results.record()), run_of(results.hostile())
RENDERERS: dict[str, Callable[[Run], str]] = {
    "page": page_of, "comparison": lambda run: compare.as_page([run, run]),
}  # fmt: skip


@pytest.mark.parametrize("name", RENDERERS)
def test_no_text_of_anybody_becomes_markup(name: str) -> None:
    page = Outline(RENDERERS[name](HOSTILE))
    assert page.all("script") == page.all("b") == []
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert page.wrong == page.open == []


def test_no_text_of_anybody_breaks_a_table_of_markdown() -> None:
    for text in (markdown.report(HOSTILE), compare.as_markdown([HOSTILE, HOSTILE])):
        assert "<script" not in text
        rows = [re.sub(r"\\\|", "", line) for line in text.splitlines() if line.startswith("|")]
        widths = {row.count("|") for row in rows}
        assert len(widths) == 1


def test_the_page_is_built_for_everybody() -> None:
    page = Outline(page_of(USUAL))
    assert page.wrong == page.open == []
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    assert all("scope" in heading for heading in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.all("svg"))
    assert len(page.all("svg")) == len(page.all("desc"))
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_every_link_inside_of_the_page_leads_somewhere() -> None:
    page = Outline(page_of(USUAL))
    targets = {f"#{attributes['id']}" for _, attributes in page.elements if "id" in attributes}
    assert {str(link["href"]) for link in page.all("a") if str(link["href"]).startswith("#")} <= targets


def test_the_page_needs_nothing_but_itself() -> None:
    text = page_of(USUAL)
    page = Outline(text)
    policy = {meta.get("content") for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"}
    assert policy == {POLICY}
    assert POLICY.startswith("default-src 'none'")
    assert not {"script", "link", "img", "iframe", "object"} & {name for name, _ in page.elements}
    assert "url(" not in text
    assert "@import" not in text


def test_an_outcome_is_told_by_a_word_and_not_by_colour_alone() -> None:
    text = page_of(USUAL)
    for one in USUAL.criteria:
        assert re.search(rf"</span> {one.outcome}</span> {re.escape(one.id)}", text)


def test_the_page_of_a_long_run_stays_small() -> None:
    many = [replace(one, id=f"{one.id}-{index}") for index in range(5) for one in results.record().results]
    long = Curve(
        name="rate/offered", x="s", y="requests/s", points=tuple((float(x), 1.0) for x in range(86_400)), limit=None
    )
    run = run_of(results.record(*many))
    first = replace(run.criteria[0], series=(long,))
    assert len(page_of(replace(run, criteria=(first, *run.criteria[1:]))).encode()) < 300 * KIB


def test_what_needs_attention_begins_with_what_is_required() -> None:
    text = page_of(USUAL)
    part = text[text.index('id="attention"') : text.index('id="criteria"')]
    order = [part.index(name) for name in ("ingress.https", "latency.in-cluster", "access.tenants", "training.gpu")]
    assert order == sorted(order)


def curve(name: str, *points: tuple[float, float], x: str = "s", y: str = "score", limit: float | None = None) -> Curve:
    return Curve(name=name, x=x, y=y, points=points, limit=limit)


def test_a_distribution_says_what_share_is_within_its_limit() -> None:
    made = plots.drawn(
        [curve("latency", (10, 20), (199, 95), (201, 96), (400, 100), x="ms", y="% of requests", limit=200)]
    )
    assert "95 % of requests within 200 ms" in made[0]
    assert "limit 200 ms" in made[0]


def test_a_peak_survives_when_points_are_left_out() -> None:
    points = [(float(x), 1.0) for x in range(10_000)]
    points[7_777] = (7_777.0, 900.0)
    assert max(plots.thinned(points), key=lambda point: point[1]) == (7_777.0, 900.0)
    assert len(plots.thinned(points)) <= 240


def test_cells_over_the_limit_carry_a_cross() -> None:
    made = plots.drawn([curve(f"drift/{name}", (0, 0.1), (1, 0.9), x="window", limit=0.2) for name in "abcd"])
    assert made[0].count("\N{MULTIPLICATION SIGN}") == 4
    assert "4 of them over the limit 0.2" in made[0]


@pytest.mark.parametrize("points", [((0.0, 0.0),), ((0.0, 0.0), (1.0, 0.0)), ((5.0, -3.0), (5.0, -3.0)), ()])
def test_a_plot_of_hardly_anything_is_drawn_without_complaint(points: tuple[tuple[float, float], ...]) -> None:
    made = "".join(plots.drawn([curve("few", *points)]))
    assert "nan" not in made.lower().replace("inan", "")
    assert "inf" not in made


def test_values_are_written_as_people_read_them() -> None:
    said = [plots.number(value) for value in (0, 1, 1234567, 0.00012346, 99.999, -3.14159, float("inf"))]
    assert said == ["0", "1", "1,234,567", "0.0001235", "100", "-3.142", "inf"]


def test_attributes_are_escaped_and_absent_ones_are_left_out() -> None:
    assert tag("a", "<x>", href='"&', title=None, open=True) == '<a href="&quot;&amp;" open>&lt;x&gt;</a>'
    assert tag("p", Markup("<b>"), "<b>") == "<p><b>&lt;b&gt;</p>"


def figures(middle: float, spread: float, backend: str = "process") -> Run:
    made = results.latency(middle_ms=60)
    measurement = made.evidence[0].measurement
    assert measurement is not None
    changed = replace(measurement, value=middle, low=middle - spread, high=middle + spread)
    probe = replace(made.evidence[0], measurement=changed)
    return run_of(results.record(replace(made, backend=backend, value=middle, evidence=(probe, made.evidence[1]))))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (figures(100, 10), figures(115, 10), "no difference: the intervals overlap"),
        (figures(100, 10), figures(150, 10), "worse by 50 %"),
        (figures(100, 10), figures(50, 10), "better by 50 %"),
        (figures(100, 10), figures(150, 10, "cluster"), "not comparable: measured process and cluster"),
        (figures(100, 10), run_of(results.record(replace(results.skipped(), id="serving.p95-of-sklearn"))),
         "not measured in both"),
    ],
)  # fmt: skip
def test_runs_differ_only_where_their_intervals_do_not_overlap(first: Run, second: Run, said: str) -> None:
    assert compare.rows([first, second])[0].differences == (said,)
    assert said in compare.as_markdown([first, second])
    assert said in compare.as_page([first, second])


def test_a_comparison_shows_criteria_that_only_one_run_has() -> None:
    rows = compare.rows([figures(100, 10), USUAL])
    alone: list[Verdict | None] = next(list(row.verdicts) for row in rows if row.id == "drift.detected")
    assert alone[0] is None
    assert alone[1] is not None


def test_junit_of_hostile_texts_is_still_xml() -> None:
    assert "<script" not in junit.report(HOSTILE)
