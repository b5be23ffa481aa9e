"""A cluster made of one HTTP server: keeps objects, finds them by label, and forwards ports of pods to this machine.

Real programs can so stand for pods: whoever asks a pod's port through the API server gets the port of a process here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.support.listening import Quiet, listening
from workloads.backends.process.processes import HOST

Json = dict[str, Any]

_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_BINARY, _CLOSE = 0x2, 0x8
_CHANNELS = "v4.channel.k8s.io"
_NAMED = 2  # slashes behind the word namespaces where one object is named


class Pretend:
    """What the server knows. `made` is called with every new object, `gone` with every removed one."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.ports: dict[tuple[str, str, int], int] = {}  # namespace, pod and port: a port of this machine
        self.made: Callable[[Json], None] = lambda _: None
        self.gone: Callable[[Json], None] = lambda _: None
        self.url = ""
        self._lock = threading.RLock()

    @property
    def kubeconfig(self) -> str:
        """Leads to it."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": self.url}}],
                "users": [{"name": "test", "user": {"token": "secret"}}],
            }
        )

    def put(self, collection: str, body: Json) -> Json:
        """Keep an object, as if somebody had created it."""
        with self._lock:
            metadata = body["metadata"]
            name = metadata.get("name") or f"{metadata['generateName']}{len(self.objects)}"
            parts = collection.split("/")
            space = {"namespace": parts[parts.index("namespaces") + 1]} if "namespaces" in parts else {}
            kept = {"name": name, "uid": f"uid-{len(self.objects)}-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
            made = {**body, "metadata": {**metadata, **space, **kept}}
            self.objects[f"{collection}/{name}"] = made
        return made

    def pod(self, namespace: str, name: str, labels: dict[str, str], **more: Json) -> Json:
        """A pod that is ready unless `status` says otherwise."""
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        metadata = {"name": name, "labels": labels}
        body: Json = {"metadata": metadata, "spec": {"containers": []}, "status": status, **more}
        return self.put(f"/api/v1/namespaces/{namespace}/pods", body)

    def take(self, path: str) -> Json | None:
        """Remove an object."""
        with self._lock:
            return self.objects.pop(path, None)

    def listed(self, collection: str, selector: str) -> list[Json]:
        """What a collection has with these labels; of all namespaces where it names none."""
        *root, plural = collection.split("/")
        with self._lock:
            every = list(self.objects.items())
        return [
            body
            for path, body in every
            if _is_of(path, "/".join(root), plural, everywhere="namespaces" not in root)
            and all(_has(body, one) for one in filter(None, selector.split(",")))
        ]


def _is_of(path: str, root: str, plural: str, *, everywhere: bool) -> bool:
    collection = path.rpartition("/")[0]
    if collection == f"{root}/{plural}":
        return True
    return everywhere and collection.startswith(f"{root}/namespaces/") and collection.endswith(f"/{plural}")


def _has(body: Json, wanted: str) -> bool:
    key, sign, value = wanted.partition("=")
    labels = body["metadata"].get("labels", {})
    return labels.get(key) == value if sign else key in labels


@contextmanager
def pretend() -> Generator[Pretend]:
    """Run the server as long as the context lasts."""
    state = Pretend()

    class Bound(_Handler):
        cluster = state

    with listening(Bound) as port:
        state.url = f"http://{HOST}:{port}"
        yield state


class _Handler(Quiet):
    cluster: Pretend

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            *_, namespace, _, pod, _ = parts.path.split("/")
            self._forward(namespace, pod, int(query["ports"][0]))
        elif (found := self.cluster.objects.get(parts.path)) is not None:
            self._answer(200, found)
        elif parts.path.partition("/namespaces/")[2].count("/") == _NAMED:
            self._answer(404, {"message": "not found"})
        else:
            selector = ",".join(query.get("labelSelector", []))
            self._answer(200, {"items": self.cluster.listed(parts.path, selector)})

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        parts = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "dryRun" in parse_qs(parts.query):
            self._answer(201, body)
            return
        made = self.cluster.put(parts.path, body)
        self._answer(201, made)
        self.cluster.made(made)

    def do_DELETE(self) -> None:  # noqa: N802 - named by the base class
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self.cluster.take(urlsplit(self.path).path)
        self._answer(200 if found else 404, {"message": "removed" if found else "not found"})
        if found:
            self.cluster.gone(found)

    def _answer(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, namespace: str, pod: str, port: int) -> None:
        """As a kubelet does it: two channels for the port, which begin with its number; the second one tells errors."""
        key = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _ACCEPT).encode()).digest()  # noqa: S324 - of the RFC
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", base64.b64encode(key).decode()),
            ("Sec-WebSocket-Protocol", _CHANNELS),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        for channel in (0, 1):
            self._frame(_BINARY, bytes([channel]) + struct.pack("<H", port))
        try:
            inside = socket.create_connection((HOST, self.cluster.ports[namespace, pod, port]), timeout=5)
        except (OSError, KeyError):
            said = f"failed to connect to localhost:{port} inside namespace: connection refused"
            self._frame(_BINARY, b"\x01" + said.encode())
            return
        with inside, contextlib.suppress(OSError):
            self._carry(inside)

    def _carry(self, inside: socket.socket) -> None:
        kept = b""
        while True:
            ready, _, _ = select.select([self.connection, inside], [], [], 30)
            if self.connection in ready:
                came = self.connection.recv(65_536)
                kept += came
                while (frame := _first(kept)) is not None:
                    opcode, data, kept = frame
                    if opcode == _CLOSE:
                        return
                    inside.sendall(data[1:])
                if not came:
                    return
            if inside in ready:
                data = inside.recv(65_536)
                if not data:
                    self._frame(_CLOSE, b"")
                    return
                self._frame(_BINARY, b"\x00" + data)
            if not ready:
                return

    def _frame(self, opcode: int, data: bytes) -> None:
        length = len(data)
        head = bytes([0x80 | opcode]) + (
            bytes([length])
            if length < 126
            else b"\x7e" + struct.pack(">H", length)
            if length < 65_536
            else b"\x7f" + struct.pack(">Q", length)
        )
        self.wfile.write(head + data)
        self.wfile.flush()


def _first(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first frame of a client: what it is, what it holds, and what follows it; None while a part is missing."""
    at = 2
    if len(data) < at:
        return None
    length = data[1] & 0x7F
    for code, form in ((126, ">H"), (127, ">Q")):
        if length == code:
            size = struct.calcsize(form)
            if len(data) < at + size:
                return None
            (length,) = struct.unpack(form, data[at : at + size])
            at += size
            break
    mask, end = data[at : at + 4], at + 4 + length
    if len(data) < end:
        return None
    repeated = mask * (length // 4 + 1)
    return data[0] & 0x0F, bytes(a ^ b for a, b in zip(data[at + 4 : end], repeated, strict=False)), data[end:]
