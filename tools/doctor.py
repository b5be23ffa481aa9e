"""Tells what is there and what is missing. Installs nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal.launchers import is_ours
from tools import OLDEST_PYTHON, acquire, gobuild, standins, venv
from tools.acquire import Found
from tools.places import Places
from tools.records import Origin
from tools.table import GO_OLDEST, LANGUAGE_HOST, MEASURING, PULUMI, TOOLS, Fit, Plugin
from tools.venv import Venv


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the report."""

    tool: str
    wanted: str
    found: str
    origin: str
    path: str
    required: bool = True
    measuring: bool = False  # needed only where the validation runs software of its own

    @property
    def missing(self) -> bool:
        """Whether the line is a reason to fail."""
        return self.required and self.origin == Origin.MISSING.value


def examine(places: Places) -> list[Row]:
    """Look at everything."""
    found = [acquire.locate(places, tool) for tool in TOOLS]
    pulumi = next((one.path for one in found if one.tool is PULUMI and one.usable), None)
    everything = all(one.usable for one in found)
    return [
        _python(),
        _go(places, required=not everything),
        *(_tool(one) for one in found),
        *_plugins(places, pulumi),
        *(_environment(one, one.files[-1]) for one in (venv.platform(places), venv.validation(places))),
        *(_tool(acquire.locate(places, tool), measuring=True) for tool in MEASURING),
        *(_environment(one, wanted, measuring=True) for one, wanted in venv.measuring(places)),
    ]


def report(places: Places, *, as_json: bool) -> int:
    """Print the report; 1 if something required is missing."""
    rows = examine(places)
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(table(rows))
        for line in footer(places, rows):
            print(line)
    return 1 if any(row.missing for row in rows) else 0


def table(rows: list[Row]) -> str:
    """The rows as aligned columns."""
    head = ("tool", "wanted", "found", "origin", "path")
    cells = [head, *((row.tool, row.wanted, row.found, row.origin, row.path) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def footer(places: Places, rows: list[Row]) -> list[str]:
    """What the table means: stand-ins, and what to do about what is missing."""
    lines: list[str] = []
    if used := standins.in_use(places):
        lines += [f"stand-in: {name} {standins.meaning(name)}" for name in used]
        lines.append(
            "Stand-ins are good for the local environment and for tests. For a real cluster run `make tools` with the"
        )
        lines.append("internet at hand: the official ones are fetched, and the stand-ins step aside.")
    if missing := [row.tool for row in rows if row.missing]:
        lines.append(f"missing: {', '.join(missing)}. Next: make tools")
    if unmeasured := [row.tool for row in rows if row.measuring and row.origin == Origin.MISSING.value]:
        lines.append(f"not there, but only the local validation and the tests need it: {', '.join(unmeasured)}")
    return lines


def _python() -> Row:
    wanted = ".".join(map(str, OLDEST_PYTHON))
    path = shutil.which("python3") or "-"
    return Row(tool="python", wanted=f"{wanted} or newer", found=platform.python_version(), origin="system", path=path)


def _go(places: Places, *, required: bool) -> Row:
    go = gobuild.find_go(places, acquire.system_path(places))
    version = gobuild.go_version(go) if go else None
    origin = "not needed" if not required else Origin.MISSING.value
    if go:
        origin = "official" if Path(go).is_relative_to(places.tools) else Origin.SYSTEM.value
    return Row(
        tool="go (only to build tools)",
        wanted=f"{'.'.join(map(str, GO_OLDEST))} or newer",
        found=".".join(map(str, version)) if version else "-",
        origin=origin,
        path=go or "-",
        required=False,  # an official download or the pinned wheel does as well
    )


def _plugins(places: Places, pulumi: Path | None) -> list[Row]:
    host = pulumi and standins.official_language_host(places, pulumi, acquire.system_path(places))
    there = standins.official_plugins(places, pulumi) if pulumi else frozenset[Plugin]()
    folder = str(places.pulumi_home / "plugins")
    return [
        _plugin(places, LANGUAGE_HOST, "with pulumi", str(host or ""), official=host is not None),
        *(
            _plugin(places, plugin.program, plugin.version, folder, official=plugin in there)
            for plugin in venv.plugins(places)
        ),
    ]


def _plugin(places: Places, name: str, wanted: str, path: str, *, official: bool) -> Row:
    if official:
        return Row(tool=name, wanted=wanted, found=wanted, origin="official", path=path)
    launcher = places.bin / name
    if is_ours(launcher) and os.access(launcher, os.X_OK):
        return Row(tool=name, wanted=wanted, found="rehearsal/", origin=Origin.STAND_IN.value, path=str(launcher))
    return Row(tool=name, wanted=wanted, found="-", origin=Origin.MISSING.value, path="-")


def _tool(one: Found, *, measuring: bool = False) -> Row:
    return Row(
        tool=one.tool.name,
        wanted=f"{one.tool.version}{' or newer' if one.tool.fit is Fit.NEWER_MINOR else ''}",
        found=one.version or "-",
        origin=one.origin.value,
        path=str(one.path) if one.path else "-",
        required=not measuring,
        measuring=measuring,
    )


def _environment(one: Venv, wanted: Path, *, measuring: bool = False) -> Row:
    held = one.filled_by() if one.satisfies(wanted) else None
    return Row(
        tool=f"environment {one.folder.name}",
        wanted=f"{wanted.name}{' or richer' if wanted != one.files[0] else ''}",
        found=held.name if held else "-",
        origin="installed" if held else Origin.MISSING.value,
        path=str(one.folder) if held else "-",
        required=not measuring,
        measuring=measuring,
    )
