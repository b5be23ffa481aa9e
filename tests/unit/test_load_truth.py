"""The generator against servers of exactly known behaviour: it finds what is true, and every failure."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.loads import all_counted, few, offered, trusted
from tests.support.slow_servers import MIXTURE, RESET, SILENT, STALL, Behaviour, Server, serving
from tests.support.webhook import certificate
from workloads import load
from workloads.load.run import run_here

HOST = "iris.team-a.example.com"


class TestLatency:
    @pytest.mark.parametrize("processes", [1, 2])
    def test_a_mixture_of_fast_and_slow_answers_has_its_percentiles(self, processes: int) -> None:
        arrivals = load.constant(rate=100, seconds=4)
        result = trusted(
            MIXTURE,
            lambda server: load.run(offered(server.http, arrivals, processes=processes)),
            late_at_most=0.0035,
        )
        all_counted(result)
        assert (result.offered, result.ok, result.errors) == (400, 400, {})
        assert result.latency.percentile(95) == pytest.approx(0.150, rel=0.03)
        assert 0.005 <= result.latency.percentile(50) < 0.020
        assert len(result.workers) == processes

    def test_a_server_that_stalls_cannot_hide_it(self) -> None:
        # 20 % of the time is a stall of 1 s: P(latency > x) = 0.2 (1 - x) for an open loop.
        # Its end answers 200 requests at once, which takes both sides a while.
        arrivals = load.constant(rate=200, seconds=5)
        result = trusted(STALL, lambda server: load.run(offered(server.http, arrivals)), percent=99, late_at_most=0.015)
        all_counted(result)
        assert result.latency.percentile(95) == pytest.approx(0.755, rel=0.03)
        assert result.latency.percentile(99) == pytest.approx(0.955, rel=0.03)
        assert result.latency.percentile(75) < 0.1

    def test_requests_leave_while_earlier_ones_are_unanswered(self) -> None:
        with serving(Behaviour(delays=(1.0,))) as server:
            result = load.run(offered(server.http, load.constant(rate=50, seconds=1)))
            assert server.counts()["most_open"] >= 25
        assert (result.offered, result.ok) == (50, 50)

    def test_waiting_for_a_connection_is_part_of_the_latency(self) -> None:
        # 4 connections of 50 ms carry 80/s of 100/s: the queue grows by 20/s, so the last of 2 s waits 0.5 s.
        with serving(Behaviour(delays=(0.05,))) as server:
            plan = offered(server.http, load.constant(rate=100, seconds=2), connections=4)
            result = load.run(plan)
            assert server.counts()["most_open"] <= 4
        all_counted(result)
        assert result.ok == 200
        assert result.latency.percentile(95) > 0.4
        assert result.latency.percentile(95) > result.service.percentile(50) + 0.3
        assert result.lag.percentile(95) - result.own_lag.percentile(95) > 0.3

    def test_a_slow_start_counts_unless_the_warm_up_takes_it(self) -> None:
        slow = Behaviour(slow_first=50, slow_delay=0.3)
        arrivals = load.constant(rate=100, seconds=1.5)

        def measured(warm_up: float) -> load.LoadResult:
            return trusted(
                slow,
                lambda server: load.run(offered(server.http, arrivals, limit_seconds=0.25, warm_up_seconds=warm_up)),
            )

        cold, warm = measured(0), measured(1.0)
        assert cold.over >= 50
        assert cold.latency.percentile(70) > 0.25
        assert warm.offered == 150
        assert warm.over < 10


class TestFailures:
    @pytest.mark.parametrize(
        ("said", "error"), [(503, "status 503"), (302, "status 302"), (RESET, "reset"), (SILENT, "timeout")]
    )
    def test_each_tenth_request_fails_and_is_not_repeated(self, said: int, error: str) -> None:
        with serving(Behaviour(statuses=(*[200] * 9, said), header="Location: /")) as server:
            result = run_here(few(server.http, timeout_seconds=3))
            assert server.counts()["requests"] == result.sent == 100
        all_counted(result)
        assert (result.ok, result.errors) == (90, {error: 10})
        assert result.latency.percentile(91) == result.latency.max == 3.0
        assert result.latency.percentile(89) < 3.0
        assert sum(result.series.errors[error]) == result.over == 10

    def test_a_reset_of_a_kept_connection_is_a_failure_even_of_a_get(self) -> None:
        with serving(Behaviour(resets_second=True)) as server:
            result = run_here(few(server.http, load.Payload(method="GET"), count=40, connections=1))
            assert server.counts()["requests"] == 40
        assert (result.ok, result.errors) == (20, {"reset": 20})

    def test_nobody_listening_is_a_failure_to_connect(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            result = run_here(few(f"http://127.0.0.1:{free.getsockname()[1]}/", count=20))
        assert result.errors == {"connect": 20}
        assert result.latency.min == result.timeout_seconds

    @pytest.mark.parametrize(
        ("expect", "error"),
        [
            (load.Expect(checks=(load.Check(path=("predictions",), equals=[0.5]),)), "body"),
            (load.Expect(body=b"?"), "body"),
            (load.Expect(version="v2"), "model"),
        ],
    )
    def test_a_wrong_answer_is_a_failure(self, expect: load.Expect, error: str) -> None:
        right, wrong = '{"predictions":[0.5],"model_version":"v2"}', '{"predictions":[0.6],"model_version":"v1"}'
        with serving(Behaviour(bodies=(right, wrong))) as server:
            result = run_here(few(server.http, load.Payload(expect=expect), count=20))
        assert result.errors == {error: 20 if expect.body else 10}

    def test_an_endpoint_that_never_answers_right_is_not_ready(self) -> None:
        with serving(Behaviour(statuses=(503,), bodies=("loading",))) as server:
            plan = few(server.http, ready_seconds=1.0)
            with pytest.raises(load.NotReadyError, match=r"m: no right answer within 1 s; .* status 503: loading"):
                load.run(plan)

    def test_an_endpoint_that_comes_up_is_waited_for_and_its_first_answers_do_not_count(self) -> None:
        with serving(Behaviour(statuses=(503, 503, *[200] * 1_000))) as server:
            result = load.run(few(server.http, count=20, ready_seconds=30.0))
        assert (result.offered, result.ok) == (20, 20)


class TestVersions:
    def test_answers_are_counted_by_the_version_that_gave_them(self) -> None:
        bodies = tuple(json.dumps({"model_version": version}) for version in ("v1", "v1", "v1", "v1", "v2"))
        payload = load.Payload(expect=load.Expect(tally=("model_version",)))
        with serving(Behaviour(bodies=bodies)) as server:
            result = run_here(few(server.http, payload))
        assert result.seen == {"v1": 80, "v2": 20}

    def test_each_row_of_a_batch_is_answered_once(self) -> None:
        rows = tuple(load.Payload(body=b"%d" % row, expect=load.Expect(body=b"%d" % row)) for row in range(60))
        with serving(Behaviour()) as server:
            endpoint = load.Endpoint(name="m", url=server.http, payloads=rows)
            result = run_here(dataclasses.replace(few(server.http, count=60), endpoints=(endpoint,)))
        assert result.answered == {"m": (1,) * 60}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Server, str]]:
    """A server with the right name, and the authority that its certificate verifies against."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    pair = certificate(HOST)[1]
    file.write_bytes(pair)
    with serving(Behaviour(), file) as server:
        yield server, _certificates(pair)


