"""The plugin's process: started as `pulumi-resource-kubernetes ENGINE_ADDRESS`, it prints its port and serves."""

from __future__ import annotations

import sys

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.kubernetes_provider.provider import Provider
from rehearsal.serving import serve


def main() -> None:
    """Serve until the engine ends this process, or ends itself."""
    provider = Provider(sys.argv[-1])

    def register(server: grpc.Server) -> None:
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)

    serve(sys.argv[-1], register, provider.session.cancelled.set)
