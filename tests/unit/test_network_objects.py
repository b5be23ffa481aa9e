"""Policies as objects: their shape is plain, what a cluster learns late only flows, and upstream's are left out."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from infra.contract import METADATA_ADDRESSES, Network
from infra.objects import KubernetesObject
from kubeflow.install.waves import Wave
from kubeflow.network import Outside
from kubeflow.network.objects import Fences, addresses, fences, policies, without_upstreams
from kubeflow.spec.network import NetworkSpec
from tests.support import graph

Json = dict[str, Any]

INSTALLED = ("katib", "istio", "mlflow")


def network(**changes: Any) -> Network:  # noqa: ANN401 - any field
    """A cluster's network; the two that flow stay unset unless they are given."""
    base: Json = {
        "pod_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/12",
        "metadata_addresses": ("169.254.169.254",),
        "api_server_cidrs": None,
        "object_store_cidrs": None,
    }
    return Network(**{**base, **changes})


def installed(
    made: list[Fences], *, api_server: tuple[str, ...] = ("10.0.0.10/32",), object_store: tuple[str, ...] = ()
) -> graph.Graph:
    def program() -> None:
        given = network(
            api_server_cidrs=pulumi.Output.from_input(list(api_server)),
            object_store_cidrs=pulumi.Output.from_input(list(object_store)),
        )
        one = fences(INSTALLED, given, NetworkSpec())
        made.append(one)
        for planned in policies(one):
            KubernetesObject(planned.name, planned.body)
        for body in one.tenant("team-a"):
            KubernetesObject(f"team-a/{body['metadata']['name']}", body)

    return graph.run(program)


def test_policies_are_in_force_before_the_first_pod() -> None:
    made: list[Fences] = []
    installed(made)
    planned = list(policies(made[0]))
    assert {one.wave for one in planned} == {Wave.BASE}
    assert {"network/NetworkPolicy/kubeflow/katib-mysql", "network/NetworkPolicy/mlflow/default-deny"} <= {
        one.name for one in planned
    }


def test_only_policies_that_name_a_late_network_have_a_spec_that_flows() -> None:
    made: list[Fences] = []
    installed(made)
    flowing = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in made[0].platform
        if isinstance(one["spec"], pulumi.Output)
    }
    assert {"kubeflow/katib-controller", "mlflow/mlflow", "istio-system/istiod"} <= flowing
    assert not {"kubeflow/katib-mysql", "kubeflow/default-deny", "istio-system/istio-ingressgateway"} & flowing


def test_late_networks_arrive_in_the_policies_and_change_none_of_their_names() -> None:
    one = installed([], object_store=("198.51.100.0/24",)).objects("NetworkPolicy")
    other = installed([], api_server=()).objects("NetworkPolicy")
    assert one.keys() == other.keys()
    assert "10.0.0.10/32" in str(one["kubeflow", "katib-controller"])
    assert "198.51.100.0/24" in str(one["mlflow", "mlflow"])
    assert "198.51.100.0/24" in str(one["team-a", "platform-pods"])
    assert "ipBlock" not in str(other)


def test_a_tenants_policies_are_made_once_and_placed_in_each_namespace() -> None:
    made: list[Fences] = []
    installed(made)
    names = [[one["metadata"] for one in made[0].tenant(space)] for space in ("team-a", "team-b")]
    assert {one["namespace"] for one in names[0]} == {"team-a"}
    assert [one["name"] for one in names[0]] == [one["name"] for one in names[1]] != []


def test_where_nothing_of_upstream_is_installed_there_is_nothing_to_fence() -> None:
    made = fences((), network(), NetworkSpec())
    assert (made.platform, list(made.tenant("team-a"))) == ((), [])


def test_metadata_addresses_are_carved_out_even_of_a_cluster_that_names_none() -> None:
    found = addresses(network(metadata_addresses=("192.0.2.254",)), NetworkSpec())
    assert set(found.metadata) == {*METADATA_ADDRESSES, "192.0.2.254"}
    assert found.inside == ("10.244.0.0/16", "10.96.0.0/12")


def test_networks_come_from_the_cluster_and_from_its_owner() -> None:
    given = network(node_cidrs=("10.0.1.0/24",), resolver="169.254.20.10")
    networks = addresses(given, NetworkSpec(issuer=("203.0.113.8/32",), registry=("198.51.100.0/24",))).networks
    assert networks[Outside.NODES] == ("10.0.1.0/24",)
    assert networks[Outside.RESOLVER] == ("169.254.20.10/32",)
    assert networks[Outside.ISSUER] == ("203.0.113.8/32",)
    assert networks[Outside.REGISTRY] == ("198.51.100.0/24",)
    assert networks[Outside.DATABASE] == ()


def test_what_is_no_network_is_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match=r"issuer: .*somewhere.*; certificateAuthority: .*10\.0\.0\.1/8.*host bits"):
        NetworkSpec(issuer=("somewhere",), certificate_authority=("10.0.0.1/8",))


def test_upstreams_own_policies_are_left_out() -> None:
    policy: Json = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "wide"}}
    service: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    assert without_upstreams(policy, None) is None
    assert without_upstreams(service, None) is service
