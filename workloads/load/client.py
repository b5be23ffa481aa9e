"""Sends one request, once, and says how it ended. Verifies TLS; follows, repeats and decodes nothing."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from workloads.load.expect import Expect
from workloads.load.plan import Endpoint, Payload, Plan

AGENT = "kubeflow-proof-load"

# First match wins: a certificate that does not verify is also a failure to connect.
ERRORS: Mapping[type[Exception], str] = {
    aiohttp.ClientConnectorCertificateError: "tls",
    aiohttp.ClientSSLError: "tls",
    aiohttp.ClientConnectorDNSError: "dns",
    aiohttp.ClientConnectorError: "connect",
    TimeoutError: "timeout",
    aiohttp.ServerDisconnectedError: "reset",
    aiohttp.ClientOSError: "reset",
    aiohttp.ClientPayloadError: "reset",
    aiohttp.ClientConnectionError: "reset",
    aiohttp.ClientError: "protocol",
    OSError: "reset",
}


@dataclass(slots=True, eq=False)
class Shot:
    """A request made ready to be sent many times."""

    endpoint: str
    payload: int  # its place among the endpoint's payloads
    method: str
    url: URL
    body: bytes | None
    headers: CIMultiDict[str]
    server: str | None
    expect: Expect


class Reply(NamedTuple):
    """What came back. `first` is the moment of status and headers; `problem` a class of error, or nothing."""

    problem: str
    status: int
    body: bytes
    tally: str
    first: float


def shots(plan: Plan) -> list[list[Shot]]:
    """All payloads of all endpoints."""
    made = [[_shot(endpoint, index, one) for index, one in enumerate(endpoint.payloads)] for endpoint in plan.endpoints]
    renew(plan, made)
    return made


def renew(plan: Plan, made: list[list[Shot]]) -> None:
    """Read again the tokens that come from files."""
    for endpoint, group in zip(plan.endpoints, made, strict=True):
        if endpoint.token_file:
            token = Path(endpoint.token_file).read_text("utf-8").strip()
            for shot in group:
                shot.headers[hdrs.AUTHORIZATION] = f"Bearer {token}"


def _shot(endpoint: Endpoint, index: int, payload: Payload) -> Shot:
    url = URL(endpoint.url)
    headers = CIMultiDict[str]({hdrs.USER_AGENT: AGENT, **endpoint.headers})
    if payload.body:
        headers[hdrs.CONTENT_TYPE] = payload.content_type
    if endpoint.host:
        headers[hdrs.HOST] = endpoint.host
    if endpoint.token:
        headers[hdrs.AUTHORIZATION] = f"Bearer {endpoint.token}"
    server = endpoint.host.partition(":")[0] if endpoint.host and url.scheme == "https" else None
    return Shot(
        endpoint=endpoint.name,
        payload=index,
        method=payload.method,
        url=url,
        body=payload.body or None,
        headers=headers,
        server=server,
        expect=payload.expect,
    )


class Client:
    """Kept connections, and a second session whose connections serve one request each."""

    def __init__(self, plan: Plan) -> None:
        context = ssl.create_default_context(cadata=plan.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.opened = 0
        self._kept = self._session(context, plan.keep_alive_seconds)
        self._fresh = self._session(context, None) if plan.new_connections else self._kept

    def _session(self, context: ssl.SSLContext, keep: float | None) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()

        async def opened(*_: object) -> None:
            self.opened += 1

        trace.on_connection_create_end.append(opened)
        resolver = aiohttp.ThreadedResolver()
        if keep is None:
            connector = aiohttp.TCPConnector(
                ssl=context, limit=0, use_dns_cache=False, resolver=resolver, force_close=True
            )
        else:
            connector = aiohttp.TCPConnector(
                ssl=context, limit=0, use_dns_cache=False, resolver=resolver, keepalive_timeout=keep
            )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=(hdrs.ACCEPT_ENCODING,),
            auto_decompress=False,
            trace_configs=[trace],
        )
        # There is no public switch: aiohttp silently repeats a GET whose kept connection was reset.
        session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return session

    async def send(self, shot: Shot, *, fresh: bool) -> Reply:
        """One request and its whole answer. A deadline is the caller's to keep, by cancelling."""
        session = self._fresh if fresh else self._kept
        first = 0.0
        try:
            async with session.request(
                shot.method,
                shot.url,
                data=shot.body,
                headers=shot.headers,
                server_hostname=shot.server,
                allow_redirects=False,
            ) as response:
                first = time.monotonic()
                tally = response.headers.get(shot.expect.tally_header, "") if shot.expect.tally_header else ""
                return Reply("", response.status, await response.read(), tally, first)
        except (aiohttp.ClientError, OSError) as error:
            kind = next(name for known, name in ERRORS.items() if isinstance(error, known))
            return Reply(kind, 0, str(error).encode("utf-8"), "", first)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._kept.close()
        await self._fresh.close()
