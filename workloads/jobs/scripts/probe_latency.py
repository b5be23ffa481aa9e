"""Asks a server at planned moments and measures each answer from the planned moment on. Nothing is tried twice."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from probe_common import Counts, Loop, Work, asked, say, throttled

CONNECTIONS = 32


class Measured:
    """What is counted over the window; the warm-up before it is not."""

    def __init__(self, plan: dict[str, Any], moments: list[float]) -> None:
        self._plan, self._moments = plan, moments
        self._body = b"x" * plan["bytes"]
        self._lock = threading.Lock()
        self.errors, self.servers = Counter[str](), dict[str, list[float]]()
        self.latency, self.ok, self.over = Counts(), 0, 0
        seconds = int(plan["seconds"] + 0.999)
        self.series = {name: [0] * seconds for name in ("offered", "ok", "over")}

    def client(self) -> Work:
        """One connection that is kept open, as programs keep theirs."""
        plan = self._plan
        connection = http.client.HTTPConnection(plan["host"], plan["port"], timeout=plan["timeout"])

        def ask(index: int, planned: float) -> None:
            server, trouble = "", ""
            try:
                connection.request("POST", "/", self._body)
                answer = connection.getresponse()
                body, server = answer.read(), answer.headers.get("X-Pod", "")
                if answer.status != http.client.OK:
                    trouble = f"status {answer.status}"
                elif body != self._body:
                    trouble = "wrong answer"
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                trouble = type(error).__name__
            seconds = plan["timeout"] if trouble else time.perf_counter() - planned
            self._take(self._moments[index] - plan["warmUp"], seconds, trouble, server)

        return ask

    def _take(self, moment: float, seconds: float, trouble: str, server: str) -> None:
        if moment < 0:
            return
        over = bool(trouble) or seconds > self._plan["limit"]
        with self._lock:
            self.latency.add(seconds)
            self.ok, self.over = self.ok + (not trouble), self.over + over
            if trouble:
                self.errors[trouble] += 1
            for name, value in (("offered", 1), ("ok", not trouble), ("over", over)):
                self.series[name][int(moment)] += value
            count, slow, greatest = self.servers.get(server, [0, 0, 0.0])
            self.servers[server] = [count + 1, slow + over, max(greatest, round(seconds, 6))]


def moments(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrivals that know nothing of each other."""
    chance, now, found = random.Random(seed), 0.0, list[float]()  # noqa: S311 - a repeatable plan, no secret
    while (now := now + chance.expovariate(rate)) < seconds:
        found.append(now)
    return found


def answers(plan: dict[str, Any]) -> bool:
    """Whether somebody is there already."""
    connection = http.client.HTTPConnection(plan["host"], plan["port"], timeout=plan["timeout"])
    try:
        connection.request("POST", "/", b"ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Wait for the server, then follow the plan to its end."""
    plan, began = asked(), time.monotonic()
    while not answers(plan) and time.monotonic() - began < plan["patience"]:
        time.sleep(0.2)
    times = moments(plan["rate"], plan["warmUp"] + plan["seconds"], plan["seed"])
    measured, before, cpu = Measured(plan, times), throttled(), time.process_time()
    loop, start, when = Loop(measured.client, CONNECTIONS), time.monotonic(), datetime.now(UTC)
    loop.run(times)
    say(
        {
            "began": when.isoformat(),
            "offered": measured.latency.buckets.total(),
            "planned": len(times),
            "started": loop.started,
            "held": loop.held,
            "ok": measured.ok,
            "over": measured.over,
            "errors": measured.errors,
            "latency": measured.latency.told(),
            "late": loop.late.told(),
            "series": measured.series,
            "servers": measured.servers,
            "seconds": round(time.monotonic() - start, 3),
            "cpu": round(time.process_time() - cpu, 3),
            "throttled": throttled() - before,
        }
    )


if __name__ == "__main__":
    main()
