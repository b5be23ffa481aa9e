"""Ports of the local control plane: chosen so that two checkouts starting at the same moment do not meet."""

from __future__ import annotations

import contextlib
import random
import socket

# Below the ports that the kernel gives to outgoing connections, above those of the validation's programs.
_RANGE = range(23_000, 32_000)
NAMES = (
    "etcdPeerPort",
    "etcdPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
)


def choose() -> dict[str, int]:
    """A free port for each component, by its option's name."""
    candidates = random.SystemRandom().sample(_RANGE, k=len(_RANGE))
    unused = (port for port in candidates if free(port))
    return {name: next(unused) for name in NAMES}


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that just ended do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
