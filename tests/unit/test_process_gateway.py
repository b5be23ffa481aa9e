"""The way in: the checks pass for the gateway as promised, and fail for each promise that is broken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import edge
from workloads import load, runner
from workloads.backends.process import echo, envoy, gateway
from workloads.backends.process.bench import Bench
from workloads.backends.process.gateway import Options, configured
from workloads.backends.process.processes import SoftwareError, free_port
from workloads.checks import encryption, ingress, offered
from workloads.outcome import NotMeasurableError, Outcome, SkippedError

pytestmark = pytest.mark.skipif(bool(edge.missing("envoy")), reason=edge.missing("envoy"))

# BoringSSL offers no suite of these versions by itself
OLD = Options(oldest_tls="TLSv1_0", ciphers=("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "measure", edge.measure)


def faulty(options: Options) -> dict[object, object]:
    return {gateway.gateway: configured(options)}


def test_the_gateway_as_promised_passes_every_check(tmp_path: Path) -> None:
    with edge.bench(tmp_path) as bench:
        for check in (
            ingress.tokens, ingress.rate, ingress.latency, encryption.tls, encryption.certificate_days,
        ):  # fmt: skip
            outcome, reason = runner.judge(check(bench))
            assert outcome is Outcome.PASS, reason


@pytest.mark.fails("encryption.tls", on="process")
def test_old_versions_of_tls_are_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(OLD)) as bench:
        assert edge.broken(encryption.tls(bench)) == ["TLS 1.0 is refused", "TLS 1.1 is refused"]


def test_content_in_plain_http_is_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(redirects=False))) as bench:
        assert edge.broken(encryption.tls(bench)) == [
            "plain HTTP is sent on to the same address over HTTPS",
            "plain HTTP gets no content",
        ]


@pytest.mark.fails("encryption.tls", on="process")
def test_browsers_that_are_told_nothing_are_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(hsts=False))) as bench:
        (claim,) = edge.broken(encryption.tls(bench))
        assert claim.startswith("browsers are told")


@pytest.mark.parametrize("days", [13.9, 3])
@pytest.mark.fails("encryption.certificate-days", on="process")
def test_a_certificate_that_ends_soon_is_found(tmp_path: Path, days: float) -> None:
    with edge.bench(tmp_path, faulty(Options(days=days))) as bench:
        assert edge.broken(encryption.certificate_days(bench)) == ["the certificate is good for 14 more days"]


@pytest.mark.fails("ingress.tokens", on="process")
def test_private_paths_that_are_open_to_all_are_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(asks_for_tokens=False))) as bench:
        assert [one.split()[0] for one in edge.broken(ingress.tokens(bench))] == ["without", "with", "with", "with"]


@pytest.mark.fails("ingress.latency", on="process")
def test_a_slow_server_behind_the_gateway_is_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(delay=0.4)), {"ingress.latency": 200.0}) as bench:
        outcome, reason = runner.judge(ingress.latency(bench))
    assert outcome is Outcome.FAIL
    assert "p95 latency" in reason


@pytest.mark.fails("ingress.rate", on="process")
def test_answers_that_are_errors_are_not_counted_as_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PRIVATE", "/rate")
    with edge.bench(tmp_path) as bench:
        probes = ingress.rate(bench)
    assert len(edge.broken(probes)) == 3
    assert probes.measurements[0].value == 0
    assert "status 401" in probes.measurements[1].method


def test_a_rate_that_was_not_offered_is_not_measured(tmp_path: Path) -> None:
    with (
        edge.bench(tmp_path, limits={"ingress.rate": 1_000.0}) as bench,
        pytest.raises(NotMeasurableError, match="offers 60 requests a second, fewer than the 1000 promised"),
    ):
        ingress.rate(bench)


def test_a_run_that_proved_nothing_is_made_once_and_not_for_each_criterion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []

    def in_vain(*_: object) -> load.LoadResult:
        runs.append("one")
        raise NotMeasurableError("the generator was too slow")

    monkeypatch.setattr(offered, "measure", in_vain)
    with edge.bench(tmp_path) as bench:
        for check in (ingress.rate, ingress.latency):
            with pytest.raises(NotMeasurableError, match="the generator was too slow"):
                check(bench)
    assert runs == ["one"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    port: int


def version(name: str) -> edge.Software[Version]:
    @contextmanager
    def start(bench: Bench) -> Generator[Version]:
        port = free_port()
        with echo.echo(bench, name, port):
            yield Version(port=port)

    return start


def test_traffic_is_split_as_told_and_can_be_shifted_while_it_runs(tmp_path: Path) -> None:
    with edge.bench(tmp_path) as bench:
        split = bench.use(gateway.between((version("one"), version("two")), "/answer"))
        expect = load.Expect(tally=("served_by",))
        seen: list[Counter[str]] = []
        for share in (0.0, 0.3, 1.0, 0.0):
            split.shift(share)
            plan = load.Plan(
                arrivals=load.constant(rate=200, seconds=2),
                endpoints=(
                    load.Endpoint(name="s", url=split.url, host=split.host, payloads=(load.Payload(expect=expect),)),
                ),
                seed=1, ca=split.ca, warm_up_seconds=0,
            )  # fmt: skip
            result = edge.measure(bench, plan)
            assert result.failed == 0
            seen.append(Counter(dict(result.seen)))
    assert [set(one) for one in seen] == [{"one"}, {"one", "two"}, {"two"}, {"one"}]
    assert 70 <= seen[1]["two"] <= 170, "400 draws with a share of 0.3: outside once in ten million runs"


def test_nothing_listens_beyond_the_loopback_interface(tmp_path: Path) -> None:
    with edge.bench(tmp_path) as bench:
        bench.use(gateway.gateway)
        settings = json.loads((tmp_path / "envoy" / "gateway.json").read_text(encoding="utf-8"))
    assert addresses(settings) == {"127.0.0.1"}
    assert "dynamic_resources" not in settings


def addresses(node: object) -> set[str]:
    """Every address in the settings, however deep."""
    if isinstance(node, dict):
        inner = cast("dict[str, Any]", node)
        own = {inner["address"]} if isinstance(inner.get("address"), str) else set[str]()
        return own.union(*map(addresses, inner.values()))
    return set[str]().union(*map(addresses, cast("list[Any]", node))) if isinstance(node, list) else set()


def test_settings_that_envoy_refuses_are_explained_by_its_log(tmp_path: Path) -> None:
    with (
        edge.bench(tmp_path) as bench,
        pytest.raises(SoftwareError, match=r"(?s)broken ended with exit code 1.*no\s+such\s+field"),
        envoy.envoy(bench, "broken", free_port(), [{"no_such_field": 1}], []),
    ):
        raise AssertionError


def test_without_envoy_the_reason_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy, "VENV", tmp_path / ".venv-envoy")
    with edge.bench(tmp_path) as bench, pytest.raises(SkippedError, match=r"\.venv-envoy, which `make tools` brings"):
        bench.use(gateway.gateway)
