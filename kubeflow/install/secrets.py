"""What stands in place of every password that upstream publishes, as a table. Makes no value, repeats no password.

All users of a value share its name, so that they agree. A value is only ever put into a Secret; containers refer to it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import pulumi

from infra.objects import document
from kubeflow.distribution.documents import Body

from . import kinds
from .planned import Planned, own
from .waves import Wave

PART = "secrets"  # component of the Secrets that the platform adds
ROTATION = "proof.kubeflow/rotation"  # annotation of pods that read a value which can be rotated


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A generated value. 43 letters and digits are 256 bits, and 32 bytes to whoever reads them as base64."""

    name: str
    why: str
    rotates: bool = True
    length: int = 43


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The entry of a Secret gets a generated value."""

    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The variable of a container gives way to one that is read from a Secret of its namespace."""

    variable: str
    source: str  # name of the Secret
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """The entry or the variable is left out."""

    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The entry stays: it names who logs in, and is no secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One published value: where it stands, and what becomes of it."""

    component: str
    kind: str
    namespace: str | None  # None: of whoever installs the component
    name: str
    key: str  # of the data, or the name of the variable
    becomes: Made | Reference | Removed | Account


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A Secret that upstream's pods read and nobody makes."""

    component: str
    namespace: str
    name: str
    plain: Mapping[str, str]
    made: Mapping[str, str]  # key -> name of the value


_KEPT = "the database keeps in its volume the password that it was made with: another one has to be set there, too"
VALUES: Mapping[str, Value] = MappingProxyType(
    {
        value.name: value
        for value in (
            Value(name="login-client", why="oauth2-proxy proves itself to Dex with it"),
            Value(name="login-cookie", why="encrypts the cookies of sessions: AES-256, for it decodes to 32 bytes"),
            Value(name="grafana-admin", why="administrator of Grafana, whose database starts anew with its pod"),
            Value(name="mlflow-sessions", why="signs the sessions of MLflow"),
            Value(name="pipelines-database", why=f"root of the pipelines' MySQL; {_KEPT}", rotates=False),
            Value(name="katib-database", why=f"root of Katib's MySQL; {_KEPT}", rotates=False),
            Value(name="registry-database", why=f"root of the model registry's MySQL; {_KEPT}", rotates=False),
            Value(
                name="object-store-account", length=20, rotates=False,
                why="SeaweedFS adds a new pair of keys and keeps the old one in its volume",
            ),
            Value(
                name="object-store-key", rotates=False,
                why="SeaweedFS adds a new pair of keys and keeps the old one in its volume",
            ),
        )
    }
)  # fmt: skip

_LOGIN_SECRET = "oauth2-proxy-h675gf55ht"  # noqa: S105 - the name of an object
_NO_PASSWORD = Removed(why="MySQL has a password, so that none is needed no longer")

ROWS: tuple[Row, ...] = (
    Row(component="dex", kind="Secret", namespace="auth", name="dex-oidc-client", key="OIDC_CLIENT_ID",
        becomes=Account()),
    Row(component="dex", kind="Secret", namespace="auth", name="dex-oidc-client", key="OIDC_CLIENT_SECRET",
        becomes=Made(value="login-client")),
    Row(component="dex", kind="Secret", namespace="auth", name="dex-passwords", key="DEX_USER_PASSWORD",
        becomes=Removed(why="upstream's user gives way to the people of platform.login")),
    Row(component="oauth2-proxy", kind="Secret", namespace="oauth2-proxy", name=_LOGIN_SECRET, key="client-id",
        becomes=Account()),
    Row(component="oauth2-proxy", kind="Secret", namespace="oauth2-proxy", name=_LOGIN_SECRET, key="client-secret",
        becomes=Made(value="login-client")),
    Row(component="oauth2-proxy", kind="Secret", namespace="oauth2-proxy", name=_LOGIN_SECRET, key="cookie-secret",
        becomes=Made(value="login-cookie")),
    Row(component="pipelines", kind="Secret", namespace="kubeflow", name="mysql-secret", key="username",
        becomes=Account()),
    Row(component="pipelines", kind="Secret", namespace="kubeflow", name="mysql-secret", key="password",
        becomes=Made(value="pipelines-database")),
    Row(component="pipelines", kind="Deployment", namespace="kubeflow", name="mysql", key="MYSQL_ALLOW_EMPTY_PASSWORD",
        becomes=Reference(variable="MYSQL_ROOT_PASSWORD", source="mysql-secret", key="password")),
    Row(component="pipelines", kind="Secret", namespace="kubeflow", name="mlpipeline-minio-artifact", key="accesskey",
        becomes=Made(value="object-store-account")),
    Row(component="pipelines", kind="Secret", namespace="kubeflow", name="mlpipeline-minio-artifact", key="secretkey",
        becomes=Made(value="object-store-key")),
    Row(component="katib", kind="Secret", namespace="kubeflow", name="katib-mysql-secrets", key="MYSQL_ROOT_PASSWORD",
        becomes=Made(value="katib-database")),
    Row(component="katib", kind="Deployment", namespace="kubeflow", name="katib-mysql",
        key="MYSQL_ALLOW_EMPTY_PASSWORD", becomes=_NO_PASSWORD),
    Row(component="model-registry", kind="Secret", namespace=None, name="model-registry-db-secrets",
        key="MYSQL_USER_NAME", becomes=Account()),
    Row(component="model-registry", kind="Secret", namespace=None, name="model-registry-db-secrets",
        key="MYSQL_ROOT_PASSWORD", becomes=Made(value="registry-database")),
    Row(component="model-registry", kind="ConfigMap", namespace=None, name="model-registry-db-parameters",
        key="MYSQL_ALLOW_EMPTY_PASSWORD", becomes=_NO_PASSWORD),
    Row(component="mlflow", kind="Secret", namespace="mlflow", name="mlflow-flask-server-secret-key",
        key="MLFLOW_FLASK_SERVER_SECRET_KEY", becomes=Made(value="mlflow-sessions")),
    Row(component=PART, kind="Secret", namespace="monitoring", name="grafana-admin", key="admin-user",
        becomes=Account()),
)  # fmt: skip

