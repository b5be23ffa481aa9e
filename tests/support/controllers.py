"""Upstream's own controllers as processes beside a local control plane, reached like the pods they stand for.

Each runs as its own service account, under upstream's roles. The API server calls its webhooks at the ClusterIP of its
Service, which is on the loopback here; a forwarder listens there. Makes no cluster and no program: `make controllers`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import yaml

from kubeflow.distribution import load, table
from tests.support.cluster import Api, Object, eventually
from tests.support.engine import tools
from tests.support.forwarder import Forwarder
from tests.support.managers import MANAGERS, Manager, Ports
from tests.support.webhook import certificate

PORT = 443
READY_SECONDS = 90
_TOKEN_SECONDS = 86_400
_STOP_SECONDS = 10
_RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_APPLIED = ("Service", "ConfigMap", "Secret", *_RIGHTS)
_HOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
# training-operator 1.9.2 looks for this file before it starts, wherever it then reads certificates from (pkg/cert).
_MARKER = Path("/tmp/k8s-webhook-server/serving-certs/tls.crt")  # noqa: S108 - a constant of the program


__all__ = ["MANAGERS", "Cluster", "missing", "rendered", "running"]


def missing(*managers: Manager) -> str:
    """Why tests that need these cannot run; empty if they can."""
    absent = [one.program for one in managers or MANAGERS if not (tools() / one.program).is_file()]
    if absent:
        return f"{', '.join(absent)} not found in {tools()}: run `make controllers`"
    try:
        with socket.socket() as probe:
            probe.bind(("127.100.255.254", PORT))
    except OSError as error:
        return f"upstream's webhooks are called on port {PORT}, which cannot be opened here: {error.strerror}"
    return ""


class Cluster:
    """What is applied to the API server so that controllers find what they would find on the platform."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def path(self, body: Object) -> str:
        """Where an object lives."""
        version, metadata = body["apiVersion"], body["metadata"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if body["kind"] not in self._kinds.get(root, {}):
            found: Any = self.api.get(root)
            self._kinds[root] = {
                one["kind"]: (one["name"], one["namespaced"]) for one in found["resources"] if "/" not in one["name"]
            }
        plural, namespaced = self._kinds[root][body["kind"]]
        inside = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{root}{inside}/{plural}/{metadata['name']}"

    def apply(self, body: Object) -> Object:
        """Server-side apply."""
        made = self.api.apply(self.path(body), body, "installer")
        assert made is not None, f"the API server does not know {body['apiVersion']} {body['kind']}"
        return made

    def define(self, component: str) -> None:
        """Apply a component's definitions and wait until they are served."""
        for body in rendered(component, "crds"):
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{body['metadata']['name']}"
            if self.api.get(path) is None:
                self.api.call("POST", path.rpartition("/")[0], body)
            eventually(lambda path=path: _established(self.api.get(path)), f"{path} is established")

    def prepare(self, component: str, change: Callable[[Object], Object]) -> None:
        """Apply what a component's programs need: all but its Deployments and webhooks."""
        spaces = {one["metadata"].get("namespace") for one in rendered(component, "core")} - {None}
        for name in sorted(spaces):
            self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for body in rendered(component, "core"):
            if body["kind"] in _APPLIED:
                self.apply(change(body))

    def hooks(self, manager: Manager, bundle: str) -> None:
        """Install the webhooks that this manager answers, as a certificate manager would complete them."""
        for body in rendered(manager.component, "core"):
            if body["kind"] in _HOOKS:
                mine = [
                    {**hook, "clientConfig": {**hook["clientConfig"], **({"caBundle": bundle} if bundle else {})}}
                    for hook in body["webhooks"]
                    if hook["clientConfig"]["service"]["name"] not in manager.of_another
                ]
                metadata = {key: body["metadata"][key] for key in ("name", "labels") if key in body["metadata"]}
                if mine:
                    self.apply({**body, "metadata": metadata, "webhooks": mine})


def rendered(component: str, phase: str) -> tuple[Object, ...]:
    """Upstream's objects of one install phase, as locked."""
    return getattr(load(table.CURRENT, (component,)).components[component], phase)


def _established(body: Object | None) -> bool:
    marks = (body or {}).get("status", {}).get("conditions") or ()
    return any(mark["type"] == "Established" and mark["status"] == "True" for mark in marks)


@contextlib.contextmanager
def running(cluster: Cluster, manager: Manager, folder: Path) -> Generator[Path]:
    """One manager with its webhooks in force; gives its log."""
    place = folder / manager.program
    certificates = place / "tmp" / "k8s-webhook-server" / "serving-certs"
    certificates.mkdir(parents=True)
    ports = Ports(webhook=_free_port(), probe=_free_port())
    bundle = "" if manager.mints else _own_certificate(manager, certificates)
    if manager.configuration:
        path = f"/api/v1/namespaces/{manager.namespace}/configmaps/{manager.configuration}"
        files: Any = cluster.api.get(path)
        for name, text in files["data"].items():
            (place / name).write_text(text, encoding="utf-8")
    environment = _environment(cluster.api, manager, place)
    command = [str(tools() / manager.program), *manager.arguments(ports, place)]
    log = place / "log"
    service: Any = cluster.api.get(f"/api/v1/namespaces/{manager.namespace}/services/{manager.service}")
    if manager.mints:
        cluster.hooks(manager, bundle)
        with _process(command, environment, log):
            secret = f"/api/v1/namespaces/{manager.namespace}/secrets/{manager.mints}"
            eventually(lambda: _minted(cluster.api.get(secret), certificates), "a minted certificate", READY_SECONDS)
    with (
        Forwarder(service["spec"]["clusterIP"], PORT, "127.0.0.1", ports.webhook),
        _process(command, environment, log) as process,
    ):
        eventually(lambda: _ready(process, ports, log), f"{manager.program} is ready, see {log}", READY_SECONDS)
        if not manager.mints:
            cluster.hooks(manager, bundle)
        yield log


def _environment(api: Api, manager: Manager, place: Path) -> Mapping[str, str]:
    """The surroundings that a pod would have: the account's own rights, its namespace, a folder for temporary files."""
    config: Any = yaml.safe_load(api.kubeconfig)
    path = f"/api/v1/namespaces/{manager.namespace}/serviceaccounts/{manager.account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    made: Any = api.call("POST", path, {**body, "spec": {"expirationSeconds": _TOKEN_SECONDS}})
    config["users"][0]["user"] = {"token": made["status"]["token"]}
    kubeconfig = place / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(place),
        "KUBECONFIG": str(kubeconfig),
        "POD_NAMESPACE": manager.namespace,
        "MY_POD_NAMESPACE": manager.namespace,
        "TMPDIR": str(place / "tmp"),
    }


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Generator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], ports: Ports, log: Path) -> bool:
    assert process.poll() is None, f"it ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports.probe}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _own_certificate(manager: Manager, folder: Path) -> str:
    bundle, pair = certificate(f"{manager.service}.{manager.namespace}.svc")
    for name in ("tls.crt", "tls.key"):  # one file with both is read as either
        (folder / name).write_bytes(pair)
    return bundle


def _minted(secret: Object | None, folder: Path) -> bool:
    """Mount the Secret as a kubelet would, once there is something in it."""
    data: Mapping[str, str] = (secret or {}).get("data") or {}
    if "tls.crt" not in data:
        return False
    for name, value in data.items():
        (folder / name).write_bytes(base64.b64decode(value))
    _MARKER.parent.mkdir(parents=True, exist_ok=True)
    _MARKER.touch()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
