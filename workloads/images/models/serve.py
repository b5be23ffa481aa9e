"""Starts KServe's server on a chosen address. KServe itself listens on every interface of the machine."""

from __future__ import annotations

import argparse
import logging
from typing import Any

import kserve
from kserve import model_server
from kserve.protocol.rest.server import RESTServer


def forever(model: kserve.Model, options: argparse.Namespace) -> None:
    """Answer V1, V2 and /metrics until told to stop; gRPC stays off."""

    class OnAddress(RESTServer):
        """Has the address in the one place where KServe fixes it."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.config.host = options.host

    model_server.RESTServer = OnAddress
    server = kserve.ModelServer(
        http_port=options.http_port, enable_grpc=False, enable_latency_logging=False, workers=1, grace_period=2
    )
    for name in ("kserve.trace", "uvicorn.access"):  # a line or more for every request
        logging.getLogger(name).disabled = True
    server.start([model])
