"""One object as it will be registered: upstream's after its transforms, or one of the platform's own."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubeflow.distribution.documents import Body

from . import kinds
from .waves import Wave

_WAITING = frozenset(kinds.WORKLOADS | kinds.WEBHOOKS | {"APIService", "Service"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One object as it will be registered."""

    component: str  # upstream's component, or the part of the platform that the object belongs to
    wave: Wave
    name: str  # logical name of the resource: component/kind/namespace/name
    body: Body = field(repr=False)  # kind, names and labels are plain; other values may be Outputs
    ignore_changes: list[str] = field(default_factory=list[str])

    @property
    def waits(self) -> bool:
        """Whether the object is ready only when pods are."""
        return self.body["kind"] in _WAITING


def own(part: str, wave: Wave, body: Body) -> Planned:
    """An object that the platform adds to upstream's; it is installed as it is, without transforms."""
    return Planned(component=part, wave=wave, name=address(part, body), body=body)


def address(component: str, body: Body) -> str:
    """The logical name of an object's resource: short, stable, and free of versions."""
    metadata = body["metadata"]
    return "/".join(
        part for part in (component, body["kind"], metadata.get("namespace"), metadata["name"]) if part is not None
    )
