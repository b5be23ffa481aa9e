"""Tries to open connections, in rounds after its start, and tells for each what came of it. Judges nothing."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from probe_common import asked, say

WORDS = 120  # of one failure


def attempt(one: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One connection: `tcp` opens it, `http` and `https` ask something, `anonymous` speaks TLS without certificates."""
    try:
        where = socket.getaddrinfo(one["host"], one["port"], type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        return {"open": False, "said": f"unresolved: {error}"}
    opened = False
    try:
        with socket.socket(where[0], where[1]) as plain:
            plain.settimeout(seconds)
            plain.connect(where[4])
            opened = True
            if one["how"] == "tcp":
                return {"open": True, "said": "connected"}
            if one["how"] == "http":
                return asks(plain, one)
            with trust(one["how"]).wrap_socket(plain, server_hostname=one["host"]) as secured:
                return asks(secured, one)
    except OSError as error:  # of TLS too
        return {"open": opened, "said": f"{type(error).__name__}: {error}"[:WORDS]}


def trust(how: str) -> ssl.SSLContext:
    """Whom to believe: public authorities, or anybody."""
    context = ssl.create_default_context()
    if how == "anonymous":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def asks(connection: socket.socket, one: dict[str, Any]) -> dict[str, Any]:
    """One request, and the first part of its answer."""
    host = one.get("name", one["host"])
    connection.sendall(f"GET {one.get('path', '/')} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    received = b""
    while part := connection.recv(65536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    if found is None:
        return {"open": True, "said": f"closed after {received[:60]!r}"}
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    client = told.get("client", "") if isinstance(told, dict) else ""
    return {"open": True, "status": int(found[1]), "said": f"status {int(found[1])}", "client": client}


def main() -> None:
    """All targets in each round; with patience, the first is repeated until each is open, and answers as wanted."""
    plan, began = asked(), time.monotonic()
    targets, seconds = plan["targets"], plan["seconds"]
    with ThreadPoolExecutor(max(len(targets), 1)) as pool:

        def round_() -> list[dict[str, Any]]:
            return list(pool.map(lambda one: attempt(one, seconds), targets))

        def ready(seen: list[dict[str, Any]]) -> bool:
            pairs = zip(targets, seen, strict=True)
            return all(came["open"] and one.get("until") in {None, came.get("status")} for one, came in pairs)

        while not ready(first := round_()) and time.monotonic() - began < plan.get("patience", 0):
            time.sleep(0.2)
        rounds = [first]
        for offset in plan.get("rounds", []):
            time.sleep(max(began + offset - time.monotonic(), 0.0))
            rounds.append(round_())
    say({one["id"]: [tried[index] for tried in rounds] for index, one in enumerate(targets)})


if __name__ == "__main__":
    main()
