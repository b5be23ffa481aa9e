"""HTTP servers of exactly known behaviour, each in a process of its own on 127.0.0.1. They know no load generator."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESET, SILENT = 0, -1  # in place of a status


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What a server does. Lists take turns, request by request, over all connections.

    `stall` seconds of every `period` nothing is answered; what came meanwhile is answered, with its delay, right after.
    The first `slow_first` requests take `slow_delay`. Without bodies the server answers with what it was sent.
    """

    delays: tuple[float, ...] = (0.0,)
    statuses: tuple[int, ...] = (200,)
    bodies: tuple[str, ...] = ()
    header: str = ""
    stall: float = 0.0
    period: float = 1.0
    slow_first: int = 0
    slow_delay: float = 0.0
    resets_second: bool = False  # the second request of each connection meets a reset


MIXTURE = Behaviour(delays=(*[0.005] * 9, 0.150))  # p50 5 ms, p95 150 ms
STALL = Behaviour(delays=(0.005,), stall=1.0, period=5.0)  # p50 5 ms, p95 755 ms, p99 955 ms for an open loop


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running server. `counts` asks it what it saw."""

    port: int
    control: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/models/m:predict"

    @property
    def https(self) -> str:
        return self.http.replace("http:", "https:")

    def counts(self) -> dict[str, Any]:
        """Requests, connections, how many were open at once, the last request's head, and its own lateness at p90."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def serving(behaviour: Behaviour, certificate: Path | None = None) -> Generator[Server]:
    """Run a server; with a certificate (PEM, key included) it speaks TLS."""
    asked = json.dumps({**asdict(behaviour), "certificate": str(certificate or "")})
    command = [sys.executable, "-m", "tests.support.slow_servers", asked]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port, control = json.loads(process.stdout.readline())
            yield Server(port=port, control=control)
        finally:
            process.terminate()


class _Connection(asyncio.Protocol):
    """Reads requests one after another; a client that waits for its answers never sends two at once."""

    def __init__(self, state: _State) -> None:
        self._state, self._data, self._served = state, b"", 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._state.connections += 1
        self._state.open += 1
        self._state.most_open = max(self._state.most_open, self._state.open)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named by the protocol
        self._state.open -= 1

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, mark, rest = self._data.partition(b"\r\n\r\n")
        if not mark:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(rest) < length:
            return
        self._data, self._served = rest[length:], self._served + 1
        self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport
        state, behaviour = self._state, self._state.behaviour
        index = state.requests
        state.requests += 1
        state.head = head.decode("latin-1")
        status = behaviour.statuses[index % len(behaviour.statuses)]
        if status == RESET or (behaviour.resets_second and self._served > 1):
            self._transport.abort()
        elif status != SILENT:
            if behaviour.bodies:
                body = behaviour.bodies[index % len(behaviour.bodies)].encode()
            due = time.monotonic() + state.delay(index)
            asyncio.get_running_loop().call_at(due, self._write, due, status, body)

    def _write(self, due: float, status: int, body: bytes) -> None:
        assert self._transport
        self._state.late.append(time.monotonic() - due)
        header = f"{self._state.behaviour.header}\r\n" if self._state.behaviour.header else ""
        text = (
            f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{header}Content-Length: {len(body)}\r\n\r\n"
        )
        if not self._transport.is_closing():
            self._transport.write(text.encode() + body)


class _State:
    """One running server."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour, self.head = behaviour, ""
        self.requests, self.connections, self.open, self.most_open = 0, 0, 0, 0
        self.late: deque[float] = deque(maxlen=10_000)
        self._began = time.monotonic()

    def delay(self, index: int) -> float:
        """How long request number `index` has to wait, coming now."""
        behaviour = self.behaviour
        if index < behaviour.slow_first:
            return behaviour.slow_delay
        phase = (time.monotonic() - self._began) % behaviour.period
        return max(behaviour.stall - phase, 0.0) + behaviour.delays[index % len(behaviour.delays)]

    def counts(self) -> bytes:
        names = ("requests", "connections", "open", "most_open", "head")
        late = sorted(self.late)[len(self.late) * 9 // 10] if self.late else 0.0
        return json.dumps({**{name: getattr(self, name) for name in names}, "late_p90": late}).encode()


async def _serve(asked: dict[str, Any]) -> None:
    certificate = asked.pop("certificate")
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    state = _State(Behaviour(**asked))

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + state.counts())
        writer.close()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", 0, ssl=context, backlog=1024)
    control = await asyncio.start_server(told, "127.0.0.1", 0)
    print(json.dumps([one.sockets[0].getsockname()[1] for one in (server, control)]), flush=True)  # noqa: T201 - to its parent
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
