"""What differs between two planned stacks. Both are planned from nothing: it compares what is wanted, not a state."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from policies.guardrails.rule import Resource
from policies.guardrails.values import ABSENT, UNKNOWN
from rehearsal.kubernetes_provider.diff import show

from .hiding import HELD, HIDDEN, HOLDERS, Path, shown
from .replacing import Replacing

_DEFAULTS = "__defaults"  # which inputs the provider named itself
_MADE_UP = re.compile(r"-?[0-9a-f]{7}$")
_DEEP = 2  # parts of a path to one entry of a ConfigMap or a Secret
_PARTS = ("proof:", "pulumi:pulumi:Stack")  # components and the stack hold nothing of their own


_Place = tuple[Resource, Path, Any]


class Operation(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One property that differs; texts are what may be shown of the values."""

    path: str
    before: str
    after: str
    replaces: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One resource that differs."""

    operation: Operation
    type: str
    address: str
    urn: str
    protected: bool  # at the base; the engine refuses to delete or replace such a one
    differences: tuple[Difference, ...] = ()
    sure: bool = True  # False: nobody knows here which properties of this type replace it
    dependents: int = 0  # planned resources that refer to one that is replaced or goes

    @property
    def loses(self) -> bool:
        """Whether something that is there goes away."""
        return self.operation in (Operation.REPLACE, Operation.DELETE)

    @property
    def order(self) -> tuple[bool, int, str, str]:
        """The worst first."""
        return not (self.protected and self.loses), _ORDER.index(self.operation), self.type, self.address


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> list[Change]:
    """Every resource that is created, updated, replaced or deleted; the worst first."""
    olds, news = _comparable(before), _comparable(after)
    replacing = Replacing({one.urn: one for one in after})
    dependents = Counter(urn for one in news.values() for urn in one.dependencies)
    found = [_made(one, Operation.CREATE) for urn, one in news.items() if urn not in olds]
    found += [
        _made(one, Operation.DELETE, protected=one.protect, dependents=dependents[urn])
        for urn, one in olds.items()
        if urn not in news
    ]
    for urn in news.keys() & olds.keys():
        change = _changed(olds[urn], news[urn], replacing, dependents[urn])
        found += [change] if change else []
    return sorted(
        found, key=lambda one: (not (one.protected and one.loses), _ORDER.index(one.operation), one.type, one.address)
    )


_ORDER = (Operation.DELETE, Operation.REPLACE, Operation.UPDATE, Operation.CREATE)


def _made(resource: Resource, operation: Operation, *, protected: bool = False, dependents: int = 0) -> Change:
    return Change(
        operation=operation,
        type=resource.type,
        address=resource.address,
        urn=resource.urn,
        protected=protected,
        dependents=dependents,
    )


def _changed(old: Resource, new: Resource, replacing: Replacing, dependents: int) -> Change | None:
    paths = list(differences(old.inputs, new.inputs))
    forced = replacing.forced(new, [(path, after if after is not ABSENT else before) for path, before, after in paths])
    found = [_difference((old, path, before), (new, path, after), forced or ()) for path, before, after in paths]
    told = list(dict.fromkeys(found))  # what is hidden is told once for each entry
    if old.protect != new.protect:
        told.append(Difference(path="(protected)", before=str(old.protect), after=str(new.protect), replaces=False))
    if not told:
        return None
    return Change(
        operation=Operation.REPLACE if forced else Operation.UPDATE,
        type=new.type,
        address=new.address,
        urn=new.urn,
        protected=old.protect,
        differences=tuple(told),
        sure=forced is not None,
        dependents=dependents if forced else 0,
    )


def _difference(old: _Place, new: _Place, forced: Collection[Path]) -> Difference:
    """One property as it may be told; of an entry of a ConfigMap or a Secret only that it differs."""
    path, texts = old[1], (shown(*old), shown(*new))
    if new[0].kind in HOLDERS and path[0] in HELD and len(path) > _DEEP:
        path, texts = path[:_DEEP], (HIDDEN, HIDDEN)
    return Difference(path=show(path), before=texts[0], after=texts[1], replaces=old[1] in forced)


def _comparable(resources: Sequence[Resource]) -> dict[str, Resource]:
    """Resources by URN; names that a provider makes up anew in each preview are made equal."""
    made_up = dict(_made_up(resources))
    return {
        one.urn: _with(one, cast("dict[str, Any]", _settled(dict(one.inputs), made_up)))
        for one in resources
        if not one.type.startswith(_PARTS)
    }


def _made_up(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    for one in resources:
        named: Any = one.inputs.get(_DEFAULTS)
        for key in cast("list[Any]", named) if isinstance(named, list) else ():
            text = one.inputs.get(str(key))
            if isinstance(text, str) and (found := _MADE_UP.search(text)):
                yield text, f"{text[: found.start()]}-(generated)"


def _settled(value: Any, made_up: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return {key: _settled(item, made_up) for key, item in inner.items() if key != _DEFAULTS}
    if isinstance(value, list):
        return [_settled(item, made_up) for item in cast("list[Any]", value)]
    return made_up.get(value, value) if isinstance(value, str) else value


def _with(resource: Resource, inputs: dict[str, Any]) -> Resource:
    return Resource(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        inputs=inputs,
        protect=resource.protect,
        parent=resource.parent,
        provider=resource.provider,
        dependencies=resource.dependencies,
    )


def _differences(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Any, Any]]:  # noqa: ANN401 - any JSON value
    """Every place that differs, as deep as both sides have the same shape; documents of JSON text are looked into."""
    old, new = _document(old, new)
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        for key in sorted(before.keys() | after.keys()):
            yield from _differences((*path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        first, second = cast("list[Any]", old), cast("list[Any]", new)
        for index in range(max(len(first), len(second))):
            yield from _differences((*path, index), _at(first, index), _at(second, index))
    elif old is UNKNOWN and new is UNKNOWN:
        return
    elif isinstance(old, bool) is not isinstance(new, bool) or old != new:
        yield path, old, new


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], *, leaves: bool = False
) -> Iterator[tuple[Path, Any, Any]]:
    """Every place in which two plain mappings differ, with both values; to the leaves of what only one of them has."""
    for path, before, after in _differences((), dict(old), dict(new)):
        one = after if before is ABSENT else before
        if leaves and ABSENT in (before, after) and isinstance(one, dict) and one:
            there, none = cast("dict[str, Any]", one), dict[str, Any]()
            found = differences(*((none, there) if before is ABSENT else (there, none)), leaves=True)
            yield from (((*path, *inner), first, second) for inner, first, second in found)
        else:
            yield path, before, after


def _at(items: list[Any], index: int) -> Any:  # noqa: ANN401 - any JSON value
    return items[index] if index < len(items) else ABSENT


def _document(old: Any, new: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON value
    if isinstance(old, str) and isinstance(new, str) and old != new and old[:1] == new[:1] == "{":
        try:
            return json.loads(old), json.loads(new)
        except ValueError:
            return old, new
    return old, new
