"""A real API server of our own for tests, and a plain client that shares no code with what is tested."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from infra.local.control_plane import ControlPlane
from tests.support.engine import missing, tools

Object = dict[str, Any]
Body = Any  # what json.dumps takes
NOT_FOUND, FIRST_ERROR = 404, 400
TOOLS = ("pulumi", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl")


@contextmanager
def standing(folder: Path) -> Generator[ControlPlane]:
    """A control plane of somebody's own, with simulated nodes; skips where the tools for it are missing."""
    if reason := missing(*TOOLS):
        pytest.skip(reason)
    plane = ControlPlane(folder, tools())
    try:
        plane.up()
        yield plane
    finally:
        plane.down()


def eventually(holds: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait for a condition; fail the test, saying what was waited for."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"still waiting after {seconds} s: {what}"
        time.sleep(0.1)


def without_definitions(api: Api, *names: str) -> None:
    """Delete definitions, with all objects of their kinds, and wait until they are gone.

    After a failure the API server tries again, the more of them the later; at once only when the definition changes.
    """
    paths = [f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}" for name in names]
    for path in paths:
        api.call("DELETE", path)

    def gone() -> bool:
        there = [path for path in paths if api.get(path)]
        for path in there:
            api.merge(path, {"metadata": {"annotations": {"tests/delete-again": str(time.monotonic())}}})
        return not there

    eventually(gone, "the definitions to be gone")


class Api:
    """Requests to an API server as its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig.read_text(encoding="utf-8")
        config: Object = yaml.safe_load(self.kubeconfig)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            tls.load_cert_chain(pair.name)
        self._http = urllib3.PoolManager(ssl_context=tls, retries=False)

    def call(self, method: str, path: str, body: Body = None, content: str = "application/json") -> Object | None:
        """One request; None if there is no such object."""
        data = None if body is None else json.dumps(body)
        answer = self._http.request(method, self.server + path, body=data, headers={"Content-Type": content})
        if answer.status == NOT_FOUND:
            return None
        assert answer.status < FIRST_ERROR, answer.data.decode()
        return answer.json()

    def get(self, path: str) -> Object | None:
        """An object or a list."""
        return self.call("GET", path)

    def apply(self, path: str, body: Object, manager: str) -> Object | None:
        """Server-side apply."""
        url = f"{path}?fieldManager={manager}&force=true"
        return self.call("PATCH", url, body, "application/apply-patch+yaml")

    def merge(self, path: str, body: Object, manager: str = "kubectl-edit") -> Object | None:
        """Merge patch, as `kubectl edit` sends."""
        return self.call("PATCH", f"{path}?fieldManager={manager}", body, "application/merge-patch+json")

    def namespace(self, name: str) -> str:
        """Make a namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.call("POST", "/api/v1/namespaces", body)
        return name

    def node(self, name: str) -> None:
        """Make a simulated node whose addresses all stay on the loopback."""
        size = {"cpu": "8", "memory": "16Gi", "pods": "110"}
        self.call(
            "POST",
            "/api/v1/nodes",
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}},
                "spec": {"podCIDR": "127.200.9.0/24"},
                "status": {
                    "capacity": size,
                    "allocatable": size,
                    "addresses": [{"type": "InternalIP", "address": "127.201.9.1"}],
                },
            },
        )
