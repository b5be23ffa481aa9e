"""Stands in for Feast's feature server: `/get-online-features`, as the real one (0.67) answered when it was asked.

Its library in pods is stood in for as well (feast_library), and brings rows here instead of to an online store.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.cluster import Object
from tests.support.podrun import CHECKOUT
from tests.support.stand_in import Request

LIBRARY = f"{CHECKOUT}/tests/support/feast_library"
_LONG_AGO, _NOW = "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


class FeatureServer:
    """Views and their rows, in memory."""

    def __init__(self) -> None:
        self.views: dict[str, Object] = {}
        self.others: dict[str, set[str]] = {"entities": set(), "sources": set()}
        self.rows: dict[str, dict[int, Object]] = {}

    def answer(self, asked: Request) -> tuple[int, object]:
        """One request."""
        if asked.path == "/get-online-features":
            return self._online(asked.body)
        return 200, getattr(self, asked.path.removeprefix("/stand-in/"))(asked.body)

    def list(self, _: Object) -> Object:
        """Names of what is described."""
        return {"views": [*self.views], **{kind: sorted(names) for kind, names in self.others.items()}}

    def apply(self, body: Object) -> Object:
        """Describe and forget."""
        for kind, name in body["deleted"]:
            if kind == "views":
                self.views.pop(name)
                self.rows.pop(name, None)
            else:
                self.others[kind].discard(name)
        self.views |= body["made"]["views"]
        for kind, names in self.others.items():
            names.update(body["made"][kind])
        return {}

    def write(self, body: Object) -> Object:
        """Keep rows."""
        key = self.views[body["view"]]["key"]
        self.rows[body["view"]] = {row[key]: row for row in body["rows"]}
        return {}

    def _online(self, body: Object) -> tuple[int, object]:
        ((key, keys),) = body["entities"].items()
        results: list[Object] = [
            {"values": keys, "statuses": ["PRESENT"] * len(keys), "event_timestamps": [_LONG_AGO] * len(keys)}
        ]
        names = [key]
        for one in body["features"]:
            view, _, feature = one.partition(":")
            if view not in self.views:
                message = f"Feature view {view} does not exist in project proof"
                error = {"module": "feast.errors", "class": "FeatureViewNotFoundException", "message": message}
                return 404, json.dumps(error)
            if feature not in self.views[view]["features"]:
                return 500, f"'Feature {feature} not found in projection {view}'"
            found: list[Any] = [self.rows.get(view, {}).get(number) for number in keys]
            results.append(
                {
                    "values": [row and row[feature] for row in found],
                    "statuses": ["PRESENT" if row else "NOT_FOUND" for row in found],
                    "event_timestamps": [_NOW if row else _LONG_AGO for row in found],
                }
            )
            names.append(feature)
        return 200, {"results": results, "metadata": {"feature_names": names}}


def deployment(address: str) -> Object:
    """The feature server's Deployment as far as a check reads it, with our library for its container."""
    settings = base64.b64encode(json.dumps({"url": f"http://{address}"}).encode()).decode()
    values = {"FEATURE_STORE_YAML_BASE64": settings, "PYTHONPATH": LIBRARY}
    env = [{"name": name, "value": value} for name, value in values.items()]
    container = {"name": "feast-feature-server", "image": "quay.io/feastdev/feature-server:0.66.0", "env": env}
    labels = {"app.kubernetes.io/name": "feast-feature-server"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "feast-feature-server"}, "spec": spec}
