"""HTTP servers that stand in for the APIs of platform services, and the way into them where there are no pods.

Each answers as its upstream's documentation says; which one, and of which version, is told where it is written.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.cluster import Object
from workloads.backends.cluster.forward import Reply, Spot
from workloads.cluster import Visit
from workloads.contract import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What somebody asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Object


Answerer = Callable[[Request], tuple[int, object]]


@contextlib.contextmanager
def serving(answer: Answerer) -> Generator[str]:
    """A server of this machine that answers like that: its address, host and port."""

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def answered(self) -> None:
            asked = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(
                method=self.command,
                path=asked.path,
                query=dict(parse_qsl(asked.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(text) if text else {},
            )
            try:
                status, said = answer(request)
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                status, said = 500, {"message": f"the stand-in broke: {error!r}"}
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = answered  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
            """Write nothing between the lines of a test."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def directly(servers: Mapping[Spot, str]) -> Callable[[Target, Visit], Direct]:
    """How a check finds stand-ins where it would find pods."""

    def connect(_target: Target, _visit: Visit) -> Direct:
        return Direct(servers)

    return connect


class Direct:
    """Reaches stand-ins where a run would reach pods."""

    def __init__(self, servers: Mapping[Spot, str]) -> None:
        self._servers = servers

    def call(
        self,
        spot: Spot,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request, JSON if there is a body."""
        connection = http.client.HTTPConnection(self._servers[spot], timeout=30)
        data = None if body is None else json.dumps(body).encode()
        sent = {} if data is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body=data, headers={**sent, **(headers or {})})
            answer = connection.getresponse()
            return Reply(status=answer.status, body=answer.read())
        finally:
            connection.close()
