"""Each check of the catalog is made to fail by some test. That the test really does it, tests/conftest.py sees to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.support import failing
from tests.support.engine import ROOT
from workloads.catalog import CATALOG

Marks = Mapping[str, list[tuple[str, dict[str, str]]]]


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Marks:
    """The names in the marks of every test, as pytest itself collects them."""
    told = tmp_path_factory.mktemp("marks") / "told.json"
    word = f"mark.{failing.MARK}("
    files = [str(one) for one in sorted(ROOT.glob("tests/*/test_*.py")) if word in one.read_text(encoding="utf-8")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "tests.support.failing", *files]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=ROOT, env=clean | {failing.TOLD: str(told)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(told.read_text(encoding="utf-8"))


def test_every_check_of_the_catalog_is_made_to_fail_by_a_test(marks: Marks) -> None:
    shown: set[failing.Half] = set()
    wrong: list[str] = []
    for test, names in marks.items():
        for name, words in names:
            try:
                shown.add(failing.promise(name, **words))
            except (failing.UnknownMarkError, TypeError) as error:
                wrong.append(f"{test}: {error}")
    assert wrong == [], "a mark names a criterion and, where it has two checks, which of them fails"
    every = [half for one in CATALOG for half in failing.halves(one)]
    assert len(every) > 70
    assert [str(half) for half in every if half not in shown] == [], "no test makes these fail"
