"""HTTP to one port of a pod, on the way that `kubectl port-forward` takes: API server, kubelet, the pod's loopback.

The other way, the API server's proxy to Services, ends at the platform's fences (only Grafana and Prometheus may reach
the ports of monitoring) and at strict mutual TLS. This one is the administrator's own, and opens nothing.
"""

from __future__ import annotations

import http.client
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from workloads.api import Api, UnexpectedAnswerError, UnreachableError

SECONDS = 30

_kubernetes: Any = importlib.import_module("kubernetes")  # has no types
_stream: Any = importlib.import_module("kubernetes.stream")


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A port of whatever pod has these labels and is ready."""

    namespace: str
    selector: str
    port: int

    def __str__(self) -> str:
        return f"port {self.port} of the pods of {self.namespace} with {self.selector}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came back, whatever it was."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the server was pleased."""
        return http.HTTPStatus.OK <= self.status < http.HTTPStatus.MULTIPLE_CHOICES

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the server says
        """The body, read as JSON; UnexpectedAnswerError if it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise UnexpectedAnswerError(f"expected JSON, found {self}") from error

    def __str__(self) -> str:
        """As evidence: the status, and the beginning of the body."""
        return f"{self.status} {self.body[:200].decode('utf-8', 'replace')}".strip()


class Pods(Protocol):
    """Whoever can ask a pod."""

    def call(
        self,
        spot: Spot,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request, JSON if there is a body."""
        ...


class Forward:
    """Asks pods of one cluster; a connection of its own for each request."""

    def __init__(self, api: Api, kubeconfig: str) -> None:
        self._api = api
        try:
            made = _kubernetes.config.new_client_from_config_dict(config_dict=yaml.safe_load(kubeconfig))
        except (yaml.YAMLError, _kubernetes.config.ConfigException, TypeError, OSError) as error:
            raise UnreachableError(f"the kubeconfig in the outputs cannot be used: {error}") from error
        self._core = _kubernetes.client.CoreV1Api(made)

    def call(
        self,
        spot: Spot,
        path: str,
        *,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request, JSON if there is a body."""
        pod = self._pod(spot)
        data = None if body is None else json.dumps(body).encode()
        sent = {"Connection": "close", **({} if data is None else {"Content-Type": "application/json"})}
        try:
            tunnel = _stream.portforward(
                self._core.connect_get_namespaced_pod_portforward, pod, spot.namespace, ports=str(spot.port)
            )
        except _kubernetes.client.ApiException as error:
            raise UnexpectedAnswerError(f"no way into pod {pod} of {spot.namespace}: {error.reason}") from error
        connection = http.client.HTTPConnection("localhost", timeout=SECONDS)
        connection.sock = tunnel.socket(spot.port)
        connection.sock.settimeout(SECONDS)
        try:
            connection.request(method, path, body=data, headers={**sent, **(headers or {})})
            answer = connection.getresponse()
            return Reply(status=answer.status, body=answer.read())
        except (OSError, http.client.HTTPException) as error:
            said = tunnel.error(spot.port) or error
            raise UnexpectedAnswerError(f"{pod} of {spot.namespace} does not answer on {spot.port}: {said}") from error
        finally:
            connection.close()

    def _pod(self, spot: Spot) -> str:
        pods = self._api.items(f"/api/v1/namespaces/{spot.namespace}/pods", labelSelector=spot.selector)
        for pod in pods:
            marks = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions") or ()}
            if marks.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
                return str(pod["metadata"]["name"])
        raise UnexpectedAnswerError(f"nobody is ready at {spot} ({len(pods)} pods)")
