"""Model registries: upstream's objects once for each tenant that asks for one, each with a password of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pulumi

from kubeflow.distribution.documents import Body
from kubeflow.install.transforms import Context, Step
from kubeflow.spec.data import RegistrySpec

COMPONENT = "model-registry"
_SECRET, _PARAMETERS = "model-registry-db-secrets", "model-registry-db-parameters"


def problems(spec: RegistrySpec, components: Collection[str], tenants: Collection[str]) -> tuple[str, ...]:
    """Registries without a tenant, tenants that nobody declared, and a registry that is not installed."""
    key = "platform.data.registry.tenants"
    found = [
        f"{key}: found {name}; allowed: {', '.join(tenants) or 'none, for there are no tenants'}"
        for name in spec.tenants
        if name not in tenants
    ]
    if spec.tenants and COMPONENT not in components:
        found.append(f"{key}: {COMPONENT} is not among platform.components")
    if not spec.tenants and COMPONENT in components:
        found.append(
            f"{key}: nothing found, but {COMPONENT} is among platform.components; allowed: at least one tenant"
        )
    return tuple(found)


def namespaces(component: str, given: str | None, spec: RegistrySpec) -> tuple[str | None, ...]:
    """The namespaces in which a component's objects without one are installed: those of tenants, or its own."""
    return spec.tenants if component == COMPONENT else (given,)


def steps(passwords: Mapping[str, pulumi.Input[str]]) -> tuple[Step, ...]:
    """What is changed about each tenant's registry; `passwords` by namespace."""

    def login(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        if (body["kind"], metadata["name"]) == ("Secret", _SECRET):
            body.pop("data", None)
            password = passwords[metadata["namespace"]]
            body["stringData"] = {"MYSQL_USER_NAME": "root", "MYSQL_ROOT_PASSWORD": password}
        if (body["kind"], metadata["name"]) == ("ConfigMap", _PARAMETERS):
            body["data"].pop("MYSQL_ALLOW_EMPTY_PASSWORD", None)
        return body

    return (Step(apply=login, why="upstream publishes one password for everybody, and permits to have none"),)
