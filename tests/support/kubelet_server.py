"""A kubelet's own server as far as `kubectl logs` and `kubectl port-forward` need it: the API server asks here."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.kubelet_tunnel import Tunnel
from tests.support.webhook import certificate

PORT = 10250
Find = Callable[[str, str, str], Path | None]  # namespace, pod, container -> its log
Locate = Callable[[str, str], str]  # namespace, pod -> its address


@contextlib.contextmanager
def serving(address: str, find: Find, locate: Locate) -> Generator[None]:
    """Answer on the node's address."""

    class Handler(BaseHTTPRequestHandler):
        """One question."""

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = parse_qs(asked.query)
            match asked.path.strip("/").split("/"):
                case ["containerLogs", namespace, pod, container]:
                    self.tell(find(namespace, pod, container), query.get("tailLines"))
                case ["portForward", namespace, pod, *_]:
                    Tunnel(self, locate(namespace, pod), int(query["port"][0])).carry()
                case _:
                    self.send_error(404)

        def tell(self, log: Path | None, wanted: list[str] | None) -> None:
            """What a container has written, or the last lines of it."""
            lines = log.read_bytes().splitlines(keepends=True) if log is not None else []
            text = b"".join(lines[-int(wanted[0]) :] if wanted else lines)
            self.send_response(404 if log is None else 200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
            """Write nothing between the lines of a test."""

    _, pair = certificate(address)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair)
        file.flush()
        tls.load_cert_chain(file.name)
    server = ThreadingHTTPServer((address, PORT), Handler)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
