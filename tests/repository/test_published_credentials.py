"""No password that upstream publishes is left in what is installed: proven on every component of the release."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

import pulumi
import pytest

from kubeflow import login
from kubeflow.distribution import CacheMissingError, table
from kubeflow.distribution import cache as store
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds, secrets
from kubeflow.install.credentials import published_credentials
from kubeflow.install.planned import Planned, own
from kubeflow.install.secrets import ROWS, VALUES, Account, Made, Row
from kubeflow.install.waves import Wave
from kubeflow.spec.login import LoginSpec
from tests.support.outputs import event_loop

COMPONENTS = tuple(one.name for one in table.components(table.CURRENT))
PEOPLE = ("ada@example.test",)

# SHA-256 of passwords that upstream's files and manuals publish: this file repeats none of them.
WELL_KNOWN = frozenset(
    {
        "179c076ac522159dbbd50d4f1d84faf05551fe5b59d7e5824a800d46559fb1d1",
        "1718c24b10aeb8099e3fc44960ab6949ab76a267352459f203ea1036bec382c2",
        "931e0b764a2722ac593315b81e2bf674680d8a89722cd521643b882e95ab946c",
        "ad9858116e63b0c5a4d7dc7f50f034c7247e56838dae22c1832712ffde48e694",
        "05926fd3e6ec8c13c5da5205b546037bdcf861528e0bdb22e9cece29e567a1bc",
        "462a0aa7e3ad7e72bcc06fd22a504044f4a4c79033231b9dc8900ad84fbe29b9",
        "80c8cb5e94a392a3d8fc7cf03d8a73bf68788e684466a02393405c717243c900",
        "c154376989fcff516b441dcc647bfe75780c80caf4f0d10012f98f93db0aa510",
        "59b5455d84c6ba139d90008dba80a54ab578389f97b8892598d136508f26d894",
    }
)


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] pytest uses it
    with event_loop():
        yield


def in_namespace(body: Body, namespace: str | None) -> Body:
    return body if namespace is None else body | {"metadata": {"namespace": namespace} | body["metadata"]}


@cache
def upstream() -> tuple[Planned, ...]:
    folder = store.directory(table.CURRENT)
    try:
        return tuple(
            own(one.name, Wave.DATA, in_namespace(document.body, one.namespace))
            for one in table.components(table.CURRENT)
            for document in store.read(folder, one.name)
            if document.identity.kind != "CustomResourceDefinition"
        )
    except CacheMissingError as error:
        pytest.skip(str(error))


def generated(name: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(f"generated {name}")


def installed(rows: tuple[Row, ...] = ROWS) -> list[Planned]:
    values = {name: generated(name) for name in VALUES}
    spec = LoginSpec(users=PEOPLE)
    entrance = login.login(spec, "ml.example.test", {person: generated(person) for person in PEOPLE}, generated)
    replaced = [secrets.replaced(planned, values, rotation=1, rows=rows) for planned in upstream()]
    return [*(login.changed(planned, entrance) for planned in replaced), *secrets.additions(COMPONENTS, values)]


def texts(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for item in cast("dict[str, Any]", node).values():
            yield from texts(item)
    elif isinstance(node, list):
        for item in cast("list[object]", node):
            yield from texts(item)
    elif isinstance(node, str):
        yield node


def readable(objects: Iterable[Planned]) -> Iterator[tuple[str, str]]:
    """Every plain text with the object that holds it; what is encoded in Secrets is decoded."""
    for planned in objects:
        for text in texts(planned.body):
            yield planned.name, text
        if planned.body["kind"] == "Secret":
            for text in texts(kinds.part(planned.body, "data")):
                yield planned.name, base64.b64decode(text).decode(errors="replace")


def published_values() -> set[str]:
    """What upstream's Secrets hold at the places of the table, but for names of accounts."""
    found: set[str] = set()
    for planned in upstream():
        for key, text in kinds.part(planned.body, "data").items():
            row = secrets.row_of(planned.component, planned.body, key)
            if planned.body["kind"] == "Secret" and row is not None and not isinstance(row.becomes, Account):
                found.add(base64.b64decode(text).decode())
        for key, text in kinds.part(planned.body, "stringData").items():
            row = secrets.row_of(planned.component, planned.body, key)
            if row is not None and not isinstance(row.becomes, Account):
                found.add(text)
    return found


