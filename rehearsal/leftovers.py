"""What a destroyed stack has left behind, by the stand-in cloud's journal and the API server's lists. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

_OF_NAMESPACES = ("/configmaps: ", "/kube-root-ca.crt"), ("/serviceaccounts: ", "/default")


def in_cloud(journal: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """URN -> how many were created and never deleted. What is gone may be deleted again: a retry of the engine does."""
    alive = Counter[tuple[str, str]]()
    for line in journal:
        if line["method"] == "Create" and not line["preview"]:
            alive[line["subject"], line["id"]] += 1
        elif line["method"] == "Delete" and alive[line["subject"], line["id"]]:
            alive[line["subject"], line["id"]] -= 1
    left = Counter[str]()
    for (urn, _), count in alive.items():
        left[urn] += count
    return dict(+left)


def kept(resources: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """URNs that are meant to outlive the stack."""
    return frozenset(one["urn"] for one in resources if one.get("retainOnDelete"))


def gone_with(resources: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """Kubernetes objects that are not deleted one by one, for the whole cluster goes: (path of the API, name)."""
    found = (one for one in resources if one.get("deletedWith") and one["type"].startswith("kubernetes:"))
    return frozenset((_api(one["type"].split(":")[1]), str(one["id"])) for one in found)


def on_server(before: Collection[str], after: Iterable[str], excused: Collection[tuple[str, str]]) -> list[str]:
    """Paths of objects that were not there before, without those that every namespace brings."""
    left: list[str] = []
    for path in sorted(set(after) - set(before)):
        kinds, _, name = path.partition(": ")
        brought = any(kind in path and path.endswith(end) for kind, end in _OF_NAMESPACES)
        if not brought and (kinds.rpartition("/")[0], name) not in excused:
            left.append(path)
    return left


def _api(version: str) -> str:
    return "/api/v1" if version == "core/v1" else f"/apis/{version}"
