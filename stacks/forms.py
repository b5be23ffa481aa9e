"""What a settings class says about its keys: names, types in words, ranges. Reads types; never sees a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, Union, cast, get_args, get_origin, get_type_hints

SCALARS: Mapping[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

_NEEDS_QUOTES = re.compile(r"[-+]?[\d.]+|true|false|null|")  # or YAML reads no text


@dataclass(frozen=True, slots=True)
class Key:
    """One key that a settings class reads: its name in YAML, its type, and the field that holds it."""

    key: str
    form: object
    field: Field[Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The field's metadata: help, example, min, max, pattern, keys."""
        return self.field.metadata

    @property
    def required(self) -> bool:
        """Whether the key must be written."""
        return self.field.default is MISSING and self.field.default_factory is MISSING


def key_of(field_name: str) -> str:
    """The YAML key of a field: camelCase for snake_case."""
    head, *tail = field_name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@cache
def keys_of(kind: type) -> tuple[Key, ...]:
    """The keys that a settings class reads, in order of declaration."""
    forms = get_type_hints(kind)
    return tuple(Key(key_of(item.name), forms[item.name], item) for item in fields(kind) if item.init)


def optional_of(form: object) -> object | None:
    """`X` of `X | None`; None for every other form."""
    if get_origin(form) not in (Union, UnionType):
        return None
    members = [item for item in get_args(form) if item is not NoneType]
    if len(members) != 1:
        raise TypeError(f"{form} is no form of a setting: only `X | None` may be a union")
    return members[0]


def choices_of(form: object) -> Mapping[str, Any] | None:
    """Written value to member, of an Enum or a Literal of texts; None for every other form."""
    if isinstance(form, type) and issubclass(form, Enum):
        return {str(item.value): item for item in form}
    if get_origin(form) is Literal:
        return {str(item): item for item in get_args(form)}
    return None


def wraps_text(form: object) -> bool:
    """Whether a dataclass is one value, written as text: its only argument is positional (settings' are not)."""
    if not (isinstance(form, type) and is_dataclass(form)):
        return False
    given = [item for item in fields(form) if item.init]
    return len(given) == 1 and not given[0].kw_only


def is_settings(form: object) -> TypeGuard[type]:
    """Whether a form is a settings class, written as a mapping of its keys."""
    return isinstance(form, type) and is_dataclass(form) and not wraps_text(form)


def words_of(form: object) -> str:
    """A type in words."""
    inner, choices, parts = optional_of(form), choices_of(form), get_args(form)
    words = SCALARS.get(form, "a mapping")
    if inner is not None:
        words = f"{words_of(inner)}, or null"
    elif choices is not None:
        words = f"one of {', '.join(choices)}"
    elif get_origin(form) is tuple:
        words = f"a list, each item {words_of(parts[0])}"
    elif get_origin(form) is Mapping:
        words = f"a mapping of names, each to {words_of(parts[1])}"
    elif isinstance(form, type) and wraps_text(form):
        words = f"a {form.__name__.lower()}"
    return words


def limits_of(facts: Mapping[str, Any]) -> str:
    """The range or form that a field's facts demand, in words; empty where they demand none."""
    low, high = facts.get("min"), facts.get("max")
    if "pattern" in facts:
        return f"of the form {facts['pattern']}"
    if low is not None and high is not None:
        return f"from {low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "" if high is None else f"at most {high}"


def allowed_of(form: object, facts: Mapping[str, Any]) -> str:
    """What may be written for a form, in words."""
    if is_settings(form):
        return f"a mapping with the keys {', '.join(key.key for key in keys_of(form))}"
    return ", ".join(part for part in (words_of(form), limits_of(facts)) if part)


def written(value: object) -> str:
    """A value as a stack file would hold it, or in words."""
    words = str(value)
    if value is None or isinstance(value, bool):
        words = "null" if value is None else words.lower()
    elif isinstance(value, str):
        words = f'"{value}"' if _NEEDS_QUOTES.fullmatch(value) else value
    elif isinstance(value, Enum):
        words = str(value.value)
    elif isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        words = f"[{', '.join(written(item) for item in items)}]"
    elif isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        words = f"{{{', '.join(f'{key}: {written(item)}' for key, item in items.items())}}}"
    elif is_settings(type(value)):
        words = "that of each of its keys"
    return words
