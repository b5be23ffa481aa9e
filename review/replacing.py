"""Which changes replace a resource: what the SDKs, the stand-in cloud's tables and the Kubernetes provider know.

Only a preview against a real state can be sure; a type that nothing is known about is said to be unknown, not safe.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from policies.guardrails.rule import KUBERNETES, Resource
from rehearsal.cloud_provider.metadata import MetadataError
from rehearsal.cloud_provider.package import Package
from rehearsal.kubernetes_provider.diff import replace_fields, touches
from rehearsal.launchers import installed_cloud_providers

from .hiding import Path

_PROVIDER, _ENGINE = "pulumi:providers:", "pulumi"


class Replacing:
    """Answers for one comparison; `providers` are the planned provider resources by URN."""

    def __init__(self, providers: Mapping[str, Resource]) -> None:
        self._providers = providers

    def forced(self, resource: Resource, changed: Collection[tuple[Path, Any]]) -> frozenset[Path] | None:
        """Those of the changed paths that replace the resource; None if nobody knows for its type."""
        if resource.type.startswith(KUBERNETES):
            return self._of_objects(resource, changed)
        if resource.type.startswith(_PROVIDER):
            package, token = resource.type.removeprefix(_PROVIDER), None
        else:
            package, token = resource.type.partition(":")[0], resource.type
        if package == _ENGINE:
            return frozenset()  # what the engine itself keeps is never replaced
        known = _fields(package, token)
        if known is None:
            return None
        return frozenset(path for path, _ in changed if _named(path) & known)

    def _of_objects(self, resource: Resource, changed: Collection[tuple[Path, Any]]) -> frozenset[Path]:
        version = resource.type.split(":")[1].removeprefix("core/")
        body = {"apiVersion": version, "kind": resource.kind, **resource.inputs}
        fields = replace_fields(body, functools.partial(self._mutable, resource))
        return frozenset(path for path, value in changed if any(touches(path, value, field) for field in fields))

    def _mutable(self, resource: Resource, kind: str) -> bool:
        urn = resource.provider.rpartition("::")[0]  # a reference to a provider ends with its id
        provider = self._providers.get(urn)
        return provider is not None and str(provider.inputs.get(f"enable{kind}Mutable", "")).lower() == "true"


def _named(path: Path) -> frozenset[str]:
    """A path and those above it, without the places in lists."""
    words = [part for part in path if isinstance(part, str)]
    return frozenset(".".join(words[:length]) for length in range(1, len(words) + 1))


@functools.cache
def _fields(package: str, token: str | None) -> frozenset[str] | None:
    if package not in installed_cloud_providers().values():
        return None
    known = _package(package)
    if token is None:
        return known.table.config_force_new
    try:
        return known.forces_new(token)
    except MetadataError:
        return None


@functools.cache
def _package(name: str) -> Package:
    return Package(name)
