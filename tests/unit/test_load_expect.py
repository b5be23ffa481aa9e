"""What counts as a right answer."""

from __future__ import annotations

import json

import pytest

from workloads.load.expect import Check, Expect, judge

GOLDEN = Expect(
    model="m",
    version="2",
    checks=(Check(path=("outputs", 0, "data"), equals=[1.0, [2.0]], tolerance=0.01),),
    tally=("model_version",),
)
RIGHT = {"model_name": "m", "model_version": "2", "outputs": [{"data": [1.005, [1.995]]}]}


def _body(**changes: object) -> bytes:
    return json.dumps({**RIGHT, **changes}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, _body(), ""),
        (204, _body(), ""),
        (302, _body(), "status 302"),
        (503, _body(), "status 503"),
        (200, b"<html>", "body"),
        (200, b"\xff\xfe", "body"),
        (200, b"[]", "model"),
        (200, _body(model_version="1"), "model"),
        (200, _body(model_name="other"), "model"),
        (200, _body(outputs=[]), "body"),
        (200, _body(outputs=[{"data": [1.02, [2.0]]}]), "body"),
        (200, _body(outputs=[{"data": [1.0, [2.0, 3.0]]}]), "body"),
        (200, _body(outputs=[{"data": [1.0, 2.0]}]), "body"),
        (200, _body(outputs=[{"data": [True, [2.0]]}]), "body"),
        (200, _body(outputs=[{"data": ["1.0", [2.0]]}]), "body"),
        (200, _body(outputs={"0": 1}), "body"),
    ],
)
def test_an_answer_is_right_only_with_status_model_version_and_values(status: int, body: bytes, error: str) -> None:
    assert judge(GOLDEN, status, body, "").error == error


def test_exact_bytes_and_a_status_can_be_asked_for() -> None:
    expect = Expect(status=(403,), body=b"no")
    assert judge(expect, 403, b"no", "").error == ""
    assert judge(expect, 403, b"yes", "").error == "body"
    assert judge(expect, 200, b"no", "").error == "status 200"


@pytest.mark.parametrize(
    ("wanted", "found", "right"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, [], False),
        (None, None, True),
        ("x", "x", True),
        (True, 1, False),
        (0, False, False),
        (1, float("nan"), False),
    ],
)
def test_values_are_compared_as_json(wanted: object, found: object, right: bool) -> None:  # noqa: FBT001 - a table
    expect = Expect(checks=(Check(path=("v",), equals=wanted),))
    assert (judge(expect, 200, json.dumps({"v": found}).encode(), "").error == "") is right


def test_the_value_that_is_counted_comes_from_the_answer_or_its_header() -> None:
    assert judge(GOLDEN, 200, _body(), "header").tally == "2"
    assert judge(Expect(tally_header="x-version"), 200, b"", "v1").tally == "v1"
    assert judge(Expect(tally=("no", "such")), 200, b"{}", "").tally == ""
