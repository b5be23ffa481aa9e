"""Who may read what: real requests with the tenants' own tokens, not questions about permissions."""

from __future__ import annotations

from http import HTTPStatus

from workloads.api import Answer, Api, Json
from workloads.cluster import Visit
from workloads.contract import Target, Tenant
from workloads.outcome import Probes


def tenants_are_separate(target: Target, visit: Visit) -> Probes:
    """A contributor reads its own tenant's Secrets and no other's; a viewer reads pods, and no Secrets at all."""
    probes = Probes()
    secrets = {tenant.namespace: _secret(visit, tenant.namespace) for tenant in target.tenants.values()}
    for tenant in target.tenants.values():
        _contributor(probes, visit, tenant, secrets)
        _viewer(probes, visit, tenant, secrets)
    return probes


def _contributor(probes: Probes, visit: Visit, tenant: Tenant, secrets: dict[str, str]) -> None:
    who = f"{tenant.namespace}/{tenant.contributor}"
    api = _identity(probes, visit, tenant.namespace, tenant.contributor)
    if api is None:
        return
    for space, path in secrets.items():
        answer = api.get(path)
        if space == tenant.namespace:
            probes.positive(f"{who} reads a Secret of its own tenant", held=answer.ok, saw=_seen(answer))
        else:
            _forbidden(probes, f"{who} cannot read a Secret of {space}", answer)
            listed = api.get(f"/api/v1/namespaces/{space}/secrets")
            _forbidden(probes, f"{who} cannot list the Secrets of {space}", listed)
    api.close()


def _viewer(probes: Probes, visit: Visit, tenant: Tenant, secrets: dict[str, str]) -> None:
    who = f"{tenant.namespace}/{tenant.viewer}"
    api = _identity(probes, visit, tenant.namespace, tenant.viewer)
    if api is None:
        return
    pods = api.get(f"/api/v1/namespaces/{tenant.namespace}/pods", limit="1")
    probes.positive(f"{who} lists the pods of its own tenant", held=pods.ok, saw=_seen(pods))
    _forbidden(probes, f"{who} cannot read a Secret of its own tenant", api.get(secrets[tenant.namespace]))
    api.close()


def _identity(probes: Probes, visit: Visit, namespace: str, account: str) -> Api | None:
    token = visit.token(namespace, account)
    if token.ok:
        return visit.api.with_token(token.body["status"]["token"])
    probes.positive(f"{namespace}/{account} gets a token", held=False, saw=_seen(token))
    return None


def _forbidden(probes: Probes, claim: str, answer: Answer) -> None:
    probes.negative(claim, held=answer.status == HTTPStatus.FORBIDDEN, saw=_seen(answer))


def _seen(answer: Answer) -> str:
    return "200" if answer.ok else str(answer)


def _secret(visit: Visit, namespace: str) -> str:
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"generateName": "proof-"},
        "stringData": {"probe": "worth nothing"},
    }
    name = visit.make(namespace, "secrets", body)["metadata"]["name"]
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"
