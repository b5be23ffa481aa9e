"""The real engine on this repository's program, in folders of the rehearsal's own. Reads no state of the user's."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from rehearsal import commands, launchers

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "kubeflow-proof"
SECONDS = 600
_QUIET = 3.0  # seconds
Object = dict[str, Any]
# Otherwise the engine rewrites the whole state after every step. Runs with failures keep these checkpoints, as every
# stack of a cloud does.
_SKIP = {"PULUMI_SKIP_CHECKPOINTS": "true", "PULUMI_EXPERIMENTAL": "true"}
_STILL = frozenset({"same", "read", "refresh"})
_ENDS = frozenset({"resOutputsEvent", "resOpFailedEvent"})
_NOTICE = "stand-in for the official "


class EngineError(Exception):
    """The engine cannot be run here; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How a command of the engine ended."""

    code: int
    seconds: float
    text: str  # stdout and stderr together
    steps: tuple[tuple[str, str, str], ...]  # (operation, type, URN) in their order; what stays the same is left out
    errors: tuple[str, ...]
    stand_ins: frozenset[str]  # plugins that said they are none of the official ones

    @property
    def operations(self) -> Counter[tuple[str, str]]:
        """(operation, type) -> number of resources; components and providers apart."""
        return Counter((operation, kind) for operation, kind, _ in self.steps if single(kind))


class Engine:
    """One stack of this repository's program, with a state, a home and a PATH that belong to the rehearsal."""

    def __init__(
        self, folder: Path, tools: Path, stack: str, environment: Mapping[str, str], program: Path = ROOT
    ) -> None:
        self.folder, self.stack, self.peak_kib = folder, f"rehearsal-{stack}", 0
        self._program = program
        self._bare = folder / "bare"  # a project of the same name without a program: its state is handled there
        for name in ("bare", "state", "home"):
            (folder / name).mkdir(parents=True)
        self.environment = {
            "PATH": os.pathsep.join([str(_programs(folder / "bin", tools)), os.defpath]),
            "HOME": str(folder / "home"),  # no credentials, no kubeconfig, no plugins of the user's
            "KUBECONFIG": str(folder / "no-kubeconfig"),
            "PULUMI_HOME": str(folder / "home" / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{quote(str(folder / 'state'))}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_urlsafe(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # the engine hides the event log otherwise
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            "KUBEFLOW_PROOF_OFFLINE": "1",
            "KUBEFLOW_PROOF_REHEARSAL_JOURNAL": str(folder / "journal"),
            **environment,
        }
        (self._bare / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n", encoding="utf-8")
        self._file = self._bare / f"Pulumi.{self.stack}.yaml"
        self._only_stand_ins()
        self.bare("stack", "init", self.stack)

    def configure(self, config: Mapping[str, object], hidden: Mapping[str, str] | None = None) -> None:
        """Write the stack file, keeping what the engine put there; `hidden` is encrypted by the engine."""
        written: Object = yaml.safe_load(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        before: Object = written.get("config") or {}
        encrypted = {name: before[name] for name in before.keys() - config.keys() if _secure(before[name])}
        whole: Object = {**written, "config": {**config, **encrypted}}
        self._file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        for name, value in (hidden or {}).items():
            self.bare("config", "set", "--secret", name, value, "--stack", self.stack)

    def preview(self, *arguments: str) -> Ran:
        """Plan."""
        return self.operate("preview", *arguments)

    def up(self, *, faults: str = "", checkpoints: bool = False) -> Ran:
        """Update; `faults` are those of the stand-in cloud."""
        return self.operate("up", "--yes", "--skip-preview", faults=faults, checkpoints=checkpoints)

    def operate(self, verb: str, *arguments: str, faults: str = "", checkpoints: bool = False) -> Ran:
        """Run a command on the stack to its end, and read what the engine's event log says of it."""
        begun = time.monotonic()
        with self.started(verb, *arguments, faults=faults, checkpoints=checkpoints) as process, self._watched(process):
            text, _ = process.communicate(timeout=SECONDS)
        return _read(self._log, process.returncode, time.monotonic() - begun, text)

    @contextlib.contextmanager
    def started(
        self, verb: str, *arguments: str, faults: str = "", checkpoints: bool = False
    ) -> Generator[subprocess.Popen[str]]:
        """A command on the stack, under way in a session of its own."""
        self._log.unlink(missing_ok=True)
        command = [verb, *arguments, "--stack", self.stack, "--config-file", str(self._file)]
        changed = {**({} if checkpoints else _SKIP), "KUBEFLOW_PROOF_REHEARSAL_FAULTS": faults}
        with self._start([*command, "--event-log", str(self._log)], self._program, changed) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def bare(self, *arguments: str) -> str:
        """A command about the stack that needs no program; what it printed."""
        with self._start(arguments, self._bare, {}) as process:
            text, _ = process.communicate(timeout=SECONDS)
        if process.returncode:
            raise EngineError(f"`pulumi {' '.join(arguments[:2])}` ended with {process.returncode}:\n{text}")
        return text

    def resources(self) -> list[Object]:
        """What the state holds, without the stack itself."""
        exported: Object = json.loads(self.bare("stack", "export", "--stack", self.stack))
        found: list[Object] = exported["deployment"].get("resources") or []
        return [one for one in found if one["type"] != "pulumi:pulumi:Stack"]

    def wait_until_quiet(self, end: float) -> None:
        """Wait until at most one operation is under way, and for a while no other begins; `end`: monotonic time."""
        before, since = set[str](), time.monotonic()
        while time.monotonic() < min(end, since + _QUIET):
            begun, under_way = progress(_events(self._log))
            if begun != before or len(under_way) > 1:
                before, since = begun, time.monotonic()
            time.sleep(0.2)

    def journal(self) -> list[Object]:
        """What the engine asked the stand-in cloud for."""
        file = self.folder / "journal"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def _log(self) -> Path:
        return self.folder / "events.json"

    def _start(self, arguments: Sequence[str], where: Path, changed: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.folder / "bin" / "pulumi"), *arguments, "--non-interactive", "--color", "never"],
            cwd=where,
            env={**self.environment, **changed},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _only_stand_ins(self) -> None:
        """A rehearsal never reaches a real cloud: end it if the engine could find an official plugin."""
        wanted = launchers.installed_cloud_providers()
        path = self.environment["PATH"]
        real = [name for name in wanted if not launchers.is_ours(Path(shutil.which(name, path=path) or ""))]
        installed: list[Object] = json.loads(self.bare("plugin", "ls", "--json") or "[]")
        real += [str(one["name"]) for one in installed if one.get("kind") == "resource"]
        if real:
            raise EngineError(
                f"the engine would run official plugins ({', '.join(sorted(set(real)))}), and with them reach a real "
                "cloud: a rehearsal refuses to. With credentials, use `pulumi preview` on a stack of your own"
            )

    @contextlib.contextmanager
    def _watched(self, process: subprocess.Popen[str]) -> Generator[None]:
        """Keep note of the most memory that the engine, its plugins and the program held together."""
        end = threading.Event()

        def watch() -> None:
            while not end.wait(0.25):
                self.peak_kib = max(self.peak_kib, _resident_kib(process.pid))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def _programs(folder: Path, tools: Path) -> Path:
    """A folder with the engine and every stand-in."""
    engine = tools / "pulumi"
    if not engine.is_file():
        raise EngineError(f"{engine} is missing: run `make tools`")
    folder.mkdir(parents=True)
    shutil.copy2(engine.resolve(), folder / "pulumi")  # the engine warns about a language host beside a symbolic link
    names = launchers.LANGUAGE_HOST | launchers.KUBERNETES_PROVIDER | launchers.installed_cloud_providers()
    launchers.install(folder, names, sys.executable)
    commands.install(folder)
    return folder


def _secure(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def _read(log: Path, code: int, seconds: float, text: str) -> Ran:
    steps, errors, stand_ins = list[tuple[str, str, str]](), list[str](), set[str]()
    for event in _events(log):
        if "resourcePreEvent" in event:
            done: Object = event["resourcePreEvent"]["metadata"]
            if done["op"] not in _STILL:
                steps.append((done["op"], done["type"], done["urn"]))
        elif "policyEvent" in event and event["policyEvent"].get("enforcementLevel") == "mandatory":
            broken: Object = event["policyEvent"]
            errors.append(f"policy {broken['policyName']}: {broken['message'].strip()}")
        elif "diagnosticEvent" in event and not event["diagnosticEvent"].get("ephemeral"):
            said: Object = event["diagnosticEvent"]
            message = str(said["message"]).strip()
            if message.startswith(_NOTICE):
                stand_ins.add(message.removeprefix(_NOTICE).partition(":")[0])
            elif said["severity"] == "error":
                errors.append(message)
    return Ran(
        code=code,
        seconds=seconds,
        text=text,
        steps=tuple(steps),
        errors=tuple(errors),
        stand_ins=frozenset(stand_ins),
    )


def _events(log: Path) -> Iterator[Object]:
    """The events of a log; of one that is still written to, without a last line that is incomplete."""
    whole, _, _ = (log.read_text(encoding="utf-8") if log.exists() else "").rpartition("\n")
    for line in whole.splitlines():
        yield json.loads(line)


def progress(events: Iterable[Object]) -> tuple[set[str], set[str]]:
    """URNs of resources with an operation, all and those that have not ended; components and providers apart."""
    begun, under_way = set[str](), set[str]()
    for event in events:
        step: Object = event.get("resourcePreEvent", {}).get("metadata", {})
        if step and step["op"] not in _STILL and single(step["type"]):
            begun.add(step["urn"])
            under_way.add(step["urn"])
        for name in _ENDS & event.keys():
            under_way.discard(event[name]["metadata"]["urn"])
    return begun, under_way


def single(kind: str) -> bool:
    """Whether a type is a resource of its own, not a component or a provider."""
    return not kind.startswith(("proof:", "pulumi:"))


def _resident_kib(session: int) -> int:
    """Memory of every process of a session."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            facts = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(facts[3]) == session:
                total += int(facts[21]) * (os.sysconf("SC_PAGE_SIZE") // 1024)
    return total
