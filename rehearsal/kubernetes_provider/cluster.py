"""A client of one Kubernetes API server: discovery and requests. Its errors name the server, never a credential."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from rehearsal.kubernetes_provider.errors import NO_MATCH, NOT_FOUND, ApiError
from rehearsal.kubernetes_provider.kubeconfig import Active, Credentials, tls_context
from rehearsal.kubernetes_provider.wire import Object, is_map

UNAUTHORIZED, FIRST_ERROR = 401, 400


class Cluster:
    """Requests to the API server; safe to use from many threads."""

    def __init__(self, active: Active) -> None:
        if not active.cluster.get("server"):
            raise ConnectionError("the kubeconfig's context names no cluster with a server")
        self.server: str = active.cluster["server"].rstrip("/")
        self._credentials = Credentials(active.user, active.cluster)
        name = active.cluster.get("tls-server-name")
        self._http = urllib3.PoolManager(
            maxsize=32,
            ssl_context=tls_context(active.cluster, self._credentials),
            retries=urllib3.Retry(0, status=0),
            **({"assert_hostname": name, "server_hostname": name} if name else {}),
        )
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "json",
        *,
        query: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Object:
        """One request; raises ApiError with the server's message, or ConnectionError."""
        arguments = urlencode({name: value for name, value in (query or {}).items() if value})
        headers = {"Accept": "application/json", "Content-Type": "application/" + content}
        send = functools.partial(
            self._send,
            method,
            f"{self.server}{path}?{arguments}",
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            timeout=timeout,
        )
        status, answer = send(token=self._credentials.token())
        if status == UNAUTHORIZED and self._credentials.renewable:
            status, answer = send(token=self._credentials.token(renew=True))
        if status == UNAUTHORIZED:
            raise ConnectionError(f"{self.server} refuses these credentials: {answer.get('message') or 'Unauthorized'}")
        if status >= FIRST_ERROR:
            raise ApiError(status, answer.get("reason") or "", answer.get("message") or f"HTTP {status}")
        return answer

    def _send(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None, timeout: float, token: str
    ) -> tuple[int, Object]:
        if token:
            headers = headers | {"Authorization": "Bearer " + token}
        try:
            response = self._http.request(method, url, headers=headers, timeout=timeout, body=body)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{self.server}: {_cause(error)}") from error
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if not is_map(answer):
            answer = {"message": response.data.decode(errors="replace").strip()}
        return response.status, answer

    def resource(self, obj: Object) -> tuple[str, bool]:
        """Plural and whether namespaced, from discovery; asked again while the cache lacks the kind."""
        version, kind = obj["apiVersion"], obj["kind"]
        with self._lock:
            if kind not in self._kinds.get(version, {}):
                try:
                    listed: list[Object] = self.request("GET", _base(version), timeout=15)["resources"]
                except ApiError as error:
                    if error.code != NOT_FOUND:
                        raise
                    listed = []
                self._kinds[version] = {
                    part["kind"]: (part["name"], part["namespaced"]) for part in listed if "/" not in part["name"]
                }
            if kind not in self._kinds[version]:
                raise ApiError(NOT_FOUND, NO_MATCH, f'no matches for kind "{kind}" in version "{version}"')
            return self._kinds[version][kind]

    def knows(self, obj: Object) -> bool:
        """Whether the server serves a kind."""
        try:
            return bool(self.resource(obj))
        except ApiError:
            return False

    def path(self, obj: Object, *, collection: bool = False) -> str:
        """Address of an object or of its collection."""
        plural, namespaced = self.resource(obj)
        scope = f"/namespaces/{quote(obj['metadata'].get('namespace') or 'default')}" if namespaced else ""
        folder = f"{_base(obj['apiVersion'])}{scope}/{plural}"
        return folder if collection else f"{folder}/{quote(obj['metadata']['name'])}"

    def get(self, obj: Object) -> Object:
        """The live object."""
        return self.request("GET", self.path(obj))

    def siblings(self, obj: Object, version: str, kind: str, labels: Object) -> list[Object]:
        """Objects of a kind with these labels, in the namespace of another object."""
        path = self.path({"apiVersion": version, "kind": kind, "metadata": obj["metadata"]}, collection=True)
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self.request("GET", path, query={"labelSelector": selector})["items"]


def _base(version: str) -> str:
    return ("/apis/" if "/" in version else "/api/") + version


def _cause(error: BaseException) -> str:
    """The last reason in a chain such as `Max retries exceeded (Caused by ...)`."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    text = str(error)
    return text.rpartition(": ")[2] if "HTTPSConnection" in text or "HTTPConnection" in text else text
