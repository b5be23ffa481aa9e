"""The way in, with Envoy: HTTPS that checks tokens and redirects plain HTTP; HTTPS that splits traffic by version."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from workloads.backends.process import envoy, models, web
from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import DAYS, Authority
from workloads.backends.process.echo import echo
from workloads.backends.process.processes import HOST, Program, free_ports
from workloads.backends.process.tokens import ISSUER, Issuer

NAME = "gateway.proof.test"  # what its certificate is for
PRIVATE = "/private"  # asks for a token
PLACE = "Envoy on this machine: TLS and HTTP are real, there is no load balancer and no network before it"
_HSTS = {"header": {"key": "strict-transport-security", "value": "max-age=31536000; includeSubDomains"}}
_PROTOCOLS = ["h2", "http/1.1"]
_REVISIONS = ("first", "second")
_SECONDS = 10.0
_WEIGHTS = "split"  # of the revisions, by which they can be changed while Envoy runs


class Revision(Protocol):
    """A version of a server, wherever it comes from."""

    @property
    def port(self) -> int:
        """Where it listens."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How it is set up. The defaults are what the platform promises; anything else is there to be found out."""

    oldest_tls: str = "TLSv1_2"
    ciphers: tuple[str, ...] = ()
    days: float = DAYS
    redirects: bool = True
    hsts: bool = True
    asks_for_tokens: bool = True
    delay: float = 0.0  # of the server behind it


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """A running gateway and what a client must know of it."""

    port: int
    plain_port: int
    admin_port: int
    authority: Authority
    issuer: Issuer
    program: Program

    @property
    def url(self) -> str:
        """The address to dial; the name in the certificate is NAME."""
        return f"https://{HOST}:{self.port}"

    @property
    def ca(self) -> str:
        """What its certificate is verified with."""
        return self.authority.root.read_text(encoding="ascii")

    def status(self, path: str, token: str = "") -> int:
        """The status of one answer over HTTPS, verified."""
        secured = urllib.request.HTTPSHandler(context=self.authority.client())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secured)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)  # noqa: S310 - https, by `url`
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextmanager
def gateway(bench: Bench) -> Generator[Gateway]:
    """The gateway as the platform promises it."""
    with configured(Options())(bench) as made:
        yield made


def configured(options: Options) -> Callable[[Bench], AbstractContextManager[Gateway]]:
    """A gateway that is set up otherwise."""

    @contextmanager
    def start(bench: Bench) -> Generator[Gateway]:
        envoy.binary()
        secure, plain, admin, behind = free_ports(4)
        authority = Authority.make("gateway-authority", bench.folder / "certificates")
        certificate = authority.issue("gateway", dns=(NAME,), loopback=True, days=options.days)
        issuer = Issuer()
        tls = envoy.serving(certificate, oldest=options.oldest_tls, ciphers=options.ciphers, alpn_protocols=_PROTOCOLS)
        listeners = [
            envoy.listener(
                "https", secure, [envoy.to("echo")], transport=tls,
                filters=[_tokens(issuer)] if options.asks_for_tokens else [], headers=[_HSTS] if options.hsts else [],
            ),
            envoy.listener("http", plain, [_redirect(secure) if options.redirects else envoy.to("echo")]),
        ]  # fmt: skip
        with (
            echo(bench, "echo", behind, options.delay),
            envoy.envoy(bench, "gateway", admin, listeners, [envoy.cluster("echo", behind)]) as program,
        ):
            yield Gateway(
                port=secure, plain_port=plain, admin_port=admin, authority=authority, issuer=issuer, program=program
            )

    return start


def between(
    revisions: Sequence[Callable[[Bench], AbstractContextManager[Revision]]], path: str
) -> Callable[[Bench], AbstractContextManager[models.Split]]:
    """A gateway before two versions, all of the traffic to the first until it is told otherwise."""

    @contextmanager
    def start(bench: Bench) -> Generator[models.Split]:
        envoy.binary()
        ports = dict(zip(_REVISIONS, (bench.use(one).port for one in revisions), strict=True))
        port, admin = free_ports(2)
        authority = Authority.make("split-authority", bench.folder / "certificates")
        certificate = authority.issue("split", dns=(NAME,), loopback=True)
        tls = envoy.serving(certificate, oldest="TLSv1_2", alpn_protocols=_PROTOCOLS)
        listener = envoy.listener("https", port, [_split()], transport=tls)
        clusters = [envoy.cluster(name, behind) for name, behind in ports.items()]
        with envoy.envoy(bench, "split", admin, [listener], clusters):
            yield models.Split(
                url=f"https://{HOST}:{port}{path}",
                shift=lambda share: _shift(admin, share),
                ca=authority.root.read_text(encoding="ascii"),
                host=NAME,
            )

    return start


def _shift(admin: int, share: float) -> None:
    """Set both weights at once, without a restart."""
    weights = zip(_REVISIONS, (round(100 * (1 - share)), round(100 * share)), strict=True)
    asked = "&".join(f"{_WEIGHTS}.{name}={weight}" for name, weight in weights)
    reply = web.call(f"http://{HOST}:{admin}/runtime_modify?{asked}", method="POST")
    if not reply.ok:
        raise OSError(f"Envoy does not take other weights: {reply}")


def _split() -> envoy.Json:
    weights = [{"name": name, "weight": weight} for name, weight in zip(_REVISIONS, (100, 0), strict=True)]
    weighted = {"clusters": weights, "runtime_key_prefix": _WEIGHTS}
    return {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}


def _redirect(port: int) -> envoy.Json:
    return {"match": {"prefix": "/"}, "redirect": {"https_redirect": True, "port_redirect": port}}


def _tokens(issuer: Issuer) -> envoy.Json:
    provider = {"issuer": ISSUER, "local_jwks": {"inline_string": issuer.keys}}
    rule = {"match": {"prefix": PRIVATE}, "requires": {"provider_name": "issuer"}}
    message = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": envoy.typed(message, providers={"issuer": provider}, rules=[rule]),
    }
