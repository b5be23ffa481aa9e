"""Every page in a real browser: nothing is wider than the screen, nothing is fetched, everything can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import described, results
from tests.support.browser import Page, missing
from workloads import report
from workloads.report import compare, stack
from workloads.report.final import Given, build

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

NAMES = ("report", "portal", "run", "comparison", "topology")
SHOWN = ((1280, False), (390, True))  # width in pixels, dark
ENOUGH = 4.5  # contrast of text, by WCAG 2.2, 1.4.3

OVERFLOW = """
const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
const past = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
  && e.getBoundingClientRect().right > room + 1).map(e => e.outerHTML.slice(0, 80));
return {wide, room, past: past.slice(0, 5)};
"""
FETCHED = """
return {fetched: performance.getEntriesByType('resource').map(e => e.name)};
"""
# Every text against the ground beneath it. Colours are read as the browser shows them.
CONTRAST = """
const part = c => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
const read = s => { const m = s.match(/[\\d.]+/g).map(Number); return m.length < 4 || m[3] > 0 ? m : null; };
const ground = e => { for (; e; e = e.parentElement) { const c = read(getComputedStyle(e).backgroundColor);
  if (c) return c; } return [255, 255, 255]; };
const low = [];
let seen = 0;
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const style = getComputedStyle(e);
  if (!own || style.visibility === 'hidden' || e.matches('style, script, title, desc')) continue;
  const svg = e.closest('svg');
  const ink = read(svg ? style.fill : style.color);
  if (!ink) continue;
  const [a, b] = [light(ink), light(ground(svg ? svg.parentElement : e))].sort((x, y) => y - x);
  seen += 1;
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < LIMIT) low.push(e.tagName + '.' + e.getAttribute('class') + ' ' + ratio.toFixed(2));
}
return {seen, low: [...new Set(low)].slice(0, 8), ground: getComputedStyle(document.body).backgroundColor};
""".replace("LIMIT", str(ENOUGH))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All pages of an invented run on a whole platform."""
    out = tmp_path_factory.mktemp("pages")
    runs: list[Path] = []
    for name in ("local", "other"):
        record = results.record(stack=name)
        content, attached = report.document(record), report.attachments(record.results)
        runs.append(report.write(out, content, name=name, attachments=attached))
    given = Given(root=out, run=runs[0], others=(runs[1],), now=datetime(2026, 1, 2, tzinfo=UTC))
    folder = build(stack.of(described.usual(), name="local"), given, out)
    comparison = out / "comparison.html"
    comparison.write_text(compare.as_page([report.read(run) for run in runs]), encoding="utf-8")
    return {
        "report": folder / "report.html",
        "portal": folder / "portal.html",
        "run": runs[0] / "report.html",
        "comparison": comparison,
        "topology": folder / "topology/network.html",
    }


@pytest.fixture(scope="module", params=[(name, *shown) for name in NAMES for shown in SHOWN], ids=str)
def seen(pages: dict[str, Path], request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the browser says of one page, on a desk by day and on a phone by night."""
    name, width, dark = request.param
    parts = {"overflow": OVERFLOW, "fetched": FETCHED, "contrast": CONTRAST}
    script = ", ".join(f"{part}: (() => {{{body}}})()" for part, body in parts.items())
    found = Page(file=pages[name], width=width, dark=dark).asked(f"return {{{script}}};")
    return {**found, "width": width, "dark": dark}


def test_no_page_is_wider_than_the_screen(seen: dict[str, Any]) -> None:
    assert seen["overflow"]["room"] == seen["width"]
    assert seen["overflow"]["past"] == []
    assert seen["overflow"]["wide"] <= seen["width"]


def test_no_page_fetches_anything(seen: dict[str, Any]) -> None:
    assert seen["fetched"] == {"fetched": []}


def test_every_text_stands_out_from_its_ground_by_day_and_by_night(seen: dict[str, Any]) -> None:
    assert seen["contrast"]["seen"] > 20
    assert seen["contrast"]["low"] == []
    assert seen["contrast"]["ground"] == ("rgb(13, 17, 23)" if seen["dark"] else "rgb(255, 255, 255)")


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><body style='background:#fff'><p style='width:900px;color:#bbb'>pale and wide</p></body>",
        encoding="utf-8",
    )
    assert Page(file=page, width=390).asked(OVERFLOW)["past"]
    assert Page(file=page).asked(CONTRAST)["low"]


def test_a_page_is_shown_and_printed(pages: dict[str, Path], tmp_path: Path) -> None:
    assert Page(file=pages["report"]).screenshot(tmp_path / "page.png").stat().st_size > 20_000
    printed = Page(file=pages["run"]).printed(tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
