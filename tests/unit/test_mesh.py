"""The mesh as tables: everybody is in it or has a reason, every exemption is needed, every declared host is known."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from kubeflow import mesh
from kubeflow.install.waves import Wave
from kubeflow.mesh import EXEMPTIONS, OUTSIDE, OWN_PORTS, External, Place, exempt, place
from kubeflow.network.flows import Outside, Workload
from kubeflow.network.table import FLOWS
from kubeflow.network.workloads import WORKLOADS
from kubeflow.spec.mesh import MeshSpec, OutsideHost
from stacks.decode import SettingsError, decode

Json = dict[str, Any]

INSTALLED = frozenset(one.component for one in WORKLOADS if one.component)


def made(spec: MeshSpec | None = None, *externals: External) -> list[Json]:
    return [item.body for item in mesh.objects(spec or MeshSpec(), INSTALLED, externals)]


def test_every_workload_outside_of_the_mesh_has_a_reason() -> None:
    without = [
        str(one)
        for one in WORKLOADS
        if one.namespace and place(one) is Place.OUTSIDE and not (OUTSIDE.get(str(one)) or OUTSIDE.get(one.namespace))
    ]
    assert without == []


def test_no_reason_is_left_over() -> None:
    outside = [one for one in WORKLOADS if one.namespace and place(one) is Place.OUTSIDE]
    assert OUTSIDE.keys() <= {str(one) for one in outside} | {one.namespace for one in outside}


def test_strict_mutual_tls_holds_everywhere_but_for_declared_ports() -> None:
    default, *others = [body for body in made() if body["kind"] == "PeerAuthentication"]
    assert default["metadata"] == {"name": "default", "namespace": "istio-system"}
    assert default["spec"] == {"mtls": {"mode": "STRICT"}}
    for body in others:
        assert body["spec"]["mtls"] == {"mode": "STRICT"}
        assert body["spec"]["selector"]["matchLabels"]
    opened = {
        (body["metadata"]["namespace"], body["metadata"]["name"], int(port))
        for body in others
        for port, mode in body["spec"]["portLevelMtls"].items()
        if mode == {"mode": "PERMISSIVE"}
    }
    assert opened == {(*one.fence, one.port) for one in EXEMPTIONS if one.mode == "PERMISSIVE" and not one.shipped}


def anonymous(flow_source: object) -> bool:
    if isinstance(flow_source, Workload):
        return place(flow_source) in (Place.OUTSIDE, Place.EITHER)
    return flow_source is Outside.ANYWHERE


# A predictor's own metrics are merged into those of its proxy (port 15020) where its pod carries the annotations.
MERGED = {"monitoring/prometheus -> tenant/predictors TCP 9091"}


def test_a_caller_without_an_identity_is_declared_for_exempt_ports_only() -> None:
    refused = {
        str(flow)
        for flow in FLOWS
        if isinstance(flow.target, Workload)
        and place(flow.target) is Place.SIDECAR
        and anonymous(flow.source)
        and flow.port is not None
        and flow.port not in OWN_PORTS
        and exempt(flow.target, flow.port) is None
    }
    assert refused <= MERGED


def test_every_exemption_is_for_a_meshed_workload_and_has_a_caller_that_needs_it() -> None:
    for one in EXEMPTIONS:
        assert place(one.workload) is Place.SIDECAR
        assert any(flow.target == one.workload and flow.port == one.port and anonymous(flow.source) for flow in FLOWS)
        assert one.reason
        assert one.evidence


def test_an_exemption_of_a_workload_that_is_not_installed_makes_no_object() -> None:
    few = mesh.objects(MeshSpec(), frozenset({"istio"}))
    assert [item.body["metadata"]["name"] for item in few] == ["default"]


@pytest.mark.parametrize(
    "host",
    ["default/kubernetes.default.svc.cluster.local", "kube-system/kube-dns.kube-system.svc.cluster.local",
     "mlflow/*", "feast/*", "observability/*", "kubeflow/*", "istio-system/*", "./*"],
)  # fmt: skip
def test_a_proxy_knows_the_targets_of_declared_flows(host: str) -> None:
    assert host in mesh.view(INSTALLED)


def test_a_proxy_does_not_know_namespaces_without_a_declared_flow() -> None:
    assert {"monitoring/*", "*/*", "kueue-system/*", "auth/*"}.isdisjoint(mesh.view(INSTALLED))
    assert "mlflow/*" not in mesh.view(INSTALLED - {"mlflow"})


def test_knative_sees_the_namespaces_of_tenants_whatever_their_names() -> None:
    views = {body["metadata"]["name"]: body["spec"] for body in made() if body["kind"] == "Sidecar"}
    assert set(views) == {"activator", "autoscaler"}
    assert views["activator"] == {
        "workloadSelector": {"labels": {"app": "activator"}},
        "egress": [{"hosts": ["*/*"]}],
    }


def test_hosts_outside_are_known_by_name_and_reached_where_the_pod_wanted() -> None:
    declared = OutsideHost(host="*.example.test", reason="features")
    database = External(name="db", hosts=("db.test",), port=5432, protocol="TCP", addresses=["10.9.0.0/24"], why="runs")
    tls, tcp = sorted(
        (body for body in made(MeshSpec(outside=(declared,)), database) if body["kind"] == "ServiceEntry"),
        key=lambda body: body["metadata"]["name"],
    )
    assert tls["metadata"]["name"] == "any-example-test-443"
    assert tls["metadata"]["annotations"] == {"proof.kubeflow/reason": "features"}
    assert tls["spec"]["hosts"] == ["*.example.test"]
    assert tls["spec"]["ports"] == [{"number": 443, "name": "tls-443", "protocol": "TLS"}]
    assert tls["spec"]["resolution"] == "NONE"
    assert tcp["spec"]["addresses"] == ["10.9.0.0/24"]


def test_a_host_that_is_known_later_does_not_change_which_objects_there_are() -> None:
    later = External(name="store", hosts=(pulumi.Output.from_input("s3.test"),), why="artifacts")
    (entry,) = (body for body in made(None, later) if body["kind"] == "ServiceEntry")
    assert entry["metadata"]["name"] == "store"
    assert isinstance(entry["spec"]["hosts"][0], pulumi.Output)


def test_traces_are_taken_only_where_somebody_takes_them() -> None:
    (telemetry,) = (body for body in made() if body["kind"] == "Telemetry")
    assert telemetry["spec"]["tracing"] == [{"providers": [{"name": "traces"}], "randomSamplingPercentage": 1}]
    assert not any(body["kind"] == "Telemetry" for body in made(MeshSpec(traced_percent=0)))
    assert not mesh.traced(MeshSpec(), INSTALLED - {"opentelemetry-collector"})


def test_the_mesh_is_closed_before_the_first_pod_that_carries_a_sidecar() -> None:
    assert {item.wave for item in mesh.objects(MeshSpec(), INSTALLED)} == {Wave.AUTHENTICATION}
    assert Wave.AUTHENTICATION < Wave.SERVERLESS


def test_settings_are_read_from_yaml_and_problems_are_named() -> None:
    found = decode(MeshSpec, {"minimumTls": "1.2", "tracedPercent": 0, "outside": [{"host": "a.test", "reason": "x"}]},
                   at="platform.mesh")  # fmt: skip
    assert (found.minimum_tls.protocol, found.outside[0].port) == ("TLSV1_2", 443)
    with pytest.raises(SettingsError) as error:
        decode(MeshSpec, {"minimumTls": "1.1", "tracedPercent": 101, "outside": [{"host": "*", "reason": " "}]},
               at="platform.mesh")  # fmt: skip
    for key in ("platform.mesh.minimumTls", "platform.mesh.tracedPercent", "platform.mesh.outside[0].host"):
        assert key in str(error.value)
