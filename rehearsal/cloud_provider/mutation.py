"""How good the checks are: breaks the inputs of a valid program in many ways and counts what is refused.

The inputs are those of resources that a program has registered, by the names that travel to the engine. Nothing here
knows the rules: what is closed is told by the SDK's documentation and by the names of properties.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

from rehearsal.cloud_provider.metadata import Prop, Shape
from rehearsal.cloud_provider.package import Package
from rehearsal.cloud_provider.wire import Object, is_asset, is_list, is_map, is_secret, is_unknown
from rehearsal.launchers import CLOUD_PACKAGES

_NAMED = re.compile(
    r"(instanceTypes?|vmSize|machineType|amiType|imageType|osSku|osSKU|effect|nodeTaints|kubernetesVersion"
    r"|orchestratorVersion|minMasterVersion|guestId|firmware|adapterType)(\[\d+\])?$|guestAccelerators\[\d+\]\.type$"
)
_VERSIONED = re.compile(r"(Cluster|NodeGroup|NodePool|ManagedKubernetes)$")
_VERSION = re.compile(r"\d+(\.\d+)")


class Kind(Enum):
    """In which way a mutant is wrong."""

    MISSPELT = "misspelt property"  # of the resource itself; here the SDK refuses it before the stand-in sees it
    MISSPELT_INSIDE = "misspelt property of a nested object"
    WRONG_TYPE = "value of a wrong type"
    WRONG_TEXT = "wrong machine type, version, image or guest type, or taint effect"
    WRONG_CHOICE = "wrong text where the SDK's documentation lists the values"
    DROPPED = "dropped property that the SDK requires"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """Inputs with one mistake."""

    kind: Kind
    token: str
    path: str
    inputs: Object


@dataclass(kw_only=True, slots=True)
class Score:
    """What was refused, by kind."""

    total: Counter[Kind] = field(default_factory=Counter[Kind])
    refused: Counter[Kind] = field(default_factory=Counter[Kind])
    missed: list[Mutant] = field(default_factory=list[Mutant], repr=False)

    def share(self, *kinds: Kind) -> float:
        """The part that was refused; ZeroDivisionError if there was nothing to refuse."""
        return sum(self.refused[kind] for kind in kinds) / sum(self.total[kind] for kind in kinds)

    def lines(self) -> Iterator[str]:
        """One line per kind."""
        for kind in Kind:
            yield f"{kind.value:65} {self.refused[kind]:4} of {self.total[kind]:4}"


@cache
def package_of(token: str) -> Package | None:
    """The package of a type, None if no stand-in has it."""
    name = token.split(":", maxsplit=1)[0]
    return Package(name) if name in CLOUD_PACKAGES else None


def measure(resources: Iterable[tuple[str, Mapping[str, Any]]]) -> Score:
    """Break every input of every resource; the inputs as they are must be valid."""
    score = Score()
    for token, inputs in resources:
        package = package_of(token)
        if package is None:
            continue
        if wrong := package.check(token, inputs):
            raise ValueError(f"{token} is wrong before it is broken: {wrong}")
        for mutant in mutants(package, token, dict(inputs)):
            score.total[mutant.kind] += 1
            if package.check(token, mutant.inputs):
                score.refused[mutant.kind] += 1
            else:
                score.missed.append(mutant)
    return score


def drop(token: str, inputs: Mapping[str, Any], path: str) -> bool | None:
    """Whether the inputs are refused without a property (`a.b`, through lists too); None if they do not have it."""
    package = package_of(token)
    changed, found = _without(dict(inputs), path.split("."))
    return bool(package.check(token, changed)) if package and found else None


def _without(value: Any, path: list[str]) -> tuple[Any, bool]:
    if is_list(value):
        parts = [_without(item, path) for item in value]
        return [part for part, _ in parts], any(found for _, found in parts)
    if not is_map(value) or path[0] not in value:
        return value, False
    if len(path) == 1:
        return {name: part for name, part in value.items() if name != path[0]}, True
    inner, found = _without(value[path[0]], path[1:])
    return {**value, path[0]: inner}, found


def mutants(package: Package, token: str, inputs: Object) -> Iterator[Mutant]:
    """Every single mistake of every kind."""
    takes = package.sdk.resource(token).takes

    def mutant(kind: Kind, path: str, wrong: Object) -> Mutant:
        return Mutant(kind=kind, token=token, path=path, inputs=wrong)

    for kind, path, wrong in _broken(package, takes, inputs, "", lambda whole: whole):
        if kind is Kind.WRONG_CHOICE and (_NAMED.search(path) or (path == "version" and _VERSIONED.search(token))):
            yield mutant(Kind.WRONG_TEXT, path, wrong)
        else:
            yield mutant(kind, path, wrong)


Put = Callable[[Any], Any]  # puts a part back into the whole


def _broken(package: Package, shape: Shape, value: Object, at: str, put: Put) -> Iterator[tuple[Kind, str, Any]]:
    """The mistakes that can be made in one object."""
    for name, part in value.items():
        prop = shape.props.get(name)
        if name.startswith("__") or prop is None or part is None or is_asset(part):
            continue
        path = f"{at}.{name}" if at else name
        rest = {other: value[other] for other in value if other != name}
        yield Kind.MISSPELT_INSIDE if at else Kind.MISSPELT, path, put({**rest, swapped(name): part})
        if prop.required:
            yield Kind.DROPPED, path, put(rest)
        back: Put = lambda new, rest=rest, name=name: put({**rest, name: new})  # noqa: E731
        yield from _broken_value(package, shape, prop, part, at=path, put=back)


def _broken_value(
    package: Package, shape: Shape, prop: Prop, value: Any, *, at: str, put: Put
) -> Iterator[tuple[Kind, str, Any]]:
    if is_secret(value):
        yield from _broken_value(package, shape, prop, value["value"], at=at, put=put)
        return
    if is_unknown(value):
        return
    for wrong in _wrongly_typed(value):
        yield Kind.WRONG_TYPE, at, put(wrong)
    inner = package.sdk.referred(prop, shape.folder)
    if is_map(value) and inner is not None:
        yield from _broken(package, inner, value, at, put)
    elif is_list(value):
        for index, item in enumerate(value):
            back: Put = lambda new, index=index: put([*value[:index], new, *value[index + 1 :]])  # noqa: E731
            if is_map(item) and inner is not None:
                yield from _broken(package, inner, item, f"{at}[{index}]", back)
            elif isinstance(item, str) and (prop.closed or _NAMED.search(f"{at}[{index}]")):
                yield Kind.WRONG_CHOICE, f"{at}[{index}]", back(mistyped(item))
    elif isinstance(value, str) and value and (prop.closed or _NAMED.search(at) or at == "version"):
        yield Kind.WRONG_CHOICE, at, put(mistyped(value))


def _wrongly_typed(value: Any) -> tuple[Any, ...]:
    """Values that have another type than a right one."""
    match value:
        case bool():
            return ("yes",)
        case int() | float():
            return ("two", 2.5) if float(value).is_integer() else ("two",)
        case str():
            return (7, {"a": "b"})
        case list():
            return ("text",)
        case _:
            return (["text"],)


def swapped(text: str) -> str:
    """A slip of the fingers: two neighbours in the middle change places."""
    middle = max(1, len(text) // 2)
    for index in (*range(middle, len(text)), *range(middle - 1, 0, -1)):
        if text[index] != text[index - 1]:
            return text[: index - 1] + text[index] + text[index - 1] + text[index + 1 :]
    return text + "x"


def mistyped(text: str) -> str:
    """A text that is slightly wrong; of a version, one that does not exist."""
    return _VERSION.sub(r"9\1", text, count=1) if _VERSION.match(text) else swapped(text)
