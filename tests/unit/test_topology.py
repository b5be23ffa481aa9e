"""Topology: the table of flows as data, and that a change of the stack changes it accordingly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubeflow.network.flows import Outside
from kubeflow.network.table import FLOWS
from kubeflow.network.topology import NAMES_PORT, Facts, Layer, identity, network, storage, topology
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.tenants import Opening, TenantSpec
from tests.support import described, samples, upstream

FACTS = Facts(
    installed=frozenset({"istio", "dex", "oauth2-proxy", "pipelines", "centraldashboard", "kserve", "prometheus"}),
    tenants=samples.platform_spec().tenants,
    outside=frozenset({Outside.API_SERVER}),
)


def pairs(layer: Layer) -> set[tuple[str, str]]:
    return {(source, edge.target) for edge in layer.edges for source in edge.sources}


def test_every_flow_between_installed_ends_is_drawn_and_no_other() -> None:
    everything = frozenset(workload.component for workload in WORKLOADS if workload.component)
    drawn = pairs(network(replace(FACTS, installed=everything, outside=frozenset(Outside) - {Outside.ANYWHERE})))
    expected = {
        tuple(end.value if isinstance(end, Outside) else str(end) for end in (flow.source, flow.target))
        for flow in FLOWS
        if flow.port != NAMES_PORT
    }
    assert {pair for pair in expected if "kube-system/kube-dns" not in pair} <= drawn
    assert {pair for pair in drawn if not pair[0].startswith("tenant ")} - expected == {("tenant/pods", "tenant/pods")}


def test_what_is_not_installed_or_has_no_network_is_not_drawn() -> None:
    names = {node.id for node in network(FACTS).nodes}
    assert "istio-system/istiod" in names
    assert not [name for name in names if name.startswith(("mlflow/", "kueue-system/"))]
    assert "API server" in names
    assert "database" not in names


def test_an_opening_carries_its_reason_and_its_tenant() -> None:
    found = [edge for edge in network(FACTS).edges if edge.tenant is not None]
    assert [(edge.sources, edge.target, edge.label, edge.why, edge.opening) for edge in found] == [
        (("tenant team-a",), "10.20.0.0/24", "TCP 6379", "feature store", True)
    ]
    assert all(edge.opening for edge in network(FACTS).edges if edge.sources == ("anywhere",))


def test_a_new_tenant_changes_every_drawing_that_it_is_in() -> None:
    way = Opening(cidr="10.9.0.0/16", port=443, reason="a partner's interface")
    more = replace(FACTS, tenants={**FACTS.tenants, "team-c": TenantSpec(owner="carl@example.com", egress=(way,))})
    assert pairs(network(more)) - pairs(network(FACTS)) == {("tenant team-c", "10.9.0.0/16")}
    assert pairs(identity(more)) - pairs(identity(FACTS)) == {
        ("carl@example.com", "namespace team-c"),
        ("team-c/default-editor", "namespace team-c"),
        ("team-c/default-viewer", "namespace team-c"),
    }


def test_a_new_component_changes_the_network() -> None:
    more = network(replace(FACTS, installed=FACTS.installed | {"mlflow"}))
    assert ("tenant/pods", "mlflow/mlflow") in pairs(more) - pairs(network(FACTS))


def test_rights_of_accounts_are_drawn_with_their_prefix() -> None:
    rights = {("kubeflow", "ml-pipeline"): ("write server/",), ("team-a", "default-editor"): ("write tenants/team-a/",)}
    found = identity(replace(FACTS, store="s3", rights=rights))
    assert {(edge.sources[0], edge.label, edge.tenant) for edge in found.edges if edge.target == "s3 bucket"} == {
        ("kubeflow/ml-pipeline", "write server/", None), ("team-a/default-editor", "write tenants/team-a/", "team-a"),
    }  # fmt: skip


def claim(name: str, size: str, storage_class: str | None) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "kubeflow"},
        "spec": {**spec, **({} if storage_class is None else {"storageClassName": storage_class})},
    }


def test_every_volume_of_the_plan_is_drawn_with_its_class_and_size() -> None:
    stateful = {
        "kind": "StatefulSet",
        "metadata": {"name": "loki", "namespace": "observability"},
        "spec": {"volumeClaimTemplates": [claim("data", "50Gi", "fast")]},
    }
    found = storage(replace(FACTS, objects=(claim("mysql", "20Gi", None), stateful, {"kind": "Secret"})))
    assert {(edge.sources[0], edge.target, edge.label) for edge in found.edges} == {
        ("kubeflow/mysql", "class of the cluster by default", "20Gi"), ("observability/loki", "class fast", "50Gi"),
    }  # fmt: skip


def test_a_platform_without_anything_is_drawn_without_complaint() -> None:
    empty = topology(Facts(installed=frozenset(), tenants={}, outside=frozenset()))
    assert all(layer["nodes"] == layer["edges"] == [] for layer in empty.values())


@pytest.mark.skipif(bool(upstream.missing()), reason=upstream.missing())
def test_a_whole_platform_describes_itself_in_plain_values_only() -> None:
    found = described.usual()["platform"]
    assert {one["path"] for one in found["endpoints"]} >= {"/", "/pipeline", "/jupyter/", "/katib/"}
    assert found["gateway"]["domain"] == "example.test"
    assert found["policies"]["NetworkPolicy"] > 50
    assert len(found["versions"]["images"]) > 50
    assert {one["place"] for one in found["mesh"]["workloads"]} >= {"sidecar", "gateway", "outside"}
    assert all(one["reason"] for one in found["mesh"]["workloads"] if one["place"] == "outside" and "/" in one["name"]
               and not one["name"].startswith("tenant/"))  # fmt: skip
    assert "secret of" not in str(found)
