"""How people log in: Dex and oauth2-proxy under the platform's own name, with its people and identity providers.

Changes upstream's objects; makes no value and asks no provider. Passwords are only ever in a Secret.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import pulumi
import yaml

from infra.contract import Secrets
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.planned import Planned
from kubeflow.spec.login import ConnectorSpec, LoginSpec

SETTINGS = "proof.kubeflow/settings"  # annotation of the pods: they read their settings when they start
COMPONENT = "dex"
_INSIDE = "http://dex.auth.svc.cluster.local:5556/dex"  # where other pods reach Dex; the mesh encrypts it
_FOLDER = uuid.uuid5(uuid.NAMESPACE_DNS, "people.kubeflow-proof")


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Everything about logging in that is known before anything exists, and the secret values."""

    domain: str
    people: tuple[str, ...]
    connectors: Mapping[str, ConnectorSpec]
    hashes: Mapping[str, pulumi.Output[str]] = field(repr=False)  # bcrypt hash of each person's password
    client_secrets: Mapping[str, pulumi.Output[str]] = field(repr=False)  # of each connector

    @property
    def issuer(self) -> str:
        """The address of the login, as browsers reach it and as tokens name it."""
        return f"https://{self.domain}/dex"


def people(spec: LoginSpec, owners: Iterable[str], components: Iterable[str]) -> tuple[str, ...]:
    """Who gets a password of the platform. Raises ValueError where a login is installed and nobody could pass it."""
    if COMPONENT not in set(components):
        return ()
    found = spec.people(owners)
    if not found and not spec.connectors:
        raise ValueError("login: nobody could log in: name users or a connector, or a tenant with an owner")
    return found


def login(spec: LoginSpec, domain: str, hashes: Mapping[str, pulumi.Output[str]], secrets: Secrets) -> Login:
    """The login with its secret values; `hashes` are those of the generated passwords."""
    client_secrets = {name: secrets(connector.client_secret) for name, connector in spec.connectors.items()}
    return Login(
        domain=domain, people=tuple(hashes), connectors=spec.connectors, hashes=hashes, client_secrets=client_secrets
    )


def changed(planned: Planned, login: Login) -> Planned:
    """Upstream's object as this login needs it; every other object as it is."""
    body = planned.body
    change = _CHANGES.get((planned.component, body["kind"], _stem(body)))
    return planned if change is None else replace(planned, body=change(body, login))


def configuration(upstream: Body, login: Login) -> Body:
    """Dex's own settings. Passwords come from its environment."""
    address = f"https://{login.domain}"
    kept = {name: value for name, value in upstream.items() if name not in ("staticPasswords", "connectors")}
    (client,) = kinds.parts(upstream, "staticClients")
    return kept | {
        "issuer": login.issuer,
        "logger": {"level": "info", "format": "json"},
        "enablePasswordDB": bool(login.people),
        "staticPasswords": [
            {
                "email": person,
                "username": person.partition("@")[0],
                "userID": str(uuid.uuid5(_FOLDER, person.casefold())),
                "hashFromEnv": _variable("PERSON", person),
            }
            for person in login.people
        ],
        "connectors": [_connector(name, connector, login) for name, connector in sorted(login.connectors.items())],
        "staticClients": [client | {"redirectURIs": [f"{address}/oauth2/callback"]}],
    }


def _connector(name: str, connector: ConnectorSpec, login: Login) -> Body:
    return {
        "type": "oidc",
        "id": name,
        "name": connector.name or name,
        "config": {
            "issuer": connector.issuer,
            "clientID": connector.client_id,
            "clientSecret": f"${_variable('CONNECTOR', name)}",
            "redirectURI": f"{login.issuer}/callback",
            "scopes": [scope for scope in connector.scopes if scope != "openid"],
            "insecureEnableGroups": "groups" in connector.scopes,
            "insecureSkipEmailVerified": connector.unverified_emails,
        },
    }


