"""What will be sent, when and to whom: plain data with a hash. A plan that cannot be kept is refused as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from workloads.load.arrivals import Arrivals, poisson
from workloads.load.codec import decode, encode
from workloads.load.diagnosis import Rules
from workloads.load.expect import Check, Expect

MOST_REQUESTS = 10_000_000


class PlanError(Exception):
    """A plan that cannot be kept; the message lists all problems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One request, and its right answer."""

    body: bytes = b""
    method: str = "POST"
    content_type: str = "application/json"
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where requests go. `url` is dialled; `host`, if given, is the Host header and the name that TLS verifies.

    `token_file` is read again every minute, because projected tokens are replaced while a soak runs.
    """

    name: str
    url: str
    payloads: tuple[Payload, ...]
    weight: float = 1.0
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str = field(default="", repr=False)
    token_file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A whole run. Endpoints are drawn by weight; an endpoint's payloads take turns.

    `timeout_seconds` counts from the planned moment. `new_connections` is the share of requests that open (and close)
    a connection of their own; the others are kept open while idle for `keep_alive_seconds`, which is to be shorter than
    the server's own patience: nothing repeats a request that meets a closing connection. `ca` is PEM text; empty means
    the authorities of the system. With `ready_seconds` 0 no endpoint is asked beforehand.
    """

    arrivals: Arrivals
    endpoints: tuple[Endpoint, ...]
    seed: int
    limit_seconds: float | None = None
    timeout_seconds: float = 10.0
    connections: int = 256
    new_connections: float = 0.0
    keep_alive_seconds: float = 4.0
    ca: str = ""
    processes: int = 1
    warm_up_seconds: float = 30.0
    ready_seconds: float = 120.0
    rules: Rules = field(default_factory=Rules)
    schema: Literal[1] = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be kept, all of it at once."""
        if problems := list(self._problems()):
            raise PlanError("\n".join(["load plan:", *(f"  - {line}" for line in problems)]))

    def _problems(self) -> Iterator[str]:
        for name, low, value, high in (
            ("seconds of arrivals", 0.001, self.arrivals.seconds, 7 * 86_400),
            ("requests", 1, self.arrivals.count, MOST_REQUESTS),
            ("timeout_seconds", 0.001, self.timeout_seconds, 3_600),
            ("limit_seconds", 0.0, self.limit_seconds or 0.0, self.timeout_seconds),
            ("processes", 1, self.processes, 64),
            ("connections", self.processes, self.connections, 65_536),
            ("new_connections", 0, self.new_connections, 1),
            ("keep_alive_seconds", 0.1, self.keep_alive_seconds, 3_600),
            ("warm_up_seconds", 0, self.warm_up_seconds, 3_600),
            ("ready_seconds", 0, self.ready_seconds, 3_600),
            ("endpoints", 1, len(self.endpoints), 1_000),
        ):
            if not low <= value <= high:
                yield f"{name}: expected {low:g} to {high:g}, found {value:g}"
        if any(piece.rate < 0 or piece.seconds <= 0 for piece in self.arrivals.pieces) or self.arrivals.burstiness < 0:
            yield "arrivals: expected pieces longer than 0 s, and rates and a burstiness of 0 or more"
        if len({endpoint.name for endpoint in self.endpoints}) != len(self.endpoints):
            yield f"endpoints: expected different names, found {[endpoint.name for endpoint in self.endpoints]}"
        for index, endpoint in enumerate(self.endpoints):
            parts = urlsplit(endpoint.url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                yield f"endpoints[{index}].url: expected http(s)://host/..., found {endpoint.url!r}"
            if not endpoint.payloads:
                yield f"endpoints[{index}].payloads: expected at least one"
            if endpoint.weight <= 0:
                yield f"endpoints[{index}].weight: expected more than 0, found {endpoint.weight:g}"
            if endpoint.token and endpoint.token_file:
                yield f"endpoints[{index}]: expected one of token and token_file, found both"

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the tokens: equal hashes are equal loads."""
        plain = self.to_json()
        for endpoint in plain["endpoints"]:
            endpoint["token"] = ""
        alike = json.loads(json.dumps(plain), parse_int=float)  # 10 seconds and 10.0 seconds are one plan
        return hashlib.sha256(json.dumps(alike, sort_keys=True).encode("utf-8")).hexdigest()

    @property
    def warm_up(self) -> Arrivals | None:
        """What is sent before anything counts: the mean rate, Poisson."""
        rate = self.arrivals.rate
        wanted = poisson(rate=rate, seconds=self.warm_up_seconds) if self.warm_up_seconds else None
        return wanted if wanted and wanted.count else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, tokens included."""
        return encode(self)

    @classmethod
    def from_json(cls, value: object) -> Plan:
        """Read what `to_json` wrote; PlanError names each key that is wrong."""
        problems: list[str] = []
        plan = decode(cls, value, "plan", problems)
        if plan is None or problems:
            raise PlanError("\n".join(["load plan:", *(f"  - {line}" for line in problems)]))
        return plan


def v1(model: str, instances: Sequence[Any], *, golden: Sequence[Any] | None = None, tolerance: float = 0.0) -> Payload:
    """A request of the V1 inference protocol. Its answers carry no model name: `model` only labels what is wrong."""
    if not instances:
        raise PlanError(f"V1 request to {model}: expected at least one instance")
    checks = () if golden is None else (Check(path=("predictions",), equals=list(golden), tolerance=tolerance),)
    return Payload(body=_body({"instances": list(instances)}), expect=Expect(checks=checks))


def v2(
    model: str,
    inputs: Sequence[Mapping[str, Any]],
    *,
    golden: Mapping[str, Sequence[Any]] | None = None,
    tolerance: float = 0.0,
    version: str = "",
) -> Payload:
    """A request of the Open Inference (V2) protocol; `golden` are the first outputs' data, by name, in order."""
    checks: list[Check] = []
    for index, (name, data) in enumerate((golden or {}).items()):
        checks.append(Check(path=("outputs", index, "name"), equals=name))
        checks.append(Check(path=("outputs", index, "data"), equals=list(data), tolerance=tolerance))
    expect = Expect(model=model, version=version, checks=tuple(checks))
    return Payload(body=_body({"inputs": [dict(one) for one in inputs]}), expect=expect)


def _body(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("utf-8")
