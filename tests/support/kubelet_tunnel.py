"""The part of a kubelet's own server that `kubectl port-forward` needs: a websocket that carries bytes to a pod's port.

The protocol is v4.channel.k8s.io: a channel for data and one for errors, each opened with the port's number.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_PROTOCOL = "v4.channel.k8s.io"
_BINARY, _CLOSE = 2, 8
_DATA, _ERROR = b"\0", b"\1"
_CHUNK = 32_768
_CONNECT_SECONDS = 5
_SHORT, _LONG = 126, 127  # marks of lengths that follow in two and in eight bytes


class Tunnel:
    """One forwarded port of one pod."""

    def __init__(self, handler: BaseHTTPRequestHandler, address: str, port: int) -> None:
        self._handler, self._address, self._port = handler, address, port
        self._lock = threading.Lock()

    def carry(self) -> None:
        """Switch to a websocket, and carry until either end has had enough."""
        handler = self._handler
        key = handler.headers["Sec-WebSocket-Key"]
        accept = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        handler.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        handler.send_header("Sec-WebSocket-Protocol", _PROTOCOL)
        handler.end_headers()
        handler.close_connection = True
        for channel in (_DATA, _ERROR):
            self._send(_BINARY, channel + struct.pack("<H", self._port))
        try:
            far = socket.create_connection((self._address, self._port), timeout=_CONNECT_SECONDS)
        except OSError as error:
            self._send(_BINARY, _ERROR + f"port {self._port} of the pod: {error}".encode())
            self._send(_CLOSE, b"")
            return
        far.settimeout(None)
        with far, contextlib.suppress(OSError):
            threading.Thread(target=self._back, args=(far,), daemon=True).start()
            while (data := self._received()) is not None:
                far.sendall(data)

    def _back(self, far: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := far.recv(_CHUNK):
                self._send(_BINARY, _DATA + data)
            self._send(_CLOSE, b"")

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([size]) if size < _SHORT else bytes([_SHORT]) + struct.pack(">H", size)
        with self._lock:
            self._handler.wfile.write(bytes([0x80 | opcode]) + length + payload)
            self._handler.wfile.flush()

    def _received(self) -> bytes | None:
        """Data for the pod; empty for what is none; None at the end."""
        head = self._handler.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == _CLOSE:
            return None
        size = head[1] & 0x7F
        if size == _SHORT:
            (size,) = struct.unpack(">H", self._handler.rfile.read(2))
        elif size == _LONG:
            (size,) = struct.unpack(">Q", self._handler.rfile.read(8))
        mask = self._handler.rfile.read(4) if head[1] & 0x80 else bytes(4)
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self._handler.rfile.read(size)))
        return payload[1:] if head[0] & 0x0F == _BINARY and payload[:1] == _DATA else b""
