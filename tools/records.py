"""Remembers in .tools/tools.json where each tool came from. Believes a record only while its file is there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from tools.places import Places, write


class Origin(Enum):
    """Where a program came from."""

    SYSTEM = "system"
    OFFICIAL = "official"
    BY_KWOKCTL = "official (by kwokctl)"
    BUILT = "built"
    STAND_IN = "stand-in"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """How one tool in .tools/bin was made; `stamp` changes when it has to be made again."""

    version: str
    origin: Origin
    stamp: str


def load(places: Places) -> dict[str, Record]:
    """Every record; an unreadable file counts as none, so that the tools are made again."""
    try:
        raw = json.loads(_file(places).read_text(encoding="utf-8"))
        return {
            name: Record(version=one["version"], origin=Origin(one["origin"]), stamp=one["stamp"])
            for name, one in raw["tools"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save(places: Places, name: str, record: Record | None) -> None:
    """Set one record, or delete it."""
    every = load(places)
    every.pop(name, None)
    if record is not None:
        every[name] = record
    tools = {one: asdict(every[one]) | {"origin": every[one].origin.value} for one in sorted(every)}
    write(_file(places), json.dumps({"schema": 1, "tools": tools}, indent=2) + "\n")


def _file(places: Places) -> Path:
    return places.tools / "tools.json"
