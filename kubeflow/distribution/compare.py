"""Differences by object and by field, as short lines a reviewer can read. Knows nothing of locks or files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, cast

from .documents import Body, Document, Identity

_VALUE_WIDTH = 70
_FIELD_LIMIT = 12
_OBJECT_LIMIT = 40
_ABSENT = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One object that is not on both sides, or not the same. `fields` is empty where one side's content is unknown."""

    sign: str  # + added, - removed, ~ changed
    identity: str
    fields: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The object, then its changed fields."""
        yield f"  {self.sign} {self.identity}"
        for text in self.fields[:_FIELD_LIMIT]:
            yield f"      {text}"
        if len(self.fields) > _FIELD_LIMIT:
            yield f"      … and {len(self.fields) - _FIELD_LIMIT} more fields"


def differences(before: Iterable[Document], after: Iterable[Document]) -> tuple[Difference, ...]:
    """What happened to each object, in order of identity."""
    old = {document.identity: document for document in before}
    new = {document.identity: document for document in after}
    return tuple(_difference(identity, old.get(identity), new.get(identity)) for identity in _changed(old, new))


def against_digests(
    expected: Mapping[str, str], known: Iterable[Document], found: Iterable[Document]
) -> tuple[Difference, ...]:
    """As `differences`, where only digests of the expected side are sure; `known` copies that match give the fields."""
    named = {str(document.identity): document for document in known}
    copies = {name: document for name, document in named.items() if expected.get(name) == document.digest}
    new = {str(document.identity): document for document in found}
    result: list[Difference] = []
    for name in sorted(expected.keys() | new.keys()):
        document = new.get(name)
        if document is None:
            result.append(Difference(sign="-", identity=name))
        elif name not in expected:
            result.append(Difference(sign="+", identity=name))
        elif document.digest != expected[name]:
            copy = copies.get(name)
            changed = () if copy is None else tuple(_fields(copy.body, document.body, ""))
            result.append(Difference(sign="~", identity=name, fields=changed))
    return tuple(result)


def render(found: tuple[Difference, ...]) -> str:
    """All lines, cut at a length that still fits a screen."""
    lines = [line for difference in found[:_OBJECT_LIMIT] for line in difference.lines()]
    if len(found) > _OBJECT_LIMIT:
        lines.append(f"  … and {len(found) - _OBJECT_LIMIT} more objects")
    return "\n".join(lines)


def _changed(old: Mapping[Identity, Document], new: Mapping[Identity, Document]) -> list[Identity]:
    """Identities whose text is not the same on both sides."""
    both = old.keys() & new.keys()
    return sorted(
        (old.keys() ^ new.keys()) | {identity for identity in both if old[identity].text != new[identity].text}
    )


def _difference(identity: Identity, old: Document | None, new: Document | None) -> Difference:
    """The change of one object; at least one side exists."""
    if old is None or new is None:
        return Difference(sign="+" if old is None else "-", identity=str(identity))
    return Difference(sign="~", identity=str(identity), fields=tuple(_fields(old.body, new.body, "")))


def _fields(old: object, new: object, path: str) -> Iterator[str]:
    """Paths of the values that differ, with both values."""
    if old is _ABSENT:
        yield f"{path}: added {_short(new)}"
    elif new is _ABSENT:
        yield f"{path}: removed {_short(old)}"
    elif isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Body", old), cast("Body", new)
        for key in sorted(before.keys() | after.keys()):
            yield from _fields(before.get(key, _ABSENT), after.get(key, _ABSENT), _join(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        left, right = cast("list[Any]", old), cast("list[Any]", new)
        for index, (one, other) in enumerate(zip_longest(left, right, fillvalue=_ABSENT)):
            yield from _fields(one, other, f"{path}[{index}]")
    else:
        yield from _leaf(cast("object", old), new, path)


def _leaf(old: object, new: object, path: str) -> Iterator[str]:
    """Two values of which at most one is a container; 1 and true are not the same."""
    if old != new or type(old) is not type(new):
        yield f"{path}: {_pair(old, new)}"


def _join(path: str, key: str) -> str:
    """A path step; keys that hold dots are bracketed."""
    step = key if key.replace("_", "a").replace("-", "a").isalnum() else f"[{key}]"
    return f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"


def _pair(old: object, new: object) -> str:
    """Two values side by side; of long texts, the first place where they part."""
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _VALUE_WIDTH:
        start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        start = max(0, start - 20)
        return f"at character {start}: {_short(old[start:])} -> {_short(new[start:])}"
    return f"{_short(old)} -> {_short(new)}"


def _short(value: object) -> str:
    """A value on one line of limited length."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 1]}…"
