"""Tells Feast of a feature view with a few flowers in it, or takes it away again: `make VIEW` or `remove`.

Runs in the image of Feast's own server, with that server's settings. Whatever an earlier run has left is removed first.
"""

import base64
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

PREFIX = "proof_"
FLOWERS = {1: (1.4, 0.2), 2: (4.7, 1.4), 3: (6.0, 2.5)}  # petal length and width, in cm


def opened() -> FeatureStore:
    """The store of the server whose settings these are."""
    folder = Path(os.environ.get("STORE", "/tmp/store"))  # noqa: S108 - a volume of the pod
    folder.mkdir(exist_ok=True)
    (folder / "feature_store.yaml").write_bytes(base64.b64decode(os.environ["FEATURE_STORE_YAML_BASE64"]))
    return FeatureStore(repo_path=str(folder))


def remove(store: FeatureStore) -> None:
    """Take away what this script has ever made: its rows in the online store as well."""
    made = [*store.list_feature_views(), *store.list_entities(), *store.list_data_sources()]
    ours = [one for one in made if one.name.startswith(PREFIX)]
    if ours:
        store.apply([], objects_to_delete=ours, partial=False)


def make(store: FeatureStore, name: str) -> None:
    """The view, and a row for each flower."""
    entity = Entity(name=f"{name}_flower", join_keys=["flower"], value_type=ValueType.INT64)
    fields = [Field(name="petal_length", dtype=Float64), Field(name="petal_width", dtype=Float64)]
    view = FeatureView(
        name=name,
        entities=[entity],
        ttl=timedelta(days=1),
        schema=[Field(name="flower", dtype=Int64), *fields],
        source=FileSource(name=f"{name}_source", path="/nowhere.parquet", timestamp_field="at"),
    )
    store.apply([entity, view])
    rows = [(flower, *values, datetime.now(tz=UTC)) for flower, values in FLOWERS.items()]
    table = pd.DataFrame(rows, columns=["flower", "petal_length", "petal_width", "at"])
    store.write_to_online_store(feature_view_name=name, df=table)


def main(command: str, name: str = "") -> None:
    """Do one of both, and leave the rows as last words."""
    store = opened()
    remove(store)
    if command == "make":
        make(store, name)
    Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log")).write_text(json.dumps(FLOWERS), encoding="utf-8")


main(*sys.argv[1:])
