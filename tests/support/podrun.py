"""One pod on the node that runs containers as processes: its containers in their order, and the status that they give.

A state machine that is stepped; knows no API server.
"""

from __future__ import annotations

import datetime as dt
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import urllib3

from tests.support.cluster import Object
from tests.support.engine import ROOT
from tests.support.podfiles import NotYetError, Pod, Volumes, words
from tests.support.sandbox import Mount, Sandbox, stop

PAUSE = "registry.k8s.io/pause"  # the one image whose entrypoint is known here: it waits
CHECKOUT = "/opt/checkout"  # ours, where no volume of a pod hides it
_PYTHON = "/opt/interpreter"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MESSAGE_BYTES = 4096
_PROBE_SECONDS = 1.0
_ENDED = {"Succeeded", "Failed"}
_FIRST_REFUSAL = 400
_HTTP = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)  # a kubelet verifies nothing either

Interpreter = Callable[[str], Path | None]  # of an image; None where there is no such image


class Container:
    """One container of a pod, started as often as its policy says."""

    def __init__(self, body: Object, run: PodRun) -> None:
        self.body, self._run = body, run
        self.name: str = body["name"]
        self.restarts = 0
        self.state: Object = {"waiting": {"reason": "PodInitializing"}}
        self.last: Object = {}
        self.sandbox: Sandbox | None = None
        self._again = 0.0
        self._began = ""

    @property
    def ended(self) -> Object | None:
        """How it ended, once it has."""
        return self.state.get("terminated")

    @property
    def log(self) -> Path | None:
        """What it has written, if it was started."""
        return self.sandbox.log if self.sandbox else None

    def step(self, *, policy: str) -> None:
        """Start it if it is due, or notice that it has ended."""
        if self.ended is not None:
            if policy == "Always" or (policy == "OnFailure" and self.ended["exitCode"]):
                self.last, self.restarts = {"terminated": self.ended}, self.restarts + 1
                self.state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting container"}}
                self._again = time.monotonic() + self._run.backoff
        elif "running" in self.state and self.sandbox is not None:
            code = self.sandbox.exit_code()
            if code is not None:
                self._end(code)
        elif time.monotonic() >= self._again:
            self._start()

    def status(self) -> Object:
        """As the API has it."""
        return {
            "name": self.name,
            "image": self.body["image"],
            "imageID": "",
            "ready": self.ready,
            "started": "running" in self.state,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }

    @property
    def ready(self) -> bool:
        """Whether it runs and, where it says how to see that, answers."""
        return "running" in self.state and self._probed()

    @property
    def _folder(self) -> Path:
        return self._run.pod.folder / "containers" / self.name / str(self.restarts)

    def _start(self) -> None:
        interpreter = self._run.interpreter(self.body["image"])
        if interpreter is None:
            said = f'Failed to pull image "{self.body["image"]}": no interpreter was given for it'
            self.state = {"waiting": {"reason": "ErrImagePull", "message": said}}
            return
        try:
            values = {**self._run.base(), **self._run.volumes.environment(self.body)}
            mounts = self._run.volumes.mounts(self.body)
        except NotYetError as error:
            self.state = {"waiting": {"reason": "ContainerCreating", "message": str(error)}}
            return
        command = words([*self.body.get("command", []), *self.body.get("args", [])], values)
        if "command" not in self.body:
            if not self.body["image"].startswith(PAUSE):
                said = "no command specified, and the stand-in for a container runtime knows no image's own"
                self.state = {"waiting": {"reason": "CreateContainerError", "message": said}}
                return
            command = ["sleep", "infinity"]
        note = self._folder / "message"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        path = self.body.get("terminationMessagePath", "/dev/termination-log")
        python = Mount(source=interpreter.parent.parent, path=_PYTHON)
        ours = Mount(source=ROOT, path=CHECKOUT, read_only=True)
        every = [python, ours, *mounts, *self._run.everywhere, Mount(source=note, path=path)]
        work = self.body.get("workingDir", "/")
        self.sandbox = Sandbox(self._folder, command, mounts=every, environment=values, work=work)
        self._began = now()
        self.state = {"running": {"startedAt": self._began}}

    def _end(self, code: int) -> None:
        said = (self._folder / "message").read_bytes()[:_MESSAGE_BYTES].decode(errors="replace")
        if not said and code and self.body.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            said = (self._folder / "log").read_bytes()[-2048:].decode(errors="replace")
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": "Error" if code else "Completed",
                "message": said,
                "startedAt": self._began,
                "finishedAt": now(),
            }
        }

    def _probed(self) -> bool:
        probe: Object = self.body.get("readinessProbe") or {}
        wanted: Object = probe.get("httpGet") or probe.get("tcpSocket") or {}
        if not wanted:
            return True
        ports = {one.get("name"): one["containerPort"] for one in self.body.get("ports", [])}
        port = ports.get(wanted["port"], wanted["port"])
        address = self._run.pod.address
        try:
            if "tcpSocket" in probe:
                with socket.create_connection((address, port), timeout=_PROBE_SECONDS):
                    return True
            scheme = wanted.get("scheme", "HTTP").lower()
            where = f"{scheme}://{address}:{port}{wanted.get('path', '/')}"
            return _HTTP.request("GET", where, timeout=_PROBE_SECONDS).status < _FIRST_REFUSAL
        except (OSError, urllib3.exceptions.HTTPError):
            return False