ADDITIONS: tuple[Addition, ...] = (
    Addition(component="kube-prometheus-stack", namespace="monitoring", name="grafana-admin",
             plain={"admin-user": "admin"}, made={"admin-password": "grafana-admin"}),
)  # fmt: skip


def needed(components: Iterable[str]) -> tuple[Value, ...]:
    """The values that these components need, in the order of the table."""
    installed = set(components)
    used = {row.becomes.value for row in ROWS if row.component in installed and isinstance(row.becomes, Made)}
    used |= {name for item in ADDITIONS if item.component in installed for name in item.made.values()}
    return tuple(value for name, value in VALUES.items() if name in used)


def additions(components: Iterable[str], values: Mapping[str, pulumi.Output[str]]) -> Iterator[Planned]:
    """The Secrets that upstream's pods of these components read and nobody makes."""
    installed = set(components)
    for item in ADDITIONS:
        if item.component in installed:
            data = {**item.plain, **{key: values[name] for key, name in item.made.items()}}
            body = document("v1", "Secret", item.name, item.namespace, type="Opaque", stringData=data)
            yield own(PART, Wave.DATA, body)


def replaced(
    planned: Planned, values: Mapping[str, pulumi.Output[str]], *, rotation: int, rows: tuple[Row, ...] = ROWS
) -> Planned:
    """The object with what stands in place of published values; every other object as it is."""
    mine = [row for row in rows if _is(row, planned.component, planned.body)]
    rolls = _reads_rotating(planned.body, rows)
    if not mine and not rolls:
        return planned
    body: Body = _copied(planned.body)
    for row in mine:
        _replace(body, row, values)
    if rolls:
        metadata = body["spec"]["template"].setdefault("metadata", {})
        metadata["annotations"] = kinds.part(metadata, "annotations") | {ROTATION: str(rotation)}
    return replace(planned, body=body)


def _copied(node: Any) -> Any:  # noqa: ANN401 - any value; Outputs cannot be copied and need not be
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in cast("Body", node).items()}
    return [_copied(item) for item in cast("list[Any]", node)] if isinstance(node, list) else node


def row_of(component: str, body: Body, key: str, rows: tuple[Row, ...] = ROWS) -> Row | None:
    """The row of one value of an object."""
    found = (row for row in rows if row.key == key and _is(row, component, body))
    return next(found, None)


def _is(row: Row, component: str, body: Body) -> bool:
    metadata = body["metadata"]
    place = row.namespace in (None, metadata.get("namespace"))
    return place and (row.component, row.kind, row.name) == (component, body["kind"], metadata["name"])


def _replace(body: Body, row: Row, values: Mapping[str, pulumi.Output[str]]) -> None:
    match row.becomes:
        case Made(value=name):
            for part, spell in (("data", _encoded), ("stringData", _plain)):
                if row.key in kinds.part(body, part):
                    body[part][row.key] = spell(values[name])
        case Reference() | Removed() if kinds.pod_spec(body) is not None:
            for container in kinds.containers(cast("Body", kinds.pod_spec(body))):
                container["env"] = list(_variables(kinds.parts(container, "env"), row))
        case Removed():
            for part in ("data", "stringData"):
                kinds.part(body, part).pop(row.key, None)
        case _:
            pass


def _variables(variables: Iterable[Body], row: Row) -> Iterator[Body]:
    for variable in variables:
        if variable["name"] != row.key:
            yield variable
        elif isinstance(row.becomes, Reference):
            source = {"secretKeyRef": {"name": row.becomes.source, "key": row.becomes.key}}
            yield {"name": row.becomes.variable, "valueFrom": source}


def _plain(value: pulumi.Output[str]) -> pulumi.Output[str]:
    return value


def _encoded(value: pulumi.Output[str]) -> pulumi.Output[str]:
    return value.apply(lambda text: base64.b64encode(text.encode()).decode())


def _reads_rotating(body: Body, rows: tuple[Row, ...]) -> bool:
    """Whether a workload's pods read a Secret whose value can be rotated: they do not notice it by themselves."""
    pod = kinds.pod_spec(body)
    if pod is None or body["kind"] in ("CronJob", "Job"):
        return False
    namespace = body["metadata"].get("namespace")
    rotating = {
        row.name
        for row in rows
        if isinstance(row.becomes, Made) and VALUES[row.becomes.value].rotates and row.namespace in (None, namespace)
    }
    rotating |= {
        item.name
        for item in ADDITIONS
        if item.namespace == namespace and any(VALUES[name].rotates for name in item.made.values())
    }
    return not rotating.isdisjoint(_secrets_of(pod))


def _secrets_of(node: object) -> Iterator[str]:
    """Names of the Secrets that a part of a pod refers to."""
    if isinstance(node, dict):
        for key, value in cast("Body", node).items():
            if key in ("secretKeyRef", "secretRef") and isinstance(value, dict):
                yield cast("Body", value).get("name", "")
            elif key == "secretName" and isinstance(value, str):
                yield value
            else:
                yield from _secrets_of(value)
    elif isinstance(node, list):
        for item in cast("list[object]", node):
            yield from _secrets_of(item)
