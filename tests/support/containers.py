"""A node that runs containers as processes of this machine: a stand-in for the kubelet and runtime of one node.

It takes part in a local control plane beside simulated nodes: the scheduler binds pods to it, and what their commands
do, write and end with is real. Images, users, capabilities, limits and network policies are not: see `sandbox`. The
node says so in its labels. Touches only pods that are bound to it, ends only processes that it has started.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import urllib3

from tests.support import kubelet_server, sandbox
from tests.support.claims import Claims
from tests.support.cluster import Api, Object, eventually
from tests.support.node_addresses import Subnet, subnet
from tests.support.podfiles import Pod, Volumes
from tests.support.podrun import PodRun, exactly_now, now
from tests.support.sandbox import Mount
from workloads.contract import POOL_LABEL

STAND_IN = {"proof.kubeflow/stand-in": "container-runtime"}
GPU = "nvidia.com/gpu"
_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 5.0
_LEASE_SECONDS = 300
_NODES, _PODS = "/api/v1/nodes", "/api/v1/pods"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

unavailable = sandbox.unavailable


class Runtime:
    """The running node, as a test sees it."""

    def __init__(
        self,
        api: Api,
        *,
        node: str,
        folder: Path,
        addresses: Subnet,
        hosts: Mapping[str, str],
        pythons: Mapping[str, Path],
        backoff: float,
        storage_class: str,
    ) -> None:
        self.api, self.node, self._folder, self._addresses = api, node, folder, addresses
        self._pythons, self._backoff = dict(pythons), backoff
        self._runs: dict[str, PodRun] = {}
        self._sent: dict[str, Object] = {}
        self._names = {"localhost": "127.0.0.1", **hosts}
        self._hosts = folder / "hosts"
        self.claims = Claims(api, node=node, folder=folder / "claims", storage_class=storage_class)
        self._beat = 0.0
        self._stopped = threading.Event()
        self.errors: list[str] = []
        self.name({})

    def name(self, hosts: Mapping[str, str]) -> None:
        """Let containers, running ones as well, reach addresses under these names."""
        self._names |= hosts
        lines = [f"{address}\t{name}" for name, address in self._names.items()]
        self._hosts.write_text("\n".join([*lines, ""]), encoding="utf-8")

    def address(self, namespace: str, pod: str) -> str:
        """Where a pod's processes may listen."""
        return next(one.pod.address for one in self._found(namespace, pod))

    def processes(self, namespace: str, pod: str) -> list[int]:
        """Ids of a pod's first processes, as this machine numbers them."""
        return [pid for one in self._found(namespace, pod) for pid in one.pids()]

    def log(self, namespace: str, pod: str, container: str) -> Path | None:
        """What a container has written."""
        return next((one.log(container) for one in self._found(namespace, pod)), None)

    def _found(self, namespace: str, pod: str) -> list[PodRun]:
        runs = list(self._runs.values())
        return [one for one in runs if (one.pod.namespace, one.pod.name) == (namespace, pod)]

    def _interpreter(self, image: str) -> Path | None:
        if not self._pythons:
            return Path(sys.executable)
        fitting = [prefix for prefix in self._pythons if image.startswith(prefix)]
        return self._pythons[max(fitting, key=len)] if fitting else None

    def run(self) -> None:
        """Look after the pods until told to stop."""
        while not self._stopped.wait(_POLL_SECONDS):
            try:
                self._look()
            except urllib3.exceptions.HTTPError:
                continue  # the API server is busy
            except Exception as error:  # noqa: BLE001 - told at the end, where a test can see it
                self.errors.append(repr(error))

    def hold(self) -> Object | None:
        """Renew the node's lease, as a kubelet does: kwok manages the nodes whose lease nobody else holds."""
        spec = {"holderIdentity": self.node, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": exactly_now()}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.node}, "spec": spec}
        return self.api.apply(f"{_LEASES}/{self.node}", lease, "kubelet")

    def close(self) -> None:
        """End what was started, and take the node's pods and the node away."""
        self._stopped.set()

    def clear(self) -> None:
        """Remove every pod of the node, and the node."""
        for run in self._runs.values():
            run.end(0)
            self._gone(run.pod)
        self.api.call("DELETE", f"{_NODES}/{self.node}")
        self.api.call("DELETE", f"{_LEASES}/{self.node}")

    def _look(self) -> None:
        if time.monotonic() >= self._beat:
            self._beat = time.monotonic() + _HEARTBEAT_SECONDS
            self.hold()
            self.api.merge(f"{_NODES}/{self.node}/status", {"status": {"conditions": conditions()}}, "kubelet")
        self.claims.step()
        listed = self.api.get(f"{_PODS}?fieldSelector=spec.nodeName%3D{self.node}")
        found: dict[str, Object] = {one["metadata"]["uid"]: one for one in (listed or {"items": []})["items"]}
        for uid in set(self._runs) - set(found):  # somebody removed it without waiting
            self._runs.pop(uid).end(0)
        for uid, body in found.items():
            if "deletionTimestamp" in body["metadata"]:
                self._delete(uid, body)
            else:
                self._go_on(uid, body)

    def _go_on(self, uid: str, body: Object) -> None:
        run = self._runs.get(uid) or self._taken(uid, body)
        run.step()
        status = run.status()
        if status != self._sent.get(uid):
            self.api.merge(f"{_path(run.pod)}/status", {"status": status}, "kubelet")
            self._sent[uid] = status

    def _taken(self, uid: str, body: Object) -> PodRun:
        pod = Pod(body=body, folder=self._folder / "pods" / uid, address=self._addresses.take())
        volumes = Volumes(self.api, pod, self.claims.folder)
        made = PodRun(
            pod,
            volumes,
            interpreter=self._interpreter,
            everywhere=[Mount(source=self._hosts, path="/etc/hosts")],
            backoff=self._backoff,
        )
        self._runs[uid] = made
        return made

    def _delete(self, uid: str, body: Object) -> None:
        run = self._runs.pop(uid, None)
        if run is not None:
            grace = body["metadata"].get("deletionGracePeriodSeconds", 0)
            run.end(min(grace, sandbox.STOP_SECONDS))
            run.step()
            self.api.merge(f"{_path(run.pod)}/status", {"status": run.status()}, "kubelet")
        self._gone(Pod(body=body, folder=self._folder, address=""))

    def _gone(self, pod: Pod) -> None:
        self.api.call("DELETE", f"{_path(pod)}?gracePeriodSeconds=0")


@contextlib.contextmanager
def runtime(
    api: Api,
    *,
    pool: str,
    folder: Path,
    node: str = "containers-0",
    hosts: Mapping[str, str] | None = None,
    pythons: Mapping[str, Path] | None = None,
    gpus: int = 0,
    taints: Sequence[Mapping[str, str]] = (),
    storage_class: str = "",
    backoff: float = 0.2,
) -> Generator[Runtime]:
    """A node of a pool that runs what is scheduled on it; gone with all its pods at the end."""
    with subnet() as addresses:
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / "kubeconfig"  # connections of its own: it asks often, from a thread of its own
        own.touch(mode=0o600)
        own.write_text(api.kubeconfig, encoding="utf-8")
        made = Runtime(
            Api(own),
            node=node,
            folder=folder,
            addresses=addresses,
            hosts=hosts or {},
            pythons=pythons or {},
            backoff=backoff,
            storage_class=storage_class,
        )
        with kubelet_server.serving(addresses.node, made.log, made.address):
            eventually(made.hold, "the node's lease can be written")  # its namespace is there a moment after the server
            api.call("POST", _NODES, described(node, pool, addresses, gpus=gpus, taints=taints))
            thread = threading.Thread(target=made.run, daemon=True)
            thread.start()
            try:
                yield made
            finally:
                made.close()
                thread.join()
                made.clear()
    assert not made.errors, "\n".join(dict.fromkeys(made.errors))


def described(node: str, pool: str, addresses: Subnet, *, gpus: int, taints: Sequence[Mapping[str, str]]) -> Object:
    """The node as it registers itself."""
    size = {"cpu": "64", "memory": "256Gi", "pods": "200", "ephemeral-storage": "500Gi", GPU: str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node, "labels": {**STAND_IN, POOL_LABEL: pool, "kubernetes.io/hostname": node}},
        "spec": {"podCIDR": addresses.network, "taints": list(taints)},
        "status": {
            "capacity": size,
            "allocatable": size,
            "conditions": conditions(),
            "addresses": [{"type": "InternalIP", "address": addresses.node}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_server.PORT}},
            "nodeInfo": dict.fromkeys(_INFO, "") | {"kubeletVersion": "stand-in", "operatingSystem": "linux"},
        },
    }


_INFO = (
    "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion",
    "machineID", "operatingSystem", "osImage", "systemUUID",
)  # fmt: skip


def conditions() -> list[Object]:
    """What a healthy node reports again and again."""
    pressures = ("MemoryPressure", "DiskPressure", "PIDPressure")
    states = {"Ready": "True"} | dict.fromkeys(pressures, "False")
    reason = "processes stand in for containers"
    return [
        {"type": name, "status": value, "reason": "StandIn", "message": reason, "lastHeartbeatTime": now()}
        for name, value in states.items()
    ]


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
