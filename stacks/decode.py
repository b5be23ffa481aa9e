"""Plain mappings become frozen dataclasses, or every problem is named at once. Standard library only.

Refuses unknown keys, near-miss types and values out of range; never shows what may be a secret.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar, cast, get_args, get_origin

from .forms import (
    SCALARS,
    Key,
    allowed_of,
    choices_of,
    is_settings,
    key_of,
    keys_of,
    optional_of,
    wraps_text,
    written,
)

T = TypeVar("T")

_SECRETS = ("kubeconfig", "secure", "password", "token")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 40  # characters of a value, or of a key, that a message repeats
_TOLD = 300  # characters of a message that a settings class raised
_NOT_SHOWN = "a value that is not shown"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    path: str
    found: str
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        parts = (self.found, f"allowed: {self.allowed}" if self.allowed else "", self.hint)
        return f"{self.path}: {'; '.join(part for part in parts if part)}"


class SettingsError(Exception):
    """All problems of one reading, one per line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Dependent:
    """The type of `field` follows from the decoded `on`, a required field; `choose` raises ValueError for none."""

    field: str
    on: str
    choose: Callable[[Any], type]


Refine = Mapping[type, Dependent]  # settings class -> its one field whose type depends on another


def decode(kind: type[T], value: object, *, at: str, refine: Refine | None = None) -> T:
    """`value` as a `kind`, or a SettingsError with every problem; `at` is the path that problems start with."""
    decoder = _Decoder(refine or {})
    result = decoder.read(kind, value, at, {})
    if decoder.problems:
        raise SettingsError(decoder.problems)
    return cast("T", result)


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint that names the known word most like `word`; empty if none is like it."""
    return nearest_of(word, {item: item for item in known})


def nearest_of(word: object, known: Mapping[str, str]) -> str:
    """A hint that names what stands behind the known word most like `word`; empty if none is like it."""
    folded = {name.casefold(): meant for name, meant in known.items()}
    close = difflib.get_close_matches(word[: 2 * _SHOWN].casefold(), folded, n=1) if isinstance(word, str) else []
    return f"did you mean '{folded[close[0]]}'?" if close else ""


def join(path: str, key: object) -> str:
    """The path of a key below `path`; a key that is no plain word stands in brackets."""
    if not isinstance(key, str):
        return f"{path}[{show(key, path)}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(_cut(key, _SHOWN))}]"
    return f"{path}{'' if path.endswith(':') else '.'}{_cut(key, _SHOWN)}"


def show(value: object, path: str) -> str:
    """A value in few words; nothing of it where its path says that it may be secret."""
    words = f"a value of type {type(value).__name__}"
    if isinstance(value, Mapping):
        words = "a mapping"
    elif isinstance(value, list | tuple):
        words = "a list"
    elif value is None:
        words = "nothing"
    elif any(part.casefold().endswith(_SECRETS) for part in re.split(r'[.:\[\]"]+', path)):
        words = _NOT_SHOWN
    elif isinstance(value, bool):
        words = "true" if value else "false"
    elif isinstance(value, int) and value.bit_length() > 2 * _SHOWN:  # too long to write out
        words = "a very large number"
    elif isinstance(value, str):
        words = repr(_cut(value, _SHOWN))
    elif isinstance(value, int | float):
        words = repr(value)
    return words


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}…"


def _told(error: ValueError) -> str:
    """The message of a settings class, on one line."""
    return _cut("".join(letter if letter.isprintable() else " " for letter in str(error)), _TOLD)


def _conversion(form: object, value: object) -> str:
    """How to write a value of another type so that it has the right one; empty if that cannot be told."""
    hint = ""
    if isinstance(value, str):
        if form is bool:
            hint = "write true or false without quotes"
        elif form is not str and re.fullmatch(r"[-+]?\d+(\.\d*)?", value):
            hint = "write it without quotes"
    elif isinstance(value, float) and (form is str or wraps_text(form)):
        hint = "quote it: without quotes YAML reads 1.30 as the number 1.3"
    elif form is str and value is not None and not isinstance(value, Mapping | list | tuple):
        hint = "quote it"
    return hint


class _Decoder:
    """Reads forms and collects problems. What a failed reading returns is never used."""

    def __init__(self, refine: Refine) -> None:
        self.problems: list[Problem] = []
        self._refine = refine

    def read(self, form: object, value: object, path: str, facts: Mapping[str, Any]) -> object:
        """Decode `value` by its form; `facts` are the metadata of the field it belongs to."""
        inner, choices, result = optional_of(form), choices_of(form), None
        if inner is not None:
            result = None if value is None else self.read(inner, value, path, facts)
        elif choices is not None:
            result = self._choice(choices, value, path)
        elif get_origin(form) is tuple:
            result = self._list(form, value, path, facts)
        elif get_origin(form) is Mapping:
            result = self._map(form, value, path, facts)
        elif is_settings(form):
            result = self._object(form, value, path)
        elif wraps_text(form):
            result = self._wrapped(cast("type", form), value, path)
        elif form in SCALARS:
            result = self._scalar(cast("type", form), value, path, facts)
        else:
            raise TypeError(f"{path}: {form} is no form of a setting")
        return result

    def _refuse(self, path: str, found: str, allowed: str = "", hint: str = "") -> None:
        self.problems.append(Problem(path, found, allowed, hint))

    def _mismatch(self, form: object, value: object, path: str, facts: Mapping[str, Any]) -> None:
        self._refuse(path, f"found {show(value, path)}", allowed_of(form, facts), _conversion(form, value))

    def _choice(self, choices: Mapping[str, object], value: object, path: str) -> object:
        if isinstance(value, str) and value in choices:
            return choices[value]
        return self._refuse(path, f"found {show(value, path)}", ", ".join(choices), nearest(value, choices))

    def _list(self, form: object, value: object, path: str, facts: Mapping[str, Any]) -> object:
        if not isinstance(value, list | tuple):
            return self._mismatch(form, value, path, facts)
        (item, *_), entries = get_args(form), cast("Iterable[object]", value)
        return tuple(self.read(item, entry, f"{path}[{index}]", facts) for index, entry in enumerate(entries))

    def _map(self, form: object, value: object, path: str, facts: Mapping[str, Any]) -> object:
        if not isinstance(value, Mapping):
            return self._mismatch(form, value, path, facts)
        result: dict[str, object] = {}
        for key, entry in cast("Mapping[object, object]", value).items():
            at, pattern = join(path, key), facts.get("keys", ".*")
            if not isinstance(key, str):
                self._refuse(at, f"found the key {show(key, path)}", "text", "quote it")
                continue
            if not re.fullmatch(pattern, key, re.DOTALL):
                self._refuse(at, f"found the key {show(key, path)}", f"a key of the form {pattern}")
            result[key] = self.read(get_args(form)[1], entry, at, facts)
        return result

    def _wrapped(self, kind: type, value: object, path: str) -> object:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return self._mismatch(kind, value, path, {})
        try:
            return kind(str(value))
        except ValueError as error:
            shown = show(value, path)
            hint = "" if shown == _NOT_SHOWN else _told(error)
            return self._refuse(path, f"found {shown}", allowed_of(kind, {}), hint)

    def _scalar(self, kind: type, value: object, path: str, facts: Mapping[str, Any]) -> object:
        accepted = (int, float) if kind is float else kind
        if (isinstance(value, bool) and kind is not bool) or not isinstance(value, accepted):
            return self._mismatch(kind, value, path, facts)
        if isinstance(value, str):
            fits = re.fullmatch(facts.get("pattern", ".*"), value, re.DOTALL) is not None
        else:
            number = cast("float", value)
            fits = isinstance(number, int) or isfinite(number)
            fits = fits and facts.get("min", number) <= number <= facts.get("max", number)
        return value if fits else self._mismatch(kind, value, path, facts)

    def _object(self, kind: type, value: object, path: str) -> object:
        if not isinstance(value, Mapping):
            return self._mismatch(kind, value, path, {})
        table, before = cast("Mapping[object, object]", value), len(self.problems)
        keys, dependent = keys_of(kind), self._refine.get(kind)
        names = [key.key for key in keys]
        for name in table:
            if name not in names:
                self._refuse(join(path, name), "unknown key", ", ".join(names), nearest(name, names))
        decoded: dict[str, object] = {}
        for key in sorted(keys, key=lambda key: dependent is not None and key.field.name == dependent.field):
            form, at = self._form_of(dependent, key, decoded, path), join(path, key.key)
            if form is None:
                continue
            if key.key in table:
                failures = len(self.problems)
                result = self.read(form, table[key.key], at, key.facts)
                if len(self.problems) == failures:
                    decoded[key.field.name] = result
            elif key.required:
                hint = f"for example {written(key.facts['example'])}" if "example" in key.facts else ""
                self._refuse(at, "missing", allowed_of(form, key.facts), hint)
        return self._build(kind, decoded, path) if len(self.problems) == before else None

    def _form_of(
        self, dependent: Dependent | None, key: Key, decoded: Mapping[str, object], path: str
    ) -> object | None:
        """The form of a key; None for a dependent one whose form cannot be known, so that no problem is invented."""
        if dependent is None or key.field.name != dependent.field:
            return key.form
        if dependent.on not in decoded:
            return None
        try:
            return dependent.choose(decoded[dependent.on])
        except ValueError as error:
            return self._refuse(join(path, key_of(dependent.on)), _told(error))

    def _build(self, kind: type, decoded: Mapping[str, object], path: str) -> object:
        """Construct; a class's own refusal is a problem of the whole object."""
        try:
            return kind(**decoded)
        except ValueError as error:
            return self._refuse(path, _told(error))
