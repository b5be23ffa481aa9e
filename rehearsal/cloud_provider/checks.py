"""Holds values against the types of an SDK and names every way in which they differ. Knows no cloud's own rules."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

from rehearsal.cloud_provider.metadata import Sdk, Shape, last_name, near
from rehearsal.cloud_provider.wire import is_asset, is_list, is_map, is_secret, is_unknown

_SCALARS = {"str": str, "int": (int, float), "float": (int, float), "bool": bool}
_SHOWN = 8
_LONGEST = 40


class Failure(NamedTuple):
    """What is wrong, and where."""

    path: str
    reason: str


def check(sdk: Sdk, shape: Shape, value: Mapping[str, Any], path: str = "", *, hidden: bool = False) -> list[Failure]:
    """Every way in which an object breaks its shape; `hidden` values appear in no message."""
    prefix = f"{path}." if path else ""
    failures = [
        Failure(prefix + name, f"missing required property '{name}' of {shape.name}")
        for name, prop in shape.props.items()
        if prop.required and value.get(name) is None
    ]
    for name, item in value.items():
        if name.startswith("__"):
            continue
        if name not in shape.props:
            failures.append(
                Failure(prefix + name, f"unknown property '{name}' of {shape.name}{near(name, shape.props)}")
            )
        else:
            failures += _Value(sdk, shape, hidden=hidden).failures(shape.props[name].type, item, prefix + name)
    return failures


class _Value:
    """Checks values of one shape's properties."""

    def __init__(self, sdk: Sdk, shape: Shape, *, hidden: bool) -> None:
        self.sdk, self.shape, self.hidden = sdk, shape, hidden

    def failures(self, kind: ast.expr, value: Any, at: str) -> list[Failure]:
        if is_secret(value):
            return _Value(self.sdk, self.shape, hidden=True).failures(kind, value.get("value"), at)
        if value is None or is_unknown(value) or is_asset(value):
            return []
        match kind:
            case ast.Constant():
                return self._named(str(kind.value), value, at)
            case ast.Subscript():
                return self._generic(kind, value, at)
            case _:
                return self._scalar(last_name(kind), value, at)

    def _generic(self, kind: ast.Subscript, value: Any, at: str) -> list[Failure]:
        """A list, a map, a choice, or a wrapper around one type."""
        head = last_name(kind.value)
        parts = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
        match head:
            case "Union":
                return self._union(parts, value, at)
            case "Sequence":
                if not is_list(value):
                    return [self._wrong(at, "list", value)]
                return [
                    one for index, item in enumerate(value) for one in self.failures(parts[-1], item, f"{at}[{index}]")
                ]
            case "Mapping":
                if not is_map(value):
                    return [self._wrong(at, "map", value)]
                return [one for key, item in value.items() for one in self.failures(parts[-1], item, f"{at}.{key}")]
            case _:  # Input, Output, Optional
                return self.failures(kind.slice, value, at)

    def _named(self, name: str, value: Any, at: str) -> list[Failure]:
        """An object or an enum of the SDK."""
        target = self.sdk.reference(name, self.shape.folder)
        if target is None:
            return []
        if isinstance(target, tuple):
            hint = near(value, target) or f"; allowed: {', '.join(map(str, target[:_SHOWN]))}"
            return [] if value in target else [Failure(at, f"{self._shown(value)} is not a value of {name}{hint}")]
        if not is_map(value):
            return [self._wrong(at, "object", value)]
        return check(self.sdk, target, value, at, hidden=self.hidden)

    def _scalar(self, name: str, value: Any, at: str) -> list[Failure]:
        if name not in _SCALARS:
            return []
        good = isinstance(value, _SCALARS[name]) and isinstance(value, bool) == (name == "bool")
        whole = name != "int" or not isinstance(value, float) or value.is_integer()
        return [] if good and whole else [self._wrong(at, name, value)]

    def _union(self, kinds: list[ast.expr], value: Any, at: str) -> list[Failure]:
        """The alternative that fits best; an open enum (`str` or enum) takes its listed values only."""
        kinds = [
            kind for kind in kinds if not (isinstance(kind, ast.Constant) and str(kind.value).endswith("ArgsDict"))
        ]
        enums = [
            kind
            for kind in kinds
            if isinstance(kind, ast.Constant)
            and isinstance(self.sdk.reference(str(kind.value), self.shape.folder), tuple)
        ]
        candidates = enums if enums and isinstance(value, str) else kinds
        return min((self.failures(kind, value, at) for kind in candidates), key=len, default=list[Failure]())

    def _shown(self, value: Any) -> str:
        return "[secret]" if self.hidden else repr(str(value)[:_LONGEST])

    def _wrong(self, at: str, wanted: str, value: Any) -> Failure:
        names = {"dict": "object", "list": "list", "str": "string", "bool": "boolean"}
        kind = names.get(type(value).__name__, "number")
        return Failure(at, f"expected {wanted}, got {kind} {self._shown(value)}")
