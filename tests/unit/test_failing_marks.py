"""The mark `fails` cannot be put on a test that makes nothing fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support import failing
from tests.support.failing import Half
from tests.support.stack_outputs import outputs
from workloads.api import Json
from workloads.catalog import BY_ID
from workloads.checks import network
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.criterion import Backend, InCluster
from workloads.outcome import Probes

NAME = "network.tenant-is-closed-by-default"
OPEN, CLOSED = Half(criterion=NAME, backend=Backend.CLUSTER), frozenset[Half]()


@pytest.fixture
def target() -> Target:
    return parse(outputs(), source="test")


def visit(policies: Any) -> Visit:  # noqa: ANN401 - what an API server says
    """A cluster whose tenants have these policies; it breaks when it is asked for the second tenant, without any."""
    left = iter(policies)

    def items(_: str) -> object:
        return next(left)

    return cast("Visit", SimpleNamespace(api=SimpleNamespace(items=items)))


def promise(*names: str, **on: str) -> list[Half]:
    return failing.promises([pytest.mark.fails(*names, **on).mark])


def test_a_check_that_gives_back_a_failure_is_seen(target: Target) -> None:
    with failing.watched() as seen:
        assert seen() == CLOSED
        network.closed_by_default(target, visit([[], []]))
        assert seen() == {OPEN}
        assert failing.broken(promise(NAME), seen()) == []


def test_a_check_that_an_error_ends_has_not_failed(target: Target) -> None:
    with failing.watched() as seen:
        with pytest.raises(StopIteration):
            network.closed_by_default(target, visit([[]]))
        assert seen() == CLOSED
        assert failing.broken(promise(NAME), seen()) == [
            f"the check of {NAME} on cluster did not end in FAIL; these did: none"
        ]


def test_claims_that_a_test_makes_up_are_nobodys(target: Target) -> None:
    with failing.watched() as seen:
        made = Probes()
        made.positive("one", held=False, saw="")
        made.negative("two", held=True, saw="")
        network.closed_by_default(target, visit([_closed(), _closed()]))
        assert seen() == CLOSED


def test_checks_made_of_the_same_code_are_told_apart(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_of(word: str, connect: Callable[[], bool] = lambda: True) -> InCluster:
        def check(*_: object) -> Probes:
            probes = Probes()
            probes.positive(word, held=connect() and False, saw="")
            probes.negative(word, held=True, saw="")
            return probes

        return check

    invented = [replace(BY_ID[NAME], id=word, cluster=check_of(word)) for word in ("one", "two")]
    monkeypatch.setattr(failing, "CATALOG", invented)
    for others in ((), (lambda: False,)):  # a test may connect in another way
        with failing.watched() as seen:
            check_of("one", *others)(target, visit([]))
            assert {half.criterion for half in seen()} == {"one"}
    with failing.watched() as seen:
        check_of("three")(target, visit([]))
        assert seen() == CLOSED


def test_a_mark_names_criteria_and_halves_that_there_are() -> None:
    with pytest.raises(failing.UnknownMarkError, match="no criterion 'serving'"):
        promise("serving")
    with pytest.raises(failing.UnknownMarkError, match=f"{NAME} has no check on 'process'"):
        promise(NAME, on="process")
    with pytest.raises(failing.UnknownMarkError, match=r"serving\.canary has two checks; say on="):
        promise("serving.canary")
    assert promise(NAME, on="cluster") == promise(NAME) == [OPEN]


def _closed() -> list[Json]:
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    deny: Json = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return [
        {"metadata": {"name": "deny"}, "spec": deny},
        {
            "metadata": {"name": "dns"},
            "spec": {"podSelector": {}, "egress": [{"to": [{"podSelector": {}}], "ports": ports}]},
        },
    ]