def test_upstream_publishes_passwords_and_none_of_them_is_installed() -> None:
    published = [row for row in ROWS if not isinstance(row.becomes, Account)]
    assert len(published_credentials(upstream())) == len(published)
    assert published_credentials(installed()) == ()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.component}-{row.name}-{row.key}")
def test_the_table_has_no_row_too_many(row: Row) -> None:
    others = tuple(other for other in ROWS if other is not row)
    left = published_credentials(installed(others), others)
    assert left == (f"{row.component}/{row.kind}/{row.name}/{row.key}",)


def test_no_published_value_is_left_anywhere() -> None:
    values = published_values()
    assert len(values) > 5
    long = {value for value in values if len(value) >= 8}
    short = "|".join(re.escape(value) for value in values - long if value)
    assigned = re.compile(rf"(?i)(?:pass|secret|key|token|user)\w*[\"']?\s*[:=]\s*[\"']?(?:{short})\b")
    left = [
        name
        for name, text in readable(installed())
        if text in values - {""} or any(value in text for value in long) or assigned.search(text)
    ]
    assert left == []


def well_known(objects: Iterable[Planned]) -> list[str]:
    return [
        name
        for name, text in readable(objects)
        for word in re.findall(r"[\w$./@-]{7,}", text)
        if hashlib.sha256(word.encode()).hexdigest() in WELL_KNOWN
    ]


def test_no_well_known_default_is_left_anywhere() -> None:
    assert "pipelines/Secret/kubeflow/mlpipeline-minio-artifact" in well_known(upstream())
    assert well_known(installed()) == []


def test_upstreams_user_is_nobody_here() -> None:
    (settings,) = (item for item in installed() if item.name == "dex/ConfigMap/auth/dex")
    text = settings.body["data"]["config.yaml"]
    assert "user@example.com" not in text
    assert PEOPLE[0] in text


def test_every_user_of_a_value_gets_the_same() -> None:
    shared = [row.name for row in ROWS if row.becomes == Made(value="login-client")]
    assert shared == ["dex-oidc-client", "oauth2-proxy-h675gf55ht"]


def test_a_value_that_no_component_needs_is_not_made() -> None:
    assert [value.name for value in secrets.needed(("katib",))] == ["katib-database"]
    assert secrets.needed(("cert-manager",)) == ()
    assert {value.name for value in secrets.needed(COMPONENTS)} == VALUES.keys()


def test_every_other_object_is_installed_as_it_is() -> None:
    values = {name: generated(name) for name in VALUES}
    changed = [one.name for one in upstream() if secrets.replaced(one, values, rotation=1) is not one]
    assert sorted(changed) == [
        "dex/Deployment/auth/dex",
        "dex/Secret/auth/dex-oidc-client",
        "dex/Secret/auth/dex-passwords",
        "katib/Deployment/kubeflow/katib-mysql",
        "katib/Secret/kubeflow/katib-mysql-secrets",
        "kube-prometheus-stack/Deployment/monitoring/kube-prometheus-stack-grafana",
        "mlflow/Deployment/mlflow/mlflow",
        "mlflow/Secret/mlflow/mlflow-flask-server-secret-key",
        "model-registry/ConfigMap/model-registry-db-parameters",
        "model-registry/Secret/model-registry-db-secrets",
        "oauth2-proxy/Deployment/oauth2-proxy/oauth2-proxy",
        "oauth2-proxy/Secret/oauth2-proxy/oauth2-proxy-h675gf55ht",
        "pipelines/Deployment/kubeflow/mysql",
        "pipelines/Secret/kubeflow/mlpipeline-minio-artifact",
        "pipelines/Secret/kubeflow/mysql-secret",
    ]
