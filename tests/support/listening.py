"""HTTP servers of this machine, as long as a context lasts: of any kind, and of metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from workloads.backends.process.processes import HOST


class Quiet(BaseHTTPRequestHandler):
    """Writes nothing between the lines of a test."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""


@contextmanager
def listening(handler: type[Quiet]) -> Generator[int]:
    """The port at which requests are handled."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def exporter(exposition: Callable[[], str]) -> Generator[int]:
    """The port at which Prometheus reads what is told of each moment."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            data = exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with listening(Handler) as port:
        yield port
