"""Stands in for Kubeflow's model registry 0.3.7: its REST API v1alpha3 (api/openapi/model-registry.yaml), in memory."""

from __future__ import annotations

import itertools
import re

from tests.support.cluster import Object
from tests.support.stand_in import Request

_ROOT = "/api/model_registry/v1alpha3/"


class ModelRegistry:
    """Models, versions and artifacts; nothing is ever deleted."""

    def __init__(self) -> None:
        self.models: dict[str, Object] = {}
        self.versions: dict[str, list[Object]] = {}
        self.artifacts: dict[str, list[Object]] = {}
        self._ids = map(str, itertools.count(1))

    def answer(self, asked: Request) -> tuple[int, object]:
        """One request."""
        path = asked.path.removeprefix(_ROOT)
        if path == "registered_model":
            found = [one for one in self.models.values() if one["name"] == asked.query["name"]]
            return (200, found[0]) if found else _error(404, f"no registered model found for name={asked.query}")
        if path == "registered_models":
            return self._make(asked.body) if asked.method == "POST" else _listed(list(self.models.values()))
        if one := re.fullmatch(r"registered_models/(\d+)", path):
            self.models[one[1]] |= asked.body
            return 200, self.models[one[1]]
        if one := re.fullmatch(r"registered_models/(\d+)/versions", path):
            return self._child(self.versions.setdefault(one[1], []), asked)
        if one := re.fullmatch(r"model_versions/(\d+)/artifacts", path):
            return self._child(self.artifacts.setdefault(one[1], []), asked)
        return _error(404, f"{asked.method} {asked.path}")

    def _make(self, body: Object) -> tuple[int, object]:
        if any(one["name"] == body["name"] for one in self.models.values()):
            return _error(409, f"registered model with name {body['name']} already exists")
        made = {"state": "LIVE", **body, "id": next(self._ids)}
        self.models[made["id"]] = made
        return 201, made

    def _child(self, children: list[Object], asked: Request) -> tuple[int, object]:
        if asked.method == "GET":
            return _listed(children)
        made = {"state": "LIVE", **asked.body, "id": next(self._ids)}
        children.append(made)
        return 201, made


def _listed(items: list[Object]) -> tuple[int, object]:
    return 200, {"items": items, "nextPageToken": "", "pageSize": 100, "size": len(items)}


def _error(status: int, message: str) -> tuple[int, object]:
    return status, {"code": str(status), "message": message}
