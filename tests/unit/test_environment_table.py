"""The table of environments says what the contract's object says, and its rows differ where environments do."""

from __future__ import annotations

from functools import cache

import pytest

from infra import table
from infra.__main__ import examples
from infra.contract import Capability, ClusterSpec, Environment
from tests.support import clouds


@cache
def page() -> list[list[str]]:
    text = table.document(examples())
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]


def cells(environment: str) -> dict[str, str]:
    titles = page()[0]
    (found,) = [row for row in page() if row[0] == f"[{environment}]({environment}.md)"]
    return dict(zip(titles, found, strict=True))


@pytest.mark.parametrize(
    ("environment", "roles", "capacities"),
    [
        ("eks", "system, cpu, gpu", "on-demand, spot, spot-or-on-demand, reserved"),
        ("gke", "system, cpu, gpu, tpu", "on-demand, spot, spot-or-on-demand, reserved"),
        ("vsphere", "system, cpu, gpu", "on-demand"),
        ("existing", "system, cpu, gpu, tpu", "on-demand, spot, spot-or-on-demand, reserved"),
        ("local", "system, cpu, gpu", "on-demand"),
    ],
)
def test_pool_types_are_those_that_the_options_accept(environment: str, roles: str, capacities: str) -> None:
    assert cells(environment)["pools"] == f"{roles}; {capacities}"


@pytest.mark.parametrize("environment", clouds.CLOUDS, ids=lambda item: item.value)
def test_a_row_says_what_a_cluster_with_all_answers_says(environment: Environment) -> None:
    cluster = clouds.build(clouds.spec(environment)).cluster
    row = cells(environment.value)
    assert cluster.accelerator is not None
    assert row["GPU driver"].startswith(cluster.accelerator.driver.value)
    assert f"`{cluster.storage.block}` (block)" in row["storage"]
    assert (f"`{cluster.storage.shared}` (shared)" in row["storage"]) == (cluster.storage.shared is not None)
    assert (row["identity"].startswith("none")) == (Capability.WORKLOAD_IDENTITY not in cluster.capabilities)


def test_each_capability_is_a_row_and_each_environment_a_column() -> None:
    start = next(index for index, row in enumerate(page()) if row[0] == "capability")
    titles, *rows = page()[start:]
    assert titles[1:] == list(examples())
    assert [row[0].strip("`") for row in rows] == [capability.value for capability in Capability]
    containers = dict(zip(titles, rows[[*Capability].index(Capability.CONTAINERS)], strict=True))
    assert (containers["local"], containers["eks"]) == ("-", "yes")


def test_an_environment_that_cannot_be_described_is_an_error_and_no_empty_row() -> None:
    broken = next(iter(examples().values()))
    wrong = ClusterSpec(
        environment=Environment.LOCAL, name="x", region="x", version="1.35", pools=broken.pools, options=broken.options
    )
    with pytest.raises(TypeError, match="options of local"):
        table.row(wrong)
