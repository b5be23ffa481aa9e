"""Definitions go even where the API server gave up on them for a while."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kubeflow.install import crds
from kubeflow.install.apiserver import ApiServer
from kubeflow.install.definitions import CrdError
from tests.support.listening import Quiet, listening
from tests.support.pretend import Pretend
from workloads.backends.process.processes import HOST

FAILED = {
    "type": "Terminating",
    "status": "True",
    "reason": "InstanceDeletionFailed",
    "message": "could not list instances: storage is (re)initializing",
}


@dataclass
class Stuck:
    """A definition, as an API server shows it that failed to delete its objects, and tries again only when told."""

    hears: bool = True
    asked: list[Any] = field(default_factory=list[Any])


@contextmanager
def server(stuck: Stuck) -> Generator[ApiServer]:
    """The product's client of that server."""

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - named by the base class
            gone = stuck.hears and stuck.asked
            body = {"metadata": {"name": "reds.test", "finalizers": ["cleanup"]}, "status": {"conditions": [FAILED]}}
            self.say(404 if gone else 200, {} if gone else body)

        def do_DELETE(self) -> None:  # noqa: N802 - named by the base class
            self.say(200, {})

        def do_PATCH(self) -> None:  # noqa: N802 - named by the base class
            stuck.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.say(200, {})

        def say(self, code: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    there = Pretend()
    with listening(Handler) as port:
        there.url = f"http://{HOST}:{port}"
        yield ApiServer(there.kubeconfig)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crds, "_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(crds, "_DELETED_SECONDS", 2.0)


def test_a_server_that_gave_up_is_made_to_try_again() -> None:
    stuck = Stuck()
    with server(stuck) as there:
        crds.remove(there, ["reds.test"])
    (patch,) = stuck.asked
    assert patch["metadata"].keys() == {"annotations"}, "nothing but a note changes"


def test_a_definition_that_stays_is_told_with_the_servers_reason() -> None:
    with server(Stuck(hears=False)) as there, pytest.raises(CrdError, match=r"reds\.test: not deleted .*initializing"):
        crds.remove(there, ["reds.test"])