class PodRun:
    """One pod from its first container to its last."""

    def __init__(
        self,
        pod: Pod,
        volumes: Volumes,
        *,
        interpreter: Interpreter,
        everywhere: Sequence[Mount],
        backoff: float,
    ) -> None:
        self.pod, self.volumes, self.backoff = pod, volumes, backoff
        self.interpreter, self.everywhere = interpreter, everywhere
        spec = pod.body["spec"]
        self._policy: str = spec.get("restartPolicy", "Always")
        self._first = [Container(one, self) for one in spec.get("initContainers", [])]
        self._then = [Container(one, self) for one in spec["containers"]]
        self._since = now()
        self._phase = "Pending"

    def base(self) -> dict[str, str]:
        """What every container's environment begins with."""
        return {"PATH": f"{_PYTHON}/bin:{_SYSTEM_PATH}", "HOME": "/root", "HOSTNAME": self.pod.name}

    def step(self) -> None:
        """Go on as far as is possible now."""
        if self._phase in _ENDED:
            return
        for one in self._first:
            sidecar = one.body.get("restartPolicy") == "Always"
            one.step(policy="Always" if sidecar else "OnFailure" if self._policy != "Never" else "Never")
            failed = one.ended is not None and bool(one.ended["exitCode"])
            if failed and self._policy == "Never" and not sidecar:
                self._phase = "Failed"
            if failed or not (one.ready if sidecar else one.ended):
                return
        for one in self._then:
            one.step(policy=self._policy)
        codes = [one.ended["exitCode"] for one in self._then if one.ended is not None]
        final = self._policy == "Never" or (self._policy == "OnFailure" and not any(codes))
        if final and len(codes) == len(self._then):
            self._phase = "Failed" if any(codes) else "Succeeded"
            stop([one.sandbox for one in self._first if one.sandbox is not None])
        elif self._phase == "Pending" and any(one.sandbox for one in self._then):
            self._phase = "Running"

    def end(self, seconds: float) -> None:
        """End every process of it."""
        stop([one.sandbox for one in (*self._first, *self._then) if one.sandbox is not None], seconds)

    def pids(self) -> list[int]:
        """First processes of the containers that run."""
        return [one.sandbox.pid for one in (*self._first, *self._then) if one.sandbox is not None and one.sandbox.pid]

    def log(self, container: str) -> Path | None:
        """What a container has written."""
        return next((one.log for one in (*self._first, *self._then) if one.name == container), None)

    def status(self) -> Object:
        """As the API has it."""
        initialised = all(one.ended or one.ready for one in self._first)
        ready = self._phase == "Running" and all(one.ready for one in self._then)
        marks = {
            "PodScheduled": True,
            "Initialized": initialised,
            "ContainersReady": ready,
            "Ready": ready,
        }
        address = self.pod.address
        return {
            "phase": self._phase,
            "startTime": self._since,
            "hostIP": self.pod.body["status"].get("hostIP", address),
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [
                {"type": name, "status": str(held), "lastTransitionTime": self._since} for name, held in marks.items()
            ],
            "initContainerStatuses": [one.status() for one in self._first],
            "containerStatuses": [one.status() for one in self._then],
        }


def now() -> str:
    """The time as the API has it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exactly_now() -> str:
    """The time as leases have it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
