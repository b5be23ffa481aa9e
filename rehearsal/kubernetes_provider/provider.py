"""The gRPC service `ResourceProvider`: passes requests on, and turns exceptions into errors the engine shows."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from rehearsal.kubernetes_provider import planning
from rehearsal.kubernetes_provider.errors import ApiError, ElsewhereError, KeptError, WaitFailedError
from rehearsal.kubernetes_provider.operations import Operation
from rehearsal.kubernetes_provider.session import VERSION, Session
from rehearsal.kubernetes_provider.wire import decode, encode, redact, secret_texts

Answer = TypeVar("Answer")
MESSAGES = ("news", "olds", "properties", "inputs", "old_inputs")  # parts of requests that may hold secrets


def answers(method: Callable[[Provider, Any], Answer]) -> Callable[..., Answer]:
    """Turn exceptions of a service method into errors without secrets."""

    @functools.wraps(method)
    def call(self: Provider, request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request)
        except (KeptError, ApiError, ElsewhereError, WaitFailedError, OSError, ValueError, LookupError) as error:
            unexpected = isinstance(error, LookupError)
            secrets = _secrets(request)
            text = redact(f"{type(error).__name__}: {error}" if unexpected else str(error), secrets)
            if isinstance(error, KeptError):
                context.set_trailing_metadata((("grpc-status-details-bin", _detail(error, text, secrets)),))
            context.abort(grpc.StatusCode.UNKNOWN, text)
            raise AssertionError("abort() raises") from error

    return call


def _secrets(request: Any) -> set[str]:
    parts = [getattr(request, name) for name in MESSAGES if hasattr(request, name)]
    return set[str]().union(*(secret_texts(decode(part)) for part in parts))


def _detail(error: KeptError, text: str, secrets: set[str]) -> bytes:
    """What the engine keeps of an object whose operation failed."""
    failed = rpc.ErrorResourceInitFailed(
        id=error.name,
        properties=encode(error.state),
        reasons=[redact(reason, secrets) for reason in error.reasons],
        inputs=encode(error.inputs) if error.inputs else None,
    )
    packed = any_pb2.Any()
    packed.Pack(failed)
    return status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text, details=[packed]).SerializeToString()


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The service the engine calls, each method in many threads at once."""

    def __init__(self, engine: str) -> None:
        self.session = Session(engine)

    def Handshake(self, request: Any, context: Any) -> rpc.ProviderHandshakeResponse:  # noqa: ARG002
        """Say what this plugin can."""
        return rpc.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:  # noqa: ARG002
        """Claim the version that the SDK asks for."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> rpc.GetSchemaResponse:  # noqa: ARG002
        """Answer with a schema without types."""
        return rpc.GetSchemaResponse(schema=json.dumps({"name": "kubernetes", "version": VERSION}))

    def CheckConfig(self, request: Any, context: Any) -> rpc.CheckResponse:  # noqa: ARG002
        """Accept any options."""
        return rpc.CheckResponse(inputs=request.news)

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002
        """End every wait."""
        self.session.cancelled.set()
        return empty_pb2.Empty()

    @answers
    def DiffConfig(self, request: Any) -> rpc.DiffResponse:
        """Compare two sets of options."""
        return planning.diff_config(request)

    @answers
    def Configure(self, request: Any) -> rpc.ConfigureResponse:
        """Connect."""
        self.session.configure(request.variables)
        return rpc.ConfigureResponse(acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True)

    @answers
    def Check(self, request: Any) -> rpc.CheckResponse:
        """Complete inputs."""
        return planning.check(self.session, request)

    @answers
    def Diff(self, request: Any) -> rpc.DiffResponse:
        """Compare inputs."""
        return planning.diff(self.session, request)

    @answers
    def Create(self, request: Any) -> rpc.CreateResponse:
        """Create an object."""
        return Operation(self.session, request).create()

    @answers
    def Update(self, request: Any) -> rpc.UpdateResponse:
        """Update an object."""
        return Operation(self.session, request).update()

    @answers
    def Read(self, request: Any) -> rpc.ReadResponse:
        """Read an object."""
        return Operation(self.session, request).read()

    @answers
    def Delete(self, request: Any) -> empty_pb2.Empty:
        """Delete an object."""
        return Operation(self.session, request).delete()
