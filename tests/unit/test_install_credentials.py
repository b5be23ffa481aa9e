"""No password that upstream publishes goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from kubeflow.distribution import CacheMissingError, Distribution, load
from kubeflow.distribution.cache import Rendered
from kubeflow.distribution.table import CURRENT, components
from kubeflow.install.credentials import published_credentials
from kubeflow.install.planned import own
from kubeflow.install.waves import Wave
from tests.support.outputs import event_loop

KNOWN = {
    "dex": {"OIDC_CLIENT_SECRET", "DEX_USER_PASSWORD"},
    "katib": {"MYSQL_ALLOW_EMPTY_PASSWORD", "MYSQL_ROOT_PASSWORD"},
    "mlflow": {"MLFLOW_FLASK_SERVER_SECRET_KEY"},
    "oauth2-proxy": {"client-secret", "cookie-secret"},
    "pipelines": {"MYSQL_ALLOW_EMPTY_PASSWORD", "accesskey", "password", "secretkey"},
}


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] pytest uses it
    with event_loop():
        yield


def found_in(*bodies: dict[str, Any]) -> tuple[str, ...]:
    part = Rendered(crds=(), core=bodies, late=(), namespace=None, sha256="")
    return published_credentials(Distribution(release=CURRENT, components={"dex": part}))


def secret(name: str, **content: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **content}


def test_a_secret_with_content_is_found_and_one_that_a_controller_fills_is_not() -> None:
    assert found_in(secret("one", data={"key": "dGVzdA=="}), secret("two", stringData={"empty": ""})) == (
        "dex/Secret/one/key",
        "dex/Secret/two/empty",
    )
    assert found_in(secret("minted", data={}), secret("null", data=None)) == ()


def test_a_password_in_the_environment_of_a_container_is_found() -> None:
    env = [
        {"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]
    spec = {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"}, "spec": spec}
    assert found_in(body) == ("dex/Deployment/db/MYSQL_ALLOW_EMPTY_PASSWORD",)


def test_permission_to_have_no_password_is_found_in_settings_and_other_settings_are_not() -> None:
    metadata = {"name": "settings"}
    data = {"MYSQL_ALLOW_EMPTY_PASSWORD": "true", "MYSQL_PORT": "3306"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    assert found_in(body) == ("dex/ConfigMap/settings/MYSQL_ALLOW_EMPTY_PASSWORD",)


def test_the_name_of_an_account_and_a_generated_value_are_no_published_password() -> None:
    client = {"OIDC_CLIENT_ID": "one", "OIDC_CLIENT_SECRET": pulumi.Output.secret("generated")}
    body = secret("dex-oidc-client", stringData=client)
    body["metadata"]["namespace"] = "auth"
    assert published_credentials([own("dex", Wave.AUTHENTICATION, body)]) == ()
    assert published_credentials([own("dex", Wave.AUTHENTICATION, body)], ()) == (
        "dex/Secret/dex-oidc-client/OIDC_CLIENT_ID",
    )


def test_the_published_passwords_of_the_release_are_those_that_are_known() -> None:
    names = [component.name for component in components(CURRENT) if component.default]
    try:
        release = load(CURRENT, names)
    except CacheMissingError as error:
        pytest.skip(str(error))
    found: dict[str, set[str]] = {}
    for place in published_credentials(release):
        component, _, _, key = place.split("/")
        found.setdefault(component, set()).add(key)
    assert found == KNOWN
