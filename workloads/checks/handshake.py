"""What a way in speaks, and who vouches for it: claims about TLS, redirects and certificates, wherever it stands."""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from workloads.backends.process.certificates import Authority
from workloads.backends.process.processes import HOST
from workloads.outcome import Better, Measurement, NotMeasurableError, Probes
from workloads.reach import NO_ANSWER, Reach

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD = {ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1}
_STRANGE_NAME = "other.proof.test"
_SECONDS = 10
_REDIRECTS = {301, 302, 307, 308}
_YEAR = 365 * 24 * 3600
_PLAIN = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A way in whose encryption is looked at."""

    host: str  # dialled
    port: int
    plain_port: int
    name: str  # in the certificate
    ca: str  # PEM; empty: the authorities of this system
    page: str = "/"  # whatever stands there
    oldest: str = "1.2"  # version of TLS that must be spoken

    def ask(self, context: ssl.SSLContext, name: str) -> Answer:
        """One request over one connection."""
        return ask(self.port, context, name, host=self.host)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of one connection: an HTTP status, or why there is none."""

    status: int | None
    said: str

    def __str__(self) -> str:
        """As evidence."""
        return f"status {self.status}" if self.status is not None else self.said


def tls(probes: Probes, shown: Shown) -> None:
    """New versions of TLS are spoken and old ones are not; who asks in plain HTTP is sent on."""
    for said, version in VERSIONS.items():
        answer = shown.ask(_speaking(shown.ca, version), shown.name)
        if said >= shown.oldest:
            claim = f"TLS {said} is spoken, and the certificate verifies"
            probes.positive(claim, held=answer.status is not None, saw=str(answer))
        else:
            probes.negative(f"TLS {said} is refused", held=_is_refusal(answer, said), saw=str(answer))
    answer = shown.ask(_trusting(stranger()), shown.name)
    probes.negative("the certificate does not verify with another authority", held=_unverified(answer), saw=str(answer))
    answer = shown.ask(_trusting(shown.ca), _STRANGE_NAME)
    probes.negative("it does not verify for another name", held=_unverified(answer), saw=str(answer))
    _redirect(probes, shown)
    _hsts(probes, shown)


def certificate_days(probes: Probes, shown: Shown, limit: float) -> None:
    """How long the certificate is still good; an authority that nobody trusts cannot make it good."""
    days = (_end(shown) - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)
    probes.measured(
        f"the certificate is good for {limit:g} more days",
        Measurement(
            metric="days until it ends", value=days, unit="days", n=1, method="read from the certificate as shown",
            limit=limit, better=Better.HIGHER,
        ),
        held=days >= limit,
    )  # fmt: skip
    answer = shown.ask(_trusting(shown.ca), shown.name)
    probes.positive("its authority vouches for it", held=answer.status is not None, saw=str(answer))
    answer = shown.ask(_trusting(stranger()), shown.name)
    probes.negative("another authority cannot vouch for it", held=_unverified(answer), saw=str(answer))


def stranger() -> str:
    """The certificate of an authority that has signed nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return Authority.make("stranger", Path(folder)).root.read_text(encoding="ascii")


def ask(port: int, context: ssl.SSLContext | None, name: str, *, host: str = HOST) -> Answer:
    """Send one request over one connection, in whatever way; never raises for what the other side does."""
    try:
        with socket.create_connection((host, port), _SECONDS) as plain:
            if context is None:
                return _exchange(plain, name)
            with context.wrap_socket(plain, server_hostname=name or None) as secured:
                return _exchange(secured, name)
    except OSError as error:  # of TLS too
        return Answer(status=None, said=f"{type(error).__name__}: {error}")


def closed(answer: Answer) -> bool:
    """Whether the other side ended it; neither that nobody listens there nor our own mistrust is such an end."""
    other = ("ConnectionRefused", "timed out", "CERTIFICATE_VERIFY_FAILED")
    return answer.status is None and not any(word in answer.said for word in other)


def _exchange(connection: socket.socket, name: str) -> Answer:
    connection.sendall(f"GET /plain HTTP/1.1\r\nHost: {name or 'server'}\r\nConnection: close\r\n\r\n".encode("ascii"))
    received = connection.recv(4096)
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    if found is None:
        return Answer(status=None, said=f"closed after {received[:60]!r}")
    return Answer(status=int(found[1]), said="")


def _trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca or None)


def _speaking(ca: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client of one version of TLS, also of those that today's libraries do not offer by themselves."""
    context = _trusting(ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that these versions are old is the point
        context.minimum_version, context.maximum_version = version, version
    if version in _OLD:
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _is_refusal(answer: Answer, said: str) -> bool:
    """Whether the server refused a version; a client that cannot even ask has seen nothing."""
    if answer.status is None and "NO_PROTOCOLS_AVAILABLE" in answer.said.upper():
        raise NotMeasurableError(f"this machine's own library cannot speak TLS {said}: {answer.said}")
    return answer.status is None and "PROTOCOL_VERSION" in answer.said.upper()


def _unverified(answer: Answer) -> bool:
    return answer.status is None and "CERTIFICATE_VERIFY_FAILED" in answer.said


def _end(shown: Shown) -> dt.datetime:
    """When the certificate ends. Read without trusting it: one that has ended already must be read too."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((shown.host, shown.port), _SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=shown.name) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"").not_valid_after_utc


def _redirect(probes: Probes, shown: Shown) -> None:
    port = "" if shown.plain_port == _PLAIN else f":{shown.plain_port}"
    reach = Reach(url=f"http://{shown.host}:{shown.plain_port}", host=f"{shown.name}{port}")
    answer = reach.call("/some/path?and=more", seconds=_SECONDS)
    target = urlsplit(_header(answer.headers, "location"))
    held = answer.status in _REDIRECTS and (target.scheme, target.hostname) == ("https", shown.name)
    probes.positive(
        "plain HTTP is sent on to the same address over HTTPS",
        held=held and f"{target.path}?{target.query}" == "/some/path?and=more",
        saw=f"status {answer.status}, to {target.geturl() or 'nowhere'}",
    )
    silent = answer.status == NO_ANSWER
    saw = str(answer) if silent else f"{len(answer.body)} bytes"
    probes.negative("plain HTTP gets no content", held=silent or not answer.body, saw=saw)


def _hsts(probes: Probes, shown: Shown) -> None:
    reach = Reach(url=f"https://{shown.host}:{shown.port}", host=shown.name, ca=shown.ca)
    told = _header(reach.call(shown.page, seconds=_SECONDS).headers, "strict-transport-security")
    age = re.search(r"max-age=(\d+)", told)
    held = age is not None and int(age[1]) >= _YEAR
    probes.positive(
        "browsers are told to come back over HTTPS only, for a year", held=held, saw=told or "no such header"
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
