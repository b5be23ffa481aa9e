"""The proof names every difference, with both ends, ports and policies, on a platform made from the table itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from infra.contract import METADATA_ADDRESSES
from kubeflow.contract import TenantSpec
from kubeflow.network import Addresses, Outside, platform, proof, tenant
from kubeflow.network.semantics import parse
from kubeflow.network.workloads import WORKLOADS
from kubeflow.tenancy import TenantArgs, contents

Json = dict[str, Any]

INSTALLED = frozenset({"katib", "istio", "mlflow"})
ADDRESSES = Addresses(
    metadata=METADATA_ADDRESSES,
    inside=("10.244.0.0/16",),
    networks={Outside.API_SERVER: ("10.0.0.10/32",), Outside.OBJECT_STORE: ("0.0.0.0/0",)},
)
TENANT = "team-a"


def controllers() -> list[Json]:
    """A Deployment for each workload that upstream renders."""
    return [
        deployment(str(workload.namespace), workload.name, dict(workload.labels))
        for workload in WORKLOADS
        if workload.component in INSTALLED and not workload.made_by
    ]


def deployment(namespace: str, name: str, labels: dict[str, str], **spec: Any) -> Json:  # noqa: ANN401 - any pod
    template: Json = {"metadata": {"labels": labels}, "spec": {"containers": [], **spec}}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template},
    }


def made() -> dict[str, Json]:
    own = [
        item
        for item in contents(TENANT, TenantArgs(spec=TenantSpec(owner="ada"), gpu_resources=()))
        if item["kind"] == "NetworkPolicy"
    ]
    documents = (*platform(INSTALLED, ADDRESSES), *tenant(TENANT, INSTALLED, ADDRESSES), *own)
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in documents}


def model(objects: Iterable[Json]) -> proof.Model:
    return proof.model(objects, INSTALLED, {TENANT: []}, ADDRESSES)


def findings(policies: dict[str, Json], objects: list[Json] | None = None) -> list[str]:
    found = model(controllers() if objects is None else objects).findings([parse(one) for one in policies.values()])
    return [str(finding) for finding in found]


def with_spec(policies: dict[str, Json], name: str, **changes: Any) -> dict[str, Json]:  # noqa: ANN401 - any field
    changed = {**policies[name], "spec": {**policies[name]["spec"], **changes}}
    return {**policies, name: changed}


def test_policies_made_from_the_table_admit_the_table() -> None:
    assert findings(made()) == []


def test_a_lost_policy_is_missing_edges_at_its_workload() -> None:
    policies = made()
    del policies["kubeflow/katib-mysql"]
    (found,) = findings(policies)
    assert found.startswith("missing: kubeflow/katib-db-manager -> kubeflow/katib-mysql on TCP 3306 ")
    assert found.endswith("(ingress policies: kubeflow/default-deny)")


def test_an_opening_that_the_other_end_answers_is_an_extra_edge() -> None:
    ingress = [{"ports": [{"protocol": "TCP", "port": 3306}]}]
    found = findings(with_spec(made(), "kubeflow/katib-mysql", ingress=ingress))
    assert (
        "extra: default/(labels of kubeflow/katib-ui) -> kubeflow/katib-mysql on TCP 3306 "
        "(ingress policies: kubeflow/default-deny, kubeflow/katib-mysql)"
    ) in found


def test_an_opening_that_only_the_other_end_keeps_closed_is_loose() -> None:
    ingress: list[Json] = [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 3306}]}]
    found = findings(with_spec(made(), "kubeflow/katib-mysql", ingress=ingress))
    assert {line.split(":")[0] for line in found} == {"loose"}
    assert any("kubeflow/katib-ui -> kubeflow/katib-mysql" in line for line in found)


def test_a_namespace_that_is_not_closed_leaves_undeclared_pods_open() -> None:
    policies = made()
    del policies["mlflow/default-deny"]
    found = findings(policies)
    assert any(line.startswith("extra: mlflow/(undeclared pod) -> address") for line in found)
    assert all("mlflow/(undeclared pod)" in line and "no policy selects it" in line for line in found)


def test_a_policy_that_fences_pods_of_the_cluster_is_found() -> None:
    found = findings(with_spec(made(), "kube-system/istio-cni-node", podSelector={}))
    assert any("kube-system/kube-dns" in line and line.startswith("missing") for line in found)


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200"])
def test_a_metadata_address_that_is_not_carved_out_is_an_extra_edge(address: str) -> None:
    policies = made()
    (rule,) = (
        rule for rule in policies["mlflow/mlflow"]["spec"]["egress"] if any("ipBlock" in peer for peer in rule["to"])
    )
    block = rule["to"][0]["ipBlock"]
    block["except"].remove(f"{address}/32")
    assert findings(policies) == [
        f"extra: mlflow/mlflow -> address {address} on TCP 443 (egress policies: mlflow/default-deny, mlflow/mlflow)"
    ]


def test_a_label_that_upstream_changed_is_missing_edges() -> None:
    objects = [one for one in controllers() if one["metadata"]["name"] != "katib-mysql"]
    renamed = deployment("kubeflow", "katib-mysql", {"katib.kubeflow.org/component": "database"})
    found = findings(made(), [*objects, renamed])
    assert any(
        line.startswith("missing: kubeflow/katib-db-manager -> kubeflow/katib-mysql on TCP 3306") for line in found
    )


def test_controllers_and_workloads_without_a_counterpart_are_told() -> None:
    objects = [one for one in controllers() if one["metadata"]["name"] != "katib-mysql"]
    found = model([*objects, deployment("kubeflow", "newcomer", {"app": "newcomer"})])
    assert found.unknown == ("kubeflow/newcomer",)
    assert found.absent == ("kubeflow/katib-mysql",)


def test_a_pod_on_the_nodes_network_is_left_out() -> None:
    on_node = deployment("monitoring", "node-exporter", {}, hostNetwork=True)
    assert model([*controllers(), on_node]).unknown == ()


def test_an_undeclared_way_out_of_a_tenant_is_extra_and_a_declared_one_is_not() -> None:
    policies = made()
    to = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    egress = [{"to": to, "ports": [{"protocol": "UDP", "port": 514}]}]
    wider = with_spec(
        policies, f"{TENANT}/allow-dns", egress=[*policies[f"{TENANT}/allow-dns"]["spec"]["egress"], *egress]
    )
    parsed = [parse(one) for one in wider.values()]
    assert any(model(controllers()).findings(parsed))
    opening = proof.opening(TENANT, "192.0.2.0/24", 514, "UDP", "audit log")
    declared = proof.model(controllers(), INSTALLED, {TENANT: [opening]}, ADDRESSES)
    assert list(declared.findings(parsed)) == []
