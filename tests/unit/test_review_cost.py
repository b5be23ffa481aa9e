"""What a plan costs by the table: all clouds in one shape, unknown where unknown, never a guessed number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policies.guardrails.rule import Resource
from review.cost import HOURS, Estimate, estimate
from review.pools import Group, groups
from review.previews import Preview
from review.price_table import FILE, PriceError, PriceTable, Source, read

Json = dict[str, Any]
LABELS = {"proof.kubeflow/pool": "h100", "nvidia.com/gpu.count": "8"}
LISTED = [{"key": key, "value": value} for key, value in LABELS.items()]
TABLE: Json = {
    "schema": 1,
    "currency": "USD",
    "unit": "hour",
    "sources": {"test": {"name": "a list", "date": "2026-01-02", "checked": True}},
    "prices": [
        {"cloud": "aws", "region": "r", "item": "machine", "name": "gpu", "onDemand": 10.0, "spot": None,
         "source": "test"},
        {"cloud": "aws", "region": "r", "item": "machine", "name": "cpu", "onDemand": 0.5, "spot": 0.2,
         "source": "test"},
        {"cloud": "aws", "region": "r", "item": "component", "name": "control plane", "onDemand": 0.1, "spot": None,
         "source": "test"},
    ],
}  # fmt: skip


def resource(kind: str, inputs: Json, name: str = "x", **more: Any) -> Resource:  # noqa: ANN401 - any field
    return Resource(type=kind, name=name, urn=f"{kind}::{name}", inputs=inputs, **more)


def group(name: str, machine: str, bounds: tuple[int, int], *, gpus: int = 0, spot: bool = False) -> Resource:
    labels = {"proof.kubeflow/pool": name, **({"nvidia.com/gpu.count": str(gpus)} if gpus else {})}
    body = {
        "instanceTypes": [machine],
        "labels": labels,
        "scalingConfig": {"minSize": bounds[0], "maxSize": bounds[1]},
        "capacityType": "SPOT" if spot else "ON_DEMAND",
    }
    return resource("aws:eks/nodeGroup:NodeGroup", body, f"{name}{spot}")


def table(folder: Path, document: Json | None = None) -> PriceTable:
    file = folder / "prices.json"
    file.write_text(json.dumps(document or TABLE), encoding="utf-8")
    return read(file)


def preview(*resources: Resource, environment: str = "eks", region: str = "r", outputs: Json | None = None) -> Preview:
    return Preview(
        label="here", config={"kubeflow-proof:cluster": {"environment": environment, "region": region}},
        resources=resources, outputs=outputs or {}, findings=(), doubts=(), exempted=(), judged=True, errors=(),
        stand_ins=(), closed=(), seconds=0,
    )  # fmt: skip


TEMPLATE = resource("aws:ec2/launchTemplate:LaunchTemplate", {"instanceType": "p5.48xlarge"})
POOLS = {
    "aws": resource(
        "aws:eks/nodeGroup:NodeGroup",
        {"labels": LABELS, "scalingConfig": {"minSize": 0, "maxSize": 4}, "capacityType": "SPOT"},
        dependencies=(TEMPLATE.urn,),
    ),
    "azure": resource(
        "azure-native:containerservice:AgentPool",
        {"agentPoolName": "h", "vmSize": "p5.48xlarge", "enableAutoScaling": True, "minCount": 0, "maxCount": 4,
         "nodeLabels": LABELS, "scaleSetPriority": "Spot"},
    ),
    "azure, in the cluster": resource(
        "azure-native:containerservice:ManagedCluster",
        {"agentPoolProfiles": [{"name": "h", "vmSize": "p5.48xlarge", "enableAutoScaling": True, "minCount": 0,
                                "maxCount": 4, "nodeLabels": LABELS, "scaleSetPriority": "Spot"}]},
    ),
    "gcp": resource(
        "gcp:container/nodePool:NodePool",
        {"name": "h", "autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 4},
         "nodeConfig": {"labels": LABELS, "machineType": "p5.48xlarge", "spot": True}},
    ),
    "gcp, by zone": resource(
        "gcp:container/nodePool:NodePool",
        {"name": "h", "autoscaling": {"minNodeCount": 0, "maxNodeCount": 2}, "nodeLocations": ["a", "b"],
         "nodeConfig": {"labels": LABELS, "machineType": "p5.48xlarge", "spot": True}},
    ),
    "alibaba": resource(
        "alicloud:cs/nodePool:NodePool",
        {"labels": LISTED, "instanceTypes": ["p5.48xlarge"], "scalingConfig": {"minSize": 0, "maxSize": 4},
         "spotStrategy": "SpotAsPriceGo"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("cloud", POOLS)
def test_pools_of_every_cloud_have_one_shape(cloud: str) -> None:
    (found,) = groups([TEMPLATE, POOLS[cloud]], {})
    assert found == Group(
        pool="h100", machine="p5.48xlarge", spot=True, least=0, most=4, gpus=8, accelerators={}
    )  # fmt: skip


def test_pools_that_no_resource_is_are_those_of_the_stacks_outputs() -> None:
    pools = {"l4": {"machine": "l4-host", "min": 1, "max": 2, "gpu": {"count": 4}}}
    (found,) = groups([], {"cluster": {"pools": pools}})
    assert (found.pool, found.least, found.most, found.gpus) == ("l4", 1, 2, 4)


def test_a_sum_counts_nodes_at_the_bounds_of_the_autoscaler_and_parts(tmp_path: Path) -> None:
    control = resource("aws:eks/cluster:Cluster", {})
    found = estimate(
        preview(group("cpu", "cpu", (2, 4)), group("h100", "gpu", (0, 3), gpus=8), control), table(tmp_path)
    )
    assert found.total(most=False) == pytest.approx(2 * 0.5 + 0.1)
    assert found.total(most=True) == pytest.approx(4 * 0.5 + 3 * 10 + 0.1)
    assert found.gpu_share == pytest.approx(30 / 32.1)
    assert found.unknown(most=True) == ()
    assert found.sources == ("a list, 2026-01-02",)
    assert HOURS == 730


def test_a_machine_without_a_price_is_unknown_and_in_no_sum(tmp_path: Path) -> None:
    found = estimate(preview(group("new", "dear", (1, 2), gpus=8), group("cpu", "cpu", (1, 1))), table(tmp_path))
    assert found.unknown(most=True) == ("new",)
    assert found.total(most=True) == pytest.approx(0.5)
    assert found.gpu_share is None


def test_no_nodes_cost_nothing_whatever_one_costs(tmp_path: Path) -> None:
    found = estimate(preview(group("new", "dear", (0, 2))), table(tmp_path))
    assert found.unknown(most=False) == ()
    assert found.unknown(most=True) == ("new",)


def test_a_spot_price_is_taken_where_it_is_known_and_bounded_where_not(tmp_path: Path) -> None:
    made = preview(group("a", "cpu", (1, 1), spot=True), group("b", "gpu", (1, 1), spot=True))
    by_name = {row.name: row for row in estimate(made, table(tmp_path)).pools}
    assert by_name["a (spot)"].price == 0.2
    assert by_name["b (spot)"].price == 10
    assert "spot price unknown: at most the one on demand" in by_name["b (spot)"].notes


def test_the_price_of_another_region_is_named(tmp_path: Path) -> None:
    (row,) = estimate(preview(group("a", "cpu", (1, 1)), region="elsewhere"), table(tmp_path)).pools
    assert (row.price, row.notes) == (0.5, ("price of r",))


def test_where_nobody_bills_by_the_hour_nothing_is_invented(tmp_path: Path) -> None:
    outputs = {"cluster": {"pools": {"cpu": {"machine": "cpu", "min": 1, "max": 1}}}}
    found = estimate(preview(environment="vsphere", outputs=outputs), table(tmp_path))
    assert (found.total(most=True), found.unknown(most=True), found.parts) == (0, ("cpu",), ())


def test_a_table_of_ones_own_may_price_any_environment(tmp_path: Path) -> None:
    row = {
        "cloud": "vsphere",
        "region": "dc",
        "item": "machine",
        "name": "host",
        "onDemand": 2,
        "spot": None,
        "source": "test",
    }
    own = table(tmp_path, {**TABLE, "prices": [row]})
    outputs = {"cluster": {"pools": {"cpu": {"machine": "host", "min": 3, "max": 3}}}}
    assert estimate(preview(environment="vsphere", region="dc", outputs=outputs), own).total(most=True) == 6


def test_the_committed_table_is_valid_and_every_price_has_a_dated_source() -> None:
    found = read(FILE)
    assert found.prices
    assert all(one.source in found.sources for one in found.prices)
    assert found.text() == FILE.read_text(encoding="utf-8"), "write it with PriceTable.text()"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"currency": "EUR"}, "currency: found 'EUR', allowed is 'USD'"),
        ({"prices": [{**TABLE["prices"][0], "onDemand": -1}]}, "prices[0].onDemand: found -1"),
        ({"prices": [{**TABLE["prices"][0], "source": "x"}]}, "prices[0].source: there is no source 'x'"),
        ({"prices": [{"cloud": "aws"}]}, "prices[0]: found cloud"),
        ({"sources": {"test": {"name": "n", "date": "soon", "checked": True}}}, "sources.test: needs name, date"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(tmp_path: Path, change: Json, said: str) -> None:
    with pytest.raises(PriceError) as refused:
        table(tmp_path, {**TABLE, **change})
    assert said in str(refused.value)


def test_newer_prices_take_the_place_of_older_ones(tmp_path: Path) -> None:
    old = table(tmp_path)
    fresh = [one for one in old.prices if one.name == "gpu"]
    merged = old.merged(fresh, "new", Source(name="newer", date="2026-02-03", checked=True))
    assert {one.name: one.source for one in merged.prices} == {"gpu": "new", "cpu": "test", "control plane": "test"}


def test_an_empty_plan_costs_nothing() -> None:
    assert Estimate(cloud="aws", region="r").total(most=True) == 0
