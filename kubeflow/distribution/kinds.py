"""What names each kind that the components bring: group, versions, plural, scope. Facts, no schemas.

The table is committed, for it is needed where no component is cached. It is written from a complete cache by

    python -m kubeflow.distribution.kinds
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from .cache import COMMAND, CacheMissingError, directory, read
from .documents import Body, is_crd
from .table import CURRENT, components

TABLE = Path(__file__).resolve().parent / "kinds.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What names a kind, and the component that brings its real definition."""

    component: str
    group: str
    kind: str
    plural: str
    scope: str
    versions: list[str]  # all of them, served or not: objects may be stored in any
    storage: str

    @property
    def name(self) -> str:
        """The name of its definition."""
        return f"{self.plural}.{self.group}"


@functools.cache
def table() -> Mapping[str, Kind]:
    """Every kind of the current release by the name of its definition."""
    rows: list[Body] = json.loads(TABLE.read_text(encoding="utf-8"))
    kinds = [Kind(**row) for row in rows]
    return MappingProxyType({kind.name: kind for kind in kinds})


def cluster_scoped() -> frozenset[tuple[str, str]]:
    """Group and kind of those that live outside namespaces, whoever installs their definitions."""
    return frozenset((kind.group, kind.kind) for kind in table().values() if kind.scope == "Cluster")


def kinds_of(definitions: Mapping[str, Iterable[Body]]) -> list[Kind]:
    """The table's rows for the definitions of components, in order of name. One kind may come with two components."""
    rows = [
        Kind(
            component=component,
            group=body["spec"]["group"],
            kind=body["spec"]["names"]["kind"],
            plural=body["spec"]["names"]["plural"],
            scope=body["spec"]["scope"],
            versions=[version["name"] for version in body["spec"]["versions"]],
            storage=next(version["name"] for version in body["spec"]["versions"] if version["storage"]),
        )
        for component, bodies in definitions.items()
        for body in bodies
    ]
    return sorted({row.name: row for row in reversed(rows)}.values(), key=lambda row: row.name)


def cached_kinds() -> list[Kind]:
    """The rows for all components of the current release. Raises CacheMissingError where any is not cached."""
    folder = directory(CURRENT)
    found = {
        component.name: [document.body for document in read(folder, component.name) if is_crd(document.identity)]
        for component in sorted(components(CURRENT), key=lambda component: not component.default)
    }
    return kinds_of(found)


def text(kinds: Iterable[Kind]) -> str:
    """The table's file: one kind a line."""
    return "[\n" + ",\n".join(json.dumps(asdict(kind)) for kind in kinds) + "\n]\n"


def main() -> int:
    """Write the table."""
    try:
        kinds = cached_kinds()
    except CacheMissingError as error:
        sys.stderr.write(f"error: {error}\nTo get it, run: {COMMAND}\n")
        return 2
    TABLE.write_text(text(kinds), encoding="utf-8")
    sys.stdout.write(f"{len(kinds)} kinds written to {TABLE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
