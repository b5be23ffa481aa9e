"""Brings components into the cache, each proven against the lock. The failure of one stops none of the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import cache, compare, fetch, lock, table
from .documents import Document, DocumentError, digest, is_crd, parse
from .source import Component, CrdsOf


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to sync. `data` holds rendered YAML (`<component>.yaml`, there or one folder below) instead of upstream."""

    release: str
    names: tuple[str, ...] = ()
    data: Path | None = None
    folder: Path
    workspace: Path
    tools: Path
    update_lock: bool = False
    refresh: bool = False  # look at the source again even where the cache is as locked
    locks: Path = lock.FOLDER


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one component went. `error` is empty unless it failed."""

    component: str
    state: str  # cached, synced, failed
    count: int = 0
    seconds: float
    error: str = ""


def sync(request: Request, *, report: Callable[[str], None]) -> tuple[Outcome, ...]:
    """Sync all asked components in the table's order, one progress line each; then, if asked, write the lock."""
    chosen = table.components(request.release, request.names)
    committed = lock.read(request.release, request.locks)
    entries: dict[str, lock.Locked] = {}
    outcomes: list[Outcome] = []
    for position, component in enumerate(chosen, start=1):
        outcome, entry = _one(component, request, committed, report)
        outcomes.append(outcome)
        if entry is not None:
            entries[component.name] = entry
        counter = f"[{position:>{len(str(len(chosen)))}}/{len(chosen)}]"
        report(
            f"{counter} {component.name:<28} {outcome.state:<7} {outcome.count:>4} objects {outcome.seconds:>7.2f} s"
        )
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        report(f"error: {outcome.component}: {outcome.error}")
    if request.update_lock and failed:
        report("the lock was not written: first every component has to be rendered")
    elif request.update_lock:
        lock.write(committed.with_components(entries), request.locks)
        report(f"wrote {lock.path_of(request.release, request.locks).name}: {len(entries)} components")
    return tuple(outcomes)


def _one(
    component: Component, request: Request, committed: lock.Lock, report: Callable[[str], None]
) -> tuple[Outcome, lock.Locked | None]:
    """Sync one component; what it would be in a new lock comes with the outcome."""
    started = time.monotonic()
    name, locked = component.name, committed.components.get(component.name)
    known = cache.known(request.folder, name)
    if locked and not request.refresh and not request.update_lock and known and digest(known) == locked.sha256:
        return Outcome(component=name, state="cached", count=len(known), seconds=time.monotonic() - started), None
    try:
        documents = _documents(component, request)
        entry = lock.Locked.of(documents)
        if not request.update_lock:
            committed.verify(name, documents, known=known)
        elif locked is not None and locked.sha256 != entry.sha256:
            changes = compare.against_digests(locked.objects, known, documents)
            report(f"{name}: the lock changes:\n{compare.render(changes)}")
        cache.write(request.folder, request.release, name, documents)
    except (fetch.SourceError, DocumentError, lock.LockError, OSError) as error:
        return Outcome(component=name, state="failed", seconds=time.monotonic() - started, error=str(error)), None
    return Outcome(component=name, state="synced", count=len(documents), seconds=time.monotonic() - started), entry


def _documents(component: Component, request: Request) -> tuple[Document, ...]:
    """The objects of a component from the rendered data, or from upstream."""
    path = _data_file(component, request.data) if request.data else None
    if path is not None:
        return parse(path.read_text(encoding="utf-8"), origin=str(path))
    if isinstance(component.source, CrdsOf):
        (whole,) = table.components(request.release, (component.source.component,))
        return tuple(document for document in _documents(whole, request) if is_crd(document.identity))
    if request.data:
        raise fetch.SourceError(f"{request.data} and its folders hold no {component.name}.yaml")
    text = fetch.render(component, workspace=request.workspace, tools=request.tools)
    return parse(text, origin=str(component.source.pin))


def _data_file(component: Component, data: Path) -> Path | None:
    """The rendered file of a component; two of them are a mistake that nothing here can settle."""
    name = f"{component.name}.yaml"
    found = [path for path in (data / name, *sorted(data.glob(f"*/{name}"))) if path.is_file()]
    if len(found) > 1:
        raise fetch.SourceError(f"more than one {name}: {', '.join(map(str, found))}")
    return found[0] if found else None
