"""Plain HTTP calls to software of the process backend, past any proxy. Retries nothing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back, whatever it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the server was pleased."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the range of success in HTTP

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the server says
        """The body, read as JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        """As evidence: the status, and the beginning of the body."""
        return f"{self.status} {self.body[:200].decode('utf-8', 'replace')}".strip()


def call(
    url: str, *, body: bytes | None = None, method: str | None = None, headers: Mapping[str, str] | None = None,
    seconds: float = 30.0,
) -> Reply:  # fmt: skip
    """Send one request; OSError if nothing answers."""
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            return Reply(status=answer.status, headers=dict(answer.headers), body=answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(status=error.code, headers=dict(error.headers), body=error.read())


def post(url: str, value: object, *, seconds: float = 30.0) -> Reply:
    """Send JSON."""
    return call(
        url, body=json.dumps(value).encode("utf-8"), headers={"Content-Type": "application/json"}, seconds=seconds
    )