def _variable(kind: str, name: str) -> str:
    """A name that depends on nothing else, so that people can come and go."""
    return f"{kind}_{hashlib.sha256(name.encode()).hexdigest()[:16].upper()}"


def _stem(body: Body) -> str:
    """The name of an object without the hash that kustomize adds."""
    return re.sub(r"-[bcdfghkmt2456789]{10}$", "", body["metadata"]["name"])


def _with_data(body: Body, data: Mapping[str, Any]) -> Body:
    return body | {"data": kinds.part(body, "data") | dict(data)}


def _dex_settings(body: Body, login: Login) -> Body:
    upstream = cast("Body", yaml.safe_load(body["data"]["config.yaml"]))
    text = yaml.safe_dump(configuration(upstream, login), sort_keys=False)
    return _with_data(body, {"config.yaml": text})


def _dex_passwords(body: Body, login: Login) -> Body:
    made = {_variable("PERSON", person): login.hashes[person] for person in login.people}
    made |= {_variable("CONNECTOR", name): value for name, value in login.client_secrets.items()}
    return body | {"stringData": kinds.part(body, "stringData") | made}


def _proxy_settings(body: Body, login: Login) -> Body:
    address = f"https://{login.domain}"
    text = body["data"]["oauth2_proxy.cfg"]
    for name, value in {
        "oidc_issuer_url": json.dumps(login.issuer),
        "login_url": json.dumps(f"{login.issuer}/auth"),
        "redeem_url": json.dumps(f"{_INSIDE}/token"),
        "oidc_jwks_url": json.dumps(f"{_INSIDE}/keys"),
        "redirect_url": json.dumps(f"{address}/oauth2/callback"),
        "relative_redirect_url": "false",
    }.items():
        text, count = re.subn(rf"(?m)^{name}\s*=.*$", f"{name} = {value}", text)
        if count != 1:
            raise ValueError(
                f"{body['metadata']['name']}: upstream's settings have {count} lines of {name}, expected 1"
            )
    return _with_data(body, {"oauth2_proxy.cfg": text})


def _proxy_parameters(body: Body, _login: Login) -> Body:
    return _with_data(body, {"FORCE_HTTPS": "true", "ALLOW_SELF_SIGNED_ISSUER": "false"})


def _tokens(body: Body, login: Login) -> Body:
    """The gateway accepts the tokens of this issuer, with the keys that it reads inside of the cluster."""
    rules = kinds.parts(body["spec"], "jwtRules")
    own = [rule | {"issuer": login.issuer, "jwksUri": f"{_INSIDE}/keys"} for rule in rules if rule["issuer"] == _INSIDE]
    others = [rule for rule in rules if rule["issuer"] != _INSIDE]
    return body | {"spec": body["spec"] | {"jwtRules": [*own, *others]}}


def _restarted(body: Body, login: Login) -> Body:
    """Pods that start again when these settings change."""
    connectors = {name: asdict(connector) for name, connector in login.connectors.items()}
    plain = json.dumps([login.domain, login.people, connectors], sort_keys=True)
    template = body["spec"]["template"]
    metadata = kinds.part(template, "metadata")
    annotations = kinds.part(metadata, "annotations") | {SETTINGS: hashlib.sha256(plain.encode()).hexdigest()[:16]}
    template = template | {"metadata": metadata | {"annotations": annotations}}
    return body | {"spec": body["spec"] | {"template": template}}


_CHANGES: Mapping[tuple[str, str, str], Callable[[Body, Login], Body]] = {
    ("dex", "ConfigMap", "dex"): _dex_settings,
    ("dex", "Secret", "dex-passwords"): _dex_passwords,
    ("dex", "Deployment", "dex"): _restarted,
    ("oauth2-proxy", "ConfigMap", "oauth2-proxy"): _proxy_settings,
    ("oauth2-proxy", "ConfigMap", "oauth2-proxy-parameters"): _proxy_parameters,
    ("oauth2-proxy", "Deployment", "oauth2-proxy"): _restarted,
    ("oauth2-proxy", "RequestAuthentication", "dex-jwt"): _tokens,
}
