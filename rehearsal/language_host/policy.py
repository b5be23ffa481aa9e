"""Proxy that gives a Python policy pack its stack and configuration before it starts.

A Python policy pack takes stack and configuration from its environment when it starts, but the engine sends them in a
call to the started pack. So the engine is given the port of this proxy; when it has called ConfigureStack, the
language host starts the pack, and everything else is passed on to it as raw bytes.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import analyzer_pb2

from rehearsal.serving import GRPC_OPTIONS


class PolicyProxy(grpc.GenericRpcHandler):
    """Stands between the engine and one policy pack, on a port of its own."""

    def __init__(self) -> None:
        self._stack: Future[bytes | None] = Future()  # the request of ConfigureStack, None if there is none
        self._pack: Future[grpc.Channel] = Future()
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self], options=GRPC_OPTIONS)
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Take every method as bytes, whatever its name."""
        method = str(handler_call_details.method)

        def call(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._call(method, request, context)

        make: Any = grpc.unary_unary_rpc_method_handler
        return make(call)  # without serializers: bytes in, bytes out

    def _call(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method.endswith("/Handshake"):
            return b""  # an empty message: no special abilities
        if not self._stack.done():  # any other call before ConfigureStack: there is no stack
            self._stack.set_result(request if method.endswith("/ConfigureStack") else None)
        if method.endswith("/ConfigureStack"):
            return b""
        try:
            channel: Any = self._pack.result()
            return channel.unary_unary(method)(request)
        except grpc.RpcError as error:
            failed: Any = error  # also a grpc.Call, which the stubs do not say
            context.set_trailing_metadata(failed.trailing_metadata() or ())
            context.abort(failed.code(), failed.details())
        except ChildProcessError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        raise AssertionError("abort() raises")

    def environment(self) -> dict[str, str]:
        """Wait for ConfigureStack and return its facts as the variables that a Python policy pack reads."""
        request = self._stack.result()
        if request is None:
            return {}
        stack = analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request)
        env = {
            "PULUMI_PROJECT": stack.project,
            "PULUMI_STACK": stack.stack,
            "PULUMI_ORGANIZATION": stack.organization,
            "PULUMI_DRY_RUN": str(stack.dry_run).lower(),
            "PULUMI_CONFIG": json.dumps(dict(stack.config)),
        }
        return {name: value for name, value in env.items() if value}

    @property
    def attached(self) -> bool:
        """Whether the pack has shown its port, or has failed to."""
        return self._pack.done()

    def attach(self, line: bytes) -> None:
        """Pass calls on to the pack whose first line of output is `line`, ConfigureStack first."""
        if not line.strip().isdigit():
            self._fail(f"the policy pack must not print before it is ready, but it printed {line.decode()!r}")
            return
        channel = grpc.insecure_channel(f"127.0.0.1:{int(line)}", options=GRPC_OPTIONS)
        request = self._stack.result()
        try:
            if request is not None:
                channel.unary_unary("/pulumirpc.Analyzer/ConfigureStack")(request)
        except grpc.RpcError as error:
            failed: Any = error
            if failed.code() != grpc.StatusCode.UNIMPLEMENTED:  # older packs do not know this call
                raise
        self._pack.set_result(channel)

    def close(self) -> None:
        """Release whoever still waits: the engine has gone or the pack has ended."""
        if not self._stack.done():
            self._stack.set_result(None)
        if not self._pack.done():
            self._fail("the policy pack ended before it was ready, see its output")
        self._server.stop(1.0)

    def _fail(self, message: str) -> None:
        self._pack.set_exception(ChildProcessError(message))
