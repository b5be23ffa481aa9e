"""A server for the other probes: it says who it is and what it is told of its caller, and gives back what it gets."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from probe_common import asked

POD = os.environ["POD"]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or small answers would wait for acknowledgements
    wbufsize = -1

    def do_GET(self) -> None:
        """Who answers, and what a sidecar has told about the caller."""
        client = self.headers.get("X-Forwarded-Client-Cert", "")
        self._answer(json.dumps({"pod": POD, "client": client}).encode())

    def do_POST(self) -> None:
        """The same bytes again."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Pod", POD)
        self.send_header("X-Digest", hashlib.sha256(body).hexdigest())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Nothing: thousands of lines would say the same."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Until told to stop."""
    # The pod's own address: a sidecar passes requests on to it, as it would to any other program.
    with Server((os.environ["ADDRESS"], asked()["port"]), Handler) as server:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as the first process it would ignore the signal
        server.serve_forever()


if __name__ == "__main__":
    main()
