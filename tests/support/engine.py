"""The real engine on a program in a temporary folder: own state, own PULUMI_HOME, nothing of the user's environment."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import launchers
from tools import environment

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]
SECONDS = 400
SKIP_CHECKPOINTS = dict(environment.LOCAL_ONLY)


def tools() -> Path:
    """Where the tools are: `.tools/bin`, or the folder that PROOF_TOOLS names."""
    return Path(os.environ.get("PROOF_TOOLS") or ROOT / ".tools" / "bin")


def missing(*names: str) -> str:
    """Why tests that need these tools cannot run; empty if they can."""
    absent = [name for name in names if not (tools() / name).is_file()]
    return f"{', '.join(absent)} not found in {tools()}: run `make tools`" if absent else ""


def install_stand_ins(folder: Path) -> Path:
    """A folder with the engine and launchers of this repository's stand-ins, whatever plugins `.tools` holds."""
    folder.mkdir(parents=True)
    engine = (tools() / "pulumi").resolve()
    try:  # a symbolic link would make the engine warn about its language host in every run
        (folder / "pulumi").hardlink_to(engine)
    except OSError:
        shutil.copy2(engine, folder / "pulumi")
    # The engine wants a plugin for each SDK of the environment, used or not.
    clouds = launchers.installed_cloud_providers()
    launchers.install(folder, launchers.LANGUAGE_HOST | launchers.KUBERNETES_PROVIDER | clouds, sys.executable)
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a command of the engine ended."""

    code: int
    text: str  # stdout and stderr together
    changes: Mapping[str, int]  # operation -> number of resources, of the last summary; `same` included
    diagnostics: Sequence[str]  # messages that stay, as "severity: text"

    def ok(self) -> Result:
        """Fail the test with the whole output unless the command succeeded."""
        assert self.code == 0, self.text
        return self

    def failed(self) -> Result:
        """Fail the test with the whole output if the command succeeded."""
        assert self.code != 0, self.text
        return self

    @property
    def errors(self) -> str:
        """The error messages."""
        return "\n".join(text for text in self.diagnostics if text.startswith("error: "))


class Project:
    """One program with one stack `dev`."""

    def __init__(self, folder: Path, binaries: Path, *, runtime: Object | None = None, **environment: str) -> None:
        self.folder = folder
        for name in ("program", "state", "home"):
            (folder / name).mkdir(parents=True)
        self.program = folder / "program"
        self.environment = {
            "PATH": os.pathsep.join([str(binaries), os.environ.get("PATH", os.defpath)]),
            "HOME": str(folder / "home"),
            "KUBECONFIG": str(folder / "no-kubeconfig"),  # nothing may fall back to the user's cluster
            "PULUMI_HOME": str(folder / "home" / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONDONTWRITEBYTECODE": "1",  # a program rewritten within a second must not run from its old bytecode
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **environment,
        }
        self.write({"name": "tiny", "runtime": {"name": "python", "options": runtime or {}}}, "Pulumi.yaml")
        self.pulumi("stack", "init", "dev").ok()

    def write(self, content: str | Object, name: str = "__main__.py") -> None:
        """Write a file of the program: Python as indented text, anything else as JSON."""
        text = textwrap.dedent(content) if isinstance(content, str) else json.dumps(content)
        file = self.program / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command of the engine in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            executable=shutil.which("pulumi", path=self.environment["PATH"]),
            cwd=self.program,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, **environment: str) -> Result:
        """Run a command of the engine to its end."""
        with self.start(*arguments, **environment) as process:
            text, _ = process.communicate(timeout=SECONDS)
        return Result(code=process.returncode, text=text, changes={}, diagnostics=())

    def operate(self, verb: str, *arguments: str, **environment: str) -> Result:
        """Preview, up, refresh, destroy or import, with what the engine's event log says of it."""
        log = self.folder / "events.json"
        log.unlink(missing_ok=True)
        confirmed = () if verb == "preview" else ("--yes", "--skip-preview")
        environment = {"PULUMI_DEBUG_COMMANDS": "true", **environment}  # the engine hides the event log otherwise
        result = self.pulumi(verb, *confirmed, *arguments, "--event-log", str(log), **environment)
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        events: list[Object] = [json.loads(line) for line in lines]
        changes: Mapping[str, int] = {}
        diagnostics: list[str] = []
        for event in events:
            if "summaryEvent" in event:
                changes = event["summaryEvent"].get("resourceChanges") or {}
            if "diagnosticEvent" in event and not event["diagnosticEvent"].get("ephemeral"):
                shown = event["diagnosticEvent"]
                diagnostics.append(f"{shown['severity']}: {shown['message'].strip()}")
        return Result(code=result.code, text=result.text, changes=changes, diagnostics=diagnostics)

    def preview(self, *arguments: str, **environment: str) -> Result:
        """Plan."""
        return self.operate("preview", *arguments, **environment)

    def up(self, *arguments: str, **environment: str) -> Result:
        """Update."""
        return self.operate("up", *arguments, **environment)

    def outputs(self) -> Object:
        """The stack's outputs, secrets in clear."""
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets").ok().text)

    def state(self) -> list[Object]:
        """The resources in the state, secrets as ciphertext."""
        exported = json.loads(self.pulumi("stack", "export").ok().text)
        return exported["deployment"].get("resources") or []

    def resource(self, name: str) -> Object:
        """The one resource of this logical name."""
        (found,) = [part for part in self.state() if part["urn"].endswith(f"::{name}")]
        return found

    def state_text(self) -> str:
        """Everything that was written to disk for the stack, as text."""
        files = [file for file in (self.folder / "state").rglob("*") if file.is_file()]
        written = (file.read_bytes() for file in files)
        texts = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data for data in written)
        return "\n".join(text.decode(errors="replace") for text in texts)
