"""Looks names up as programs do, through the pod's own resolver, and compares each answer with the right one."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from probe_common import Counts, Loop, asked, say, throttled

WORKERS = 16
EXAMPLES = 2  # of wrong answers
NOBODY = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def resolved(name: str) -> list[str] | str:
    """Addresses, without any where the name does not exist; a text where nobody knows."""
    try:
        return sorted({one[4][0] for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return [] if error.errno in NOBODY else f"{error}"


class Name:
    """One name, the answer that is right, and what came."""

    def __init__(self, one: dict[str, Any]) -> None:
        self.name, self.right_answer = one["name"], sorted(one["addresses"])
        self.asked = self.right = self.over = 0
        self.wrong: list[str] = []
        self.times = Counts()

    def take(self, answer: list[str] | str, seconds: float, limit: float) -> None:
        """Count one answer."""
        self.asked += 1
        self.times.add(seconds)
        self.over += seconds > limit
        if answer == self.right_answer:
            self.right += 1
        elif len(self.wrong) < EXAMPLES:
            self.wrong.append(answer if isinstance(answer, str) else ", ".join(answer) or "no such name")

    def told(self) -> dict[str, Any]:
        """For the result."""
        counts = {"asked": self.asked, "right": self.right, "over": self.over, "wrong": self.wrong}
        return {**counts, "times": self.times.told()}


def main() -> None:
    """Names in turn, at a steady pace; what is slow does not slow the others down."""
    plan, lock = asked(), threading.Lock()
    names = [Name(one) for one in plan["names"]]
    began = time.monotonic()
    while time.monotonic() - began < plan["patience"]:  # a Service takes a moment to be known
        if all(resolved(one.name) == one.right_answer for one in names):
            break
        time.sleep(0.2)

    def make() -> Any:  # noqa: ANN401 - a function
        def look(index: int, planned: float) -> None:
            one = names[index % len(names)]
            answer = resolved(one.name)
            seconds = time.perf_counter() - planned
            with lock:
                one.take(answer, seconds, plan["limit"])

        return look

    loop, before = Loop(make, WORKERS), throttled()
    loop.run([index / plan["rate"] for index in range(len(names) * plan["lookups"])])
    result = {"names": {one.name: one.told() for one in names}, "late": loop.late.told(), "held": loop.held}
    say({**result, "throttled": throttled() - before})


if __name__ == "__main__":
    main()
