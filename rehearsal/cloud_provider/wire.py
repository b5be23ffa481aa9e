"""Pulumi values as they travel between engine and provider: secrets, unknowns, assets. Knows no resource type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

Object = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's marker for "not known during preview"
SIGNATURE = "4dabf18193072939515e22adb298388d"  # key that marks secrets, assets and archives
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


def is_map(value: Any) -> TypeGuard[Object]:
    """Whether a value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_secret(value: Any) -> bool:
    """Whether a value carries the marker of secrets."""
    return is_map(value) and value.get(SIGNATURE) == SECRET


def is_asset(value: Any) -> bool:
    """Whether a value is a file or an archive."""
    return is_map(value) and SIGNATURE in value and not is_secret(value)


def is_unknown(value: Any) -> bool:
    """Whether a value stands for one that only the update will know."""
    return isinstance(value, str) and value in _UNKNOWNS


def secret(value: Any) -> Any:
    """The value marked as a secret."""
    return value if is_secret(value) or is_unknown(value) else {SIGNATURE: SECRET, "value": value}


def encode(value: Mapping[str, Any]) -> Struct:
    """To the wire."""
    return ParseDict(dict(value), Struct())


def decode(value: Struct) -> Object:
    """From the wire, secrets still marked."""
    return MessageToDict(value)


def plain(value: Any) -> Any:
    """A copy without markers of secrets."""
    if is_map(value):
        return plain(value["value"]) if is_secret(value) else {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if is_list(value) else value


def changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, ADD, DELETE or UPDATE) of every leaf in which two plain values differ."""
    if is_map(old) and is_map(new):
        for key in sorted(old.keys() | new.keys()):
            at = f"{path}.{key}" if path else key
            if key in old and key in new:
                yield from changes(old[key], new[key], at)
            elif not key.startswith("__"):
                yield at, "ADD" if key in new else "DELETE"
    elif is_list(old) and is_list(new) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from changes(before, after, f"{path}[{index}]")
    elif old != new and not path.endswith("__defaults"):
        yield path, "UPDATE"
