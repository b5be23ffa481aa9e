"""The proof behind the mark `fails`: a test so marked has made the named criteria's own checks end in FAIL.

A mark names criteria of the catalog: `@pytest.mark.fails("serving.day", on="process")`; where a criterion has only one
check, `on` can be left out. While the test runs, every collection of claims is noted with the check that began it. At
the end there must be one that this check, as it stands in the catalog, gave back and that is judged a failure. What a
check collected before an error left it does not count, nor do claims that a test made up itself.
"""

from __future__ import annotations

import dis
import inspect
import json
import os
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CellType, CodeType, FrameType
from typing import Any
from unittest import mock

import pytest

from workloads import runner
from workloads.catalog import BY_ID, CATALOG
from workloads.criterion import Backend, Criterion
from workloads.outcome import Outcome, Probes

MARK = "fails"
TOLD = "FAILS_TOLD"  # the file that the marks of collected tests are written to, where this module is a plugin


class UnknownMarkError(Exception):
    """A mark names no criterion, or not one half that the criterion has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Half:
    """One criterion on one backend."""

    criterion: str
    backend: Backend

    def __str__(self) -> str:
        return f"{self.criterion} on {self.backend.value}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    """Claims that were begun inside of a check."""

    halves: frozenset[Half]
    frame: FrameType  # of the check
    probes: Probes


def halves(criterion: Criterion) -> dict[Half, Callable[..., Probes]]:
    """The checks of a criterion."""
    checks = {Backend.CLUSTER: criterion.cluster, Backend.PROCESS: criterion.process}
    return {Half(criterion=criterion.id, backend=where): check for where, check in checks.items() if check is not None}


def promises(marks: Iterable[pytest.Mark]) -> list[Half]:
    """What the marks of a test say that it makes fail."""
    return [promise(name, **mark.kwargs) for mark in marks for name in mark.args]


def promise(name: str, *, on: str = "") -> Half:
    """What one name in a mark says; UnknownMarkError if it says nothing."""
    if name not in BY_ID:
        raise UnknownMarkError(f"{MARK}: no criterion {name!r}; `python -m workloads list` shows all")
    meant = [half for half in halves(BY_ID[name]) if on in {"", half.backend.value}]
    if not meant:
        raise UnknownMarkError(f"{MARK}: {name} has no check{f' on {on!r}' if on else ''}")
    if len(meant) > 1:
        raise UnknownMarkError(f"{MARK}: {name} has two checks; say on='cluster' or on='process'")
    return meant[0]


def pytest_collection_finish(session: pytest.Session) -> None:
    """As a plugin of a run that only collects: write down what each test is marked with."""
    marked = {
        item.nodeid: [(name, mark.kwargs) for mark in item.iter_markers(MARK) for name in mark.args]
        for item in session.items
    }
    Path(os.environ[TOLD]).write_text(json.dumps(marked), encoding="utf-8")


@contextmanager
def watched() -> Generator[Callable[[], frozenset[Half]]]:
    """Note what checks collect; gives a question for the halves that have ended in FAIL so far."""
    begun: list[_Begun] = []
    checks = _checks()
    begin = Probes.__init__

    def noting(probes: Probes) -> None:
        begin(probes)
        begun.extend(_asking(checks, inspect.currentframe(), probes))

    with mock.patch.object(Probes, "__init__", noting):
        yield lambda: frozenset(half for one in begun if _failed(one) for half in one.halves)
    begun.clear()  # frames keep alive whatever their checks worked with


def broken(promised: Iterable[Half], seen: frozenset[Half]) -> list[str]:
    """The promises that were not kept, in words."""
    shown = ", ".join(sorted(map(str, seen))) or "none"
    return [f"the check of {one} did not end in FAIL; these did: {shown}" for one in promised if one not in seen]


def _checks() -> dict[CodeType, dict[Half, dict[str, Any]]]:
    """Every check of the catalog by its code, with what tells it apart from others that the same code makes.

    What all of them were made with alike, such as a way to connect, a test may replace.
    """
    made: dict[CodeType, dict[Half, dict[str, Any]]] = defaultdict(dict)
    for half, check in ((half, check) for one in CATALOG for half, check in halves(one).items()):
        cells: tuple[CellType, ...] = check.__closure__ or ()
        values = (cell.cell_contents for cell in cells)
        made[check.__code__][half] = dict(zip(check.__code__.co_freevars, values, strict=True))
    return {code: _apart(alike) for code, alike in made.items()}


def _apart(alike: Mapping[Half, Mapping[str, Any]]) -> dict[Half, dict[str, Any]]:
    first, *others = alike.values()
    telling = {name for name, value in first.items() if any(one[name] != value for one in others)}
    return {half: {name: values[name] for name in telling} for half, values in alike.items()}


def _asking(
    checks: Mapping[CodeType, Mapping[Half, Mapping[str, Any]]], frame: FrameType | None, probes: Probes
) -> Iterator[_Begun]:
    """The checks of the catalog that are being asked, from the innermost call outwards."""
    while frame is not None:
        here = frame
        known = checks.get(here.f_code, {})
        found = frozenset(
            half for half, words in known.items() if all(here.f_locals[name] == value for name, value in words.items())
        )
        if found:
            yield _Begun(halves=found, frame=here, probes=probes)
        frame = frame.f_back


def _failed(one: _Begun) -> bool:
    return _returned(one.frame) and runner.judge(one.probes)[0] is Outcome.FAIL


def _returned(frame: FrameType) -> bool:
    """Whether the function came to its end by itself: then the last thing that it did is to return."""
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap["RETURN_VALUE"]
