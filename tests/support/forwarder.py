"""Carries connections from one address of the loopback to another, as kube-proxy would from a Service to its pod."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_CONNECT_SECONDS = 5


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Forwarder:
    """Listens while it is entered. A connection that the far end does not take is closed at once."""

    def __init__(self, host: str, port: int, to_host: str, to_port: int) -> None:
        class Handler(socketserver.BaseRequestHandler):
            """One connection."""

            def handle(self) -> None:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((to_host, to_port), timeout=_CONNECT_SECONDS) as far,
                ):
                    far.settimeout(None)
                    back = threading.Thread(target=_carry, args=(far, self.request), daemon=True)
                    back.start()
                    _carry(self.request, far)
                    back.join()

        self._server = _Server((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
