"""The local control plane survives what happens to machines: crashes, taken ports, interrupted starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.local import ports
from infra.local.control_plane import ControlPlane, ControlPlaneError, Started
from tests.support.cluster import TOOLS, Api, eventually
from tests.support.engine import missing, tools

pytestmark = pytest.mark.engine
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    if reason := missing(*TOOLS):
        pytest.skip(reason)
    made = ControlPlane(tmp_path / "with a space", tools())
    try:
        yield made
    finally:
        made.down()


def kill(plane: ControlPlane, pattern: str) -> None:
    for file in plane.root.glob(f"kwok/clusters/*/pids/{pattern}.pid"):
        os.kill(int(file.read_text(encoding="ascii")), signal.SIGKILL)


def test_a_second_start_reuses_and_a_crash_keeps_the_data(plane: ControlPlane) -> None:
    assert plane.up().started is Started.CREATED
    assert stat.S_IMODE(plane.kubeconfig.stat().st_mode) == 0o600
    Api(plane.kubeconfig).namespace("kept")
    assert plane.up().started is Started.REUSED
    for pattern in ("kube-apiserver", "*"):
        kill(plane, pattern)
        eventually(lambda: not plane.ready(), "the control plane to be down")
        assert plane.up().started is Started.RESTARTED
        assert Api(plane.kubeconfig).get("/api/v1/namespaces/kept") is not None


def test_no_controller_waits_long_for_one_that_crashed(plane: ControlPlane) -> None:
    plane.up()
    api = Api(plane.kubeconfig)
    api.node("simulated")
    eventually(lambda: api.get(f"{LEASES}/kube-node-lease/leases/simulated"), "the node belongs to its controller")
    lease = api.get(f"{LEASES}/kube-node-lease/leases/simulated")
    assert lease is not None
    assert lease["spec"]["leaseDurationSeconds"] <= 40, "for as long, nodes belong to a controller that is gone"
    leaders = api.get(f"{LEASES}/kube-system/leases")
    assert leaders is not None
    assert not {"kube-scheduler", "kube-controller-manager"} & {one["metadata"]["name"] for one in leaders["items"]}


def test_a_taken_port_is_named_and_the_cluster_starts_clean(plane: ControlPlane) -> None:
    plane.up()
    kill(plane, "*")
    options = yaml.safe_load((plane.root / "kwokctl.yaml").read_text(encoding="utf-8"))["options"]
    port = options["kubeApiserverPort"]
    eventually(lambda: ports.free(port), "the API server to be gone")
    with contextlib.closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        report = plane.up()
    assert report.started is Started.CREATED
    assert report.reason == f"port {port} is taken by another program"
    assert plane.ready()


def test_an_interrupted_start_is_begun_anew(plane: ControlPlane) -> None:
    plane.up()
    plane.kubeconfig.unlink()  # what an interruption in the middle of the first start leaves
    report = plane.up()
    assert (report.started, report.reason) == (Started.CREATED, "an earlier start was interrupted")


def test_everything_listens_on_the_loopback_and_so_do_services(plane: ControlPlane) -> None:
    plane.up()
    options = yaml.safe_load((plane.root / "kwokctl.yaml").read_text(encoding="utf-8"))["options"]
    assert options["bindAddress"] == "127.0.0.1"
    api = Api(plane.kubeconfig)
    path = "/api/v1/namespaces/default/services/kubernetes"
    eventually(lambda: api.get(path), "the API server makes its own service")
    service = api.get(path)
    assert service is not None
    assert service["spec"]["clusterIP"].startswith("127.")


def test_a_cluster_that_is_down_leaves_no_process_and_no_file(plane: ControlPlane) -> None:
    plane.up()
    chosen = yaml.safe_load((plane.root / "kwokctl.yaml").read_text(encoding="utf-8"))["options"]
    assert plane.down()
    assert not plane.root.exists()
    assert not any(ports.answers(chosen[name]) for name in ports.NAMES)
    assert not plane.down(), "there was none any more"


def test_a_missing_kwokctl_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ControlPlaneError, match="make tools"):
        ControlPlane(tmp_path / "cluster", tmp_path / "none").up()
