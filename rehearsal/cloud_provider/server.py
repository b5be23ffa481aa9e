"""The plugin's process: started as `pulumi-resource-NAME ENGINE_ADDRESS`, it prints its port and serves."""

from __future__ import annotations

import sys

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.cloud_provider.provider import Provider
from rehearsal.serving import serve


def main() -> None:
    """Serve the package that this process is named after, until the engine ends it or ends itself."""
    provider = Provider(sys.argv[0], sys.argv[-1])

    def register(server: grpc.Server) -> None:
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)

    serve(sys.argv[-1], register, provider.cancelled.set)
