"""Databases: upstream's MySQL or a given server, and the PostgreSQL and Redis-compatible stores that upstream lacks.

A password comes in as a value and goes into one Secret; no name, label or argument holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.contract import Storage
from infra.objects import document
from kubeflow.distribution.documents import Body
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step
from kubeflow.install.waves import Wave
from kubeflow.priorities import PLATFORM
from kubeflow.quantity import Quantity
from kubeflow.spec.data import ExternalServer
from kubeflow.storage import claim

MYSQL_PORT, POSTGRES_PORT, REDIS_PORT = 3306, 5432, 6379
NAME = "app.kubernetes.io/name"

# Servers that the platform brings itself.
IMAGES: Mapping[str, str] = {
    "postgres": "docker.io/library/postgres:17.5",  # PostgreSQL licence
    "redis": "docker.io/valkey/valkey:8.1.3",  # BSD-3-Clause; speaks the Redis protocol
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Where a database is, and who may enter. All but the password is plain."""

    host: str
    port: int
    user: str
    password: pulumi.Input[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A database server of the platform's own: one pod, one volume."""

    part: str  # of the platform
    namespace: str
    name: str
    size: Quantity

    @property
    def host(self) -> str:
        """Its name in the cluster's DNS."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


def external(server: ExternalServer, port: int, password: pulumi.Input[str]) -> Login:
    """The login of a given server; `port` is the engine's usual one."""
    return Login(host=server.host, port=server.port or port, user=server.user, password=password)


# Upstream's objects that a given server replaces: kind and name, in namespace kubeflow.
_MYSQL = frozenset(
    {
        ("Deployment", "mysql"),
        ("Service", "mysql"),
        ("PersistentVolumeClaim", "mysql-pv-claim"),
        ("ServiceAccount", "mysql"),
        ("AuthorizationPolicy", "mysql"),
        ("DestinationRule", "ml-pipeline-mysql"),
    }
)
_KATIB_MYSQL = frozenset(
    {("Deployment", "katib-mysql"), ("Service", "katib-mysql"), ("PersistentVolumeClaim", "katib-mysql")}
)


def pipelines_steps(login: Login | None) -> tuple[Step, ...]:
    """Pipelines on a given MySQL server; nothing changes without one."""
    if login is None:
        return ()
    host, port = login.host, str(login.port)

    def server(body: Body, _context: Context) -> Body | None:
        if _is(body, _MYSQL):
            return None
        if _is(body, {("ConfigMap", "pipeline-install-config")}):
            body["data"] |= {"dbHost": host, "mysqlHost": host, "dbPort": port, "mysqlPort": port}
        if _is(body, {("Secret", "mysql-secret")}):
            body.pop("data", None)
            body["stringData"] = {"username": login.user, "password": login.password}
        return body

    return (Step(apply=server, why="runs, cache and lineage are in a database that somebody else runs and saves"),)


def katib_steps(login: Login | None) -> tuple[Step, ...]:
    """Katib on a given MySQL server (kubeflow/katib, docs/workflow-design.md: environment of the DB manager)."""
    if login is None:
        return ()

    def server(body: Body, _context: Context) -> Body | None:
        if _is(body, _KATIB_MYSQL):
            return None
        if _is(body, {("Secret", "katib-mysql-secrets")}):
            body.pop("data", None)
            body["stringData"] = {"MYSQL_ROOT_PASSWORD": login.password}
        if _is(body, {("Deployment", "katib-db-manager")}):
            container = body["spec"]["template"]["spec"]["containers"][0]
            variables = {
                "KATIB_MYSQL_DB_HOST": login.host,
                "KATIB_MYSQL_DB_PORT": str(login.port),
                "DB_USER": login.user,
            }
            container["env"] += [{"name": name, "value": value} for name, value in variables.items()]
        return body

    return (Step(apply=server, why="observations are in a database that somebody else runs and saves"),)


def _is(body: Body, rows: frozenset[tuple[str, str]] | set[tuple[str, str]]) -> bool:
    return body["metadata"].get("namespace") == "kubeflow" and (body["kind"], body["metadata"]["name"]) in rows


def postgres(server: Server, user: str, database: str, secret: str, storage: Storage) -> Iterator[Planned]:
    """A PostgreSQL server. `secret` names the Secret whose key `password` holds the user's."""
    data = "/var/lib/postgresql/data"
    probe = {"exec": {"command": ["pg_isready", "-U", user, "-d", database]}, "periodSeconds": 10}
    container: Body = {
        "name": "postgres",
        "image": IMAGES["postgres"],
        "env": [
            {"name": "POSTGRES_USER", "value": user},
            {"name": "POSTGRES_DB", "value": database},
            {"name": "PGDATA", "value": f"{data}/pgdata"},
            _from_secret("POSTGRES_PASSWORD", secret, "password"),
        ],
        "ports": [{"name": "tcp-postgres", "containerPort": POSTGRES_PORT}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "initialDelaySeconds": 30},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
    }
    yield from _server(server, container, storage, data=data, user=999, scratch=("/var/run/postgresql", "/tmp"))  # noqa: S108 - a volume


def redis(server: Server, secret: str, memory: Quantity, storage: Storage) -> Iterator[Planned]:
    """A Redis-compatible server. `secret` names the Secret whose key `password` holds the password."""
    probe = {"tcpSocket": {"port": REDIS_PORT}, "periodSeconds": 10}
    # The password goes through a file: an argument is for everybody to read. Features must not be evicted: a full
    # store refuses writes, and says so, before the kernel ends it.
    most = int(memory.value * 3 / 4)
    command = (
        "umask 077 && printf 'requirepass %s\\n' \"$PASSWORD\" > /tmp/login.conf && exec valkey-server /tmp/login.conf "
        f"--dir /data --appendonly yes --maxmemory {most} --maxmemory-policy noeviction"
    )
    container: Body = {
        "name": "redis",
        "image": IMAGES["redis"],
        "command": ["sh", "-c", command],
        "env": [_from_secret("PASSWORD", secret, "password")],
        "ports": [{"name": "tcp-redis", "containerPort": REDIS_PORT}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "initialDelaySeconds": 10},
        "resources": {"requests": {"cpu": "100m", "memory": str(memory)}, "limits": {"memory": str(memory)}},
    }
    yield from _server(server, container, storage, data="/data", user=999, scratch=("/tmp",))  # noqa: S108 - a volume


def _from_secret(variable: str, secret: str, key: str) -> Body:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _server(
    server: Server, container: Body, storage: Storage, *, data: str, user: int, scratch: tuple[str, ...]
) -> Iterator[Planned]:
    """Claim, Deployment and Service of a server with one pod."""
    labels = {NAME: server.name}
    folders = {f"scratch-{number}": path for number, path in enumerate(scratch)}
    container |= {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": data},
            *({"name": name, "mountPath": path} for name, path in folders.items()),
        ],
    }
    pod: Body = {
        "automountServiceAccountToken": False,
        "priorityClassName": PLATFORM,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": server.name}},
            *({"name": name, "emptyDir": {}} for name in folders),
        ],
    }
    spec: dict[str, Any] = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # two pods must never write to one volume
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    port = container["ports"][0]
    service = {
        "selector": labels,
        "ports": [{"name": port["name"], "port": port["containerPort"], "targetPort": port["name"]}],
    }
    for body in (
        claim(server.name, server.namespace, server.size, storage),
        document("apps/v1", "Deployment", server.name, server.namespace, metadata={"labels": labels}, spec=spec),
        document("v1", "Service", server.name, server.namespace, metadata={"labels": labels}, spec=service),
    ):
        yield own(server.part, Wave.DATA, body)


def secret_of(part: str, namespace: str, name: str, data: Mapping[str, pulumi.Input[str]]) -> Planned:
    """A Secret of the platform's own, beside the databases."""
    return own(part, Wave.DATA, document("v1", "Secret", name, namespace, type="Opaque", stringData=dict(data)))
