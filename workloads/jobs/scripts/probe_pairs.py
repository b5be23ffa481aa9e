"""Sends each peer a payload of its own and wants the same bytes back, from that peer and nobody else."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import time
from typing import Any

from probe_common import asked, say

SECONDS = 10
POD = os.environ["POD"]


def exchange(peer: dict[str, Any], size: int, number: int) -> str:
    """What went wrong; empty if nothing did."""
    payload = random.Random(f"{POD} {peer['pod']} {number}").randbytes(size)  # noqa: S311 - data, no secret
    digest = hashlib.sha256(payload).hexdigest()
    connection = http.client.HTTPConnection(peer["host"], peer["port"], timeout=SECONDS)
    try:
        connection.request("POST", "/", payload, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        back = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.headers.get("X-Pod") != peer["pod"]:
        return f"{answer.headers.get('X-Pod')} answered in its place"
    if answer.headers.get("X-Digest") != digest:
        return "it received other bytes than were sent"
    return "" if hashlib.sha256(back).hexdigest() == digest else "other bytes came back"


def reached(peer: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """All tries with one peer; only a program that has just been started may be waited for."""
    began = time.monotonic()
    while "ConnectionRefused" in (said := exchange(peer, 1, -1)) and time.monotonic() - began < plan["patience"]:
        time.sleep(0.2)
    start = time.perf_counter()
    troubles = [said for number in range(plan["tries"]) if (said := exchange(peer, plan["bytes"], number))]
    moved = 2 * plan["bytes"] * plan["tries"]
    speed = moved / (time.perf_counter() - start) / 1e6
    return {"right": plan["tries"] - len(troubles), "said": troubles[:1], "megabytes": round(speed, 1)}


def main() -> None:
    """Every peer in turn."""
    plan = asked()
    say({"peers": {peer["pod"]: reached(peer, plan) for peer in plan["peers"]}})


if __name__ == "__main__":
    main()
