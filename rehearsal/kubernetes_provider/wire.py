"""Pulumi values as they travel: secrets, unknowns, numbers and the spelling of CRD fields. Knows no Kubernetes kind.

A secret is a dictionary with Pulumi's signature, an unknown value one of five reserved strings.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

Object = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
UNDERSCORED = {  # spelling of these CRD fields in Pulumi's state
    f"x-kubernetes-{end}": f"x_kubernetes_{end}".replace("-", "_")
    for end in (
        "embedded-resource",
        "int-or-string",
        "list-map-keys",
        "list-type",
        "map-type",
        "preserve-unknown-fields",
        "validations",
    )
}
DASHED = {underscored: name for name, underscored in UNDERSCORED.items()}
REDACTED = "[secret]"
_SHORTEST = 4  # shorter secrets would blot out ordinary words


class Missing:
    """Type of `MISSING`."""

    def __bool__(self) -> bool:
        return False


MISSING: Any = Missing()


def is_map(value: Any) -> TypeGuard[Object]:
    """Whether a value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_secret(value: Any) -> bool:
    """Whether a value carries the marker of secrets."""
    return is_map(value) and value.get(SIGNATURE) == SECRET


def is_unknown(value: Any) -> bool:
    """Whether a value stands for one that only the update will know."""
    return isinstance(value, str) and value in UNKNOWNS


def encode(value: Object) -> Struct:
    """To the wire."""
    return ParseDict(value, Struct())


def decode(value: Struct) -> Object:
    """From the wire, secrets still marked."""
    return MessageToDict(value)


def item(value: Any, key: str | int) -> Any:
    """Member of a dictionary or list, or MISSING."""
    try:
        return value[key]
    except (LookupError, TypeError):
        return MISSING


def members(value: Any) -> list[Any]:
    """The values directly inside."""
    if is_map(value):
        return list(value.values())
    return value if is_list(value) else []


def part_of(obj: Object, name: str) -> Object:
    """A member that is an object; empty where there is none."""
    value = obj.get(name)
    return value if is_map(value) else {}


def parts_of(obj: Object, name: str) -> list[Object]:
    """A member that is a list of objects; empty where there is none."""
    value = obj.get(name)
    return [part for part in value if is_map(part)] if is_list(value) else []


def contains(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether the test holds anywhere inside."""
    return test(value) or any(contains(part, test) for part in members(value))


def plain(value: Any, names: dict[str, str] = DASHED) -> Any:
    """Copy without markers of secrets, with CRD fields respelled and whole numbers as int, as Kubernetes demands."""
    if is_map(value):
        if is_secret(value):
            return plain(value["value"], names)
        return {names.get(name, name): plain(part, names) for name, part in value.items()}
    if is_list(value):
        return [plain(part, names) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def keep_secret(outs: Object, ins: Any) -> None:
    """Mark as secret in `outs` what is secret in `ins`; a Secret's data always."""
    always = outs.get("kind") == "Secret"
    candidates = {"data", "stringData"} if always else set(ins if is_map(ins) else ())
    for name in outs.keys() & candidates:
        if is_secret(outs[name]):
            continue
        if is_map(outs[name]) and not always and not is_secret(ins[name]):
            keep_secret(outs[name], ins[name])
        elif always or contains(ins[name], is_secret):
            outs[name] = {SIGNATURE: SECRET, "value": outs[name]}


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in members(value):
        yield from _leaves(part)


def secret_texts(value: Any) -> set[str]:
    """Every text that must not appear in a message: marked as secret, or content of a Secret; also in base64."""
    found: set[str] = set()
    if is_secret(value):
        found.update(_leaves(item(value, "value")))
    elif is_map(value):
        if value.get("kind") == "Secret":
            found.update(_leaves([plain(value.get("data")), plain(value.get("stringData"))]))
        for part in value.values():
            found |= secret_texts(part)
    elif is_list(value):
        for part in value:
            found |= secret_texts(part)
    return {text for text in found if len(text) >= _SHORTEST}


def redact(message: str, secrets: set[str]) -> str:
    """Replace secret texts in a message, as they are, as JSON writes them and in base64 or decoded from it."""
    forms = set(secrets)
    for text in secrets:
        forms.add(json.dumps(text)[1:-1])
        forms.add(base64.b64encode(text.encode()).decode())
        try:
            forms.add(base64.b64decode(text, validate=True).decode())
        except ValueError:
            continue
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SHORTEST:
            message = message.replace(form, REDACTED)
    return message
