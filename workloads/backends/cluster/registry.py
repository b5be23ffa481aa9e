"""Kubeflow's model registries (REST API v1alpha3): models, versions and artifacts, registered and found again.

Each tenant that asks for one has its own. The API deletes nothing: what a check has registered is archived, so that
nobody is offered it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.forward import Pods, Reply, Spot
from workloads.cluster import Visit
from workloads.contract import Target

COMPONENT = "model-registry"
DEPLOYMENT = "model-registry-deployment"
ARCHIVED = "ARCHIVED"
_API = "/api/model_registry/v1alpha3"
_PAGE = "100"

Json = dict[str, Any]


def server(namespace: str) -> Spot:
    """The registry of a tenant."""
    return Spot(namespace=namespace, selector="component=model-registry-server", port=8080)


def owners(target: Target, visit: Visit) -> tuple[str, ...]:
    """Namespaces of the tenants that have one."""
    return tuple(
        tenant.namespace
        for tenant in target.tenants.values()
        if visit.api.get(f"/apis/apps/v1/namespaces/{tenant.namespace}/deployments/{DEPLOYMENT}").ok
    )


class Registry:
    """One model registry."""

    def __init__(self, reach: Pods, namespace: str) -> None:
        self._reach, self._spot = reach, server(namespace)

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Reply:
        """One request, whatever comes of it."""
        address = f"{_API}/{path}{f'?{urlencode(query)}' if query else ''}"
        return self._reach.call(self._spot, address, method=method, body=body)

    def expect(self, method: str, path: str, body: object = None, **query: str) -> Json:
        """One request that must be carried out."""
        reply = self.ask(method, path, body, **query)
        if not reply.ok:
            raise UnexpectedAnswerError(f"{method} {path}: the model registry answered {reply}")
        return cast("Json", reply.json)

    def register(self, name: str, version: str, artifact: Mapping[str, str], described: str) -> tuple[str, str]:
        """A model with one version and one artifact: ids of the model and of the version."""
        model = str(self.expect("POST", "registered_models", {"name": name, "description": described})["id"])
        body = {"name": version, "registeredModelId": model}
        made = str(self.expect("POST", f"registered_models/{model}/versions", body)["id"])
        body = {"artifactType": "model-artifact", **artifact}
        self.expect("POST", f"model_versions/{made}/artifacts", body)
        return model, made

    def find(self, name: str) -> Json | None:
        """A model by its name; None where nobody has registered it."""
        reply = self.ask("GET", "registered_model", name=name)
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        if not reply.ok:
            raise UnexpectedAnswerError(f"find {name}: the model registry answered {reply}")
        return cast("Json", reply.json)

    def versions(self, model: str) -> list[Json]:
        """Versions of a model."""
        return self._listed(f"registered_models/{model}/versions")

    def artifacts(self, version: str) -> list[Json]:
        """Artifacts of a version."""
        return self._listed(f"model_versions/{version}/artifacts")

    def archive(self, prefix: str) -> None:
        """Take out of sight what was registered under names that begin like this."""
        for model in self._listed("registered_models"):
            if str(model["name"]).startswith(prefix) and model.get("state") != ARCHIVED:
                self.expect("PATCH", f"registered_models/{model['id']}", {"state": ARCHIVED})

    def _listed(self, path: str) -> list[Json]:
        found: list[Json] = []
        page = ""
        while True:
            said = self.expect("GET", path, pageSize=_PAGE, **({"nextPageToken": page} if page else {}))
            found += cast("list[Json]", said.get("items") or [])
            page = str(said.get("nextPageToken") or "")
            if not page:
                return found
