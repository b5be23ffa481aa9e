"""The cluster's door: the checks that ask its gateway from here pass for it as promised, and fail for each fault.

The gateway is a real Envoy on this machine; API server, KServe and pods are stand-ins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import edge, front
from tests.support.front import Stood, described
from workloads import cluster, runner
from workloads.api import Json
from workloads.backends.cluster import door, services, usage
from workloads.backends.process.gateway import Options
from workloads.checks import encryption, ingress, offered
from workloads.outcome import NotMeasurableError, Outcome, SkippedError

pytestmark = pytest.mark.skipif(bool(edge.missing("envoy")), reason=edge.missing("envoy"))

OLD = Options(oldest_tls="TLSv1_0", ciphers=("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"))
Standing = Callable[..., AbstractContextManager[Stood]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_name: str) -> bool:
        return False

    monkeypatch.setattr(offered, "measure", edge.measure)
    monkeypatch.setattr(door, "resolves", nobody)
    monkeypatch.setattr(services, "SETTLE_SECONDS", 2)
    monkeypatch.setattr(services, "START_SECONDS", 2)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.01)


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    @contextmanager
    def start(
        options: Options | None = None, *, limits: dict[str, float] | None = None, asks: bool = True
    ) -> Generator[Stood]:
        with edge.bench(tmp_path, None, limits) as bench, front.standing(bench, options, asks=asks) as stood:
            yield stood

    return start


def test_a_door_as_promised_passes_every_check(standing: Standing) -> None:
    with standing() as stood:
        for check in (
            ingress.tokens_at_the_door, ingress.rate_at_the_door, ingress.latency_at_the_door,
            encryption.tls_at_the_door, encryption.days_at_the_door,
        ):  # fmt: skip
            with stood.visit.scope():
                outcome, reason = runner.judge(check(described(), stood.visit))
            assert outcome is Outcome.PASS, reason
        assert stood.cluster.objects == {}, "a check left something behind"


@pytest.mark.fails("encryption.tls", on="cluster")
def test_old_versions_of_tls_at_the_door_are_found(standing: Standing) -> None:
    with standing(OLD) as stood:
        assert front.broken(encryption.tls_at_the_door, stood) == ["TLS 1.0 is refused", "TLS 1.1 is refused"]


def test_a_door_that_promises_the_newest_version_only_must_refuse_the_one_before(standing: Standing) -> None:
    promise = {"platform__gateway": front.GATEWAY | {"minimumTls": "1.3"}}
    with standing() as stood:
        assert front.broken(encryption.tls_at_the_door, stood, **promise) == ["TLS 1.2 is refused"]


def test_content_in_plain_http_and_missing_orders_to_browsers_are_found_at_the_door(standing: Standing) -> None:
    with standing(Options(redirects=False, hsts=False)) as stood:
        assert front.broken(encryption.tls_at_the_door, stood) == [
            "plain HTTP is sent on to the same address over HTTPS",
            "plain HTTP gets no content",
            "browsers are told to come back over HTTPS only, for a year",
        ]


@pytest.mark.fails("encryption.certificate-days", on="cluster")
@pytest.mark.parametrize("days", [13.9, 3])
def test_a_certificate_of_the_door_that_ends_soon_is_found(standing: Standing, days: float) -> None:
    with standing(Options(days=days)) as stood:
        claims = front.broken(encryption.days_at_the_door, stood)
    assert claims == ["the certificate is good for 14 more days"]


def test_a_certificate_of_the_door_that_has_ended_is_found_and_its_age_is_told(standing: Standing) -> None:
    with standing(Options(days=-1)) as stood:
        probes = encryption.days_at_the_door(described(), stood.visit)
    assert edge.broken(probes) == ["the certificate is good for 14 more days", "its authority vouches for it"]
    assert -1.1 < probes.measurements[0].value < -0.9


def test_a_certificate_of_an_authority_that_the_cluster_does_not_name_is_not_trusted(standing: Standing) -> None:
    """An empty field means a public authority, and this one is in no system's store."""
    with standing() as stood:
        stood.cluster.fixed[door.CERTIFICATE] = {"data": {"ca.crt": ""}}
        claims = front.broken(encryption.tls_at_the_door, stood)
    assert [one for one in claims if "is spoken" in one] == [
        "TLS 1.2 is spoken, and the certificate verifies",
        "TLS 1.3 is spoken, and the certificate verifies",
    ]


