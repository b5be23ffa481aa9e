"""CustomResourceDefinitions as data: what is applied, what is remembered of it, and what somebody else did to it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from kubeflow.distribution import cache
from kubeflow.distribution.documents import Body, digest, is_crd

from . import open_crds
from .kinds import conditions, part, parts

MANAGER = "kubeflow-proof-crds"


class CrdError(Exception):
    """Definitions that cannot be installed; the message names all of them, one a line."""


def read(folder: Path, components: Mapping[str, str], *, webhooks: bool) -> dict[str, Body]:
    """The definitions of cached components by name, proven against the given SHA-256 of each component."""
    found: dict[str, Body] = {}
    for component, expected in components.items():
        documents = cache.read(folder, component)
        if digest(documents) != expected:
            raise CrdError(f"{component}: the cache in {folder} has changed since the program read it: run again")
        for document in documents:
            if is_crd(document.identity):
                found[document.identity.name] = prepared(document.body, webhooks=webhooks)
    return found


def prepared(body: Body, *, webhooks: bool) -> Body:
    """A definition as it is applied: less what the server owns, and less conversions that nobody could answer."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "creationTimestamp"}
    spec = {name: value for name, value in body["spec"].items() if webhooks or name != "conversion"}
    kept = {name: value for name, value in body.items() if name != "status"}
    return {**kept, "metadata": metadata, "spec": spec}


def versions(body: Body) -> list[str]:
    """The versions that a definition has, served or not."""
    return [version["name"] for version in body["spec"]["versions"]]


def summary(body: Body) -> str:
    """One line for the state, from which a reviewer of a preview sees what changes."""
    kind = "open, " if open_crds.is_open(body) else ""
    return f"{', '.join(versions(body))} ({kind}sha256 {fingerprint(body)})"


def versions_in(summary_line: str) -> list[str]:
    """The versions in a summary."""
    return summary_line.partition(" (")[0].split(", ")


def fingerprint(value: object) -> str:
    """Short digest of any JSON value: enough to tell that something changed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def live_fingerprint(live: Body) -> str:
    """Digest of what the server has, less the CA that a controller writes for a conversion webhook."""
    spec = copy.deepcopy(live["spec"])
    webhook = part(part(spec, "conversion"), "webhook")
    part(webhook, "clientConfig").pop("caBundle", None)
    return fingerprint(spec)


def drift(live: Body | None, applied: str) -> str:
    """What happened to a definition since it was applied; empty if nothing did."""
    if live is None:
        return "missing"
    if live_fingerprint(live) == applied:
        return ""
    others = other_owners(live)
    return f"changed by {', '.join(others)}" if others else "changed"


def other_owners(live: Body) -> list[str]:
    """Other field managers of the specification; those that only wrote a CA are none."""
    entries: list[Body] = parts(live["metadata"], "managedFields")
    return sorted(
        {
            entry["manager"]
            for entry in entries
            if entry["manager"] != MANAGER and set(part(part(entry, "fieldsV1"), "f:spec")) - {"f:conversion"}
        }
    )


def lost_versions(live: Body | None, body: Body) -> list[str]:
    """Versions in which the server still stores objects, and which the new definition does not have."""
    stored: list[str] = parts(part(live or {}, "status"), "storedVersions")
    return [name for name in stored if name not in versions(body)]


def deletion_failure(live: Body) -> str:
    """Why the server's last attempt to delete the objects of a kind failed; empty if none did."""
    found = part(conditions(live), "Terminating")
    return str(found.get("message")) if found.get("reason") == "InstanceDeletionFailed" else ""


def established(live: Body) -> bool:
    """Whether the server serves the kind. Raises CrdError when it never will, because a name is taken."""
    found = conditions(live)
    refused = part(found, "NamesAccepted")
    if refused.get("status") == "False":
        raise CrdError(f"{live['metadata']['name']}: {refused.get('reason')}: {refused.get('message')}")
    return part(found, "Established").get("status") == "True"
