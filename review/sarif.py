"""A report as SARIF 2.1.0, for code scanning. A finding points to the line of the stack file that decided it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from policies.guardrails.rule import Level, Resource, Severity

from .findings import Finding, rule
from .places import Places
from .report import Report

Object = dict[str, Any]
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MOST = 5000  # results that code scanning keeps of one run
_SCORES = {Severity.LOW: "2.0", Severity.MEDIUM: "5.0", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}
_FLOWS = "flows-differ"


def sarif(report: Report, places: Places) -> Object:
    """The document; one run for one stack."""
    resources = {one.urn: one for one in report.head.preview.resources} if report.head else {}
    found = report.findings[:_MOST]
    results = [_result(report, one, resources, places) for one in found]
    edges = report.topology.head.findings if report.topology else ()
    results += [_flow(report, text, places) for text in edges[: _MOST - len(results)]]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "kubeflow-proof pr-check",
                        "informationUri": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html",
                        "rules": _rules(found, flows=bool(edges)),
                    }
                },
                "automationDetails": {"id": f"pr-check/{report.stack}/"},
                "invocations": [{"executionSuccessful": not report.broken}],
                "results": results,
            }
        ],
    }


def _rules(found: Sequence[Finding], *, flows: bool) -> list[Object]:
    described: dict[str, Object] = {}
    for one in found:
        known = rule(one.rule)
        refuses = known.refuses if known else one.what
        described[one.rule] = {
            "id": one.rule,
            "shortDescription": {"text": refuses},
            "help": {"text": f"{one.why} Fix: {one.fix} Source: {one.source}"},
            "defaultConfiguration": {"level": _level(one)},
            "properties": {"security-severity": _SCORES[one.severity], "tags": ["security"]},
        }
    if flows:
        described[_FLOWS] = {
            "id": _FLOWS,
            "shortDescription": {"text": "Policies of the network differ from the table of flows."},
            "help": {"text": "Declare the flow with its reason in kubeflow/network/table.py, or close it."},
            "defaultConfiguration": {"level": "error"},
            "properties": {"security-severity": _SCORES[Severity.HIGH], "tags": ["security"]},
        }
    return list(described.values())


def _result(report: Report, one: Finding, resources: Mapping[str, Resource], places: Places) -> Object:
    place = f" at {one.path}" if one.path else ""
    return {
        "ruleId": one.rule,
        "level": _level(one),
        "message": {"text": f"{one.address}{place}: {one.what}. {one.why} Fix: {one.fix}".strip()},
        "locations": [_location(report, places.of(one, resources.get(one.urn)))],
        "partialFingerprints": {"rulePlace/v1": _print(one.rule, one.address, one.path)},
    }


def _flow(report: Report, text: str, places: Places) -> Object:
    return {
        "ruleId": _FLOWS,
        "level": "error",
        "message": {"text": text},
        "locations": [_location(report, places.line("platform"))],
        "partialFingerprints": {"rulePlace/v1": _print(_FLOWS, text)},
    }


def _location(report: Report, line: int) -> Object:
    return {"physicalLocation": {"artifactLocation": {"uri": report.file}, "region": {"startLine": line}}}


def _level(one: Finding) -> str:
    if one.level is Level.MANDATORY:
        return "error"
    return "note" if one.severity is Severity.LOW else "warning"


def _print(*parts: str) -> str:
    """Tells a finding apart over many runs; holds no name of the rehearsed stack."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
