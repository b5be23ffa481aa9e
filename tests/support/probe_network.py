"""What a cluster's network does, stood in for inside of the processes that use it: lines before the first of theirs.

Network policies are addresses that take no connection, the cluster's DNS is a table of names, and Services lead to
pods. Which these are is worked out from the live objects, policies by the product's own reading of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubeflow.network.semantics import Address, Direction, Endpoint, Pod, Policy, admitted, isolating, parse, ports
from tests.support.cluster import Api, Object
from workloads.api import Json
from workloads.cluster import Visit
from workloads.jobs import probing

_MARK = "from __future__ import annotations\n"
_NETWORK = """
import json as _json, os as _os, random as _random, socket as _socket, time as _time
_fenced, _names = set(_json.loads(_os.environ.get("FENCED", "[]"))), _json.loads(_os.environ.get("NAMES", "null"))
_behind = _json.loads(_os.environ.get("BEHIND", "{}"))
_closed_at = _time.monotonic() + float(_os.environ.get("FENCED_AFTER", "0"))
_connect, _resolve = _socket.socket.connect, _socket.getaddrinfo
def _kept(self, address):
    host = _random.choice(_behind.get(address[0], [address[0]]))
    if _time.monotonic() >= _closed_at and (host in _fenced or f"{host}:{address[1]}" in _fenced):
        raise TimeoutError("timed out")
    return _connect(self, (host, *address[1:]))
def _known(name, port, *rest, **more):
    if _names is None or name.replace(".", "").isdigit() or ":" in name:
        return _resolve(name, port, *rest, **more)
    _time.sleep(_names.get("delay", 0))
    found = _names["of"].get(name)
    if not found:
        raise _socket.gaierror(_names.get("error", _socket.EAI_NONAME), "no such name here")
    return [(_socket.AF_INET, _socket.SOCK_STREAM, 6, "", (one, port)) for one in found]
_socket.socket.connect, _socket.getaddrinfo = _kept, _known
"""
_CALM = """

def throttled() -> int:
    return 0  # this machine's own limits are no pod's
"""


def with_network(script: str, settings: Mapping[str, Any] | None = None) -> str:
    """A script that sees the network so; without settings they come from its environment."""
    known = {key: json.dumps(value) for key, value in (settings or {}).items()}
    given = f"import os\nos.environ |= {known!r}\n" if known else ""
    first, mark, rest = script.partition(_MARK)
    return first + mark + given + _NETWORK + rest


def calm(script: str) -> str:
    """The module that probes share, unaware of how this machine holds back its own processes."""
    return script + _CALM


class Networked(Visit):
    """A visit whose probes see a network with policies, names and Services, as they stand when a probe is made."""

    plain: Api
    outside: Sequence[tuple[str, int]] = ()  # what is there beside pods

    def submit(self, namespace: str, body: Json) -> Json:
        """Deliver scripts with the network around them."""
        name = "probe_common.py"
        if name in body.get("data", {}):
            settings = {
                "FENCED": list(self._fenced(namespace)),
                "NAMES": {"of": self._names(namespace)},
                "BEHIND": self._behind(),
            }
            body = {**body, "data": {**body["data"], name: with_network(calm(body["data"][name]), settings)}}
        return super().submit(namespace, body)

    def _fenced(self, namespace: str) -> Iterator[str]:
        """Addresses to which policies let no probe of a namespace."""
        policies = [parse(one) for one in self._all("/apis/networking.k8s.io/v1/networkpolicies")]
        labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in self._all("/api/v1/namespaces")}
        source = Pod(namespace=namespace, labels={}, namespace_labels=labels[namespace], address="192.0.2.1")
        for one in self._pods():
            space, address = one["metadata"]["namespace"], one["status"]["podIP"]
            pod = Pod(
                namespace=space, labels=one["metadata"]["labels"], namespace_labels=labels[space], address=address
            )
            if not _lets(policies, source, pod, probing.PORT):
                yield f"{address}:{probing.PORT}"
        for address, port in self.outside:
            if not _lets(policies, source, Address(address=address), port):
                yield f"{address}:{port}"

    def _names(self, namespace: str) -> dict[str, list[str]]:
        """Names of Services as pods of a namespace may write them."""
        found: dict[str, list[str]] = {}
        for one in self._all("/api/v1/services"):
            name, space = one["metadata"]["name"], one["metadata"]["namespace"]
            addresses = [*one["spec"]["clusterIPs"]] if one["spec"]["clusterIP"] != "None" else self._selected(one)
            for end in (f".{space}", f".{space}.svc", f".{space}.svc.cluster.local", *([""] * (space == namespace))):
                found[name + end] = addresses
        return found

    def _behind(self) -> dict[str, list[str]]:
        """Pods by the address of their Service."""
        services = self._all("/api/v1/services")
        return {one["spec"]["clusterIP"]: found for one in services if (found := self._selected(one))}

    def _selected(self, service: Object) -> list[str]:
        wanted = service["spec"].get("selector", {}).items()
        return [
            one["status"]["podIP"]
            for one in self._pods()
            if wanted and wanted <= one["metadata"]["labels"].items()
            and one["metadata"]["namespace"] == service["metadata"]["namespace"]
        ]  # fmt: skip

    def _pods(self) -> list[Object]:
        found = self._all("/api/v1/pods")
        return [one for one in found if one["status"].get("podIP") and one["status"]["phase"] == "Running"]

    def _all(self, path: str) -> list[Object]:
        found = self.plain.get(path)
        return found["items"] if found else []


def _lets(policies: Sequence[Policy], source: Pod, target: Endpoint, port: int) -> bool:
    wanted = ports("TCP", port, port)
    leaving = admitted(isolating(policies, source, Direction.EGRESS), Direction.EGRESS, source, target)
    entering = wanted
    if isinstance(target, Pod):
        entering = admitted(isolating(policies, target, Direction.INGRESS), Direction.INGRESS, target, source)
    return bool(leaving & entering & wanted)
