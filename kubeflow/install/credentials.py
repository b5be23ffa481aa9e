"""Passwords that upstream publishes: whoever has read the manifests knows them. Found here, never repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeflow.distribution import Distribution
from kubeflow.distribution.documents import Body

from . import kinds
from .planned import Planned
from .secrets import ROWS, Account, Row, row_of

# Secrets that hold no secret.
_HARMLESS = frozenset({("kube-prometheus-stack", "alertmanager-kube-prometheus-stack-alertmanager")})


def published_credentials(objects: Distribution | Iterable[Planned], rows: tuple[Row, ...] = ROWS) -> tuple[str, ...]:
    """Where objects hold a password in clear, as component/kind/name/key; an empty password counts.

    A value that is made on the way is none, nor is what the table calls the name of an account.
    """
    found = {
        f"{component}/{body['kind']}/{body['metadata']['name']}/{key}"
        for component, body in _bodies(objects)
        if (component, body["metadata"]["name"]) not in _HARMLESS
        for key in (*_of_data(body), *_of_pod(body))
        if not _is_account(row_of(component, body, key, rows))
    }
    return tuple(sorted(found))


def _bodies(objects: Distribution | Iterable[Planned]) -> Iterator[tuple[str, Body]]:
    if isinstance(objects, Distribution):
        for component, rendered in objects.components.items():
            yield from ((component, body) for body in (*rendered.core, *rendered.late))
    else:
        yield from ((planned.component, planned.body) for planned in objects)


def _is_account(row: Row | None) -> bool:
    return row is not None and isinstance(row.becomes, Account)


def _of_data(body: Body) -> Iterator[str]:
    """Every text of a Secret, for those that a controller fills in have none; of a ConfigMap, what says password."""
    if body["kind"] in ("Secret", "ConfigMap"):
        for part in ("data", "stringData"):
            for key, value in kinds.part(body, part).items():
                if isinstance(value, str) and (body["kind"] == "Secret" or _says_password(key)):
                    yield key


def _of_pod(body: Body) -> Iterator[str]:
    """Passwords that containers are given literally, and the permission to have none."""
    pod = kinds.pod_spec(body)
    for container in kinds.containers(pod) if pod is not None else ():
        for variable in kinds.parts(container, "env"):
            if _says_password(variable["name"]) and isinstance(variable.get("value"), str):
                yield variable["name"]


def _says_password(name: str) -> bool:
    return "PASSWORD" in name.upper() and "FILE" not in name.upper()
