"""How a stand-in's process serves the engine and how it ends: by a signal, or with an engine that was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

GRPC_OPTIONS = (("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20))
THREADS = 64
_NEVER = 2**31 - 1


def serve(engine: str, register: Callable[[grpc.Server], None], tidy_up: Callable[[], None]) -> None:
    """Print the port, serve until the end, tidy up and leave without waiting for calls that are under way."""
    end, ended = os.pipe()
    os.set_blocking(ended, False)
    signal.set_wakeup_fd(ended)  # the system may give a signal to any thread: a handler would not wake the main one
    states: set[grpc.ChannelConnectivity] = set()

    def on_signal(number: int, frame: FrameType | None) -> None:
        """Take the default action away; the wakeup file does the rest."""

    def on_change(state: grpc.ChannelConnectivity) -> None:
        if grpc.ChannelConnectivity.READY in states:
            os.write(ended, b"!")
        states.add(state)

    for number in (signal.SIGINT, signal.SIGTERM):  # the engine ends plugins by SIGINT for their process group
        signal.signal(number, on_signal)
    server = grpc.server(ThreadPoolExecutor(THREADS), options=GRPC_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201 - the protocol: the first line is the port
    watched = grpc.insecure_channel(engine, [("grpc.client_idle_timeout_ms", _NEVER)]) if engine else None
    if watched is not None:  # an idle connection, to notice the end of the engine even if it is killed
        watched.subscribe(on_change, try_to_connect=True)
    os.read(end, 1)
    tidy_up()
    server.stop(0)
    os._exit(0)
