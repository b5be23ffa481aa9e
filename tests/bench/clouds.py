"""First previews of the clouds' stacks on the stand-ins, in one run. Reaches no cloud.

Two peers: an empty program, and one with a single network of the same cloud, which is what importing a cloud's SDK and
starting its plugin cost anybody.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import yaml

from rehearsal.changes import PLATFORM, SECRETS, Config, edited
from rehearsal.cycle import stacks
from rehearsal.engine import PROJECT, ROOT, Engine
from tests.support.engine import tools

Measure = dict[str, Any]
RUNS = 3

# A program with one network. The provider is explicit, as everywhere.
_ONE = """import gc

gc.disable()

import pulumi
import {sdk} as sdk

opts = pulumi.ResourceOptions(provider=sdk.Provider("provider", {provider}))
sdk.{kind}("network", {inputs}, opts=opts)
"""
_NETWORKS: dict[str, dict[str, str]] = {
    "eks": {
        "sdk": "pulumi_aws",
        "provider": 'region="eu-west-1"',
        "kind": "ec2.Vpc",
        "inputs": 'cidr_block="10.0.0.0/16"',
    },
    "aks": {
        "sdk": "pulumi_azure_native",
        "provider": 'subscription_id="00000000-0000-0000-0000-000000000000"',
        "kind": "network.VirtualNetwork",
        "inputs": 'resource_group_name="g", address_space={"address_prefixes": ["10.0.0.0/16"]}',
    },
    "gke": {
        "sdk": "pulumi_gcp",
        "provider": 'project="p", region="europe-west4"',
        "kind": "compute.Network",
        "inputs": "auto_create_subnetworks=False",
    },
    "ack": {
        "sdk": "pulumi_alicloud",
        "provider": 'region="eu-central-1"',
        "kind": "vpc.Network",
        "inputs": 'cidr_block="10.0.0.0/16"',
    },
    "vsphere": {
        "sdk": "pulumi_vsphere",
        "provider": 'user="u", password="p", vsphere_server="v.example.com"',
        "kind": "Folder",
        "inputs": 'path="f", type="vm", datacenter_id="datacenter-1"',
    },
}


def measure(folder: Path) -> list[Measure]:
    """Medians of runs that take turns, so that whatever else the machine does hits all of them."""
    empty = _program(folder / "empty", "import pulumi\n")
    ones = {name: _program(folder / f"one-{name}", _ONE.format(**_NETWORKS[name])) for name in stacks()}
    clouds = {name: _cloud(folder / name, name) for name in stacks()}
    found: dict[str, list[float]] = {name: [] for name in clouds}
    single: dict[str, list[float]] = {name: [] for name in clouds}
    nothing: list[float] = []
    for _ in range(RUNS):
        nothing.append(_previewed(empty))
        for name, engine in clouds.items():
            found[name].append(_previewed(engine))
            single[name].append(_previewed(ones[name]))
    measures: list[Measure] = []
    for name in clouds:
        ours = statistics.median(found[name])
        for said, peers in (("an empty program", nothing), ("one network of this cloud", single[name])):
            measures.append(_measured(name, ours, said, statistics.median(peers)))
    return measures


def _program(folder: Path, text: str) -> Engine:
    """A small program under the same engine and stand-ins."""
    program = folder / "program"
    program.mkdir(parents=True)
    (program / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n", encoding="utf-8")
    (program / "__main__.py").write_text(text, encoding="utf-8")
    engine = Engine(folder / "engine", tools(), folder.name, {}, program)
    engine.configure({})
    return engine


def _cloud(folder: Path, name: str) -> Engine:
    """This repository's program with a committed stack, without tenants and components of upstream."""
    config: Config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text("utf-8"))["config"]
    engine = Engine(folder / "engine", tools(), name, {})
    alone = edited(config, lambda one: one[PLATFORM].update(tenants={}, components=[]))
    engine.configure(alone, SECRETS.get(name))
    return engine


def _previewed(engine: Engine) -> float:
    ran = engine.preview()
    if ran.code:
        raise RuntimeError(f"preview of {engine.stack} failed:\n{ran.text}")
    return ran.seconds


def _measured(name: str, ours: float, said: str, peer: float) -> Measure:
    return {
        "name": f"preview of the cloud part: {name}",
        "value": round(ours, 3),
        "unit": "s",
        "peer": f"preview of {said}",
        "peer_value": round(peer, 3),
        "ratio": round(ours / peer, 3),
        "runs": RUNS,
    }