@pytest.mark.fails("ingress.tokens", on="cluster")
def test_a_door_that_asks_nobody_for_a_token_is_found(standing: Standing) -> None:
    with standing(asks=False) as stood:
        claims = front.broken(ingress.tokens_at_the_door, stood)
    assert claims == [
        "without a token it stays shut",
        "with one that somebody else has signed too",
        "with a changed one too",
        "with a valid one of another tenant too",
    ]


def test_a_model_that_answers_nobody_is_no_door_that_is_well_guarded(standing: Standing) -> None:
    with standing() as stood:
        stood.pods.lost = True
        claims = front.broken(ingress.tokens_at_the_door, stood)
    assert "a token of the model's own tenant opens it" in claims


@pytest.mark.fails("ingress.latency", on="cluster")
def test_a_slow_service_behind_the_door_is_found(standing: Standing) -> None:
    with standing(Options(delay=0.4), limits={"ingress.latency": 200.0}) as stood:
        outcome, reason = runner.judge(ingress.latency_at_the_door(described(), stood.visit))
    assert outcome is Outcome.FAIL
    assert "p95 latency" in reason


@pytest.mark.fails("ingress.rate", on="cluster")
def test_errors_behind_the_door_are_not_counted_as_answers(standing: Standing) -> None:
    with standing() as stood:
        stood.pods.errors = 5
        probes = ingress.rate_at_the_door(described(), stood.visit)
    assert "no more than 0.01 % of the requests fail" in edge.broken(probes)
    assert "status 500" in probes.measurements[1].method


def test_a_gateway_at_the_end_of_its_cpu_is_found_where_metrics_tell(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = {"name": "istio-proxy", "resources": {"limits": {"cpu": "2000m"}}}
    used = {"name": "istio-proxy", "usage": {"cpu": "1900m"}}
    names = {"metadata": {"name": "gateway-1"}}
    monkeypatch.setattr(usage, "LOOK_SECONDS", 0.1)
    with standing() as stood:
        pods = f"/api/v1/namespaces/{door.SPACE}/pods"
        stood.cluster.fixed[pods] = {"items": [{**names, "spec": {"containers": [container]}}]}
        told: list[Json] = [{**names, "timestamp": "2026-01-01T00:00:00Z", "containers": [used]}]
        stood.cluster.fixed[usage.USAGE] = {"items": told}
        probes = ingress.rate_at_the_door(described(), stood.visit)
    assert edge.broken(probes) == ["the gateway has CPU to spare"]
    assert probes.measurements[-1].value == 95.0


def test_a_service_that_never_starts_fails_and_says_why(standing: Standing) -> None:
    with standing() as stood:
        stood.cluster.ready, stood.cluster.why = False, "RevisionMissing: no such image"
        for check in (ingress.rate_at_the_door, ingress.tokens_at_the_door):
            with stood.visit.scope():
                outcome, reason = runner.judge(check(described(), stood.visit))
            assert (outcome, "no such image" in reason) == (Outcome.FAIL, True), reason


def test_no_room_for_a_service_says_nothing_about_the_door(standing: Standing) -> None:
    with standing() as stood:
        stood.cluster.ready, stood.cluster.why = False, "pods are forbidden: exceeded quota: tenant"
        with pytest.raises(NotMeasurableError, match=r"there is no room for proof-door: .*exceeded quota"):
            ingress.rate_at_the_door(described(), stood.visit)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": False}, "knows no issuer of service accounts' tokens"),
        ({"models": None}, "holds no names of models"),
    ],
)
def test_without_names_or_tokens_of_models_the_rate_is_measured_on_a_page_for_everybody(
    standing: Standing, changes: Json, said: str
) -> None:
    given = {"platform__gateway": front.GATEWAY | changes}
    with standing() as stood:
        probes = ingress.rate_at_the_door(described(**given), stood.visit)
        assert edge.broken(probes) == []
        assert said in probes.notes[0]
        assert "/dex/.well-known/openid-configuration" in probes.notes[0]
        with pytest.raises(SkippedError, match=said):
            ingress.tokens_at_the_door(described(**given), stood.visit)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform__gateway": None}, "this stack has no gateway"),
        ({"platform__gateway": front.GATEWAY | {"outside": False}}, "nothing outside of the cluster reaches"),
    ],
)
def test_what_nobody_outside_can_reach_is_skipped_with_the_reason(
    standing: Standing, changes: dict[str, Any], said: str
) -> None:
    with standing() as stood:
        for check in (encryption.tls_at_the_door, encryption.days_at_the_door, ingress.rate_at_the_door):
            with pytest.raises(SkippedError, match=said):
                check(described(**changes), stood.visit)


