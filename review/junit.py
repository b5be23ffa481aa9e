"""A report as JUnit XML: one case for each rule that said anything, and one for each question of the check."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from .findings import Finding
from .report import Report

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN = 50


def junit(report: Report) -> str:
    """The document."""
    suite = ET.Element("testsuite", name=f"pr-check {report.stack}")
    _case(suite, "planned and judged", error=report.broken)
    if report.topology is not None:
        _case(suite, "flows are as declared", failed=report.topology.head.findings)
    _case(suite, "nothing protected goes", failed=[f"{one.operation.value} {one.address}" for one in report.locked])
    _case(suite, "no rule of the base is lifted", failed=report.lifted)
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for one in report.findings:
        by_rule[one.rule].append(one)
    for name, found in sorted(by_rule.items()):
        stopping = [_told(one) for one in found if one.stops]
        _case(suite, f"rule {name}", failed=stopping, said=[_told(one) for one in found if not one.stops])
    waiting = [f"{one.rule}: {one.address} {one.path}" for one in report.head.preview.doubts] if report.head else []
    if waiting:
        skipped = ET.SubElement(suite, "testcase", name="what is unknown until the change runs", classname=report.stack)
        ET.SubElement(skipped, "skipped", message=_clean(f"{len(waiting)} answers: {'; '.join(waiting[:_SHOWN])}"))
    for kind, tag in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error"),
                      ("skipped", "testcase/skipped")):  # fmt: skip
        suite.set(kind, str(len(suite.findall(tag))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _told(one: Finding) -> str:
    return f"{one.address} {one.path}: {one.what}. Fix: {one.fix}"


def _case(
    suite: ET.Element, name: str, *, failed: Iterable[str] = (), error: Iterable[str] = (), said: Iterable[str] = ()
) -> None:
    case = ET.SubElement(suite, "testcase", name=_clean(name), classname=suite.get("name", ""))
    for tag, texts in (("failure", [*failed]), ("error", [*error])):
        if texts:
            ET.SubElement(case, tag, message=_clean(texts[0])).text = _clean("\n".join(texts[:_SHOWN]))
    if lines := [*said]:
        ET.SubElement(case, "system-out").text = _clean("\n".join(lines[:_SHOWN]))


def _clean(text: str) -> str:
    return _NO_XML.sub("?", text)
