"""The gRPC service `ResourceProvider` of one package: answers the engine from metadata, rules and tables."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from rehearsal.cloud_provider.faults import PARTIAL, SLOW, Faults
from rehearsal.cloud_provider.inventing import Inventor
from rehearsal.cloud_provider.journal import Journal
from rehearsal.cloud_provider.metadata import MetadataError
from rehearsal.cloud_provider.package import Package
from rehearsal.cloud_provider.wire import Object, changes, decode, encode, plain
from rehearsal.serving import GRPC_OPTIONS

GONE = "KUBEFLOW_PROOF_REHEARSAL_GONE"
Answer = TypeVar("Answer")


def _below(path: str, forced: frozenset[str]) -> bool:
    """Whether one of the paths is this one or leads to it; indices of lists do not count."""
    parts = re.sub(r"\[\d+\]", "", path).split(".")
    return any(".".join(parts[:length]) in forced for length in range(1, len(parts) + 1))


def _digest(identity: str) -> str:
    """Tells identities apart in the journal, which holds no values."""
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


class CallError(Exception):
    """A call fails with a status of gRPC; `detail` is what the engine keeps of the resource."""

    def __init__(self, code: grpc.StatusCode, text: str, detail: rpc.ErrorResourceInitFailed | None = None) -> None:
        super().__init__(text)
        self.code, self.detail = code, detail


def answers(method: Callable[[Provider, Any], Answer]) -> Callable[..., Answer]:
    """Turn exceptions of a service method into errors that the engine shows."""

    @functools.wraps(method)
    def call(self: Provider, request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request)
        except CallError as error:
            if error.detail is not None:
                packed = any_pb2.Any()
                packed.Pack(error.detail)
                status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed])
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(error.code, str(error))
        except MetadataError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except (ValueError, OSError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise AssertionError("abort() raises")

    return call


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The service the engine calls, each method in many threads at once."""

    def __init__(self, package: str, engine: str) -> None:
        self.package = Package(package)
        self.cancelled = threading.Event()
        self._engine, self._journal, self._faults = engine, Journal(package), Faults()
        self._inventor = Inventor(self.package.table, {})

    def Handshake(self, request: Any, context: Any) -> rpc.ProviderHandshakeResponse:  # noqa: ARG002
        """Say what this plugin can."""
        return rpc.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:  # noqa: ARG002
        """Claim the version of the installed SDK."""
        return plugin_pb2.PluginInfo(version=self.package.sdk.version)

    def GetSchema(self, request: Any, context: Any) -> rpc.GetSchemaResponse:  # noqa: ARG002
        """Answer with a schema without types."""
        return rpc.GetSchemaResponse(
            schema=json.dumps({"name": self.package.name, "version": self.package.sdk.version})
        )

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002
        """End every wait."""
        self.cancelled.set()
        return empty_pb2.Empty()

    @answers
    def CheckConfig(self, request: Any) -> rpc.CheckResponse:
        """Check the options of the provider."""
        news = decode(request.news)
        return self._checked("CheckConfig", request, news, self.package.check_config(news))

    @answers
    def DiffConfig(self, request: Any) -> rpc.DiffResponse:
        """Compare two sets of options."""
        return self._diff(request, self.package.table.config_force_new)

    @answers
    def Configure(self, request: Any) -> rpc.ConfigureResponse:
        """Take the options, and say what this is."""
        self._inventor = Inventor(self.package.table, plain(decode(request.args)))
        engine: Any = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine, options=GRPC_OPTIONS))
        title = f"{self.package.name} plugin {self.package.sdk.version}"
        notice = f"stand-in for the official {title}: see rehearsal/README.md"
        engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=notice))
        return rpc.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @answers
    def Check(self, request: Any) -> rpc.CheckResponse:
        """Name what is left unnamed, then check everything."""
        token, news, olds = self._token(request), decode(request.news), decode(request.olds)
        suffix = hashlib.sha256(request.randomSeed or request.urn.encode()).hexdigest()[:7]
        named = [name for name in self.package.auto_named(token) if news.get(name) is None]
        for name in named:
            news[name] = olds.get(name) or f"{request.urn.rsplit('::', 1)[1]}-{suffix}".lower()
        failures = self.package.check(token, news)
        return self._checked("Check", request, {**news, **({"__defaults": named} if named else {})}, failures)

    @answers
    def Diff(self, request: Any) -> rpc.DiffResponse:
        """Compare inputs."""
        return self._diff(request, self.package.forces_new(self._token(request)))

    @answers
    def Create(self, request: Any) -> rpc.CreateResponse:
        """Invent a resource, or make it where it can be real."""
        token, inputs = self._token(request), decode(request.properties)
        fault = None if request.preview else self._fault(request, "create")
        identity, outputs = self._resource(token, request.urn, inputs, preview=request.preview)
        self._journal.note("Create", request.urn, preview=request.preview, id=_digest(identity))
        if fault is not None:  # it exists, but is not healthy: the engine keeps it in the state
            kept = rpc.ErrorResourceInitFailed(
                id=identity, properties=encode(outputs), inputs=encode(inputs), reasons=[fault]
            )
            raise CallError(grpc.StatusCode.UNKNOWN, fault, kept)
        return rpc.CreateResponse(id="" if request.preview else identity, properties=encode(outputs))

    @answers
    def Read(self, request: Any) -> rpc.ReadResponse:
        """Echo the state; invent it for what is imported."""
        token, state, inputs = self._token(request), decode(request.properties), decode(request.inputs)
        gone = token in os.environ.get(GONE, "").split(",")
        self._journal.note("Read", request.urn, gone=gone)
        if gone:
            return rpc.ReadResponse()
        if not state:
            pair = self.package.sdk.resource(token)
            state = self._inventor.resource(token, request.urn, inputs, pair, preview=False)[1]
        return rpc.ReadResponse(id=request.id, properties=encode(state), inputs=encode(inputs))

    @answers
    def Update(self, request: Any) -> rpc.UpdateResponse:
        """Take the new inputs; what was invented stays, but for outputs that follow an input."""
        token = self._token(request)
        olds, news, before = decode(request.olds), decode(request.news), decode(request.old_inputs)
        if not request.preview and (fault := self._fault(request, "update")):
            raise CallError(grpc.StatusCode.UNKNOWN, fault)
        self._journal.note("Update", request.urn, preview=request.preview)
        outputs = self.package.updated(token, olds, before, news)
        if followed := self.package.followed(token, before, news):
            invented = self._resource(token, request.urn, news, preview=request.preview)[1]
            outputs |= {name: invented[name] for name in followed}
        return rpc.UpdateResponse(properties=encode(outputs))

    @answers
    def Delete(self, request: Any) -> empty_pb2.Empty:
        """Forget it."""
        if fault := self._fault(request, "delete"):
            raise CallError(grpc.StatusCode.UNKNOWN, fault)
        self._journal.note("Delete", request.urn, id=_digest(request.id))
        return empty_pb2.Empty()

    @answers
    def Invoke(self, request: Any) -> rpc.InvokeResponse:
        """Answer from the table; a function that it lacks is an error, never an empty answer."""
        token, args = request.tok, plain(decode(request.args))
        failures = self.package.check_invoke(token, args)
        self._journal.note("Invoke", token, failures=[failure.path for failure in failures])
        if failures:
            return rpc.InvokeResponse(
                failures=[rpc.CheckFailure(property=one.path, reason=one.reason) for one in failures]
            )
        answer = self._inventor.answer(token, args)
        if answer is None:
            raise CallError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"the stand-in has no answer for '{token}': add it to rehearsal/cloud_provider/tables/",
            )
        returned: Any = {"return": encode(answer)}  # a word of Python
        return rpc.InvokeResponse(**returned)

    def _resource(self, token: str, urn: str, inputs: Object, *, preview: bool) -> tuple[str, Object]:
        pair = self.package.sdk.resource(token)
        if not preview and token in self.package.makers:
            identity, made = self.package.makers[token](plain(inputs))
            return identity, {**made, **inputs}
        return self._inventor.resource(token, urn, inputs, pair, preview=preview)

    def _token(self, request: Any) -> str:
        return request.type or request.urn.split("::")[2].rsplit("$", 1)[-1]

    def _diff(self, request: Any, forced: frozenset[str]) -> rpc.DiffResponse:
        old, new = plain(decode(request.old_inputs)), plain(decode(request.news))
        found = dict(changes(old, new))
        replaces = sorted(path for path in found if _below(path, forced))
        kinds: dict[str, Any] = {path: f"{kind}_REPLACE" if path in replaces else kind for path, kind in found.items()}
        self._journal.note("Diff", request.urn, changed=sorted(found), replaces=replaces)
        return rpc.DiffResponse(
            changes=rpc.DiffResponse.DIFF_SOME if found else rpc.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted(found),
            detailedDiff={path: rpc.PropertyDiff(kind=kind, inputDiff=True) for path, kind in kinds.items()},
            hasDetailedDiff=True,
            stables=["id", "arn", "selfLink"],
            deleteBeforeReplace=bool(replaces) and self.package.keeps_its_name(self._token(request), new, found),
        )

    def _checked(self, method: str, request: Any, inputs: Object, failures: list[Any]) -> rpc.CheckResponse:
        self._journal.note(method, request.urn, failures=[failure.path for failure in failures])
        return rpc.CheckResponse(
            inputs=encode(inputs),
            failures=[rpc.CheckFailure(property=one.path, reason=f"{one.path}: {one.reason}") for one in failures],
        )

    def _fault(self, request: Any, action: str) -> str | None:
        """Fail the call if the environment says so; the text if it must fail after it was done."""
        fault = self._faults.due(self._token(request), action)
        if fault is None:
            return None
        self._journal.note("Fault", request.urn, kind=fault.kind, action=action)
        self.cancelled.wait(fault.seconds)
        if fault.kind == SLOW:
            return None
        if fault.kind == PARTIAL:
            return fault.message
        raise CallError(grpc.StatusCode[fault.code], fault.message)
