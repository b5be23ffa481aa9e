"""What a right answer is, as data. Says what is wrong with an answer; never raises for one."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, cast

Step = str | int


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The value at a path of a JSON answer. Numbers, also inside lists, may differ by `tolerance`."""

    path: tuple[Step, ...]
    equals: Any
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Expect:
    """A right answer. No status means any 2xx. `model` and `version` are those that a V2 answer names.

    `tally` is a path of the answer whose values are counted, `tally_header` a header: which version answered how often.
    """

    status: tuple[int, ...] = ()
    body: bytes | None = None
    checks: tuple[Check, ...] = ()
    model: str = ""
    version: str = ""
    tally: tuple[Step, ...] = ()
    tally_header: str = ""

    @property
    def reads_json(self) -> bool:
        """Whether the answer must be parsed at all."""
        return bool(self.checks or self.model or self.version or self.tally)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What an answer comes to: the class of its error, or nothing; and the value that is counted, or nothing."""

    error: str
    tally: str


_MISSING = object()


def judge(expect: Expect, status: int, body: bytes, header: str) -> Seen:
    """Compare one answer; `header` is the value of the tally header."""
    right = status in expect.status if expect.status else 200 <= status <= 299  # noqa: PLR2004 - what 2xx means
    if not right:
        return Seen(error=f"status {status}", tally=header)
    if expect.body is not None and body != expect.body:
        return Seen(error="body", tally=header)
    if not expect.reads_json:
        return Seen(error="", tally=header)
    try:
        answer = json.loads(body)
    except ValueError:
        return Seen(error="body", tally=header)
    tally = header
    if expect.tally and (value := at(answer, expect.tally)) is not _MISSING:
        tally = str(value)
    return Seen(error=_wrong(expect, answer), tally=tally)


def _wrong(expect: Expect, answer: object) -> str:
    for key, wanted in (("model_name", expect.model), ("model_version", expect.version)):
        if wanted and at(answer, (key,)) != wanted:
            return "model"
    held = all(same(at(answer, check.path), check.equals, check.tolerance) for check in expect.checks)
    return "" if held else "body"


def at(value: object, path: tuple[Step, ...]) -> object:
    """The part of a JSON value at a path; a mark that equals nothing where there is none."""
    for step in path:
        if isinstance(step, str):
            value = cast("dict[str, object]", value).get(step, _MISSING) if isinstance(value, dict) else _MISSING
        else:
            items = cast("list[object]", value) if isinstance(value, list) else []
            value = items[step] if -len(items) <= step < len(items) else _MISSING
    return value


def same(found: object, wanted: object, tolerance: float) -> bool:
    """Equal JSON values, numbers within a tolerance; true and false are no numbers."""
    if isinstance(wanted, list):
        ours, theirs = cast("list[object]", wanted), cast("list[object]", found) if isinstance(found, list) else None
        if theirs is None or len(ours) != len(theirs):
            return False
        return all(same(one, other, tolerance) for one, other in zip(theirs, ours, strict=True))
    if isinstance(wanted, dict):
        ours, theirs = cast("dict[str, object]", wanted), cast("dict[str, object]", found)
        if not isinstance(found, dict) or ours.keys() != theirs.keys():
            return False
        return all(same(theirs[key], ours[key], tolerance) for key in ours)
    if isinstance(wanted, bool) or isinstance(found, bool) or not isinstance(wanted, int | float):
        return type(found) is type(wanted) and found == wanted
    return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=0, abs_tol=tolerance)
