"""How one server is reached: under its own name or another, with a token that is asked for each time, or not at all."""

from __future__ import annotations

import itertools

from tests.support.slow_servers import RESET, Behaviour, serving
from workloads.backends.process.processes import free_port
from workloads.reach import NO_ANSWER, Reach


def test_a_request_carries_the_name_and_the_token_of_its_own_moment() -> None:
    numbers = itertools.count(1)
    with serving(Behaviour()) as server:
        reach = Reach(url=f"http://127.0.0.1:{server.port}", host="model.test", token=lambda: f"t{next(numbers)}")
        heads = [(reach.post("/x", {}), server.counts()["head"])[1] for _ in range(2)]
        bare = (reach.bearing("").call("/x"), server.counts()["head"])[1]
    for number, head in enumerate(heads, start=1):
        assert "Host: model.test" in head
        assert f"Authorization: Bearer t{number}" in head
    assert "Authorization" not in bare


def test_a_server_that_says_nothing_has_no_status_and_says_why() -> None:
    nobody = Reach(url=f"http://127.0.0.1:{free_port()}").call("/")
    assert (nobody.status, nobody.ok) == (NO_ANSWER, False)
    assert "ConnectionRefusedError" in str(nobody)
    with serving(Behaviour(statuses=(RESET,))) as server:
        reset = Reach(url=f"http://127.0.0.1:{server.port}").post("/", {})
    assert reset.status == NO_ANSWER


def test_ports_and_addresses_are_those_of_the_url() -> None:
    assert Reach(url="https://gateway.test").address == ("gateway.test", 443)
    assert Reach(url="http://[::1]:8080").address == ("::1", 8080)


def test_the_generator_gets_the_file_of_a_token_rather_than_a_token_that_ends() -> None:
    kept = Reach(url="https://gateway.test", token=lambda: "now", token_file="/run/token").endpoint("e", "/x", ())
    given = Reach(url="https://gateway.test", token=lambda: "now").endpoint("e", "/x", ())
    assert (kept.token, kept.token_file, kept.url) == ("", "/run/token", "https://gateway.test/x")
    assert (given.token, given.token_file) == ("now", "")
