"""The ground of a rehearsal: a real local control plane in the role of the cloud's cluster. Asks no cloud.

Plays what a cloud brings into a cluster without Pulumi: nodes of the pools, and the kinds of the cloud's add-ons.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import ssl
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
import yaml

from infra.contract import Pool
from infra.local.access import write_private
from infra.local.control_plane import ControlPlane
from infra.local.nodes import node
from infra.local.options import Machine
from infra.naming import complete_pool

Object = dict[str, Any]
_NOT_FOUND, _CONFLICT, _BUSY, _FIRST_ERROR = 404, 409, 429, 400
_PATIENCE, _THREADS = 20, 8
_TOKEN_SECONDS = 4 * 3600
_NAME = "rehearsal"  # the service account in whose name the stand-in commands hand out tokens
_KUBEADM_GROUP = "kubeadm:cluster-admins"  # kubeadm init gives it all rights (kubernetes/kubernetes, cmd/kubeadm)
_MACHINE = Machine(cpu=96, memory_gib=768)  # whatever the pool's machine is: nothing here depends on its size
_NODES = 2  # at most, of each pool
_PASSING = frozenset({"events", "leases", "endpoints", "endpointslices", "ipaddresses", "componentstatuses", "nodes"})

# Kinds that a cloud's add-ons bring: (group, version, kind, plural). AWS: amazon-vpc-cni-k8s, config/master/crd.
_KINDS: Mapping[str, tuple[tuple[str, str, str, str], ...]] = {
    "eks": (("crd.k8s.amazonaws.com", "v1alpha1", "ENIConfig", "eniconfigs"),),
}


class GroundError(Exception):
    """The API server refuses something that the rehearsal needs."""


class Ground:
    """One control plane, and requests to it as its administrator."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.plane = ControlPlane(folder / "cluster", tools)
        self.token = folder / "token.json"
        self.authority = folder / "ca.crt"
        self.server = ""
        self._environment, self._region = "", ""
        self._pools: Mapping[str, Pool] = {}

    def up(self, environment: str, pools: Mapping[str, Pool], region: str) -> None:
        """Start it, with nodes of these pools and the kinds that this cloud's add-ons bring."""
        self._environment, self._pools, self._region = environment, pools, region
        self.renew()

    def renew(self) -> None:
        """Begin with an empty one, as a cloud does that is asked for a cluster."""
        self.plane.down()
        self.plane.up()
        self._connect()
        self._account()
        for group, version, kind, plural in _KINDS.get(self._environment, ()):
            body = _crd(group, version, kind, plural)
            self.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
        index = 0
        for name, pool in self._pools.items():
            full = complete_pool(name, pool)
            zones = full.zones or (f"{self._region}a",)
            for number in range(min(_NODES, max(1, full.min))):  # one at least: what an autoscaler would bring
                self.call("POST", "/api/v1/nodes", node(f"{name}-{number}", full, _MACHINE, zones[0], index))
                index += 1

    @property
    def pki(self) -> Path:
        """The authority of the control plane, with its key."""
        return self.plane.root / "kwok" / "clusters" / self.plane.name / "pki"

    @property
    def endpoint(self) -> str:
        """Host and port of the API server."""
        return self.server.removeprefix("https://")

    def environment(self) -> dict[str, str]:
        """What tells the stand-ins that the invented cluster is this one."""
        return {
            "KUBEFLOW_PROOF_REHEARSAL_ENDPOINT": self.endpoint,
            "KUBEFLOW_PROOF_REHEARSAL_CA": str(self.authority),
            "KUBEFLOW_PROOF_REHEARSAL_PKI": str(self.pki),
            "KUBEFLOW_PROOF_REHEARSAL_TOKEN": str(self.token),
        }

    def lose_api_server(self) -> None:
        """Kill the API server; `plane.up` brings it back with its data."""
        file = self.plane.root / "kwok" / "clusters" / self.plane.name / "pids" / "kube-apiserver.pid"
        os.kill(int(file.read_text(encoding="ascii")), signal.SIGKILL)

    def objects(self) -> dict[str, str]:
        """Everything on the server that lasts: path -> who manages it. What another object owns goes with its owner."""
        with ThreadPoolExecutor(_THREADS) as threads:
            found = [pair for pairs in threads.map(self._listed, self._lists()) for pair in pairs]
        return dict(found)

    def call(self, method: str, path: str, body: Object | None = None) -> Object | None:
        """One request; None where there is no such thing, and where there already is one."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        for left in reversed(range(_PATIENCE)):
            answer = self._http.request(method, self.server + path, body=data, headers=headers)
            if answer.status == _BUSY and left:
                time.sleep(0.5)  # the storage of a new kind is being made
                continue
            if answer.status in (_NOT_FOUND, _CONFLICT):
                return None
            if answer.status >= _FIRST_ERROR:
                raise GroundError(f"{method} {path}: {answer.status} {answer.data.decode(errors='replace')[:300]}")
            return answer.json()
        raise AssertionError("the last turn returns")

    def _connect(self) -> None:
        config: Object = yaml.safe_load(self.plane.kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.authority.write_text(authority, encoding="ascii")
        tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:  # the ssl module loads certificates from files only
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            tls.load_cert_chain(pair.name)
        self._http = urllib3.PoolManager(maxsize=_THREADS + 1, ssl_context=tls, retries=False)

    def _account(self) -> None:
        """Who comes by token or by certificate: an administrator, as the principals that the stack file names."""
        accounts = "/api/v1/namespaces/kube-system/serviceaccounts"
        self.call("POST", accounts, {"metadata": {"name": _NAME}})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        who = {"kind": "ServiceAccount", "name": _NAME, "namespace": "kube-system"}
        group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": _KUBEADM_GROUP}
        binding = {"metadata": {"name": _NAME}, "roleRef": role, "subjects": [who, group]}
        self.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        asked = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        made = self.call("POST", f"{accounts}/{_NAME}/token", asked)
        if made is None:
            raise GroundError("the API server gave no token for the rehearsal's service account")
        held = {"token": made["status"]["token"], "expires": made["status"]["expirationTimestamp"]}
        write_private(self.token, json.dumps(held))

    def _lists(self) -> Iterator[str]:
        """Paths of everything that can be listed."""
        groups = self.call("GET", "/apis") or {}
        roots = ["/api/v1", *(f"/apis/{one['preferredVersion']['groupVersion']}" for one in groups.get("groups", ()))]
        for root in roots:
            for kind in (self.call("GET", root) or {}).get("resources", ()):
                if "list" in kind["verbs"] and "/" not in kind["name"] and kind["name"] not in _PASSING:
                    yield f"{root}/{kind['name']}"

    def _listed(self, path: str) -> list[tuple[str, str]]:
        listed = self.call("GET", path) or {}
        result: list[tuple[str, str]] = []
        for item in listed.get("items") or ():
            metadata = item["metadata"]
            if metadata.get("ownerReferences"):
                continue
            managers = {one.get("manager", "") for one in metadata.get("managedFields", ())}
            name = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
            result.append((f"{path}: {name}", ", ".join(sorted(managers))))
        return result


@contextlib.contextmanager
def ground(folder: Path, tools: Path) -> Generator[Ground]:
    """A control plane that is gone in the end."""
    made = Ground(folder, tools)
    try:
        yield made
    finally:
        made.plane.down()


def _crd(group: str, version: str, kind: str, plural: str) -> Object:
    """A kind of the cluster's scope that takes anything."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }
