"""Encryption: what the way in speaks, and that nothing but its own client reaches a server inside the mesh."""

from __future__ import annotations

import datetime as dt
import http.client
import re
import socket
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from workloads import load, stats
from workloads.backends.process import gateway, mesh, web
from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import Authority, Certificate
from workloads.backends.process.echo import CLIENT
from workloads.backends.process.gateway import Gateway
from workloads.backends.process.processes import HOST
from workloads.checks import offered
from workloads.outcome import Better, Measurement, NotMeasurableError, Probes

DAYS, LATENCY = "encryption.certificate-days", "mesh.latency"  # criteria: days, milliseconds
OLD = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
NEW = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
QUANTILE = 0.99
_SECONDS = 10
_READY_SECONDS = 20.0  # the sidecars run already
_OK = 200
_REDIRECTS = {301, 302, 307, 308}
_YEAR = 365 * 24 * 3600
_FIELD = "client"  # of the echo: what the sidecar told it
_REQUEST = b"GET /plain HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of one connection: an HTTP status, or why there is none."""

    status: int | None
    said: str

    def __str__(self) -> str:
        """As evidence."""
        return f"status {self.status}" if self.status is not None else self.said


def tls(bench: Bench) -> Probes:
    """New versions of TLS are spoken and old ones are not; who asks in plain HTTP is sent on."""
    front, probes = bench.use(gateway.gateway), Probes()
    for said, version in NEW.items():
        answer = ask(front.port, _speaking(front.authority, version), gateway.NAME)
        probes.positive(f"{said} is spoken, and the certificate verifies", held=answer.status == _OK, saw=str(answer))
    for said, version in OLD.items():
        answer = ask(front.port, _speaking(front.authority, version), gateway.NAME)
        probes.negative(f"{said} is refused", held=_is_refusal(answer, said), saw=str(answer))
    stranger = Authority.make("stranger", bench.folder / "certificates")
    answer = ask(front.port, stranger.client(), gateway.NAME)
    probes.negative("the certificate does not verify with another authority", held=_unverified(answer), saw=str(answer))
    answer = ask(front.port, front.authority.client(), "other.proof.test")
    probes.negative("it does not verify for another name", held=_unverified(answer), saw=str(answer))
    _redirect(probes, front)
    _hsts(probes, front)
    return probes


def certificate_days(bench: Bench) -> Probes:
    """How long the certificate is still good; an authority that nobody trusts cannot make it good."""
    front, limit, probes = bench.use(gateway.gateway), bench.limit(DAYS), Probes()
    with (
        socket.create_connection((HOST, front.port), _SECONDS) as plain,
        front.authority.client().wrap_socket(plain, server_hostname=gateway.NAME) as secured,
    ):
        shown = secured.getpeercert(binary_form=True) or b""
    ends = x509.load_der_x509_certificate(shown).not_valid_after_utc
    days = (ends - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)
    probes.measured(
        f"the certificate is good for {limit:g} more days",
        Measurement(
            metric="days until it ends", value=days, unit="days", n=1, method="read from the certificate as shown",
            limit=limit, better=Better.HIGHER,
        ),
        held=days >= limit,
    )  # fmt: skip
    answer = ask(front.port, Authority.make("nobody", bench.folder / "certificates").client(), gateway.NAME)
    probes.negative("another authority cannot vouch for it", held=_unverified(answer), saw=str(answer))
    return probes


def mutual(bench: Bench) -> Probes:
    """The client reaches the server under its own name, and nobody else does."""
    pair, probes = bench.use(mesh.mesh), Probes()
    reply = web.call(f"{pair.url}/identity")
    seen = re.search(r"URI=([^;]+)", reply.json[_FIELD]) if reply.ok else None
    probes.positive(
        "through its sidecar the client reaches the server, which sees who it is",
        held=seen is not None and seen[1] == mesh.CLIENT,
        saw=f"{CLIENT}: {seen[1]}" if seen else str(reply),
    )
    folder = bench.folder / "certificates"
    known = pair.authority.issue("direct", spiffe=mesh.CLIENT)
    answer = ask(pair.server_port, _anonymous(pair.authority.root, known), "")
    opened = answer.status == _OK
    probes.positive("the same certificate opens the port without the sidecar", held=opened, saw=str(answer))
    foreign = Authority.make("foreign", folder).issue("foreign-client", spiffe=mesh.CLIENT)
    stranger = pair.authority.issue("other-client", spiffe=mesh.STRANGER)
    for claim, certificate in (
        ("TLS without a certificate is refused", None),
        ("the right name from another authority is refused", foreign),
        ("another name from the right authority is refused", stranger),
    ):
        answer = ask(pair.server_port, _anonymous(pair.authority.root, certificate), "")
        probes.negative(claim, held=closed(answer), saw=str(answer))
    answer = ask(pair.server_port, None, "")
    probes.negative("plain HTTP to the strict port is refused", held=closed(answer), saw=str(answer))
    return probes


