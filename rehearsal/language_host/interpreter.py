"""Which Python runs a program, policy pack or plugin, and what is installed there. Starts nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pulumi.runtime.proto import language_pb2


class Plugin(NamedTuple):
    """A resource plugin that an installed package asks for."""

    name: str
    version: str
    server: str


class Interpreter(NamedTuple):
    """An interpreter, and its virtual environment if it has one."""

    executable: str
    venv: Path | None

    @classmethod
    def of(cls, info: language_pb2.ProgramInfo) -> Interpreter:
        """Follow the runtime option `virtualenv` (relative to Pulumi.yaml); without it, this interpreter."""
        if "virtualenv" not in info.options:
            return cls(sys.executable, Path(sys.prefix) if sys.prefix != sys.base_prefix else None)
        venv = Path(os.path.normpath(Path(info.root_directory, str(info.options["virtualenv"]))))
        return cls(str(venv / "bin" / "python"), venv)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return `base` as it looks after the virtual environment is activated."""
        env = dict(base)
        if self.venv is not None:
            env.pop("PYTHONHOME", None)
            env["VIRTUAL_ENV"] = str(self.venv)
            env["PATH"] = os.pathsep.join(filter(None, [str(self.venv / "bin"), env.get("PATH")]))
        return env

    def search_path(self) -> list[str]:
        """The folders in which the interpreter finds installed packages."""
        if self.venv is None or self.venv.resolve() == Path(sys.prefix).resolve():
            return [entry for entry in sys.path if Path(entry).is_dir()]
        return [str(path) for path in self.venv.glob("lib/python*/site-packages")]

    def required_plugins(self) -> Iterator[Plugin]:
        """The resource plugins that installed packages declare in a file pulumi-plugin.json."""
        for entry in self.search_path():
            for path in sorted(Path(entry).glob("*/pulumi-plugin.json")):
                declared = json.loads(path.read_text(encoding="utf-8"))
                if declared.get("resource"):
                    name = declared.get("name") or path.parent.name.removeprefix("pulumi_")
                    yield Plugin(name, declared.get("version", ""), declared.get("server", ""))
