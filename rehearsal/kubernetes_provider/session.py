"""One configured provider: its options, its connection and its voice in the engine's output. Handles no object."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from rehearsal.kubernetes_provider.cluster import Cluster
from rehearsal.kubernetes_provider.errors import ApiError, WaitFailedError
from rehearsal.kubernetes_provider.kubeconfig import active, load, only_rehearsed
from rehearsal.kubernetes_provider.values import note
from rehearsal.kubernetes_provider.wire import Object, redact
from rehearsal.serving import GRPC_OPTIONS

VERSION = "4.32.0"
NOTICE = f"stand-in for the official Kubernetes plugin {VERSION}: see rehearsal/README.md"
DEFAULT_SECONDS = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0


class Session:
    """State between Configure and the end of the process; used by many threads at once."""

    def __init__(self, engine: str) -> None:
        self._engine: Any = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine, options=GRPC_OPTIONS))
        self._options: dict[str, str] = {}
        self._server: Cluster | None = None
        self.unreachable = "the provider is not configured"
        self.cancelled = threading.Event()

    def say(
        self, urn: str, text: str, *, passing: bool = True, secrets: frozenset[str] | set[str] = frozenset()
    ) -> None:
        """Show a text at a resource: as a passing status, or to stay."""
        message = redact(text, set(secrets))
        self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=passing))

    def warn(self, text: str) -> None:
        """Show a warning of the whole provider."""
        self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=text))

    def flag(self, name: str, default: str = "false") -> bool:
        """A boolean option of the provider or, as PULUMI_K8S_..., of its environment."""
        variable = "PULUMI_K8S_" + "".join("_" + char if char.isupper() else char for char in name).upper()
        variable = variable.replace("CONFIG_MAP", "CONFIGMAP").replace("K8S__", "K8S_")
        return (self._options.get(name) or os.environ.get(variable) or default) == "true"

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace."""
        return self._options.get("namespace", "")

    def configure(self, variables: Mapping[str, str]) -> None:
        """Connect; an unreachable cluster is an error only once it is needed."""
        self._options = {name.rpartition(":")[2]: text for name, text in variables.items()}
        if not self.flag("enableServerSideApply", "true"):
            raise ValueError(
                "enableServerSideApply: false is not supported, this provider knows server-side apply only"
            )
        self.say("", NOTICE, passing=False)
        self._server, self.unreachable = None, ""
        try:
            chosen = active(
                load(self._options.get("kubeconfig")),
                self._options.get("context", ""),
                self._options.get("cluster", ""),
            )
            only_rehearsed(chosen.cluster)
            if not self.namespace:
                self._options["namespace"] = chosen.context.get("namespace", "")
            self._server = Cluster(chosen)
            self._server.request("GET", "/version", timeout=10)
        except (OSError, ValueError, LookupError, ApiError) as error:
            self.unreachable = f"configured Kubernetes cluster is unreachable: {error}"
            self.warn(self.unreachable)

    def cluster(self) -> Cluster:
        """The connection, or ConnectionError."""
        if self.unreachable or self._server is None:
            raise ConnectionError(self.unreachable)
        return self._server

    def resource(self, obj: Object) -> tuple[str, bool] | None:
        """Plural and whether namespaced; None while the server or the kind is not there."""
        try:
            return self.cluster().resource(obj)
        except (ApiError, ConnectionError):
            return None

    def namespaced(self, obj: Object) -> bool:
        """Whether objects of a kind live in namespaces; taken for true while that cannot be known."""
        known = self.resource(obj)
        return known is None or known[1]

    def until(self, request: Any, inputs: Object, reasons: Callable[[], list[str]]) -> None:
        """Ask again and again until nothing is missing; raises WaitFailedError after the timeout."""
        limit = request.timeout or float(note(inputs, "timeoutSeconds") or DEFAULT_SECONDS)
        pause, shown, end = FIRST_PAUSE, list[str](), time.monotonic() + limit
        while missing := reasons():
            if missing != shown:
                self.say(request.urn, "; ".join(missing))
            if time.monotonic() > end:
                raise WaitFailedError(f"timed out after {limit:g} s", *missing)
            if self.cancelled.wait(pause):
                raise WaitFailedError("cancelled", *missing)
            pause, shown = min(pause * 1.5, LONGEST_PAUSE), missing
