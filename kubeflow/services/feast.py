"""Feast: registry, online store, feature server and the operator's FeatureStore. Upstream's chart brings no store."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pulumi

from infra.contract import Storage
from infra.objects import document
from kubeflow.distribution.documents import Body
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step
from kubeflow.install.waves import Wave
from kubeflow.spec.data import FeastSpec, Volumes

from .databases import POSTGRES_PORT, REDIS_PORT, Login, Server, postgres, redis, secret_of

NAMESPACE = "feast"
FEATURE_STORE = "features"
_DATABASE = "feast"
_REGISTRY, _ONLINE = "feast-registry", "feast-online-store"  # Secrets that the chart's Deployment reads
_STORES = "feast-data-stores"  # the Secret that the FeatureStore refers to, a key for each kind of store
_REQUESTS = {"cpu": "100m", "memory": "512Mi"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Feast:
    """Feast as it is installed."""

    spec: FeastSpec
    registry: Login  # PostgreSQL
    online: Login  # Redis-compatible; its user has no name
    volumes: Volumes
    storage: Storage


def registry_server(volumes: Volumes) -> Server:
    """The registry's database, where none is given."""
    return Server(part="feast", namespace=NAMESPACE, name="feast-postgres", size=volumes.feast_database)


def online_server(volumes: Volumes) -> Server:
    """The online store, where none is given."""
    return Server(part="feast", namespace=NAMESPACE, name="feast-redis", size=volumes.feast_online)


def registry_in_cluster(password: pulumi.Input[str], volumes: Volumes) -> Login:
    """The login of the registry's database, where none is given."""
    return Login(host=registry_server(volumes).host, port=POSTGRES_PORT, user="feast", password=password)


def online_in_cluster(password: pulumi.Input[str], volumes: Volumes) -> Login:
    """The login of the online store, where none is given."""
    return Login(host=online_server(volumes).host, port=REDIS_PORT, user="default", password=password)


def objects(made: Feast) -> Iterator[Planned]:
    """Logins, and the servers that are not given."""
    registry, online = _registry_url(made.registry), _online_connection(made.online)
    yield secret_of("feast", NAMESPACE, _REGISTRY, {"url": registry, "password": made.registry.password})
    yield secret_of("feast", NAMESPACE, _ONLINE, {"connection": online, "password": made.online.password})
    stores = {"redis": _json(connection_string=online), "sql": _json(path=registry, cache_ttl_seconds=60)}
    yield secret_of("feast", NAMESPACE, _STORES, stores)
    if made.spec.registry is None:
        yield from postgres(registry_server(made.volumes), made.registry.user, _DATABASE, _REGISTRY, made.storage)
    if made.spec.online is None:
        yield from redis(online_server(made.volumes), _ONLINE, made.spec.memory, made.storage)


def feature_store(made: Feast) -> Iterator[Planned]:
    """The FeatureStore, for which the operator runs a registry server and an online server."""

    def store(kind: str) -> Body:
        return {"store": {"type": kind, "secretRef": {"name": _STORES}}}

    server: Body = {"resources": {"requests": dict(_REQUESTS)}}
    spec: dict[str, Any] = {
        "feastProject": made.spec.project,
        "services": {
            "onlineStore": {"persistence": store("redis"), "server": server},
            "registry": {"local": {"persistence": store("sql"), "server": {**server, "grpc": True}}},
        },
    }
    yield own("feast", Wave.RUNTIMES, document("feast.dev/v1", "FeatureStore", FEATURE_STORE, NAMESPACE, spec=spec))


def steps(made: Feast) -> tuple[Step, ...]:
    """What is changed about the chart's feature server."""

    def server(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        if (body["kind"], metadata.get("namespace"), metadata["name"]) == (
            "Deployment", NAMESPACE, "feast-feature-server",
        ):  # fmt: skip
            container = body["spec"]["template"]["spec"]["containers"][0]
            for variable in container["env"]:
                if variable["name"] == "FEATURE_STORE_YAML_BASE64":
                    variable["value"] = _configuration(made.spec)
            container["resources"] = {"requests": dict(_REQUESTS)}
        return body

    return (Step(apply=server, why="it serves the platform's project"),)


def _configuration(spec: FeastSpec) -> str:
    """Feast's own configuration, as JSON, which is YAML; it puts the variables of its environment in."""
    settings = {
        "project": spec.project,
        "provider": "local",
        "registry": {"registry_type": "sql", "path": "${FEAST_REGISTRY_URL}"},
        "online_store": {"type": "redis", "connection_string": "${FEAST_REDIS}"},
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 3,
    }
    return base64.b64encode(json.dumps(settings).encode()).decode()


def _registry_url(login: Login) -> pulumi.Output[str]:
    password = pulumi.Output.from_input(login.password).apply(lambda text: quote(text, safe=""))
    address = f"@{login.host}:{login.port}/{_DATABASE}"
    return pulumi.Output.concat(f"postgresql+psycopg://{quote(login.user, safe='')}:", password, address)


def _online_connection(login: Login) -> pulumi.Output[str]:
    return pulumi.Output.concat(f"{login.host}:{login.port},password=", login.password)


def _json(**values: Any) -> pulumi.Output[str]:  # noqa: ANN401 - any JSON value, or an Output of one
    return pulumi.Output.json_dumps(values)
