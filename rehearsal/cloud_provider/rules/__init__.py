"""What a cloud refuses although its SDK allows it: missing properties and wrong texts. Rules are data, with sources.

A path names a property from the resource down: `taints[].effect`, `nodeConfig.machineType`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rehearsal.cloud_provider.checks import Failure
from rehearsal.cloud_provider.metadata import near
from rehearsal.cloud_provider.wire import is_list, is_map, is_secret, is_unknown

_SHOWN = 12


class Allowed(Protocol):
    """What a text may be."""

    def fault(self, value: str) -> str | None:
        """Why a text is refused."""
        ...


@dataclass(frozen=True, slots=True)
class OneOf:
    """A closed set."""

    values: tuple[str, ...]
    source: str

    def fault(self, value: str) -> str | None:
        """Why a text is refused."""
        if value in self.values:
            return None
        return f"{value!r} is not allowed{near(value, self.values) or '; allowed: ' + ', '.join(self.values[:_SHOWN])}"


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern, and what it stands for in words."""

    pattern: str
    words: str
    source: str

    def fault(self, value: str) -> str | None:
        """Why a text is refused."""
        return None if re.fullmatch(self.pattern, value) else f"{value!r} is not {self.words}"


@dataclass(frozen=True, slots=True)
class Machines:
    """Machine types, in any case: those of accelerator families are listed, all others have to look like one."""

    accelerated: frozenset[str]
    family: str  # pattern of what belongs to an accelerator family
    pattern: str  # pattern of all other machine types
    words: str
    source: str

    def fault(self, value: str) -> str | None:
        """Why a text is refused."""
        name = value.lower()
        if name in self.accelerated:
            return None
        if re.match(self.family, name):
            return f"{value!r} is no machine type with accelerators{near(name, sorted(self.accelerated))}"
        return None if re.fullmatch(self.pattern, name) else f"{value!r} is not {self.words}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The rules of one package, by type token. The last part of a required path may be `this|that`: one of them."""

    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    needs: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=dict[str, Mapping[str, tuple[str, ...]]]
    )  # type -> property -> what the cloud requires beside it
    values: Mapping[str, Mapping[str, Allowed]] = field(default_factory=dict[str, Mapping[str, Allowed]])
    invokes: Mapping[str, Mapping[str, Allowed]] = field(default_factory=dict[str, Mapping[str, Allowed]])

    def failures(self, token: str, inputs: Mapping[str, Any]) -> Iterator[Failure]:
        """Every rule that the inputs break."""
        for path in self.required.get(token, ()):
            yield from _missing(path.split("."), inputs, "")
        for name, others in self.needs.get(token, {}).items():
            if inputs.get(name):
                yield from (
                    Failure(other, f"the cloud requires property '{other}' beside '{name}'")
                    for other in others
                    if inputs.get(other) is None
                )
        for path, allowed in self.values.get(token, {}).items():
            yield from _refused(path.split("."), inputs, "", allowed)

    def refused(self, token: str, args: Mapping[str, Any]) -> Iterator[Failure]:
        """Every argument of an invoke that the cloud would refuse."""
        for path, allowed in self.invokes.get(token, {}).items():
            yield from _refused(path.split("."), args, "", allowed)


def rules(package: str) -> Rules:
    """The rules of a package; only its module is loaded. `random` has none."""
    try:
        return importlib.import_module(f"{__name__}.{package.replace('-', '_')}").RULES
    except ModuleNotFoundError:
        return Rules()


def _opened(value: Any) -> Any:
    """The value itself where it is a secret."""
    return value.get("value") if is_map(value) and is_secret(value) else value


def _step(name: str, value: Any, at: str) -> Iterator[tuple[Any, str]]:
    """The values that one part of a path leads to; `x[]` means each item of the list x."""
    if not is_map(value):
        return
    key = name.removesuffix("[]")
    found, where = _opened(value.get(key)), f"{at}.{key}" if at else key
    if not name.endswith("[]"):
        yield found, where
    elif is_list(found):
        yield from ((item, f"{where}[{index}]") for index, item in enumerate(found))


def _missing(path: list[str], value: Any, at: str) -> Iterator[Failure]:
    """Where the last part of a path is absent although what is above it is there."""
    if len(path) > 1:
        for found, where in _step(path[0], value, at):
            if found is not None and not is_unknown(found):
                yield from _missing(path[1:], found, where)
        return
    choices = [step for name in path[0].split("|") for step in _step(name, value, at)]
    if choices and all(found is None or found in ("", [], {}) for found, _ in choices):
        wanted = path[0].replace("|", "' or '")
        yield Failure(choices[0][1], f"the cloud requires property '{wanted}', although the SDK does not")


def _refused(path: list[str], value: Any, at: str, allowed: Allowed) -> Iterator[Failure]:
    for found, where in _step(path[0], value, at):
        if len(path) > 1:
            yield from _refused(path[1:], found, where, allowed)
        elif isinstance(found, str) and not is_unknown(found) and (fault := allowed.fault(found)):
            yield Failure(where, fault)
