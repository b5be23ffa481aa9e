"""Definitions that accept anything, for kinds whose real definitions cannot be had. They only ever fill gaps.

Without upstream's cache the platform's own objects still need their kinds. A committed table says what names a kind;
from it come definitions without a schema. They are marked, so that a real definition takes their place, and never the
other way round.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeflow.distribution.cache import COMMAND
from kubeflow.distribution.documents import Body
from kubeflow.distribution.kinds import table

from .kinds import group_kind, part

MARK = "kubeflow-proof/open"  # annotation of a definition that accepts anything


def needed(bodies: Iterable[Body]) -> tuple[str, ...]:
    """The definitions from the table that these objects need, by name."""
    used = {group_kind(body) for body in bodies}
    return tuple(sorted(name for name, kind in table().items() if (kind.group, kind.kind) in used))


def definition(name: str) -> Body:
    """A definition that accepts anything of a kind in the table."""
    kind = table()[name]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {MARK: f"schema and controller are those of {kind.component}"}},
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
            },
            "scope": kind.scope,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == kind.storage,
                    "schema": {"openAPIV3Schema": anything},
                }
                for version in kind.versions
            ],
        },
    }


def is_open(body: Body) -> bool:
    """Whether a definition, live or not, is one that accepts anything."""
    return MARK in part(body["metadata"], "annotations")


def absence(names: Iterable[str], wanted: Iterable[str] = ()) -> str:
    """What a summary says where open definitions stand in: which components are absent, and how to get them."""
    absent = sorted({table()[name].component for name in names} | set(wanted))
    if not absent:
        return ""
    return (
        f"Absent: upstream's {', '.join(absent)}. Their objects are stored, but nothing checks or acts on them.\n"
        f"To get them: {COMMAND}, or, with already rendered YAML, {COMMAND} --from DIR; then run `up` again."
    )
