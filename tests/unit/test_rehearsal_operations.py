"""What an update says when the server refuses for good; the real waits are in tests/engine."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.kubernetes_provider import operations
from rehearsal.kubernetes_provider.errors import NO_MATCH, NOT_FOUND, ApiError, WaitFailedError
from rehearsal.kubernetes_provider.operations import Operation

URN = "urn:pulumi:dev::tiny::kubernetes:example.test/v1:Alien::alien"
ALIEN = {"apiVersion": "example.test/v1", "kind": "Alien", "metadata": {"name": "alien"}}


class Session:
    """A server that does not know the kind."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.said: list[str] = []
        self.reason = NO_MATCH

    def flag(self, _name: str) -> bool:
        return False

    def say(self, _urn: str, text: str, **_how: object) -> None:
        self.said.append(text)

    def cluster(self) -> Any:  # noqa: ANN401 - only one method is needed
        return self

    def path(self, _obj: object, **_how: object) -> str:
        raise ApiError(NOT_FOUND, self.reason, "no matches for kind")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(operations, "PAUSES", (0.0, 0.0))
    return Session()


def operation(session: Session, *, preview: bool) -> Any:  # noqa: ANN401 - a partial stand-in of the session
    request: Any = SimpleNamespace(urn=URN, preview=preview)
    anything: Any = session
    return Operation(anything, request)


def test_a_kind_that_never_comes_is_an_error_that_names_the_remedy(session: Session) -> None:
    with pytest.raises(ApiError, match="no matches for kind") as refused:
        operation(session, preview=False)._created(ALIEN, "manager", set())
    assert URN in str(refused.value)
    assert "Verify that any required CRDs have been created" in str(refused.value)
    assert len(session.said) == 2


def test_a_preview_hides_what_may_still_come(session: Session) -> None:
    assert operation(session, preview=True)._created(ALIEN, "manager", set()) is None
    assert session.said == []


def test_a_cancelled_update_stops_trying(session: Session) -> None:
    session.cancelled.set()
    with pytest.raises(WaitFailedError, match="cancelled"):
        operation(session, preview=False)._created(ALIEN, "manager", set())
    assert len(session.said) == 1
