"""The cluster's HTTPS gateway as the machine of this run reaches it: its address, whom it trusts, and tokens for it.

Looks, and creates nothing. What cannot be reached from here is skipped with the reason.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from workloads.api import Json
from workloads.cluster import TOKEN_SECONDS, Visit
from workloads.contract import Door, Target
from workloads.outcome import NotMeasurableError, SkippedError
from workloads.reach import Reach

PLACE = "the cluster's HTTPS gateway, asked from the machine of this run"
SPACE = "istio-system"
SERVICE = f"/api/v1/namespaces/{SPACE}/services/istio-ingressgateway"
CERTIFICATE = f"/api/v1/namespaces/{SPACE}/secrets/kubeflow-gateway"
PODS = {"labelSelector": "istio=ingressgateway"}  # of the gateway
_LOGIN, _PUBLIC = "dex", "/dex/.well-known/openid-configuration"  # what everybody may read, and who answers it
_RENEWAL = TOKEN_SECONDS / 3
_SECONDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """The gateway, reached from here."""

    domain: str
    host: str  # what is dialled: the domain where it resolves, the load balancer's address otherwise
    port: int
    plain_port: int
    ca: str  # PEM of the authority behind its certificate; empty: the authorities of this system
    minimum_tls: str
    models: str  # address of a model, with MODEL and TENANT to be replaced; may be empty
    public: str  # a page for everybody; empty where there is none

    def at(self, name: str = "", *, token: Callable[[], str] | None = None, token_file: str = "") -> Reach:
        """A host behind the gateway; the platform's own page unless it is named."""
        url = f"https://{_bracketed(self.host)}:{self.port}"
        return Reach(url=url, host=name or self.domain, ca=self.ca, token=token, token_file=token_file)

    def model(self, name: str, tenant: str) -> str:
        """The host name of a model."""
        address = self.models.replace("MODEL", name).replace("TENANT", tenant)
        return address.removeprefix("https://").partition("/")[0]


def gate(target: Target, visit: Visit) -> Gate:
    """Find the gateway; SkippedError where nobody can ask it from here."""
    door = target.door
    if door is None:
        raise SkippedError("this stack has no gateway")
    if not door.outside:
        raise SkippedError("nothing outside of the cluster reaches its gateway, so it cannot be asked from here")
    answer = visit.api.get(SERVICE)
    if not answer.ok:
        raise SkippedError(f"the gateway's Service cannot be read: {answer}")
    places: list[Json] = answer.body.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    if not places:
        raise SkippedError("the gateway's load balancer has no address yet")
    ports = {one["name"]: int(one["port"]) for one in answer.body["spec"]["ports"]}
    host = door.domain if resolves(door.domain) else str(places[0].get("hostname") or places[0].get("ip"))
    _answers(host, ports["https"])
    return Gate(
        domain=door.domain, host=host, port=ports["https"], plain_port=ports["http2"], ca=_authority(visit),
        minimum_tls=door.minimum_tls, models=door.models, public=_PUBLIC if _LOGIN in target.components else "",
    )  # fmt: skip


def need_models(target: Target) -> Door:
    """Skip where no model can be asked from outside with a token of a service account."""
    if (door := target.door) is None:
        raise SkippedError("this stack has no gateway")
    if not door.models:
        raise SkippedError("the gateway's certificate holds no names of models, so they are asked inside only")
    if not door.tokens:
        raise SkippedError(
            "the gateway knows no issuer of service accounts' tokens, so nothing opens a model for a run"
        )
    return door


def resolves(name: str) -> bool:
    """Whether this machine finds an address for a name."""
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


class Bearer:
    """The token of a service account, renewed long before it ends; in a file, too, for the load generator."""

    def __init__(self, visit: Visit, namespace: str, account: str, file: Path) -> None:
        self.file = file
        self._visit, self._namespace, self._account = visit, namespace, account
        self._token, self._until = "", 0.0

    def __call__(self) -> str:
        """The token to be shown now."""
        if not self._token or time.monotonic() >= self._until:
            self._token = issued(self._visit, self._namespace, self._account)
            self._until = time.monotonic() + _RENEWAL
            fresh = self.file.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(self._token, encoding="ascii")
            os.replace(fresh, self.file)  # noqa: PTH105 - whoever reads it meanwhile sees the old one or the new one
        return self._token


def issued(visit: Visit, namespace: str, account: str) -> str:
    """A new token of a service account."""
    answer = visit.token(namespace, account)
    if not answer.ok:
        raise NotMeasurableError(f"no token for {account} in {namespace}: {answer}")
    return str(answer.body["status"]["token"])


def changed(token: str) -> str:
    """The same token with another end."""
    return f"{token[:-8]}{'A' * 8}"


def forged(token: str) -> str:
    """What a token says, signed by somebody whom nobody knows."""
    head, claims, _ = token.split(".")
    header = {**json.loads(base64.urlsafe_b64decode(f"{head}==")), "alg": "RS256"}
    signed = f"{_encoded(json.dumps(header).encode())}.{claims}"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return f"{signed}.{_encoded(key.sign(signed.encode('ascii'), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _answers(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except OSError as error:
        said = f"the gateway at {host}:{port} does not answer this machine: {type(error).__name__}: {error}"
        raise SkippedError(said) from error


def _authority(visit: Visit) -> str:
    """The authority of a local or corporate issuer; a public one leaves that field empty, and every system knows it."""
    answer = visit.api.get(CERTIFICATE)
    if answer.status == HTTPStatus.NOT_FOUND:
        return ""
    data: Json = answer.expect("read the gateway's certificate").get("data") or {}
    return base64.b64decode(str(data.get("ca.crt") or "")).decode("ascii")
