"""Field managers: whose fields an update takes over. Pure."""

from __future__ import annotations

import functools

from rehearsal.kubernetes_provider.wire import Object, part_of, parts_of

CREATOR = "pulumi-kubernetes"  # field manager of a create; the one of an update has a suffix
TAKEN_OVER = (  # prefixes of managers whose fields an update takes over
    (CREATOR, "Update"),
    ("pulumi-resource-kubernetes", "Update"),
    ("before-first-apply", "Update"),
    ("kubectl", "Update"),
    ("kubectl", "Apply"),
)


def union(one: Object, other: Object) -> Object:
    """Union of two sets of managed fields."""
    return {name: union(one.get(name, {}), other.get(name, {})) for name in one.keys() | other.keys()}


def adopted(live: Object, manager: str) -> list[Object] | None:
    """The managed fields of an object after `manager` took over what it may; None if nothing changes."""
    entries: list[Object] = live["metadata"].get("managedFields") or []
    foreign = [
        entry
        for entry in entries
        if entry["manager"] != manager
        and not entry.get("subresource")
        and any(entry["manager"].startswith(name) and entry["operation"] == verb for name, verb in TAKEN_OVER)
    ]
    if not foreign:
        return None
    ours = [entry for entry in entries if entry["manager"] == manager and entry["operation"] == "Apply"] + foreign
    none: Object = {}
    fields = functools.reduce(union, (entry["fieldsV1"] for entry in ours), none)
    merged = ours[0] | {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    return [entry for entry in entries if entry not in ours] + [merged]


def earlier_manager(live: Object) -> str:
    """The manager that a run whose state is lost applied with; empty if there was none."""
    entries = parts_of(part_of(live, "metadata"), "managedFields")
    ours = [entry["manager"] for entry in entries if entry["operation"] == "Apply" and not entry.get("subresource")]
    return next((name for name in ours if name.startswith(f"{CREATOR}-")), "")
