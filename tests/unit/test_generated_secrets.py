"""What is put in place of published passwords, where, and that everything else stays."""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeflow.install import secrets
from kubeflow.install.planned import Planned, own
from kubeflow.install.secrets import ROTATION, VALUES
from kubeflow.install.waves import Wave
from tests.support.outputs import event_loop

Object = dict[str, Any]


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] pytest uses it
    with event_loop():
        yield


def replaced(planned: Planned, rotation: int = 1) -> Planned:
    values = {name: pulumi.Output.secret(name) for name in VALUES}
    return secrets.replaced(planned, values, rotation=rotation)


def secret(component: str, name: str, namespace: str, **content: Any) -> Planned:  # noqa: ANN401 - any JSON value
    metadata = {"name": name, "namespace": namespace}
    return own(component, Wave.DATA, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **content})


def workload(component: str, name: str, container: Object, kind: str = "Deployment") -> Planned:
    template: Object = {"metadata": {"annotations": {"kept": "yes"}}, "spec": {"containers": [container]}}
    metadata = {"name": name, "namespace": "kubeflow"}
    body: Object = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template}}
    if kind == "Job":
        body["apiVersion"] = "batch/v1"
    return own(component, Wave.DATA, body)


def variables(planned: Planned) -> list[Object]:
    return planned.body["spec"]["template"]["spec"]["containers"][0]["env"]


def test_a_value_takes_the_place_of_the_published_one_and_the_account_stays() -> None:
    before = secret("pipelines", "mysql-secret", "kubeflow", stringData={"username": "root", "password": ""})
    after = replaced(before).body["stringData"]
    assert after["username"] == "root"
    assert isinstance(after["password"], pulumi.Output)
    assert before.body["stringData"]["password"] == ""


def test_an_empty_password_is_no_longer_allowed() -> None:
    env = [{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"}, {"name": "OTHER", "value": "1"}]
    assert variables(replaced(workload("pipelines", "mysql", {"name": "mysql", "env": env}))) == [
        {
            "name": "MYSQL_ROOT_PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": "mysql-secret", "key": "password"}},
        },
        {"name": "OTHER", "value": "1"},
    ]
    assert variables(replaced(workload("katib", "katib-mysql", {"name": "mysql", "env": env}))) == env[1:]


def test_a_secret_of_the_same_name_elsewhere_stays() -> None:
    for planned in (
        secret("pipelines", "mysql-secret", "team-a", stringData={"password": "own"}),
        secret("katib", "mysql-secret", "kubeflow", stringData={"password": "own"}),
    ):
        assert replaced(planned) is planned


@pytest.mark.parametrize(
    "reference",
    [
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "dex-oidc-client", "key": "x"}}}]},
        {"envFrom": [{"secretRef": {"name": "dex-oidc-client"}}]},
    ],
)
def test_pods_that_read_a_rotated_value_start_again(reference: Object) -> None:
    planned = workload("dex", "dex", {"name": "c", **reference})
    planned.body["metadata"]["namespace"] = "auth"
    before, after = (replaced(planned, rotation).body["spec"]["template"]["metadata"] for rotation in (1, 2))
    assert before["annotations"] == {"kept": "yes", ROTATION: "1"}
    assert after["annotations"] == {"kept": "yes", ROTATION: "2"}


def test_pods_of_databases_are_left_alone_by_a_rotation() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "mysql-secret", "key": "password"}}}]
    planned = workload("pipelines", "ml-pipeline", {"name": "c", "env": env})
    assert replaced(planned, 1) is planned


def test_a_job_is_not_changed_by_a_rotation_for_it_could_not_be_updated() -> None:
    planned = workload("x", "job", {"name": "c", "envFrom": [{"secretRef": {"name": "dex-oidc-client"}}]}, kind="Job")
    planned.body["metadata"]["namespace"] = "auth"
    assert replaced(planned) is planned


def test_what_a_database_keeps_in_its_volume_is_never_rotated() -> None:
    kept = {value.name for value in VALUES.values() if not value.rotates}
    assert kept == {
        "pipelines-database", "katib-database", "registry-database", "object-store-account", "object-store-key",
    }  # fmt: skip


def test_grafanas_administrator_is_made_where_grafana_is() -> None:
    values = {name: pulumi.Output.secret(name) for name in VALUES}
    (made,) = secrets.additions(("katib", "kube-prometheus-stack"), values)
    assert (made.name, made.wave) == ("secrets/Secret/monitoring/grafana-admin", Wave.DATA)
    assert made.body["stringData"]["admin-user"] == "admin"
    assert isinstance(made.body["stringData"]["admin-password"], pulumi.Output)
    assert list(secrets.additions(("katib",), values)) == []


@given(st.text(string.ascii_letters + string.digits, min_size=43, max_size=43))
def test_the_key_of_cookies_is_32_bytes_as_oauth2_proxy_reads_it(text: str) -> None:
    assert VALUES["login-cookie"].length == len(text)
    # oauth2-proxy 7, pkg/encryption SecretBytes: base64 of the URL alphabet, if that gives 16, 24 or 32 bytes.
    assert len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) == 32


def test_every_value_says_why_it_is_there_and_is_used() -> None:
    used = {row.becomes.value for row in secrets.ROWS if isinstance(row.becomes, secrets.Made)}
    used |= {name for item in secrets.ADDITIONS for name in item.made.values()}
    assert used == VALUES.keys()
    assert all(value.why and re.fullmatch("[a-z-]+", value.name) for value in VALUES.values())


def test_only_the_values_of_installed_components_are_made() -> None:
    assert [value.name for value in secrets.needed(("dex", "oauth2-proxy"))] == ["login-client", "login-cookie"]
