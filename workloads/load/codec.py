"""Dataclasses to JSON values and back, strictly: an unknown, missing or mistyped key is named by its path."""

from __future__ import annotations

import base64
import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from workloads.load.histogram import Histogram

T = TypeVar("T")

_READERS: Mapping[Any, Callable[[Any], Any]] = {
    Histogram: Histogram.from_json,
    bytes: functools.partial(base64.b64decode, validate=True),
}
_SAID: Mapping[Any, str] = {
    Histogram: "a histogram",
    bytes: "base64 text",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def encode(value: Any) -> Any:  # noqa: ANN401 - any value of a plan
    """JSON values; bytes become base64."""
    if is_dataclass(value):
        return {one.name: encode(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Histogram):
        return value.to_json()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {key: encode(part) for key, part in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [encode(part) for part in cast("list[Any]", value)]
    return value


def decode(kind: type[T], value: object, path: str, problems: list[str]) -> T | None:
    """One dataclass; None, and the reasons in `problems`, where the value does not fit."""
    if not isinstance(value, dict):
        problems.append(f"{path}: expected a mapping, found {value!r}")
        return None
    given, before = cast("dict[str, object]", value), len(problems)
    hints, known = get_type_hints(kind), {one.name: one for one in fields(cast("Any", kind))}
    problems.extend(f"{path}.{key}: unknown; allowed: {', '.join(known)}" for key in given if key not in known)
    found: dict[str, Any] = {}
    for name, one in known.items():
        if name in given:
            found[name] = _part(hints[name], given[name], f"{path}.{name}", problems)
        elif one.default is MISSING and one.default_factory is MISSING:
            problems.append(f"{path}.{name}: missing")
    return kind(**found) if len(problems) == before else None


def _part(hint: Any, value: object, path: str, problems: list[str]) -> Any:  # noqa: ANN401 - by its type
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return _either(inner, value, path, problems)
    if origin is Literal:
        return value if value in inner else _wrong(path, f"{inner[0]!r}", value, problems)
    if origin is tuple and isinstance(value, list):
        items = cast("list[object]", value)
        return tuple(_part(inner[0], one, f"{path}[{index}]", problems) for index, one in enumerate(items))
    if origin is not None and origin is not tuple and isinstance(value, dict):
        entries = cast("dict[str, object]", value).items()
        return {key: _part(inner[1], one, f"{path}.{key}", problems) for key, one in entries}
    if origin is not None:
        return _wrong(path, "a list" if origin is tuple else "a mapping", value, problems)
    return value if hint is Any else _plain(hint, value, path, problems)


def _either(inner: tuple[Any, ...], value: object, path: str, problems: list[str]) -> Any:  # noqa: ANN401 - by its type
    if value is None and type(None) in inner:
        return None
    for hint in (one for one in inner if one is not type(None)):
        tried: list[str] = []
        found = _part(hint, value, path, tried)
        if not tried:
            return found
    return _wrong(path, " or ".join(_SAID[one] for one in inner), value, problems)


def _plain(hint: Any, value: object, path: str, problems: list[str]) -> Any:  # noqa: ANN401 - by its type
    if read := _READERS.get(hint):
        try:
            return read(value)
        except (ValueError, TypeError, KeyError) as error:
            return _wrong(path, f"{_SAID[hint]} ({error!r})", value, problems)
    if is_dataclass(hint):
        return decode(cast("type[Any]", hint), value, path, problems)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    return _wrong(path, _SAID[hint], value, problems)


def _wrong(path: str, said: str, value: object, problems: list[str]) -> None:
    problems.append(f"{path}: expected {said}, found {value!r}")
