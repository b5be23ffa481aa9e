"""People log in under the platform's own name, and what they prove themselves with is only ever in a Secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
import yaml

from infra.contract import METADATA_ADDRESSES
from kubeflow import login
from kubeflow.install.planned import Planned, own
from kubeflow.install.waves import Wave
from kubeflow.spec.login import ConnectorSpec, LoginSpec
from tests.support.outputs import event_loop

Object = dict[str, Any]

# Upstream: kubeflow/community-distribution 26.03, common/dex and common/oauth2-proxy, the parts that matter here.
DEX = """\
issuer: http://dex.auth.svc.cluster.local:5556/dex
storage: {type: kubernetes, config: {inCluster: true}}
web: {http: 0.0.0.0:5556}
logger: {level: debug, format: text}
oauth2: {skipApprovalScreen: true}
enablePasswordDB: true
staticPasswords:
- {email: user@example.com, hashFromEnv: DEX_USER_PASSWORD, username: user, userID: "1"}
staticClients:
- {idEnv: OIDC_CLIENT_ID, redirectURIs: ["/oauth2/callback"], name: Login, secretEnv: OIDC_CLIENT_SECRET}
"""
PROXY = """\
provider = "oidc"
oidc_issuer_url = "http://dex.auth.svc.cluster.local:5556/dex"
skip_oidc_discovery = true
login_url = "/dex/auth"
redeem_url = "http://dex.auth.svc.cluster.local:5556/dex/token"
oidc_jwks_url = "http://dex.auth.svc.cluster.local:5556/dex/keys"
redirect_url = "/oauth2/callback"
relative_redirect_url = true"""
CONNECTOR = ConnectorSpec(
    issuer="https://login.example.com", client_id="kubeflow", client_secret="loginKey", networks=("10.9.0.0/24",)
)


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] pytest uses it
    with event_loop():
        yield


def known(value: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(value)


def made(*people: str, **connectors: ConnectorSpec) -> login.Login:
    spec = LoginSpec(users=people, connectors=connectors)
    return login.login(spec, "ml.example.com", {person: known(person) for person in people}, known)


def upstream(component: str, kind: str, name: str, **body: Any) -> Planned:  # noqa: ANN401 - any JSON value
    metadata = {"name": name, "namespace": "auth"}
    return own(component, Wave.AUTHENTICATION, {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body})


def dex(one: login.Login) -> Object:
    planned = login.changed(upstream("dex", "ConfigMap", "dex", data={"config.yaml": DEX}), one)
    return yaml.safe_load(planned.body["data"]["config.yaml"])


def test_dex_knows_the_platforms_people_and_nobody_elses() -> None:
    found = dex(made("ada@example.com", "grace@example.com"))
    assert [(entry["email"], entry["username"]) for entry in found["staticPasswords"]] == [
        ("ada@example.com", "ada"), ("grace@example.com", "grace"),
    ]  # fmt: skip
    assert found["enablePasswordDB"] is True
    assert (found["storage"], found["web"]) == (yaml.safe_load(DEX)["storage"], yaml.safe_load(DEX)["web"])


def test_every_password_that_dex_asks_its_environment_for_is_in_the_secret() -> None:
    one = made("ada@example.com", "grace@example.com", corp=CONNECTOR)
    found = dex(one)
    wanted = {entry["hashFromEnv"] for entry in found["staticPasswords"]}
    wanted |= {entry["config"]["clientSecret"].removeprefix("$") for entry in found["connectors"]}
    secret = login.changed(upstream("dex", "Secret", "dex-passwords"), one).body["stringData"]
    assert wanted == secret.keys()
    assert all(isinstance(value, pulumi.Output) for value in secret.values())


def test_a_person_keeps_their_identity_while_others_come_and_go() -> None:
    before, after = dex(made("ada@example.com", "grace@example.com")), dex(made("grace@example.com"))
    assert before["staticPasswords"][1] == after["staticPasswords"][0]


def test_an_identity_provider_replaces_passwords_of_the_platform() -> None:
    found = dex(made(corp=CONNECTOR))
    assert (found["enablePasswordDB"], found["staticPasswords"]) == (False, [])
    (connector,) = found["connectors"]
    assert (connector["id"], connector["name"], connector["type"]) == ("corp", "corp", "oidc")
    assert connector["config"]["issuer"] == "https://login.example.com"
    assert connector["config"]["redirectURI"] == "https://ml.example.com/dex/callback"
    assert connector["config"]["insecureSkipEmailVerified"] is False


def test_everything_agrees_on_the_address_that_browsers_reach() -> None:
    one = made("ada@example.com")
    found = dex(one)
    assert found["issuer"] == "https://ml.example.com/dex"
    assert found["staticClients"][0]["redirectURIs"] == ["https://ml.example.com/oauth2/callback"]
    proxy = upstream("oauth2-proxy", "ConfigMap", "oauth2-proxy-hk55gm96k4", data={"oauth2_proxy.cfg": PROXY})
    lines = dict(line.split(" = ") for line in login.changed(proxy, one).body["data"]["oauth2_proxy.cfg"].split("\n"))
    assert {name: json.loads(value) for name, value in lines.items()} == {
        "provider": "oidc",
        "oidc_issuer_url": "https://ml.example.com/dex",
        "skip_oidc_discovery": True,
        "login_url": "https://ml.example.com/dex/auth",
        "redeem_url": "http://dex.auth.svc.cluster.local:5556/dex/token",
        "oidc_jwks_url": "http://dex.auth.svc.cluster.local:5556/dex/keys",
        "redirect_url": "https://ml.example.com/oauth2/callback",
        "relative_redirect_url": False,
    }
    rules = [{"issuer": "http://dex.auth.svc.cluster.local:5556/dex", "forwardOriginalToken": True}, {"issuer": "x"}]
    tokens = upstream("oauth2-proxy", "RequestAuthentication", "dex-jwt", spec={"jwtRules": rules})
    own_rule, other = login.changed(tokens, one).body["spec"]["jwtRules"]
    assert own_rule["issuer"] == "https://ml.example.com/dex"
    assert own_rule["jwksUri"] == "http://dex.auth.svc.cluster.local:5556/dex/keys"
    assert (own_rule["forwardOriginalToken"], other) == (True, {"issuer": "x"})


def test_cookies_travel_by_https_only() -> None:
    data = {"FORCE_HTTPS": "false", "ALLOW_SELF_SIGNED_ISSUER": "true", "ENABLE_M2M_TOKENS": "true"}
    planned = upstream("oauth2-proxy", "ConfigMap", "oauth2-proxy-parameters-74659b6648", data=data)
    assert login.changed(planned, made("ada@example.com")).body["data"] == {
        "FORCE_HTTPS": "true", "ALLOW_SELF_SIGNED_ISSUER": "false", "ENABLE_M2M_TOKENS": "true",
    }  # fmt: skip


def test_settings_that_upstream_no_longer_has_are_not_ignored() -> None:
    planned = upstream("oauth2-proxy", "ConfigMap", "oauth2-proxy-hk55gm96k4", data={"oauth2_proxy.cfg": "a = 1"})
    with pytest.raises(ValueError, match="0 lines of oidc_issuer_url, expected 1"):
        login.changed(planned, made("ada@example.com"))


def test_pods_start_again_exactly_when_their_settings_change() -> None:
    pod: Object = {"template": {"metadata": {"labels": {"app": "dex"}}, "spec": {"containers": []}}}
    planned = upstream("dex", "Deployment", "dex", spec=pod)

    def mark(one: login.Login) -> str:
        metadata = login.changed(planned, one).body["spec"]["template"]["metadata"]
        assert metadata["labels"] == {"app": "dex"}
        return metadata["annotations"][login.SETTINGS]

    assert mark(made("ada@example.com")) == mark(made("ada@example.com"))
    assert mark(made("ada@example.com")) != mark(made("grace@example.com"))
    assert mark(made("ada@example.com")) != mark(made("ada@example.com", corp=CONNECTOR))


def test_objects_of_others_stay_as_they_are() -> None:
    for planned in (upstream("katib", "ConfigMap", "dex", data={}), upstream("dex", "Service", "dex", spec={})):
        assert login.changed(planned, made("ada@example.com")) is planned


def test_the_owners_of_tenants_log_in_unless_told_otherwise() -> None:
    owners, components = ("grace", "ada", "ada"), ("dex",)
    assert login.people(LoginSpec(), owners, components) == ("ada", "grace")
    assert login.people(LoginSpec(users=("bob",)), owners, components) == ("bob",)
    assert login.people(LoginSpec(connectors={"corp": CONNECTOR}), owners, components) == ()
    assert login.people(LoginSpec(), owners, ("katib",)) == ()


def test_a_login_that_nobody_could_pass_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody could log in"):
        login.people(LoginSpec(), (), ("dex",))
    with pytest.raises(ValueError, match="nobody could log in"):
        LoginSpec(users=())
    with pytest.raises(ValueError, match="an address of their own"):
        LoginSpec(users=("ada@example.com", "Ada@example.com"))


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        ((), "at least one is needed"),
        (("10.0.0.1/8", "169.254.0.0/16"), f"10.0.0.1/8 has host bits set; 169.254.0.0/16 .*{METADATA_ADDRESSES[0]}"),
    ],
)
def test_networks_of_a_provider_are_refused_with_all_their_problems(networks: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ConnectorSpec(issuer="https://x", client_id="x", client_secret="x", networks=networks)


def test_the_login_may_reach_the_networks_of_its_providers_and_no_others() -> None:
    assert LoginSpec(connectors={"one": CONNECTOR, "two": CONNECTOR}).networks == ("10.9.0.0/24",)
    assert LoginSpec().networks == ()
