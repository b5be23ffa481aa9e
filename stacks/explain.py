"""Every key that a stack file may hold, in words. The words are the settings classes' own; none are written here."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import get_args, get_origin

from .decode import Refine, nearest, nearest_of
from .forms import Key, choices_of, is_settings, keys_of, limits_of, optional_of, words_of, written
from .load import PROJECT, REFINE
from .settings import Settings

_INDENT = "    "


class UnknownKeyError(Exception):
    """Nothing is called that."""

    def __init__(self, wanted: str, known: Iterable[str]) -> None:
        paths = list(known)
        by_name = {_segments(path)[-1]: path for path in reversed(paths)}
        name = (_segments(wanted) or [wanted])[-1]
        close = nearest(wanted, paths) if "." in wanted else nearest_of(name, by_name)
        starts = f"keys start with {', '.join(path for path in paths if '.' not in path)}"
        super().__init__(f"unknown key '{wanted}'; {close or starts}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key at one place; `*` stands for a name that the writer chooses, `[]` for each item of a list."""

    path: str
    key: Key
    only_for: str = ""  # the choice that this key depends on, for example `environment local`

    def text(self, width: int) -> str:
        """The entry in full, wrapped."""
        head = f"{self.path}  ({self.only_for} only)" if self.only_for else self.path
        lines = [head]
        for part in (self.key.facts.get("help", ""), f"{'; '.join(self._details())}."):
            lines += textwrap.wrap(part, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
        return "\n".join(lines)

    def _details(self) -> Iterator[str]:
        facts = self.key.facts
        yield ", ".join(part for part in (words_of(self.key.form), limits_of(facts)) if part)
        if "keys" in facts:
            yield f"names of the form {facts['keys']}"
        yield "required" if self.key.required else f"default: {written(_default(self.key))}"
        if "example" in facts:
            yield f"for example: {written(facts['example'])}"


def entries() -> Iterator[Entry]:
    """Every key of a stack file's objects, with the options of every environment that is available."""
    return _entries(Settings, REFINE, "", "")


def explain(wanted: str, width: int) -> str:
    """The keys at and below `wanted`, a path as the decoder writes it; all keys if it is empty."""
    every = list(entries())
    chosen = [entry for entry in every if _is_below(entry.path, wanted.removeprefix(f"{PROJECT}:"))]
    if not chosen:
        raise UnknownKeyError(wanted, (entry.path for entry in every))
    return "\n\n".join(entry.text(width) for entry in chosen)


def _entries(kind: type, refine: Refine, at: str, only_for: str) -> Iterator[Entry]:
    dependent = refine.get(kind)
    for key in keys_of(kind):
        path = f"{at}.{key.key}" if at else key.key
        yield Entry(path, key, only_for)
        if dependent is None or key.field.name != dependent.field:
            yield from _below(key.form, refine, path, only_for)
            continue
        decisive = next(other for other in keys_of(kind) if other.field.name == dependent.on)
        for value, member in (choices_of(decisive.form) or {}).items():
            try:
                chosen = dependent.choose(member)
            except ValueError:  # not available: it has no keys to explain
                continue
            yield from _entries(chosen, refine, path, f"{decisive.key} {value}")


def _below(form: object, refine: Refine, path: str, only_for: str) -> Iterator[Entry]:
    """The keys inside a form, through lists, mappings and optional values."""
    inner, parts = optional_of(form), get_args(form)
    if inner is not None:
        yield from _below(inner, refine, path, only_for)
    elif get_origin(form) is tuple:
        yield from _below(parts[0], refine, f"{path}[]", only_for)
    elif get_origin(form) is Mapping:
        yield from _below(parts[1], refine, f"{path}.*", only_for)
    elif is_settings(form):
        yield from _entries(form, refine, path, only_for)


def _segments(path: str) -> list[str]:
    """The names in a path; positions in lists are no names."""
    return re.findall(r'\["[^"]*"\]|[^.\[\]]+', re.sub(r"\[\d*\]", "", path))


def _is_below(path: str, wanted: str) -> bool:
    known, asked = _segments(path), _segments(wanted)
    return len(known) >= len(asked) and all(ours in {"*", theirs} for ours, theirs in zip(known, asked, strict=False))


def _default(key: Key) -> object:
    factory = key.field.default_factory
    return key.field.default if factory is MISSING else factory()
