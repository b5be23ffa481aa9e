"""A run as JUnit XML, which every CI reads. What was not measured is never a success there."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from .html import limit_of, value_of
from .model import Run, Verdict, measured

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def report(run: Run) -> str:
    """One suite for each area. A required criterion without a verdict is an error, an optional one is skipped."""
    counts = run.counts
    root = ET.Element(
        "testsuites", name=f"validation of {run.stack}", tests=str(len(run.criteria)), failures=str(counts["FAIL"]),
        errors=str(sum(_is_error(one) for one in run.criteria)), time=f"{sum(one.seconds for one in run.criteria):.3f}",
    )  # fmt: skip
    suites: dict[str, ET.Element] = {}
    for one in run.criteria:
        if one.area not in suites:
            suites[one.area] = _suite(root, run, one.area)
        _case(suites[one.area], one)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, run: Run, area: str) -> ET.Element:
    chosen = [one for one in run.criteria if one.area == area]
    made = ET.SubElement(
        root, "testsuite", name=area, timestamp=run.started, hostname=_clean(run.environment), tests=str(len(chosen)),
        failures=str(sum(one.outcome == "FAIL" for one in chosen)), errors=str(sum(_is_error(one) for one in chosen)),
        skipped=str(sum(_is_skipped(one) for one in chosen)), time=f"{sum(one.seconds for one in chosen):.3f}",
    )  # fmt: skip
    properties = ET.SubElement(made, "properties")
    ET.SubElement(properties, "property", name="measured", value=_clean(measured(run)))
    return made


def _is_error(one: Verdict) -> bool:
    return one.outcome in ("ERROR", "INVALID") or (one.outcome == "SKIP" and one.required)


def _is_skipped(one: Verdict) -> bool:
    return one.outcome == "SKIP" and not one.required


def _case(suite: ET.Element, one: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", classname=one.area, name=one.id, time=f"{one.seconds:.3f}")
    if one.outcome == "FAIL":
        ET.SubElement(case, "failure", message=_clean(one.reason), type="FAIL")
    elif _is_error(one):
        ET.SubElement(case, "error", message=_clean(one.reason), type=one.outcome)
    elif _is_skipped(one):
        ET.SubElement(case, "skipped", message=_clean(one.reason))
    told = [one.title, f"measured {value_of(one)}, {limit_of(one)}, {one.where}"]
    told += [f"{'held' if seen.held else 'NOT SO'}: {seen.claim}: {seen.saw}" for seen in one.evidence]
    ET.SubElement(case, "system-out").text = _clean("\n".join(told))


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold at all."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
