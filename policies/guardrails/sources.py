"""Resources from what the engine writes: a preview as JSON, a state export. Talks to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from .rule import Resource
from .values import UNKNOWN, plain

_GONE = frozenset(
    {"delete", "delete-replaced", "discard", "discard-replaced", "read-discard", "remove-pending-replace"}
)
_HIDDEN = "[secret]"


def from_preview(document: Mapping[str, Any]) -> list[Resource]:
    """What will be there: `pulumi preview --json --show-sames`. The engine masks whatever holds a secret there."""
    found: dict[str, Resource] = {}
    for step in _mappings(document.get("steps")):
        if step.get("op") in _GONE:
            continue
        state = cast("Mapping[str, Any]", step.get("newState") or {})
        if state.get("urn"):
            found[str(state["urn"])] = _resource(state)
    return list(found.values())


def from_state(document: Mapping[str, Any]) -> list[Resource]:
    """What is there: `pulumi stack export`. Encrypted values are unknown, those of --show-secrets are not."""
    deployment = cast("Mapping[str, Any]", document.get("deployment") or document)
    return [_resource(state) for state in _mappings(deployment.get("resources")) if not state.get("delete")]


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - from a file
    yield from cast("list[Mapping[str, Any]]", value or [])


def _resource(state: Mapping[str, Any]) -> Resource:
    urn = str(state["urn"])
    return Resource(
        type=str(state.get("type") or urn.split("::")[2].rpartition("$")[2]),
        name=urn.split("::", 3)[3],
        urn=urn,
        inputs=_shown(plain(state.get("inputs") or {})),
        protect=bool(state.get("protect")),
        parent=str(state.get("parent") or ""),
        provider=str(state.get("provider") or ""),
        dependencies=tuple(cast("list[str]", state.get("dependencies") or [])),
    )


def _shown(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Secrets are masked in what the engine prints: a mask is no value."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shown(item) for item in cast("list[Any]", value)]
    return UNKNOWN if value == _HIDDEN else value
