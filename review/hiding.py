"""Which values a report may show. Refuses whatever is secret, looks like it, or has a name that promises it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from policies.guardrails.rule import Resource
from policies.guardrails.secrets import secret_in
from policies.guardrails.values import UNKNOWN, Special

Path = tuple[str | int, ...]
HIDDEN = "(not shown)"
_UNKNOWN = "(known after `up`)"
_LONGEST = 80
_SHORTEST = 4  # what is shorter stands in half of all words
_TELLING = re.compile(
    r"(?i)pass|secret|token|credential|private|api_?-?key|access_?-?key|auth|bearer|salt|seed|cookie|user_?-?data"
    r"|secure$|kubeconfig|certificate|connection|dsn|pem\b|hash|extra_?config|webhook_?url"
)
_HARMLESS = frozenset(
    {
        "authorizationMode",
        "authorizedIPRanges",
        "automountServiceAccountToken",
        "enablePrivateCluster",
        "enablePrivateNodes",
        "endpointPrivateAccess",
        "masterAuthorizedNetworksConfig",
        "privateClusterConfig",
        "secretName",
        "secretRef",
        "serviceAccountToken",
    }
)
HELD = frozenset({"data", "stringData", "binaryData"})  # of kinds that hold whatever somebody put there
HOLDERS = frozenset({"Secret", "ConfigMap"})
_CODED = re.compile(r"[A-Za-z0-9+/_=-]{40,}")  # nobody can tell a digest from a key
_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")


def shown(resource: Resource, path: Path, value: Any) -> str:  # noqa: ANN401, PLR0911 - any JSON value, kind by kind
    """A value as a report may show it; for everything doubtful only that there is one."""
    if value is UNKNOWN:
        return _UNKNOWN
    if isinstance(value, Special) or value is None:
        return "(none)"
    if _telling(resource, path):
        return HIDDEN
    if isinstance(value, bool | int | float):
        return f"{value:g}" if isinstance(value, float) else str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return _listed(resource, path, cast("list[Any]", value))
    if isinstance(value, dict):
        return f"({len(cast('dict[str, Any]', value))} entries)"
    return HIDDEN


def _listed(resource: Resource, path: Path, items: list[Any]) -> str:
    """A short list of scalars as such, any other by its length."""
    scalar = all(isinstance(item, str | int | float) for item in items)
    texts = [shown(resource, (*path, index), item) for index, item in enumerate(items)] if scalar else []
    joined = ", ".join(texts)
    return joined if texts and len(joined) <= _LONGEST and HIDDEN not in texts else f"({len(items)} entries)"


def _text(value: str) -> str:
    coded = _CODED.search(value) and not _DIGEST.fullmatch(value)
    if coded or secret_in(value) or "\n" in value or not value.isprintable():
        return HIDDEN
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."


def _telling(resource: Resource, path: Path) -> bool:
    """By the names on the way to the value, and by that of the list's entry it stands in (`{name, value}`)."""
    if resource.kind in HOLDERS and path and path[0] in HELD:
        return True
    place: Any = dict(resource.inputs)
    for part in path:
        if isinstance(part, str) and _promises(part):
            return True
        place = _below(place, part)
        if isinstance(place, dict):
            entry = cast("dict[str, Any]", place)
            if any(_promises(str(entry.get(key, ""))) for key in ("name", "key")):
                return True
    return False


def _promises(name: str) -> bool:
    return name not in _HARMLESS and _TELLING.search(name) is not None


def _below(place: Any, part: str | int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(place, dict):
        return cast("dict[str | int, Any]", place).get(part)
    if isinstance(place, list) and isinstance(part, int) and part < len(cast("list[Any]", place)):
        return cast("list[Any]", place)[part]
    return None


def redacted(text: str, config: Mapping[str, Any]) -> str:
    """A message without the values that a configuration has under telling names, or that look like secrets."""
    for value in sorted(_values("", dict(config)), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return "\n".join(HIDDEN if secret_in(line) else line for line in text.splitlines())


def _values(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _values(str(key) if _promises(str(key)) else name, item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _values(name, item)
    elif isinstance(value, str) and len(value) >= _SHORTEST and (name or secret_in(value)):
        yield value