def test_a_load_balancer_without_an_address_and_one_that_is_silent_are_skipped(standing: Standing) -> None:
    with standing() as stood:
        service = stood.cluster.fixed[door.SERVICE]
        stood.cluster.fixed[door.SERVICE] = {**service, "status": {"loadBalancer": {}}}
        with pytest.raises(SkippedError, match="has no address yet"):
            door.gate(described(), stood.visit)
        ports = [{"name": "http2", "port": 1}, {"name": "https", "port": 1}]
        stood.cluster.fixed[door.SERVICE] = {**service, "spec": {"ports": ports}}
        with pytest.raises(SkippedError, match=r"127\.0\.0\.1:1 does not answer this machine: ConnectionRefused"):
            door.gate(described(), stood.visit)


def test_the_domain_is_dialled_where_it_resolves(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    def ours(name: str) -> bool:
        return name == "127.0.0.1"

    monkeypatch.setattr(door, "resolves", ours)
    with standing() as stood:
        by_name = door.gate(described(platform__gateway=front.GATEWAY | {"domain": "127.0.0.1"}), stood.visit)
        by_address = door.gate(described(), stood.visit)
    assert (by_name.host, by_name.at().host) == ("127.0.0.1", "127.0.0.1")
    assert (by_address.host, by_address.at().host) == ("127.0.0.1", front.DOMAIN)
    assert by_address.model("iris", "check-vision") == "iris.check-vision.platform.test"


def test_without_knative_no_model_has_a_name_at_the_door(standing: Standing) -> None:
    with standing() as stood:
        del stood.cluster.fixed[services.KNATIVE]
        with pytest.raises(SkippedError, match="from Knative only"):
            ingress.tokens_at_the_door(described(), stood.visit)


def test_a_token_is_renewed_long_before_it_ends_for_requests_and_for_the_generator(
    standing: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    with standing() as stood:
        bearer = door.Bearer(stood.visit, front.TENANT, "default-editor", tmp_path / "token")
        first = bearer()
        assert bearer() == first == bearer.file.read_text(encoding="ascii")
        assert oct(bearer.file.stat().st_mode & 0o777) == "0o600"
        monkeypatch.setattr(time, "monotonic", lambda: now + cluster.TOKEN_SECONDS / 2)
        assert bearer() != first
        assert bearer.file.read_text(encoding="ascii") != first


def test_a_forged_token_says_the_same_and_is_signed_by_another() -> None:
    from workloads.backends.process.tokens import Issuer  # noqa: PLC0415 - of this test alone

    token = Issuer().token()
    head, claims, signature = door.forged(token).split(".")
    assert claims == token.split(".")[1]
    assert signature != token.split(".")[2]
    assert head
