"""Plain REST to one Kubernetes API server. No models, no discovery.

With `backends/cluster/forward.py`, the only module that touches the client library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import yaml
from kubernetes import client, config
from kubernetes.utils import quantity as quantities
from urllib3.exceptions import HTTPError

REQUEST_SECONDS = 30

_MOST_TEXT = 16_000  # characters kept of an answer that is no JSON, such as a log

Json = dict[str, Any]


class UnreachableError(Exception):
    """The API server gave no answer at all, or the kubeconfig leads to none."""


class UnexpectedAnswerError(Exception):
    """The API server answered something that no check foresees."""


class _Configuration(Protocol):
    host: str
    ssl_ca_cert: str | None
    verify_ssl: bool
    tls_server_name: str | None
    proxy: str | None
    api_key: dict[str, str]
    api_key_prefix: dict[str, str]


class _Response(Protocol):
    status: int

    def read(self) -> bytes: ...


class _Client(Protocol):
    configuration: _Configuration

    def param_serialize(self, *, method: str, resource_path: str, **others: object) -> tuple[Any, ...]: ...
    def call_api(self, *params: object, _request_timeout: float) -> _Response: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    body: Json

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def message(self) -> str:
        """The server's words for a refusal."""
        return str(self.body.get("message", ""))

    def __str__(self) -> str:
        """Status and words, as evidence."""
        return f"{self.status} {self.message}".strip()

    def expect(self, what: str) -> Json:
        """The body, or UnexpectedAnswerError if the request was not carried out."""
        if not self.ok:
            raise UnexpectedAnswerError(f"{what}: the API server answered {self}")
        return self.body


class Api:
    """One identity at one API server."""

    def __init__(self, client_: _Client) -> None:
        self._client = client_

    @classmethod
    def from_kubeconfig(cls, text: str) -> Api:
        """The identity of a kubeconfig's current context; exec plugins are run."""
        try:
            loaded: object = yaml.safe_load(text)
            made = cast("Any", config).new_client_from_config_dict(config_dict=loaded, persist_config=False)
        except (yaml.YAMLError, config.ConfigException, TypeError, OSError) as error:
            raise UnreachableError(f"the kubeconfig in the outputs cannot be used: {error}") from error
        return cls(cast("_Client", made))

    def with_token(self, token: str) -> Api:
        """The same server seen by the bearer of a token, and by nothing else of this identity."""
        ours = self._client.configuration
        theirs = cast("_Configuration", client.Configuration())
        theirs.host, theirs.ssl_ca_cert, theirs.verify_ssl = ours.host, ours.ssl_ca_cert, ours.verify_ssl
        theirs.tls_server_name, theirs.proxy = ours.tls_server_name, ours.proxy
        theirs.api_key, theirs.api_key_prefix = {"authorization": token}, {"authorization": "Bearer"}
        return Api(cast("_Client", client.ApiClient(cast("Any", theirs))))

    def request(
        self, method: str, path: str, *, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; a refusal is an answer, only silence raises."""
        address = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        params = self._client.param_serialize(
            method=method, resource_path=address, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response = self._client.call_api(*params, _request_timeout=REQUEST_SECONDS)
            text = response.read()
        except HTTPError as error:
            raise UnreachableError(f"{self._client.configuration.host} does not answer: {error}") from error
        return Answer(status=response.status, body=_decoded(text))

    def get(self, path: str, **query: str) -> Answer:
        """Read."""
        return self.request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Json]:
        """All objects of a list, which must be readable."""
        return cast("list[Json]", self.get(path, **query).expect(f"list {path}")["items"])

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


def amount(text: object) -> Decimal:
    """A quantity such as 64Gi or 1500m, in base units."""
    return cast("Decimal", cast("Any", quantities).parse_quantity(text))


def _decoded(text: bytes) -> Json:
    try:
        body: object = json.loads(text)
    except ValueError:
        body = None
    return cast("Json", body) if isinstance(body, dict) else {"message": text.decode(errors="replace")[:_MOST_TEXT]}
