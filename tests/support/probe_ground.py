"""Probes without a cluster: the scripts of pods run as processes of this machine, each pod at a loopback address.

What a cluster does around them is stood in for inside of the processes, by lines before the first of theirs: network
policies by addresses that take no connection, and the cluster's DNS by a table of names.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.probe_network import calm, with_network
from tests.support.stack_outputs import outputs
from workloads.api import Answer, Json
from workloads.backends.cluster import inside
from workloads.backends.cluster.inside import Node, Server, Word
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.jobs import probing
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.profile import Profile
from workloads.terms import Terms

SCRIPTS = Path(__file__).resolve().parents[2] / "workloads" / "jobs" / "scripts"
NODES = ("node-a", "node-b")


def port() -> int:
    """One that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Ground:
    """Stands in for the cluster below `inside.ask` and `inside.serve`."""

    folder: Path
    fenced: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # by the caller's namespace
    names: dict[str, Any] | None = None
    changed: dict[str, str] = field(default_factory=dict[str, str])  # scripts with a fault, by name
    addresses: dict[str, str] = field(default_factory=dict[str, str])  # of servers, where it matters
    nodes: tuple[str, ...] = NODES
    sidecars: int = 0  # the port at which a sidecar takes what meshed callers send; 0: there are none
    secrets: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])  # by name and key
    environment: dict[str, str] = field(default_factory=dict[str, str])  # what webhooks would add
    volume: Path | None = None
    phases: dict[str, str] = field(default_factory=lambda: {"proof-nowhere": "Pending"})  # of claims that are not bound
    objects: dict[str, Json] = field(default_factory=dict[str, Json])
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def place(self) -> Path:
        """The scripts, with what stands in for the cluster."""
        place = self.folder / "scripts"
        if not place.exists():
            shutil.copytree(SCRIPTS, place, ignore=shutil.ignore_patterns("__pycache__"))
            common = (place / "probe_common.py").read_text(encoding="utf-8")
            (place / "probe_common.py").write_text(with_network(calm(common)), encoding="utf-8")
        for name, text in self.changed.items():
            (place / name).write_text(text, encoding="utf-8")
        return place

    def _start(self, here: Surroundings, probe: Probe, pod: str, node: str, address: str) -> subprocess.Popen[bytes]:
        (container,) = probing.job(here, probe)["spec"]["template"]["spec"]["containers"]
        about = {"metadata.name": pod, "spec.nodeName": node, "status.podIP": address}
        environment = {
            one["name"]: one["value"] if "value" in one else self._given(one["valueFrom"], about)
            for one in container["env"]
        }
        plan = json.loads(environment["PLAN"])
        if self.volume is not None and "folder" in plan:
            plan["folder"] = str(self.volume)
        if probe.meshed and self.sidecars:
            for one in (plan, *plan.get("targets", [])):
                one["port"] = self.sidecars
        environment["PLAN"] = json.dumps(plan)
        environment |= {
            "FENCED": json.dumps(self.fenced.get(here.namespace, [])),
            "NAMES": json.dumps(self.names),
            "RESULT": str(self.folder / f"{pod}.json"),
            "PATH": os.environ["PATH"],
            **self.environment,
        }
        script = self.place() / container["command"][1].rpartition("/")[2]
        with (self.folder / f"{pod}.log").open("wb") as log:
            made = subprocess.Popen([sys.executable, script], env=environment, stdout=log, stderr=log)
        self._running.append(made)
        return made

    def _given(self, source: Json, about: Mapping[str, str]) -> str:
        if "fieldRef" in source:
            return about[source["fieldRef"]["fieldPath"]]
        return self.secrets[source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]]

    def serve(self, _visit: Visit, here: Surroundings, probe: Probe) -> tuple[Server, ...]:
        """As `inside.serve`."""
        found: list[Server] = []
        for index, node in enumerate(probe.nodes or self.nodes[:1]):
            pod = f"{probe.name}-{index}"
            address = self.addresses.get(pod) or f"127.0.{len(self._running) + 3}.{index + 2}"
            self._start(here, probe, pod, node, address)
            found.append(Server(pod=pod, node=node, address=address, sidecar=bool(self.sidecars)))
        for one in found:
            _answers(one.address, self.folder / f"{one.pod}.log")
        return tuple(found)

    def ask(self, _visit: Visit, here: Surroundings, probe: Probe) -> tuple[Word, ...]:
        """As `inside.ask`."""
        pods = [(f"{probe.name}-{index}", node) for index, node in enumerate(probe.nodes or self.nodes[-1:])]
        started = [self._start(here, probe, pod, node, "127.0.0.1") for pod, node in pods]
        for (pod, _), process in zip(pods, started, strict=True):
            assert process.wait(120) == 0, (self.folder / f"{pod}.log").read_text(encoding="utf-8")
        return tuple(Word(pod=pod, node=node, said=self._said(pod)) for pod, node in pods)

    def still(self, *_: object) -> None:
        """As `inside.still`: whoever has been started runs until the end."""
        assert all(one.poll() in {None, 0} for one in self._running)

    def spots(self, *_: object) -> tuple[Node, ...]:
        """As `inside.nodes`."""
        return tuple(Node(name=one, pool="general", address="") for one in self.nodes)

    def _said(self, pod: str) -> Json:
        text = (self.folder / f"{pod}.json").read_text(encoding="utf-8")
        return inside.spoken(text)

    def close(self) -> None:
        """End every process."""
        for one in self._running:
            one.kill()
            one.wait()

    # What is left of a visit.
    def get(self, path: str, **_query: str) -> Answer:
        """An object that a test has put there."""
        body = self.objects.get(path)
        return Answer(status=404, body={"message": "not found"}) if body is None else Answer(status=200, body=body)

    def items(self, path: str, **_query: str) -> list[Json]:
        """A list that a test has put there."""
        return self.objects.get(path, {}).get("items", [])

    def submit(self, namespace: str, body: Json) -> Json:
        """Take an object as the API server would."""
        spec = {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], **body.get("spec", {})}
        about = {"namespace": namespace, "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {**body, "metadata": {**body["metadata"], **about}, "spec": spec}

    def read(self, made: Json) -> Json:
        """What an object has become."""
        return {**made, "status": {"phase": self.phases.get(made["metadata"]["name"], "Bound")}}


def _answers(address: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, probing.PORT), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens on {address}: {log.read_text(encoding='utf-8')}")


@contextmanager
def ground(folder: Path, monkeypatch: pytest.MonkeyPatch, **others: Any) -> Generator[Ground]:  # noqa: ANN401 - fields of a ground
    """One, in the place of a cluster while it lasts."""
    made = Ground(folder=folder, **others)
    monkeypatch.setattr(probing, "PORT", port())
    monkeypatch.setattr(inside, "serve", made.serve)
    monkeypatch.setattr(inside, "ask", made.ask)
    monkeypatch.setattr(inside, "still", made.still)
    monkeypatch.setattr(inside, "nodes", made.spots)
    try:
        yield made
    finally:
        made.close()


def visit(made: Ground, profile: Profile, **limits: float) -> Visit:
    """What checks use of a visit."""
    limit = {name.replace("__", ".").replace("_", "-"): value for name, value in limits.items()}
    terms = SimpleNamespace(profile=profile, seed=1, say=print, limit=limit.__getitem__)
    seen = SimpleNamespace(
        api=made, submit=made.submit, read=made.read, terms=cast("Terms", terms), timeout_seconds=20.0
    )
    return cast("Visit", seen)


def target(**changes: Any) -> Target:  # noqa: ANN401 - any JSON
    """A stack whose nodes run containers."""
    return parse(outputs(cluster__capabilities=["containers", "network_policy"], **changes), source="test")
