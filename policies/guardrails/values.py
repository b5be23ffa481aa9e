"""Inputs of a resource as rules read them: plain, with unknown values as such. Prints no value, guesses none.

A rule asks a `Node` and says which answer it takes for an unknown value: the one that passes. The node notes the path,
so that one unknown field never costs the verdict about another, and nobody takes silence for consent.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, cast


class Special(Enum):
    """What stands where a value should."""

    UNKNOWN = "unknown"
    ABSENT = "absent"


UNKNOWN, ABSENT = Special.UNKNOWN, Special.ABSENT

# The engine's marks in place of values that a preview cannot know (sdk/go/common/resource/plugin/rpc.go).
MARKS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_SIGNATURE, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
_TRUE = frozenset({"true", "yes", "on", "1"})
_SUFFIXES = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPEK]i?)?")


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value without the SDK's proxies, secrets opened, unknown parts marked. Never raises for an unknown part."""
    if isinstance(value, str):
        return UNKNOWN if value in MARKS else value
    if isinstance(value, Mapping):
        inner = _inside(cast("Mapping[str, Any]", value))
        if inner.get(_SIGNATURE) == _SECRET:
            return plain(_opened(inner))
        return {str(key): plain(item) for key, item in inner.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in _inside(cast("Sequence[Any]", value))]
    if value is None or isinstance(value, bool | int | float | Special):
        return value
    return str(type(value).__name__)  # an asset or an archive


def _opened(secret: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """A secret's value: the engine sends it as it is, an export with --show-secrets as JSON text, others hide it."""
    if "plaintext" in secret:
        return json.loads(secret["plaintext"])
    return secret.get("value", UNKNOWN)


def _inside(value: Any) -> Any:  # noqa: ANN401 - a proxy of the SDK
    """What a proxy of `pulumi_policy` guards; its own access raises for each unknown part."""
    return cast("Any", value) if isinstance(value, dict | list | tuple) else value["__target"]


class Node:
    """One place in the inputs of a resource, there or not."""

    __slots__ = ("_doubts", "path", "value")

    value: Any

    def __init__(self, value: Any, path: str, doubts: dict[str, None]) -> None:  # noqa: ANN401 - any JSON value
        self.value = ABSENT if value is None else value
        self.path = path
        self._doubts = doubts

    def at(self, *keys: str) -> Node:
        """What is below; unknown below something unknown."""
        node = self
        for key in keys:
            if node.value is UNKNOWN:
                return node
            below = cast("dict[str, Any]", node.value).get(key, ABSENT) if isinstance(node.value, dict) else ABSENT
            node = Node(below, _join(node.path, key), self._doubts)
        return node

    @property
    def present(self) -> bool:
        """Whether anything is said here, known or not."""
        return self.value is not ABSENT

    @property
    def unknown(self) -> bool:
        """Whether the value is unknown; noted if so."""
        if self.value is UNKNOWN:
            self._doubts[self.path] = None
            return True
        return False

    @property
    def mapping(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.value, dict)

    @property
    def listed(self) -> bool:
        """Whether this is a list."""
        return isinstance(self.value, list)

    def flag(self, *, unknown: bool, absent: bool = False) -> bool:
        """A switch, however it is spelled."""
        if self.unknown:
            return unknown
        if self.value is ABSENT:
            return absent
        return str(self.value).strip().lower() in _TRUE if isinstance(self.value, str) else bool(self.value)

    def text(self, unknown: str = "") -> str:
        """A scalar as text; empty if absent."""
        if self.unknown:
            return unknown
        if isinstance(self.value, float) and self.value.is_integer():
            return str(int(self.value))
        return str(self.value) if isinstance(self.value, str | int | float) else ""

    def number(self, unknown: float, absent: float = math.nan) -> float:
        """A number or a Kubernetes quantity; not a number if it is neither."""
        if self.unknown:
            return unknown
        return absent if self.value is ABSENT else quantity(self.value)

    def items(self) -> list[Node]:
        """The elements of a list; a single value counts as a list of one, as IAM documents have it."""
        if self.unknown or self.value is ABSENT:
            return []
        if self.listed:
            parts = cast("list[Any]", self.value)
            return [Node(part, f"{self.path}[{number}]", self._doubts) for number, part in enumerate(parts)]
        return [self]

    def texts(self) -> list[str]:
        """The elements as text, without those that are unknown."""
        return [text for item in self.items() if (text := item.text())]

    def entries(self) -> list[tuple[str, Node]]:
        """The entries of a mapping."""
        if self.unknown or not self.mapping:
            return []
        return [(key, self.at(key)) for key in cast("dict[str, Any]", self.value)]

    def parsed(self, document: Any) -> Node:  # noqa: ANN401 - any JSON value
        """What the text here says, at the same path."""
        return Node(document, self.path, self._doubts)


def _join(path: str, key: str) -> str:
    shown = key if re.fullmatch(r"[\w-]+", key) else f'["{key}"]'
    return f"{path}{shown}" if shown.startswith("[") or not path else f"{path}.{shown}"


def first(*nodes: Node) -> Node:
    """The first that says anything: what is nearer wins."""
    return next((node for node in nodes if node.present), nodes[-1])


def quantity(value: Any) -> float:  # noqa: ANN401 - a scalar
    """A Kubernetes quantity; not a number if it is none."""
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    found = _QUANTITY.fullmatch(str(value).strip())
    return float(found[1]) * _SUFFIXES.get(found[2] or "", 1) if found else math.nan


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network | None:
    """A network, however it is written; a bare address is one of its own."""
    words = {"*": "0.0.0.0/0", "any": "0.0.0.0/0", "internet": "0.0.0.0/0"}
    try:
        return ipaddress.ip_network(words.get(text.strip().lower(), text.strip()), strict=False)
    except ValueError:
        return None


_OPEN_BITS = 3  # larger than a /4 of IPv4 or of IPv6: nobody owns that much


def open_networks(texts: Sequence[str]) -> list[str]:
    """Those that are the whole world or too large to be anybody's: halves and quarters of it count."""
    return [text for text in texts if (found := network(text)) is not None and found.prefixlen <= _OPEN_BITS]


def folded(text: str) -> str:
    """Text for comparison: look-alikes of Latin letters, width, case and invisible characters do not matter."""
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return visible.casefold().translate(_ALIKE)


_ALIKE = str.maketrans("аеорсухіјѕԁԛԝһνοατι", "aeopcyxijsdqwhvoati")


def walk(node: Node) -> Iterator[tuple[str, Node]]:
    """Every place below, with its key; those of a list have the key of the list."""
    waiting: list[tuple[str, Node]] = [("", node)]
    while waiting:
        key, place = waiting.pop()
        yield key, place
        if place.mapping:
            waiting.extend(reversed(place.entries()))
        elif place.listed:
            waiting.extend((key, item) for item in reversed(place.items()))