def latency(bench: Bench) -> Probes:
    """From one side of the mesh to the other and back, through both sidecars."""
    pair, size, limit, probes = bench.use(mesh.mesh), bench.profile.internal, bench.limit(LATENCY), Probes()
    expect = load.Expect(status=(200,), checks=(load.Check(path=("served_by",), equals="server"),))
    plan = load.Plan(
        arrivals=load.poisson(rate=size.rate, seconds=size.seconds),
        endpoints=(
            load.Endpoint(
                name="mesh", url=f"{pair.url}/latency", payloads=(load.Payload(body=b"x" * 1024, expect=expect),)
            ),
        ),
        seed=bench.seed, limit_seconds=limit / 1e3, warm_up_seconds=size.warm_up_seconds,
        ready_seconds=_READY_SECONDS,
    )  # fmt: skip
    results = [offered.measure(bench, plan)]
    if _percentile(Probes(), results, limit) is stats.Verdict.MARGINAL:
        results.append(offered.measure(bench, plan))  # extended once; what is marginal still fails
    _percentile(probes, results, limit)
    for result in results:
        offered.failures(probes, "no request fails", result)
    offered.keep(probes, "mesh", plan, results[-1])
    return probes


def _percentile(probes: Probes, results: list[load.LoadResult], limit: float) -> stats.Verdict:
    claim = f"{QUANTILE:.0%} of the requests of 1 KiB are answered within {limit:g} ms, both sidecars included"
    return offered.percentile(probes, claim, "p99 latency", results, limit_ms=limit, quantile=QUANTILE)


def ask(port: int, context: ssl.SSLContext | None, name: str) -> Answer:
    """Send one request over one connection, in whatever way; never raises for what the other side does."""
    try:
        with socket.create_connection((HOST, port), _SECONDS) as plain:
            if context is None:
                return _exchange(plain)
            with context.wrap_socket(plain, server_hostname=name or None) as secured:
                return _exchange(secured)
    except OSError as error:  # of TLS too
        return Answer(status=None, said=f"{type(error).__name__}: {error}")


def _exchange(connection: socket.socket) -> Answer:
    connection.sendall(_REQUEST)
    received = connection.recv(4096)
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    if found is None:
        return Answer(status=None, said=f"closed after {received[:60]!r}")
    return Answer(status=int(found[1]), said="")


def _speaking(authority: Authority, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client of one version of TLS, also of those that today's libraries do not offer by themselves."""
    context = authority.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that these versions are old is the point
        context.minimum_version, context.maximum_version = version, version
    if version in OLD.values():
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _anonymous(root: Path, certificate: Certificate | None) -> ssl.SSLContext:
    """A client that verifies the authority and no name: the identity is a SPIFFE one, which has none."""
    context = ssl.create_default_context(cafile=str(root))
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(certificate.chain, certificate.key)
    return context


def _is_refusal(answer: Answer, said: str) -> bool:
    """Whether the server refused a version; a client that cannot even ask has seen nothing."""
    if answer.status is None and "NO_PROTOCOLS_AVAILABLE" in answer.said.upper():
        raise NotMeasurableError(f"this machine's own library cannot speak {said}: {answer.said}")
    return answer.status is None and "PROTOCOL_VERSION" in answer.said.upper()


def _unverified(answer: Answer) -> bool:
    return answer.status is None and "CERTIFICATE_VERIFY_FAILED" in answer.said


def closed(answer: Answer) -> bool:
    """Whether the other side ended it; neither that nobody listens there nor our own mistrust is such an end."""
    other = ("ConnectionRefused", "timed out", "CERTIFICATE_VERIFY_FAILED")
    return answer.status is None and not any(word in answer.said for word in other)


def _redirect(probes: Probes, front: Gateway) -> None:
    connection = http.client.HTTPConnection(HOST, front.plain_port, timeout=_SECONDS)
    connection.request("GET", "/some/path?and=more", headers={"Host": f"{gateway.NAME}:{front.plain_port}"})
    answer = connection.getresponse()
    target = urlsplit(answer.headers.get("Location", ""))
    body = answer.read()
    connection.close()
    held = answer.status in _REDIRECTS and (target.scheme, target.hostname) == ("https", gateway.NAME)
    probes.positive(
        "plain HTTP is sent on to the same address over HTTPS",
        held=held and f"{target.path}?{target.query}" == "/some/path?and=more",
        saw=f"status {answer.status}, to {target.geturl() or 'nowhere'}",
    )
    probes.negative("plain HTTP gets no content", held=not body, saw=f"{len(body)} bytes")


def _hsts(probes: Probes, front: Gateway) -> None:
    context = front.authority.client()
    connection = http.client.HTTPSConnection(HOST, front.port, context=context, timeout=_SECONDS)
    connection.request("GET", "/", headers={"Host": gateway.NAME})
    told = connection.getresponse().headers.get("Strict-Transport-Security", "")
    connection.close()
    age = re.search(r"max-age=(\d+)", told)
    held = age is not None and int(age[1]) >= _YEAR
    probes.positive(
        "browsers are told to come back over HTTPS only, for a year", held=held, saw=told or "no such header"
    )
