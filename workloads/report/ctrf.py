"""A run as CTRF, the Common Test Report Format (ctrf.io, schema 0.0.0): JUnit's twin in JSON."""

from __future__ import annotations

import json
from datetime import datetime

from .html import limit_of, value_of
from .model import Document, Run, Verdict, measured

_STATUS = {"PASS": "passed", "FAIL": "failed", "ERROR": "failed", "INVALID": "other", "SKIP": "skipped"}


def report(run: Run) -> str:
    """The whole document."""
    tests = [_test(one) for one in run.criteria]
    statuses = ("passed", "failed", "pending", "skipped", "other")
    summary = {
        "tests": len(tests),
        **{status: sum(test["status"] == status for test in tests) for status in statuses},
        "start": _milliseconds(run.started),
        "stop": _milliseconds(run.finished or run.started),
    }
    summary["pending"] = len(run.pending)
    summary["tests"] += len(run.pending)
    tests += [{"name": name, "status": "pending", "duration": 0} for name in run.pending]
    results = {
        "tool": {"name": "kubeflow-proof", "extra": {"run": run.run, "schema": 2}},
        "summary": summary,
        "tests": tests,
        "environment": {"testEnvironment": run.environment, "extra": {"stack": run.stack, "measured": measured(run)}},
    }
    document = {"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results}
    return json.dumps(document, indent=2) + "\n"


def _test(one: Verdict) -> Document:
    return {
        "name": one.id,
        "status": _STATUS[one.outcome],
        "duration": round(one.seconds * 1000),
        "suite": [one.area],
        "rawStatus": one.outcome,
        "message": one.reason,
        "tags": [one.level, "required" if one.required else "optional"],
        "extra": {"requirement": one.title, "measured": value_of(one), "limit": limit_of(one), "where": one.where},
    }


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
