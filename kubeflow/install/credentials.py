"""Passwords that upstream publishes: whoever has read the manifests knows them. Found here, never repeated."""

from __future__ import annotations

from collections.abc import Iterator

from kubeflow.distribution import Distribution
from kubeflow.distribution.documents import Body

from . import kinds

# Secrets that hold no secret.
_HARMLESS = frozenset({("kube-prometheus-stack", "alertmanager-kube-prometheus-stack-alertmanager")})


def published_credentials(distribution: Distribution) -> tuple[str, ...]:
    """Where upstream's objects hold a password, as component/kind/name/key; an empty password counts."""
    found = {
        f"{component}/{body['kind']}/{body['metadata']['name']}/{key}"
        for component, rendered in distribution.components.items()
        for body in (*rendered.core, *rendered.late)
        if (component, body["metadata"]["name"]) not in _HARMLESS
        for key in (*_of_secret(body), *_of_pod(body))
    }
    return tuple(sorted(found))


def _of_secret(body: Body) -> Iterator[str]:
    """Every value of a Secret; those that a controller fills in have none."""
    if body["kind"] == "Secret":
        yield from kinds.part(body, "data")
        yield from kinds.part(body, "stringData")


def _of_pod(body: Body) -> Iterator[str]:
    """Passwords that containers are given literally, and the permission to have none."""
    pod = kinds.pod_spec(body)
    for container in kinds.containers(pod) if pod is not None else ():
        for variable in kinds.parts(container, "env"):
            if "PASSWORD" in variable["name"] and "value" in variable:
                yield variable["name"]
