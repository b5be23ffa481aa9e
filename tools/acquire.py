"""Brings each tool: what the system has, else the official binary, else a build, else a message saying what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import download, gobuild, records, standins, venv
from tools.places import Places, ToolsError, exclusive
from tools.records import Origin, Record
from tools.run import output
from tools.table import GO_OLDEST, MEASURING, PULUMI, TOOLS, Download, Tool, parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One tool as it is on this machine; `path` is None where there is nothing, or nothing yet."""

    tool: Tool
    origin: Origin
    path: Path | None = None
    version: str = ""

    @property
    def usable(self) -> bool:
        """Whether the tool can be used."""
        return self.origin is not Origin.MISSING


def system_path(places: Places) -> str:
    """PATH without the folders that this project puts there itself."""
    own = {places.bin.resolve(), (places.venv / "bin").resolve(), (places.validation_venv / "bin").resolve()}
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(part for part in parts if part and Path(part).resolve() not in own)


def locate(places: Places, tool: Tool) -> Found:
    """What is there now. Installs nothing; a program of a version that does not fit is told, but not used."""
    record = records.load(places).get(tool.name)
    own = places.bin / tool.name
    if record and own.exists() and _current(places, tool, record):
        return Found(tool=tool, origin=record.origin, path=own, version=record.version)
    on_path = shutil.which(tool.name, path=system_path(places))
    version = parse(output([on_path, *tool.ask]) or "") if on_path else None
    text = ".".join(map(str, version)) if version else ""
    if on_path and version and tool.fits(version):
        return Found(tool=tool, origin=Origin.SYSTEM, path=Path(on_path), version=text)
    if record and record.origin is Origin.BY_KWOKCTL and on_path is None and record.version == tool.version:
        return Found(tool=tool, origin=Origin.BY_KWOKCTL, version=tool.version)
    return Found(tool=tool, origin=Origin.MISSING, path=Path(on_path) if on_path else None, version=text)


def install(places: Places, wanted: Path, *, measuring: bool, strict: bool) -> list[Found]:
    """Bring the environments, the program's with `wanted`, then tools and stand-ins; the tools that were found.

    `measuring` brings too what the validation measures with on this machine: what of it cannot be had is an error if
    `strict`, otherwise only told. Safe to interrupt, to repeat and to run twice at once.
    """
    validation = venv.validation(places)
    needed = ((venv.platform(places), wanted), (validation, validation.files[0]))
    with exclusive(places.tools / "lock", "python -m tools install"):
        problems = venv.fill(places, needed, venv.measuring(places) if measuring else ())
        found = bring(places, TOOLS)  # after the environments: the official pulumi is installed by its SDK
        pulumi = next(one.path for one in found if one.tool is PULUMI)
        standins.settle(places, pulumi or places.bin / PULUMI.name, system_path(places))
        if measuring:
            _tell([*_unmeasured(places), *problems], strict=strict)
    return found


def _unmeasured(places: Places) -> list[str]:
    try:
        bring(places, MEASURING)
    except ToolsError as error:
        return [str(error)]
    return []


def _tell(problems: Iterable[str], *, strict: bool) -> None:
    """What only measures may be missing, unless it may not."""
    if not (lines := "\n".join(problems)):
        return
    if strict:
        raise ToolsError(lines)
    print(f"{lines}\n  going on without: the validation skips what it cannot measure, and says so", flush=True)


def bring(places: Places, tools: Iterable[Tool]) -> list[Found]:
    """Bring some tools; all that cannot be had are told at once."""
    _sweep(places)
    found = [_bring(places, tool) for tool in tools]
    if missing := [one for one in found if not one.usable]:
        raise ToolsError(_advice(missing))
    return found


def _bring(places: Places, tool: Tool) -> Found:
    here = locate(places, tool)
    if here.origin is Origin.SYSTEM:
        _forget(places, tool)  # ours would hide it
        return here
    upgradable = (
        tool.download is Download.PULUMI_SDK and here.origin is Origin.BUILT
    )  # it would bring the language host
    if here.usable and not upgradable:
        return here
    if download.possible(tool) and (origin := download.fetch(places, tool)):
        if origin is Origin.BY_KWOKCTL:
            (places.bin / tool.name).unlink(missing_ok=True)
        _remember(places, tool, origin, "")
        return locate(places, tool)
    if here.usable:
        return here
    go = gobuild.find_go(places, system_path(places)) or _go_from_index(places)
    if go is None:
        return here
    gobuild.build(places, tool, go)
    _remember(places, tool, Origin.BUILT, gobuild.stamp(places, tool, go))
    return locate(places, tool)


def _go_from_index(places: Places) -> str | None:
    try:
        return gobuild.install_go(places)
    except ToolsError as error:
        print(f"  no Go toolchain: {error}", flush=True)
        return None


def _current(places: Places, tool: Tool, record: Record) -> bool:
    if record.origin is Origin.BUILT:
        return gobuild.current(places, tool, record.stamp, gobuild.find_go(places, system_path(places)))
    return record.version == tool.version


def _remember(places: Places, tool: Tool, origin: Origin, stamp: str) -> None:
    records.save(places, tool.name, Record(version=tool.version, origin=origin, stamp=stamp))


def _forget(places: Places, tool: Tool) -> None:
    """Remove our own program, if there is one."""
    if (places.bin / tool.name).exists():
        (places.bin / tool.name).unlink()
        records.save(places, tool.name, None)


def _sweep(places: Places) -> None:
    """Remove the drafts of runs that were interrupted."""
    shutil.rmtree(places.cache / "build", ignore_errors=True)
    for draft in (*places.bin.glob(".*.new"), *places.cache.glob("*.download")):
        draft.unlink(missing_ok=True)


def _advice(missing: list[Found]) -> str:
    lines = ["these tools are missing and cannot be downloaded or built here:"]
    for one in missing:
        other = f"; {one.path} is {one.version or 'of an unknown version'}" if one.path else ""
        lines.append(f"  {one.tool.name} {one.tool.version} ({one.tool.fit.value}{other})")
    lines.append("install them and put them on PATH, or")
    lines.append(
        f"install Go {'.'.join(map(str, GO_OLDEST))} or newer, so that they can be built from their pinned modules, or"
    )
    lines.append(f"connect this machine to the internet{_switch()}; then repeat: make tools")
    return "\n".join(lines)


def _switch() -> str:
    return f" and unset {download.OFFLINE}" if download.offline() else ""
