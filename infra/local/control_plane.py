"""The Kubernetes control plane on this machine: real API server, scheduler and controllers, simulated nodes.

Drives `kwokctl`; owns its working directory and ports. Creates no Kubernetes object: pools and storage classes are
resources of the stack, as in every other environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import urllib3
import yaml

from . import access, ports

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

# The API server dials the ClusterIP of every webhook over the host's routes. On the loopback such a call fails at once
# instead of leaving the machine.
SERVICE_CIDR = "127.100.0.0/16"
_GRACE = 15.0  # seconds that processes may take to end, or to listen after the API server is ready
_SERVICES = [{"key": "service-cluster-ip-range", "value": SERVICE_CIDR}]
_ALONE = [{"key": "leader-elect", "value": "false"}]  # after a crash nobody has to wait for the lease of a dead leader
_NODE_LEASE = "40"  # seconds, as with kubelets: for as long, nodes belong to a controller that crashed
_PATCHES = [
    {"name": "kube-apiserver", "extraArgs": [*_SERVICES, {"key": "endpoint-reconciler-type", "value": "none"}]},
    {"name": "kube-controller-manager", "extraArgs": [*_SERVICES, *_ALONE]},
    {"name": "kube-scheduler", "extraArgs": _ALONE},
    # Only nodes that say they are simulated, so that others may stand beside them.
    {
        "name": "kwok-controller",
        "extraArgs": [
            {"key": "manage-all-nodes", "value": "false"},
            {"key": "node-lease-duration-seconds", "value": _NODE_LEASE},
            {"key": "manage-nodes-with-annotation-selector", "value": "kwok.x-k8s.io/node=fake"},
        ],
    },
]


class Started(Enum):
    """What `up` found."""

    REUSED = "reused"  # it was running
    RESTARTED = "restarted"  # it was down; the data was kept
    CREATED = "created"  # it starts empty


class ControlPlaneError(Exception):
    """The control plane cannot be brought up; the message says why and where the logs are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How the control plane came up, with the reason where data was lost."""

    started: Started
    reason: str = ""


class ControlPlane:
    """One control plane, kept under `root`; binaries come from `tools`, then PATH, then kwokctl's own downloads."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root = root.resolve()
        self.kubeconfig = self.root / "kubeconfig"
        self._tools = tools.resolve()
        self.name = "proof-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:8]

    def up(self, timeout: float = 90) -> Report:
        """Bring it up, keeping the data if that is possible. Safe to interrupt and to repeat."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._exclusive():
            report = self._up(timeout)
            (self.root / "status.json").write_text(
                json.dumps({"started": report.started.value, "reason": report.reason}) + "\n", encoding="utf-8"
            )
            return report

    def down(self) -> bool:
        """Stop it and delete its data; False if there was nothing."""
        if not self.root.exists():
            return False
        with self._exclusive():
            existed = self._directory.exists()
            if existed:
                self._delete()
                self._await_ports()
        shutil.rmtree(self.root)
        _link(self.root).unlink(missing_ok=True)
        return existed

    def ready(self) -> bool:
        """Whether every component listens and the API server answers that it is ready."""
        if not self.kubeconfig.exists() or not all(ports.answers(port) for port in self._ports()):
            return False
        try:
            return access.get(self.kubeconfig, "/readyz") == b"ok"
        except (OSError, urllib3.exceptions.HTTPError):
            return False

    def logs(self) -> Path:
        """Where the components write."""
        return self._directory / "logs"

    @property
    def _directory(self) -> Path:
        return self.root / "kwok" / "clusters" / self.name

    def _up(self, timeout: float) -> Report:
        reason = ""
        if self._directory.exists() and self.kubeconfig.exists():
            if self.ready():
                return Report(started=Started.REUSED)
            self._end("stop")  # what survived a crash would keep the rest from starting
            self._await_ports()
            taken = self._taken_ports()
            if not taken and self._start(timeout):
                return Report(started=Started.RESTARTED)
            reason = (
                f"port {', '.join(map(str, taken))} is taken by another program"
                if taken
                else f"it did not become ready again within {timeout:.0f} s"
            )
        if self._directory.exists():
            reason = reason or "an earlier start was interrupted"
            self._delete()
        self._create(timeout)
        return Report(started=Started.CREATED, reason=reason)

    def _start(self, timeout: float) -> bool:
        self._kwokctl("start", "cluster", "--wait", f"{timeout:.0f}s", check=False)
        return _within(_GRACE, self.ready)

    def _create(self, timeout: float) -> None:
        configuration = self.root / "kwokctl.yaml"
        configuration.write_text(yaml.safe_dump(_configuration()), encoding="utf-8")
        binaries = [
            argument for name in COMPONENTS if (found := self._find(name)) for argument in (f"--{name}-binary", found)
        ]
        if kwok := self._find("kwok"):
            binaries += ["--kwok-controller-binary", kwok]
        made = self.root / "kubeconfig.kwok"
        self._kwokctl(
            "create", "cluster", "--config", str(configuration), "--runtime", "binary", "--kubeconfig", str(made),
            *binaries, "--wait", f"{timeout:.0f}s",
        )  # fmt: skip
        access.write_private(self.kubeconfig, access.embedded(made))
        if not _within(_GRACE, self.ready):
            raise ControlPlaneError(
                f"the control plane did not become ready within {timeout:.0f} s; logs: {self.logs()}"
            )

    def _delete(self) -> None:
        self._end("delete")
        shutil.rmtree(self._directory, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)

    def _end(self, verb: str) -> None:
        """Stop or delete, and wait for the components: they end after the command does."""
        pids = [file.read_text(encoding="ascii").strip() for file in self._directory.glob("pids/*.pid")]
        self._kwokctl(verb, "cluster", check=False)
        _within(_GRACE, lambda: not any(map(_alive, pids)))

    def _await_ports(self) -> None:
        """Sockets stay open for a moment after their process counts as ended; that is nobody else's doing."""
        _within(_GRACE, lambda: not self._taken_ports())

    def _taken_ports(self) -> list[int]:
        """Ports of the stopped control plane that are in use, so belong to somebody else."""
        return [port for port in self._ports() if not ports.free(port)]

    def _ports(self) -> list[int]:
        try:
            text = (self.root / "kwokctl.yaml").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [yaml.safe_load(text)["options"][name] for name in ports.NAMES]

    def _find(self, name: str) -> str | None:
        return shutil.which(name, path=self._path())

    def _path(self) -> str:
        """Our tools first: kwokctl itself looks for kubectl there."""
        return os.pathsep.join([str(self._tools), os.environ.get("PATH", os.defpath)])

    def _kwokctl(self, *arguments: str, check: bool = True) -> None:
        program = self._find("kwokctl")
        if program is None:
            raise ControlPlaneError("kwokctl is missing: run `make tools`")
        work = self.root / "kwok"
        work.mkdir(exist_ok=True)
        environment = os.environ | {"KWOK_WORKDIR": str(_without_spaces(work)), "PATH": self._path()}
        with (self.root / "kwokctl.log").open("ab") as log:
            done = subprocess.run(
                [program, "--name", self.name, *arguments],
                env=environment, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            )  # fmt: skip
        if check and done.returncode != 0:
            last = (self.root / "kwokctl.log").read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            raise ControlPlaneError(
                f"`kwokctl {' '.join(arguments[:2])}` failed with exit code {done.returncode}:\n"
                + "\n".join(last)
                + f"\nwhole log: {self.root / 'kwokctl.log'}"
            )

    @contextlib.contextmanager
    def _exclusive(self) -> Generator[None]:
        """One `up` or `down` at a time; the second waits for the first."""
        with (self.root / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _link(path: Path) -> Path:
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"kubeflow-proof-{os.getuid()}-{digest}"


def _without_spaces(work: Path) -> Path:
    """A link to the working directory if its path has a space, at which kwokctl would cut it."""
    if not any(character.isspace() for character in str(work)):
        return work
    link = _link(work.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(work, target_is_directory=True)
    return link


def _configuration() -> dict[str, Any]:
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {"runtime": "binary", "bindAddress": "127.0.0.1", "disableQPSLimits": True, **ports.choose()},
        "componentsPatches": _PATCHES,
    }
