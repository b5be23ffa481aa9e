"""`Reach`: how this machine reaches one HTTP server: what it dials, under which name, whom it trusts, by which token.

Judges nothing and repeats nothing.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from workloads import load
from workloads.backends.process.web import Reply

NO_ANSWER = 0  # in place of a status
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """One server as this machine reaches it."""

    url: str  # what is dialled: scheme, address and port
    host: str = ""  # Host header, and the name that its certificate must carry; empty: as dialled
    ca: str = ""  # PEM; empty: the authorities of this system
    token: Callable[[], str] | None = None  # asked again for each request, for tokens end
    token_file: str = ""  # where the load generator finds the same token

    @property
    def address(self) -> tuple[str, int]:
        """What is dialled."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    def bearing(self, token: str) -> Self:
        """The same server asked with another token, or with none."""
        return replace(self, token=(lambda: token) if token else None, token_file="")

    def call(
        self, path: str, *, body: bytes | None = None, method: str = "", headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
    ) -> Reply:  # fmt: skip
        """Send one request over a connection of its own; a server that says nothing gives the status NO_ANSWER."""
        given = {"Host": self.host, **self._bearer(), **(headers or {})}
        connection = self._connection(seconds)
        try:
            connection.request(method or ("POST" if body else "GET"), path, body, {k: v for k, v in given.items() if v})
            answer = connection.getresponse()
            return Reply(status=answer.status, headers=dict(answer.headers), body=answer.read())
        except (OSError, http.client.HTTPException) as error:
            return Reply(status=NO_ANSWER, headers={}, body=f"{type(error).__name__}: {error}".encode())
        finally:
            connection.close()

    def post(self, path: str, value: object, *, seconds: float = 30.0) -> Reply:
        """Send JSON."""
        body = json.dumps(value).encode("utf-8")
        return self.call(path, body=body, headers={"Content-Type": "application/json"}, seconds=seconds)

    def endpoint(self, name: str, path: str, payloads: tuple[load.Payload, ...]) -> load.Endpoint:
        """The same server for the load generator; the authority belongs into the plan."""
        token = "" if self.token is None or self.token_file else self.token()
        return load.Endpoint(
            name=name, url=f"{self.url}{path}", host=self.host, token=token, token_file=self.token_file,
            payloads=payloads,
        )  # fmt: skip

    def running(self, look: Callable[[load.Progress], None] | None = None) -> Callable[[load.Plan], load.LoadResult]:
        """What runs a plan against it; meanwhile the token is kept fresh, and `look` may look around."""

        def between(progress: load.Progress) -> None:
            if self.token is not None:
                self.token()
            if look is not None:
                look(progress)

        return lambda plan: load.run(plan, between)

    def _bearer(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token()}"}

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        host, port = self.address
        if not self.url.startswith("https:"):
            return http.client.HTTPConnection(host, port, timeout=seconds)
        context = ssl.create_default_context(cadata=self.ca or None)
        return _Named(host, port, timeout=seconds, context=context, name=self.host or host)


class _Named(http.client.HTTPSConnection):
    """HTTPS to an address whose certificate carries another name."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls, self._patience, self._name = context, timeout, name

    def connect(self) -> None:
        """Dial the address, and ask for the name."""
        plain = socket.create_connection((self.host, self.port), self._patience)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except OSError:
            plain.close()
            raise
