"""Flows refuse what could not be reviewed; policies are made from them and from nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from infra.contract import METADATA_ADDRESSES
from kubeflow.network import Addresses, Flow, Network, Outside, Workload, platform, tenant
from kubeflow.network.table import FLOWS, TENANCY
from kubeflow.network.workloads import WORKLOADS

INSTALLED = frozenset(workload.component for workload in WORKLOADS if workload.component)
ADDRESSES = Addresses(
    metadata=METADATA_ADDRESSES,
    inside=("10.244.0.0/16", "10.96.0.0/12"),
    networks={Outside.API_SERVER: ("10.0.0.10/32",), Outside.OBJECT_STORE: ("0.0.0.0/0", "::/0")},
)
NOWHERE = Addresses(metadata=METADATA_ADDRESSES, inside=(), networks={})
SOME = Workload(name="some", namespace="kubeflow")


def specs(*documents: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["spec"] for one in documents}


def test_every_flow_is_declared_once() -> None:
    repeated = [str(flow) for flow, count in Counter(str(flow) for flow in FLOWS).items() if count > 1]
    assert repeated == []


def test_every_workload_has_its_own_name_and_selector() -> None:
    assert [name for name, count in Counter(str(one) for one in WORKLOADS).items() if count > 1] == []
    selectors = Counter((one.namespace, tuple(sorted(one.labels.items())), one.having) for one in WORKLOADS)
    assert [selector for selector, count in selectors.items() if count > 1] == []


def test_only_what_is_called_from_unknown_addresses_is_open_to_anywhere() -> None:
    opened = {str(flow.target) for flow in FLOWS if flow.source is Outside.ANYWHERE}
    calls = ("webhook", "controller", "istiod", "ingressgateway", "operator", "cache-server")
    assert [target for target in opened if not any(word in target for word in calls)] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 0}, "not in 1..65535"),
        ({"port": 65536}, "not in 1..65535"),
        ({"why": " "}, "reason"),
        ({"evidence": ""}, "evidence"),
        ({"target": Outside.ANYWHERE}, "nothing may reach everywhere"),
        ({"source": Outside.NODES, "target": Outside.REGISTRY}, "neither end is a workload"),
    ],
)
def test_a_flow_that_nobody_could_review_is_refused(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"source": SOME, "target": SOME, "port": 80, "why": "because", "evidence": "standard"}
    Flow(**good)
    with pytest.raises(ValueError, match=message):
        Flow(**{**good, **changes})


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
def test_a_metadata_address_is_no_network(address: str) -> None:
    with pytest.raises(ValueError, match="instance metadata"):
        Addresses(metadata=METADATA_ADDRESSES, inside=(), networks={Outside.OBJECT_STORE: (address,)})


def test_anywhere_has_no_networks() -> None:
    with pytest.raises(ValueError, match="anywhere"):
        Addresses(metadata=(), inside=(), networks={Outside.ANYWHERE: ("10.0.0.0/8",)})


def test_metadata_pods_and_services_are_carved_out_of_larger_networks() -> None:
    carved = [str(network) for network in ADDRESSES.carved("0.0.0.0/0")]
    assert set(carved) == {
        "169.254.169.254/32", "169.254.170.23/32", "100.100.100.200/32", "10.244.0.0/16", "10.96.0.0/12",
    }  # fmt: skip
    assert [str(network) for network in ADDRESSES.carved("::/0")] == ["fd00:ec2::254/128"]
    assert ADDRESSES.carved("10.96.0.0/12") == ()
    assert ADDRESSES.carved("192.0.2.0/24") == ()


def test_an_opening_to_everywhere_keeps_its_exceptions() -> None:
    rule = next(
        rule
        for rule in specs(*platform(INSTALLED, ADDRESSES))["mlflow/mlflow"]["egress"]
        if any("ipBlock" in peer for peer in rule["to"])
    )
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in rule["to"]}
    assert "169.254.169.254/32" in blocks["0.0.0.0/0"]
    assert blocks["::/0"] == ["fd00:ec2::254/128"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_every_namespace_but_a_shared_one_is_closed_both_ways() -> None:
    made = specs(*platform(INSTALLED, ADDRESSES))
    closed: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    spaces = {name.split("/")[0] for name in made}
    assert {space for space in spaces if made.get(f"{space}/default-deny") == closed} == spaces - {"kube-system"}
    assert "kube-system/default-deny" not in made


def test_a_workload_has_one_policy_with_both_directions() -> None:
    made = specs(*platform(INSTALLED, ADDRESSES))
    for workload in WORKLOADS:
        if workload.component:
            assert made[str(workload)]["policyTypes"] == ["Ingress", "Egress"]


def test_a_database_accepts_its_clients_and_reaches_nothing() -> None:
    katib = specs(*platform(INSTALLED, ADDRESSES))["kubeflow/katib-mysql"]
    assert "egress" not in katib
    (rule,) = katib["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 3306}]
    assert rule["from"] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kubeflow"}},
            "podSelector": {"matchLabels": {"katib.kubeflow.org/component": "db-manager"}},
        }
    ]


def test_a_webhook_is_open_to_callers_whose_address_is_unknown() -> None:
    webhook = specs(*platform(INSTALLED, ADDRESSES))["kubeflow/admission-webhook-deployment"]
    assert webhook["ingress"] == [{"ports": [{"protocol": "TCP", "port": 4443}]}]


def test_a_port_that_is_open_to_anywhere_is_not_opened_again() -> None:
    gateway = specs(*platform(INSTALLED, ADDRESSES))["istio-system/istio-ingressgateway"]
    listed = [port["port"] for rule in gateway["ingress"] for port in rule["ports"]]
    assert sorted(listed) == [8080, 8443, 15020]


def test_a_component_that_is_not_installed_leaves_no_trace() -> None:
    made = platform(INSTALLED - {"prometheus", "katib"}, ADDRESSES)
    assert "monitoring" not in str(made)
    assert "katib" not in str(made)


def test_the_shape_of_the_policies_does_not_depend_on_addresses() -> None:
    assert specs(*platform(INSTALLED, NOWHERE)).keys() == specs(*platform(INSTALLED, ADDRESSES)).keys()
    assert specs(*tenant("team-a", INSTALLED, NOWHERE)).keys() == specs(*tenant("team-a", INSTALLED, ADDRESSES)).keys()


def test_policies_are_the_same_every_time() -> None:
    assert platform(INSTALLED, ADDRESSES) == platform(sorted(INSTALLED), ADDRESSES)


def test_an_end_without_networks_makes_no_rule() -> None:
    assert "ipBlock" not in str(platform(INSTALLED, NOWHERE))


def test_a_tenants_platform_traffic_stays_in_its_namespace_and_never_collides_with_its_own_policies() -> None:
    made = tenant("team-a", INSTALLED, ADDRESSES)
    assert {one["metadata"]["namespace"] for one in made} == {"team-a"}
    assert all(one["metadata"]["name"].startswith("platform-") for one in made)


def test_a_tenant_may_always_reach_its_own_pods_and_names() -> None:
    assert [str(flow) for flow in TENANCY] == [
        "tenant/pods -> tenant/pods every port",
        "tenant/pods -> kube-system/kube-dns UDP 53",
        "tenant/pods -> kube-system/kube-dns TCP 53",
        "tenant/pods -> node-local resolver UDP 53",
        "tenant/pods -> node-local resolver TCP 53",
    ]


def test_flows_are_named_by_their_ends() -> None:
    flow = Flow(source=SOME, target=Network(cidr="192.0.2.0/24"), port=53, protocol="UDP", why="w", evidence="e")
    assert str(flow) == "kubeflow/some -> 192.0.2.0/24 UDP 53"


def test_the_package_needs_no_engine() -> None:
    code = "import sys, kubeflow.network.proof; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