class TestTls:
    def _asked(
        self, server: Server, host: str, ca: str, *, connections: int = 256, share: float = 0
    ) -> load.LoadResult:
        plan = few(server.https, count=40, ca=ca, connections=connections, new_connections=share)
        endpoint = dataclasses.replace(plan.endpoints[0], host=host, token="a-token")
        return run_here(dataclasses.replace(plan, endpoints=(endpoint,)))

    def test_the_name_that_is_verified_is_not_the_address_that_is_dialled(self, authority: tuple[Server, str]) -> None:
        server, ca = authority
        result = self._asked(server, HOST, ca)
        assert (result.ok, result.errors) == (40, {})
        head = server.counts()["head"]
        assert f"\r\nHost: {HOST}\r\n" in head + "\r\n"
        assert "\r\nAuthorization: Bearer a-token" in head

    @pytest.mark.parametrize("host", ["other.example.com", ""])
    def test_another_name_is_refused(self, authority: tuple[Server, str], host: str) -> None:
        result = self._asked(authority[0], host, authority[1])
        assert result.errors == {"tls": 40}

    def test_another_authority_is_refused(self, authority: tuple[Server, str]) -> None:
        assert self._asked(authority[0], HOST, _certificates(certificate(HOST)[1])).errors == {"tls": 40}
        assert self._asked(authority[0], HOST, "").errors == {"tls": 40}

    def test_connections_are_kept_except_for_the_share_that_is_not(self, authority: tuple[Server, str]) -> None:
        server, ca = authority
        opened = [
            self._asked(server, HOST, ca, connections=1, share=share).workers[0].opened for share in (0.0, 0.5, 1.0)
        ]
        assert opened == [1, 21, 40]


def _certificates(pair: bytes) -> str:
    """The certificate of a PEM file that also holds a key."""
    text = pair.decode()
    start = text.index("-----BEGIN CERTIFICATE-----")
    return text[start : text.index("-----END CERTIFICATE-----", start) + 25] + "\n"


def test_a_token_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    with serving(Behaviour()) as server:
        plan = few(server.http, count=4)
        endpoint = dataclasses.replace(plan.endpoints[0], token_file=str(tmp_path / "token"))
        run_here(dataclasses.replace(plan, endpoints=(endpoint,)))
        assert "\r\nAuthorization: Bearer from-a-file" in server.counts()["head"]
