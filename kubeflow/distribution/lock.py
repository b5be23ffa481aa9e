"""The committed lock: what each component of a release has to be, to the byte. Fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .compare import against_digests, render
from .documents import Document, digest, ordered

FOLDER = Path(__file__).parent


class LockError(Exception):
    """A lock that cannot be read, or content that is not what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """One component as reviewed: SHA-256 of the canonical form, object count, and a short digest of each object."""

    sha256: str
    count: int
    objects: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, documents: tuple[Document, ...]) -> Locked:
        """The entry that accepts exactly these objects."""
        objects = {str(document.identity): document.digest for document in ordered(documents)}
        return cls(sha256=digest(documents), count=len(documents), objects=MappingProxyType(objects))


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The lock of one release."""

    release: str
    components: Mapping[str, Locked]

    def verify(self, component: str, documents: tuple[Document, ...], *, known: tuple[Document, ...] = ()) -> None:
        """Raise LockError with a diff by object unless this is the locked content; `known` copies give the fields."""
        locked = self.components.get(component)
        if locked is None:
            raise LockError(f"not in the lock of release {self.release}; review it, then run sync with --update-lock")
        found = digest(documents)
        if found == locked.sha256:
            return
        found_changes = against_digests(locked.objects, known, documents)
        changed = render(found_changes)
        if any(change.sign == "~" and not change.fields for change in found_changes):
            changed += "\n  (fields are shown only of objects that are cached as locked)"
        raise LockError(
            f"not what the lock of release {self.release} says: SHA-256 {found[:16]}… with {len(documents)} objects,"
            f" expected {locked.sha256[:16]}… with {locked.count}\n{changed}"
        )

    def with_components(self, entries: Mapping[str, Locked]) -> Lock:
        """The same lock with these entries added or replaced."""
        return Lock(release=self.release, components={**self.components, **entries})


def path_of(release: str, folder: Path = FOLDER) -> Path:
    """Where the lock of a release is committed."""
    return folder / f"{release}.lock.json"


def read(release: str, folder: Path = FOLDER) -> Lock:
    """The lock of a release; an empty one where none is committed yet."""
    path = path_of(release, folder)
    if not path.exists():
        return Lock(release=release, components={})
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        components = {
            name: Locked(sha256=entry["sha256"], count=entry["count"], objects=MappingProxyType(entry["objects"]))
            for name, entry in raw["components"].items()
        }
        return Lock(release=raw["release"], components=components)
    except (ValueError, KeyError, TypeError) as error:
        raise LockError(f"{path}: not a lock: {type(error).__name__}: {error}") from error


def write(lock: Lock, folder: Path = FOLDER) -> None:
    """Replace the committed lock; one line per object, so that a review shows what an upgrade changes."""
    components = {
        name: {"sha256": entry.sha256, "count": entry.count, "objects": dict(entry.objects)}
        for name, entry in sorted(lock.components.items())
    }
    text = json.dumps({"release": lock.release, "components": components}, indent=1, ensure_ascii=False)
    path = path_of(lock.release, folder)
    partial = path.with_suffix(".partial")
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(path)
