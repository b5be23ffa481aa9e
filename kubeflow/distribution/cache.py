"""The local cache of canonical objects, proven against the lock whenever it is read. The installer's only way in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from . import lock, table
from .documents import Body, Document, digest, from_text, ordered, split
from .source import Component

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m kubeflow.distribution sync"


class CacheMissingError(Exception):
    """Components that are not cached, or not as locked; the message names them and the command that gets them."""

    def __init__(self, message: str, *components: str) -> None:
        super().__init__(message)
        self.components = components


class VariantError(Exception):
    """Two components of which a cluster may have only one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """The objects of one component by install phase, and the namespace of those that name none."""

    crds: tuple[Body, ...] = field(repr=False)
    core: tuple[Body, ...] = field(repr=False)
    late: tuple[Body, ...] = field(repr=False)
    namespace: str | None
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """What the installer installs: components in the table's order."""

    release: str
    components: Mapping[str, Rendered]


def directory(release: str) -> Path:
    """Where a release is cached unless told otherwise; ignored by git."""
    return ROOT / ".tools" / "cache" / "distribution" / release


def load(
    release: str, components: Iterable[str], *, folder: Path | None = None, locks: Path = lock.FOLDER
) -> Distribution:
    """The named components, each exactly as locked; one CacheMissingError for all that are not."""
    chosen = table.components(release, tuple(components))
    _refuse_variants(chosen)
    folder = folder or directory(release)
    locked = lock.read(release, locks).components
    rendered: dict[str, Rendered] = {}
    problems: dict[str, str] = {}
    for component in chosen:
        entry = locked.get(component.name)
        try:
            documents = read(folder, component.name)
        except CacheMissingError as error:
            problems[component.name] = str(error)
            continue
        found = digest(documents)
        if entry is None or entry.sha256 != found:
            expected = "nothing" if entry is None else f"{entry.sha256[:16]}…"
            problems[component.name] = (
                f"{component.name}: cached with SHA-256 {found[:16]}…, the lock expects {expected}"
            )
            continue
        rendered[component.name] = _rendered(component, documents, found)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems.values())
        message = f"release {release} is not completely cached:\n{listed}\nTo get it, run: {COMMAND}"
        raise CacheMissingError(message, *problems)
    return Distribution(release=release, components=MappingProxyType(rendered))


def read(folder: Path, component: str) -> tuple[Document, ...]:
    """What is cached of a component, in order of identity. Proves nothing about the lock."""
    path = folder / f"{component}.json"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise CacheMissingError(f"{component}: not cached ({path})", component) from None
    try:
        json.loads("\n".join(lines[:1]) + "]}")
        return ordered(from_text(line.removesuffix(",")) for line in lines[1:] if line.startswith("{"))
    except ValueError as error:
        raise CacheMissingError(f"{component}: {path} is damaged: {error}", component) from error


def write(folder: Path, release: str, component: str, documents: tuple[Document, ...]) -> None:
    """Cache a component: JSON with one canonical object a line, so that the lines can be hashed as they are read."""
    phases = split(documents, component=component)
    head = {"release": release, "component": component, "sha256": digest(documents)}
    text = json.dumps(head)[:-1]
    for name, members in zip(phases._fields, phases, strict=True):
        lines = ",\n".join(document.text for document in members)
        text += f', "{name}": [\n{lines}\n]'
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{component}.json.partial"
    partial.write_text(text + "}\n", encoding="utf-8")
    partial.replace(folder / f"{component}.json")


def known(folder: Path, component: str) -> tuple[Document, ...]:
    """As `read`; nothing where nothing usable is cached."""
    try:
        return read(folder, component)
    except CacheMissingError:
        return ()


def _rendered(component: Component, documents: tuple[Document, ...], sha256: str) -> Rendered:
    """Phases are decided here again, so that a change of the table of late kinds needs no new sync."""
    phases = split(documents, component=component.name)
    crds, core, late = (tuple(document.body for document in phase) for phase in phases)
    return Rendered(crds=crds, core=core, late=late, namespace=component.namespace, sha256=sha256)


def _refuse_variants(chosen: tuple[Component, ...]) -> None:
    """Raise VariantError when two components of one family are asked for."""
    families: dict[str, list[str]] = {}
    for component in chosen:
        if component.family:
            families.setdefault(component.family, []).append(component.name)
    clashes = [f"{family}: {', '.join(names)}" for family, names in families.items() if len(names) > 1]
    if clashes:
        raise VariantError(f"only one component of each family can be installed; asked for {'; '.join(clashes)}")
