"""Addresses for one node and its pods, on this machine's loopback interface while they are needed.

From the range that is reserved for benchmarks (RFC 2544): nothing sent there leaves the machine. Not from 127.0.0.0/8,
where the API server takes no endpoints.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import socket
import struct
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

_SET_ADDRESS, _SET_MASK, _SET_FLAGS = 0x8916, 0x891C, 0x8914  # SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS
_SUBNETS = range(1, 255)
_HOSTS = range(2, 255)


class Subnet:
    """A network of 254 addresses: the first for the node, the others for its pods in turn."""

    def __init__(self, number: int) -> None:
        self._prefix = f"198.19.{number}"
        self.node = f"{self._prefix}.1"
        self.network = f"{self._prefix}.0/24"
        self._next: Iterator[int] = itertools.cycle(_HOSTS)

    def take(self) -> str:
        """An address for a pod; after 253 pods the first one comes again."""
        return f"{self._prefix}.{next(self._next)}"


@contextlib.contextmanager
def subnet() -> Generator[Subnet]:
    """A network that nobody else on this machine uses while it is held."""
    with contextlib.ExitStack() as held:
        for number in _SUBNETS:
            lock = Path(tempfile.gettempdir(), f"kubeflow-proof-subnet-{number}").open("w")  # noqa: SIM115 - held below
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            held.enter_context(lock)
            made = Subnet(number)
            name = f"lo:pods{number}".encode()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for request, address in ((_SET_ADDRESS, made.node), (_SET_MASK, "255.255.255.0")):
                    fcntl.ioctl(control, request, _address(name, address))
                try:
                    yield made
                finally:
                    fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", name, 0))
            return
    raise AssertionError(f"all {len(_SUBNETS)} networks for pods are in use")


def _address(name: bytes, address: str) -> bytes:
    return struct.pack("16sH2x4s8x", name, socket.AF_INET, socket.inet_aton(address))
