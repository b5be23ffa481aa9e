"""Lookups of `probe_dns.py` through this machine's own resolver library, with a name server of the test's own."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import sandbox
from tests.support.probe_ground import SCRIPTS
from tests.support.sandbox import Mount, Sandbox
from workloads.api import Json
from workloads.backends.cluster import inside

pytestmark = pytest.mark.skipif(bool(sandbox.unavailable()), reason=sandbox.unavailable() or "")

SERVER = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"  # resolv.conf takes no ports: one each process
END = "team-a.svc.cluster.local"
ADDRESSES = {f"names.{END}": ["10.0.0.7"], f"each.{END}": ["10.1.0.1", "10.1.0.2"]}
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
ADDRESS = 1  # the type of record


@contextmanager
def name_server(*, failure: int | None = None, wildcard: str = "") -> Generator[None]:
    """Answers questions for addresses; what it does not know does not exist, unless it fails."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((SERVER, 53))
        server.settimeout(0.2)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    question, who = server.recvfrom(512)
                except TimeoutError:
                    continue
                server.sendto(answer(question, failure, wildcard), who)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def answer(question: bytes, failure: int | None, wildcard: str) -> bytes:
    labels: list[str] = []
    place = 12
    while length := question[place]:
        labels.append(question[place + 1 : place + 1 + length].decode())
        place += 1 + length
    asked, name = question[12 : place + 5], ".".join(labels)
    (kind,) = struct.unpack("!H", question[place + 1 : place + 3])
    known = ADDRESSES.get(name, [])
    if not known and wildcard and name.endswith(wildcard):
        known = ["10.9.9.9"]
    code = failure if failure is not None else NO_ERROR if known else NO_SUCH_NAME
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", ADDRESS, 1, 5, 4) + socket.inet_aton(one) for one in known
    ) if kind == ADDRESS and code == NO_ERROR else b""  # fmt: skip
    count = len(records) // 16
    return question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0) + asked + records


def looked_up(folder: Path, **addresses: list[str]) -> dict[str, Json]:
    """What the script says of names as a pod in team-a writes them."""
    (folder / "resolv.conf").write_text(
        f"nameserver {SERVER}\nsearch {END} svc.cluster.local cluster.local corp.test\n"
        "options ndots:5 timeout:1 attempts:1\n",
        encoding="utf-8",
    )
    names = [{"name": name, "addresses": found} for name, found in addresses.items()]
    plan = {"names": names, "lookups": 3, "rate": 50.0, "limit": 5.0, "patience": 0.0}
    made = Sandbox(
        Path(tempfile.mkdtemp(dir=folder)),
        [sys.executable, "/scripts/probe_dns.py"],
        mounts=[
            Mount(source=SCRIPTS, path="/scripts", read_only=True),
            Mount(source=folder / "resolv.conf", path="/etc/resolv.conf"),
        ],
        environment={"PLAN": json.dumps(plan), "RESULT": "/dev/null", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        deadline = time.monotonic() + 60
        while made.exit_code() is None:
            assert time.monotonic() < deadline, "the lookups never end"
            time.sleep(0.05)
    finally:
        sandbox.stop([made])
    text = made.log.read_text(encoding="utf-8")
    assert made.exit_code() == 0, text
    said: Any = inside.spoken(text)
    return {name: {key: one[key] for key in ("right", "wrong")} for name, one in said["names"].items()}


RIGHT: Json = {"right": 3, "wrong": []}


def test_names_are_found_as_programs_write_them(tmp_path: Path) -> None:
    with name_server():
        nobody: list[str] = []
        wanted = {"names": ["10.0.0.7"], "names.team-a.svc": ["10.0.0.7"], f"names.{END}": ["10.0.0.7"]}
        found = looked_up(tmp_path, **wanted, **{"names.team-b.svc": nobody})
    assert set(found) == {*wanted, "names.team-b.svc"}
    assert all(one == RIGHT for one in found.values()), found


def test_a_headless_name_has_all_of_its_addresses(tmp_path: Path) -> None:
    with name_server():
        assert looked_up(tmp_path, each=["10.1.0.2", "10.1.0.1"])["each"] == RIGHT
        short = looked_up(tmp_path, each=["10.1.0.1"])["each"]
    assert short == {"right": 0, "wrong": ["10.1.0.1, 10.1.0.2", "10.1.0.1, 10.1.0.2"]}


def test_that_a_name_does_not_exist_is_an_answer_and_that_nobody_knows_is_none(tmp_path: Path) -> None:
    with name_server():
        assert looked_up(tmp_path, nobody=[])["nobody"] == RIGHT
    with name_server(failure=SERVER_FAILURE):
        failed = looked_up(tmp_path, nobody=[])["nobody"]
    assert failed["right"] == 0
    assert "Temporary failure in name resolution" in failed["wrong"][0]
    silent = looked_up(tmp_path, nobody=[])["nobody"]  # no server at all
    assert silent["right"] == 0


def test_a_search_domain_that_has_every_name_is_found(tmp_path: Path) -> None:
    """The usual accident: a wildcard in the domain of the nodes answers for every short name that does not exist."""
    with name_server(wildcard=".corp.test"):
        assert looked_up(tmp_path, nobody=[])["nobody"] == {"right": 0, "wrong": ["10.9.9.9", "10.9.9.9"]}
