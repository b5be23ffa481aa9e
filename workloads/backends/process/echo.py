"""A small HTTP server that says who it is: what stands behind gateways and sidecars when those are measured.

Run as `python -m workloads.backends.process.echo PORT NAME [DELAY]`; everything else here starts it so.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from workloads.backends.process.bench import Bench
from workloads.backends.process.processes import HOST, Program, answers, running

ROOT = Path(__file__).resolve().parents[3]
CLIENT = "x-forwarded-client-cert"  # what a sidecar tells about the other side's certificate
_MEMORY = Path("/proc/self/statm")


@contextmanager
def echo(bench: Bench, name: str, port: int, delay: float = 0.0) -> Generator[Program]:
    """Run one; `delay` seconds pass before each answer."""
    command = [sys.executable, "-m", __name__, str(port), name, str(delay)]
    url = f"http://{HOST}:{port}/metrics"
    with running(name, command, folder=bench.folder / "logs", ready=answers(url), cwd=ROOT) as program:
        yield program


def memory_is_measured() -> bool:
    """Whether this machine tells how much memory a process holds now."""
    return _MEMORY.exists()


class _Server:
    """The handlers, and what they have counted."""

    def __init__(self, name: str, delay: float) -> None:
        self._name, self._delay = name, delay
        self._held = b""
        self._counted = Counter[int]()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_put("/hold/{mebibytes}", self._hold)
        application.router.add_route("*", "/{path:.*}", self._echo)
        return application

    async def _echo(self, request: web.Request) -> web.Response:
        await request.read()
        if self._delay:
            await asyncio.sleep(self._delay)
        self._counted[200] += 1
        told = {"served_by": self._name, "path": request.path, "client": request.headers.get(CLIENT, "")}
        return web.json_response(told, headers={"x-served-by": self._name})

    async def _hold(self, request: web.Request) -> web.Response:
        """Hold so much memory from now on: an anomaly on demand."""
        self._held = b"\x01" * (int(request.match_info["mebibytes"]) << 20)
        return web.json_response({"held": len(self._held)})

    async def _metrics(self, _request: web.Request) -> web.Response:
        lines = [
            "# TYPE http_requests_total counter",
            *(f'http_requests_total{{code="{code}"}} {count}' for code, count in sorted(self._counted.items())),
        ]
        if memory_is_measured():
            lines += ["# TYPE process_resident_memory_bytes gauge", f"process_resident_memory_bytes {_resident()}"]
        text = "\n".join([*lines, ""])
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})


def _resident() -> int:
    return int(_MEMORY.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _main() -> None:
    port, name, delay = sys.argv[1:]
    application = _Server(name, float(delay)).application()
    web.run_app(application, host=HOST, port=int(port), access_log=None, print=None)


if __name__ == "__main__":
    _main()
