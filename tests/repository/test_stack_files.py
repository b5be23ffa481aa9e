"""Every committed stack file is one that the product accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.contract import Capability, Storage, options_of
from infra.eks.cluster import CAPABILITIES
from infra.eks.network import plan
from infra.eks.options import Site
from infra.eks.storage import STORAGE
from infra.existing.options import ExistingOptions
from stacks.check import check
from stacks.load import load

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def test_there_are_stack_files() -> None:
    assert {path.name for path in FILES} >= {"Pulumi.local.yaml", "Pulumi.existing.yaml"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_is_accepted(path: Path) -> None:
    code, lines = check(path)
    assert code == 0, "\n".join(lines)


def test_each_half_of_the_split_example_says_of_the_cluster_what_the_other_makes() -> None:
    first = load(ROOT / "stacks/Pulumi.eks-infra.yaml").cluster
    second = load(ROOT / "stacks/Pulumi.eks-platform.yaml").cluster
    assert (second.name, second.region, second.version) == (first.name, first.region, first.version)
    assert second.pools == first.pools
    site, given = Site.of(first), options_of(second, ExistingOptions)
    zones = plan(site.options.network, site.zones).values()
    assert (given.pod_cidr, given.service_cidr) == (site.options.network.pods, site.options.network.services)
    assert given.api_server_cidrs == tuple(zone.control for zone in zones)
    assert given.node_cidrs == tuple(zone.nodes for zone in zones)
    assert Storage(block=given.block_storage_class, shared=given.shared_storage_class) == STORAGE
    assert given.domain == site.options.domain
    assert set(given.capabilities) == CAPABILITIES - {Capability.SHARED_STORAGE, Capability.WORKLOAD_IDENTITY}


def test_the_first_half_of_the_split_example_installs_nothing_and_the_second_finds_it_by_name() -> None:
    first = load(ROOT / "stacks/Pulumi.eks-infra.yaml").platform
    second = load(ROOT / "stacks/Pulumi.eks-platform.yaml")
    assert (dict(first.tenants), first.components) == ({}, ())
    assert second.platform.tenants
    stack = options_of(second.cluster, ExistingOptions).stack or ""
    assert f"Pulumi.{stack.rpartition('/')[2]}.yaml" in {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_holds_no_secret_and_no_salt(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(document) == {"config"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_committed_stack_file_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80
