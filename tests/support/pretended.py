"""What stands for the pods of models in tests of a cluster's door: one HTTP server that answers for all of a tenant's.

Nothing here is a model. An answer is the sum of a row, rounded; whoever makes such a "model" therefore knows it. What
can be wrong with a server is a setting, and may be changed while it runs.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CENTIMETRES = 2.54


@dataclass(kw_only=True)
class Pods:
    """How the pods behave."""

    domain: str
    delay: float = 0.0
    wrong: bool = False
    errors: int = 0  # one of so many requests is answered with 500; 0: none
    loses_ids: bool = False
    takes_anything: bool = False
    share: float = 0.0  # of the requests, that the second version answers
    lost: bool = False  # answers nothing at all any more
    port: int = 0
    seen: deque[float] = field(default_factory=lambda: deque[float](maxlen=10_000))
    _chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - chance, no secret
    _count: int = 0

    def rate(self) -> float:
        """Requests a second, of the last second."""
        now = time.monotonic()
        return float(sum(one > now - 1.0 for one in self.seen))

    async def answer(self, request: web.Request) -> web.Response:
        """One request, for whichever host it is meant."""
        self.seen.append(time.monotonic())
        self._count += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.lost or (self.errors and self._count % self.errors == 0):
            return web.json_response({"error": "broken"}, status=500)
        if request.path.startswith("/dex/"):
            return web.json_response({"issuer": f"https://{self.domain}/dex"})
        if "/models/" not in request.path:
            return web.json_response({"served_by": "echo"})
        return await self._asked(request)

    async def _asked(self, request: web.Request) -> web.Response:
        name = request.host.partition(".")[0]
        model, _, verb = request.path.split("/")[3].partition(":")
        if model != name and not self.takes_anything:
            return web.json_response({"error": f"no model {model}"}, status=404)
        try:
            return web.json_response(self._said(name, verb, await request.json()))
        except (TypeError, ValueError, IndexError) as error:
            said = {"predictions": [0]} if self.takes_anything else {"error": str(error)}
            return web.json_response(said, status=200 if self.takes_anything else 500)

    def _said(self, name: str, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        rows = asked["instances"] if "instances" in asked else _rows(asked["inputs"][0])
        inches = CENTIMETRES if name == "proof-transformer" else 1
        answers = [_answer([value * inches for value in row], wrong=self.wrong) for row in rows]
        if verb == "explain":
            whole = float(_answer(rows[0], wrong=False))
            return {"explanations": [whole / 4 + self.wrong] * 4, "base": 0.0, "prediction": whole}
        if "inputs" in asked:
            known = {} if self.loses_ids else {"id": asked.get("id", "")}
            return {**known, "outputs": [{"name": "out", "data": answers}]}
        if name != "proof-canary":
            return {"predictions": answers}
        second = self._chance.random() < self.share
        return {"predictions": [sum(row) for row in rows], "version": "2" if second else "1"}


def known(count: int) -> dict[str, Any]:
    """What a maker of such a model says at its end."""
    rows = [[float(number), 1.0, 0.25, 0.5] for number in range(count)]
    return {"rows": rows, "answers": [_answer(row, wrong=False) for row in rows]}


def _answer(row: list[float], *, wrong: bool) -> int:
    if len(row) != 4:
        raise ValueError("expected 4 features")
    return round(sum(row)) + wrong


def _rows(tensor: dict[str, Any]) -> list[list[float]]:
    count, width = tensor["shape"]
    return [tensor["data"][start * width : (start + 1) * width] for start in range(count)]


@contextmanager
def running(pods: Pods) -> Generator[Pods]:
    """Answer on a port of the loopback interface, in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", pods.answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pods.port = runner.addresses[0][1]
        ready.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield pods
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()
