"""The table of kinds is what the components bring, and what is made from it stands in for them."""

from __future__ import annotations

import pytest

from kubeflow.distribution import CacheMissingError, kinds
from kubeflow.distribution.table import CURRENT, components
from kubeflow.install import definitions, open_crds


def test_the_table_is_what_the_cached_components_define() -> None:
    try:
        cached = kinds.cached_kinds()
    except CacheMissingError as error:
        pytest.skip(str(error))
    assert kinds.text(cached) == kinds.TABLE.read_text(encoding="utf-8")


def test_the_table_names_components_of_the_release() -> None:
    assert {kind.component for kind in kinds.table().values()} <= {one.name for one in components(CURRENT)}


def test_the_scope_of_a_kind_is_known_without_its_definition() -> None:
    scopes = kinds.cluster_scoped()
    assert {("cert-manager.io", "ClusterIssuer"), ("kubeflow.org", "Profile")} <= scopes
    assert ("cert-manager.io", "Issuer") not in scopes


def test_an_open_definition_has_the_names_and_versions_of_the_real_one() -> None:
    kind = kinds.table()["profiles.kubeflow.org"]
    body = open_crds.definition(kind.name)
    assert (kind.kind, kind.scope, kind.component) == ("Profile", "Cluster", "profiles")
    assert body["spec"]["names"]["kind"] == "Profile"
    assert definitions.versions(body) == kind.versions
    assert [version["name"] for version in body["spec"]["versions"] if version["storage"]] == [kind.storage]
    assert definitions.lost_versions({"status": {"storedVersions": [kind.storage]}}, body) == []


def test_a_reviewer_sees_that_a_definition_is_open() -> None:
    body = open_crds.definition("profiles.kubeflow.org")
    line = definitions.summary(body)
    assert "(open, sha256" in line
    assert definitions.versions_in(line) == definitions.versions(body)
    assert open_crds.is_open(body)
    del body["metadata"]["annotations"]
    assert not open_crds.is_open(body)
    assert "open" not in definitions.summary(body)


def test_only_the_kinds_of_the_given_objects_are_needed() -> None:
    bodies = [
        {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"},
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate"},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    ]
    assert open_crds.needed(bodies) == ("certificates.cert-manager.io", "peerauthentications.security.istio.io")
    assert open_crds.needed([]) == ()


def test_a_summary_names_the_absent_components_and_the_command_that_gets_them() -> None:
    text = open_crds.absence(["certificates.cert-manager.io", "profiles.kubeflow.org"], wanted=["dex"])
    assert "cert-manager, dex, profiles" in text
    assert "python -m kubeflow.distribution sync" in text
    assert "--from DIR" in text
    assert open_crds.absence([]) == ""
