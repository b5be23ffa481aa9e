"""A plain HTTPS client of one API server, for the resources that the Kubernetes provider is too slow for."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import urllib3
import yaml

Json = dict[str, Any]

_SECONDS = 60.0
_APPLY = "application/apply-patch+yaml"  # every JSON text is YAML
_JSON = "application/json"
_MERGE = "application/merge-patch+json"


class Reader(Protocol):
    """Whoever can look at a cluster: what judges a cluster needs no more than this."""

    def get(self, path: str) -> Json | None:
        """An object or a list; None if there is none."""
        ...

    def items(self, path: str, *, labels: str = "") -> list[Json]:
        """The objects of a collection, by label selector; none where the server does not know the kind."""
        ...


class RefusedError(Exception):
    """The API server answered with an error."""

    def __init__(self, code: int, status: Json) -> None:
        super().__init__(str(status.get("message") or f"HTTP status {code}"))
        details: Json = status.get("details") or {}
        self.code = code
        self.causes: list[Json] = details.get("causes") or []


class UnreachableError(Exception):
    """There is no server where the kubeconfig points, or no credentials for it."""


class ApiServer:
    """The server of a kubeconfig's current context, as that context's user. Usable from several threads."""

    def __init__(self, kubeconfig: str, *, connections: int = 1) -> None:
        config: Json = yaml.safe_load(kubeconfig)
        context = _entry(config, "context", config.get("current-context"))
        cluster, user = _entry(config, "cluster", context.get("cluster")), _entry(config, "user", context.get("user"))
        self.address = str(cluster.get("server", "")).rstrip("/")
        tls = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"), cadata=_decoded(cluster, "certificate-authority-data") or None
        )
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        token = _sign_in(user, tls)
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._http = urllib3.PoolManager(
            maxsize=connections, block=True, ssl_context=tls, retries=False, timeout=_SECONDS
        )

    def get(self, path: str) -> Json | None:
        """An object or a list; None if there is none."""
        return self._unless_missing("GET", path)

    def items(self, path: str, *, labels: str = "") -> list[Json]:
        """The objects of a collection, by label selector; none where the server does not know the kind."""
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        return (self.get(path + query) or {}).get("items") or []

    def try_to_create(self, path: str, body: Json) -> None:
        """Ask whether an object could be created, webhooks included. Raises RefusedError with the reason."""
        self._request("POST", path, body=body, query={"dryRun": "All"}, content=_JSON)

    def delete(self, path: str) -> None:
        """Delete an object; it may be gone already."""
        self._unless_missing("DELETE", path)

    def apply(self, path: str, body: Json, *, manager: str, force: bool = False) -> Json:
        """Server-side apply."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        return self._request("PATCH", path, body=body, query=query)

    def merge(self, path: str, body: Json) -> None:
        """Merge patch; the object may be gone already."""
        self._unless_missing("PATCH", path, body=body, content=_MERGE)

    def _unless_missing(self, method: str, path: str, *, body: Json | None = None, content: str = _JSON) -> Json | None:
        try:
            return self._request(method, path, body=body, content=content)
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _request(
        self, method: str, path: str, *, body: Json | None = None, query: Mapping[str, str] = {}, content: str = _APPLY
    ) -> Json:
        address = f"{self.address}{path}" + (f"?{urlencode(query)}" if query else "")
        text = None if body is None else json.dumps(body, separators=(",", ":"))
        described = {} if body is None else {"Content-Type": content}  # discovery refuses to read what it is not sent
        try:
            answer = self._http.request(method, address, body=text, headers={**self._headers, **described})
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"the API server {self.address} does not answer: {error}") from error
        try:
            parsed: object = json.loads(answer.data)
        except ValueError:
            parsed = {"message": answer.data.decode(errors="replace")[:500]}
        found = cast("Json", parsed) if isinstance(parsed, dict) else {}
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(answer.status, found)
        return found


def _entry(config: Json, kind: str, name: object) -> Json:
    """The body of a named cluster, context or user."""
    items: list[Json] = config.get(f"{kind}s") or []
    for item in items:
        if item.get("name") == name:
            return item.get(kind) or {}
    raise UnreachableError(f"the kubeconfig has no {kind} named '{name}'")


def _decoded(entry: Json, name: str) -> str:
    return base64.b64decode(entry.get(name) or "").decode()


def _sign_in(user: Json, tls: ssl.SSLContext) -> str:
    """Give the user's certificate to a TLS context, or return the bearer token."""
    if "exec" in user:
        user = _from_command(user["exec"])
    pair = [_decoded(user, f"client-{part}-data") for part in ("certificate", "key")]
    if pair[0]:
        with tempfile.NamedTemporaryFile("w") as file:  # the ssl module loads certificates from files only
            file.write("\n".join(pair))
            file.flush()
            tls.load_cert_chain(file.name)
    elif user.get("client-certificate"):
        tls.load_cert_chain(user["client-certificate"], user.get("client-key"))
    if user.get("tokenFile"):
        return Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
    return str(user.get("token") or "")


def _from_command(command: Json) -> Json:
    """What a credential command of a kubeconfig hands out, in the form of a user entry."""
    name = f"the kubeconfig's credential command `{command.get('command')}`"
    asked = {"apiVersion": command.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = os.environ | {"KUBERNETES_EXEC_INFO": json.dumps(asked)}
    environment |= {part["name"]: part["value"] for part in command.get("env") or ()}
    try:
        done = subprocess.run(
            [command["command"], *(command.get("args") or ())],
            env=environment, check=True, capture_output=True, timeout=_SECONDS,
        )  # fmt: skip
        status: Json = json.loads(done.stdout)["status"]
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it wrote no reason"]
        raise UnreachableError(f"{name} failed with exit code {error.returncode}: {lines[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(f"{name} did not run: {type(error).__name__}") from error
    except (ValueError, LookupError, TypeError):
        raise UnreachableError(f"{name} printed no ExecCredential") from None  # what it printed may be secret
    pair = {
        f"client-{part}-data": base64.b64encode((status.get(f"client{name}Data") or "").encode()).decode()
        for part, name in (("certificate", "Certificate"), ("key", "Key"))
    }
    return {"token": status.get("token"), **pair}
