"""Stands in for Feast's library in pods of tests: the calls that our script makes, sent to the stand-in's server."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any


class ValueType:
    """Of keys."""

    INT64 = 4


@dataclass
class Entity:
    """What features are about."""

    name: str
    join_keys: list[str] = field(default_factory=list[str])
    value_type: int = ValueType.INT64
    kind: str = "entities"


@dataclass
class Field:
    """One column."""

    name: str
    dtype: str


@dataclass
class FileSource:
    """Where a view's rows would come from."""

    name: str
    path: str = ""
    timestamp_field: str = ""
    kind: str = "sources"


@dataclass
class FeatureView:
    """A table of features."""

    name: str
    entities: list[Entity] = field(default_factory=list[Entity])
    ttl: timedelta = timedelta()
    schema: list[Field] = field(default_factory=list[Field])
    source: FileSource | None = None
    kind: str = "views"


class FeatureStore:
    """The stand-in's server, at the address in the settings."""

    def __init__(self, repo_path: str) -> None:
        self._url: str = json.loads((Path(repo_path) / "feature_store.yaml").read_text(encoding="utf-8"))["url"]

    def list_feature_views(self) -> list[FeatureView]:
        """All of them."""
        return [FeatureView(name=name) for name in self._ask("list", {})["views"]]

    def list_entities(self) -> list[Entity]:
        """All of them."""
        return [Entity(name=name) for name in self._ask("list", {})["entities"]]

    def list_data_sources(self) -> list[FileSource]:
        """All of them."""
        return [FileSource(name=name) for name in self._ask("list", {})["sources"]]

    def apply(
        self,
        objects: list[Entity | FeatureView],
        objects_to_delete: list[Entity | FeatureView | FileSource] | None = None,
        partial: bool = True,  # noqa: FBT001, FBT002 - the library's signature
    ) -> None:
        """Describe some, and forget others."""
        assert not (objects_to_delete and partial), "upstream deletes nothing where partial is true"
        views = [one for one in objects if isinstance(one, FeatureView)]
        made = {
            "entities": [one.name for one in objects if isinstance(one, Entity)],
            "sources": [one.source.name for one in views if one.source],
            "views": {
                one.name: {
                    "key": one.entities[0].join_keys[0],
                    "features": [each.name for each in one.schema if each.name not in one.entities[0].join_keys],
                }
                for one in views
            },
        }
        self._ask("apply", {"made": made, "deleted": [[one.kind, one.name] for one in objects_to_delete or []]})

    def write_to_online_store(self, feature_view_name: str, df: Any) -> None:  # noqa: ANN401 - a table
        """Keep rows."""
        self._ask("write", {"view": feature_view_name, "rows": df.rows})

    def _ask(self, verb: str, body: object) -> dict[str, Any]:
        data = json.dumps(body, default=str).encode()
        with urllib.request.urlopen(f"{self._url}/stand-in/{verb}", data=data) as answer:  # noqa: S310 - http
            return json.loads(answer.read())
