"""Pre-flight of what is there already: a vCenter with its hosts, and a cluster that somebody else runs."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.contract import Capability, ClusterSpec, Environment, options_of
from infra.naming import POOL_LABEL
from infra.preflight import Plan, checks_of, existing, vsphere
from infra.preflight.checks import CannotLookError, Check, Live, NoCredentialsError, Outcome
from infra.preflight.runner import run
from infra.preflight.vcenter import Host, Hosts, Image
from infra.vsphere.options import VsphereOptions
from stacks.load import load
from tests.support import samples

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
TODAY = dt.date(2026, 11, 21)


def outcomes(made: tuple[Check, ...]) -> dict[str, tuple[Outcome, str]]:
    return {item.check.id: (item.finding.outcome, item.finding.reason) for item in run(made)}


def failures(made: tuple[Check, ...]) -> dict[str, str]:
    return {name: reason for name, (outcome, reason) in outcomes(made).items() if outcome is Outcome.FAIL}


class Cluster:
    """A cluster of two nodes, one of them with GPUs, that fits `samples.POOLS`."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.silent: dict[str, list[str]] = {"ValidatingWebhookConfiguration/policy": []}
        self.nodes = [self.node("cpu", 0), self.node("cpu", 1), self.node("l4", 2, gpus=4)]
        self.held: dict[str, Json] = {
            "/version": {"major": "1", "minor": "35+", "gitVersion": "v1.35.4"},
            "/api/v1/nodes": {"items": self.nodes},
            "/apis/storage.k8s.io/v1/storageclasses": {"items": [{"metadata": {"name": "standard"}}]},
        }

    def node(self, pool: str, index: int, gpus: int = 0) -> Json:
        return {
            "metadata": {"name": f"node-{index}", "labels": {POOL_LABEL: pool}},
            "spec": {"podCIDRs": [f"10.244.{index}.0/24"]},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": f"10.0.0.{10 + index}"}],
                "allocatable": {"nvidia.com/gpu": str(gpus)},
            },
        }

    def get(self, path: str) -> Json | None:
        return self.held.get(path)

    def conflicts(self) -> list[str]:
        return self.found

    def silent_webhooks(self) -> dict[str, list[str]]:
        return self.silent


class TestExisting:
    def made(self, cluster: Cluster, **changes: Any) -> tuple[Check, ...]:  # noqa: ANN401
        options = replace(samples.existing_options(), node_cidrs=("10.0.0.0/24",), **changes)
        spec = samples.cluster_spec(Environment.EXISTING, options)
        return existing.make(Plan(spec=spec, today=TODAY, live=lambda: cluster))

    def test_a_cluster_that_is_as_written_passes(self) -> None:
        assert {outcome for outcome, _ in outcomes(self.made(Cluster())).values()} == {Outcome.PASS}

    def test_another_version_fails(self) -> None:
        cluster = Cluster()
        cluster.held["/version"]["minor"] = "34"
        words = "the cluster runs Kubernetes 1.34; cluster.version is 1.35"
        assert failures(self.made(cluster)) == {"existing.credentials": words}

    def test_a_pool_without_its_nodes_or_their_gpus_fails(self) -> None:
        cluster = Cluster()
        cluster.nodes[1]["status"]["conditions"][0]["status"] = "False"
        cluster.nodes[2]["status"]["allocatable"] = {}
        reason = failures(self.made(cluster))["existing.nodes"]
        assert "pools.cpu: 1 ready nodes carry its label; min is 2" in reason
        assert "pools.l4: node-2 offers 0 GPUs; gpu.count is 4" in reason

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"pod_cidr": "10.245.0.0/16"}, "node node-0 has pods in 10.244.0.0/24, outside podCidr"),
            ({"node_cidrs": ("10.0.1.0/24",)}, "node node-0 has address 10.0.0.10, outside nodeCidrs"),
        ],
    )
    def test_networks_that_policies_are_made_from_must_be_those_of_the_cluster(
        self, changes: dict[str, Any], words: str
    ) -> None:
        options = replace(samples.existing_options(), **changes)
        spec = samples.cluster_spec(Environment.EXISTING, options)
        made = existing.make(Plan(spec=spec, today=TODAY, live=Cluster))
        assert words in failures(made)["existing.addresses"]

    def test_a_storage_class_that_is_named_must_be_there(self) -> None:
        reason = failures(self.made(Cluster(), shared_storage_class="nfs"))["existing.storage"]
        assert reason == "no storage class nfs; there are standard"

    def test_what_the_platform_finds_in_its_way_fails(self) -> None:
        cluster = Cluster()
        cluster.found = ["Istio: somebody else's is there"]
        assert failures(self.made(cluster)) == {"existing.conflicts": "Istio: somebody else's is there"}

    def test_silent_webhooks_fail_only_where_the_platform_counts_on_them(self) -> None:
        cluster = Cluster()
        cluster.silent = {"ValidatingWebhookConfiguration/policy": ["policy.test does not answer: no way"]}
        assert set(failures(self.made(cluster))) == {"existing.webhooks"}
        without = outcomes(self.made(cluster, capabilities=(Capability.CONTAINERS,)))
        assert without["existing.webhooks"][0] is Outcome.WARN

    def test_a_cluster_without_any_webhook_proves_nothing(self) -> None:
        cluster = Cluster()
        cluster.silent = {}
        assert outcomes(self.made(cluster))["existing.webhooks"][0] is Outcome.WARN

    def test_a_server_that_does_not_answer_fails_once(self) -> None:
        def gone() -> Live:
            raise NoCredentialsError("the API server does not answer")

        spec = samples.cluster_spec(Environment.EXISTING, samples.existing_options())
        found = outcomes(existing.make(Plan(spec=spec, today=TODAY, live=gone)))
        assert [name for name, (outcome, _) in found.items() if outcome is Outcome.FAIL] == ["existing.credentials"]
        assert found["existing.nodes"] == (Outcome.SKIP, "the API server does not answer")

    def test_a_kubeconfig_that_is_a_secret_is_a_skip(self) -> None:
        def secret() -> Live:
            raise CannotLookError("the kubeconfig is a secret")

        spec = samples.cluster_spec(Environment.EXISTING, samples.existing_options())
        found = outcomes(checks_of(Plan(spec=spec, today=TODAY, live=secret)))
        assert found["existing.credentials"] == (Outcome.SKIP, "the kubeconfig is a secret")


class VCenter:
    """A vCenter with room for the example, and the devices that its seats name."""

    def __init__(self) -> None:
        kubeadm = example().kubeadm
        assert kubeadm is not None
        self.image_found: Image | None = Image(is_template=True, efi=True, hardware=20)
        self.free: float | None = 4000.0
        self.memory: float | None = None
        self.drs = True
        self.found = {
            seat.host: Host(192, 2048, working=True, devices=dict.fromkeys((*seat.gpus, *seat.fabric), True))
            for seats in kubeadm.seats.values()
            for seat in seats
        }

    def caller(self) -> str:
        return "VSPHERE.LOCAL\\pulumi"

    def image(self, name: str) -> Image | None:
        return self.image_found if name == "ubuntu-2404-kube-1.35.4" else None

    def datastore(self, name: str) -> float | None:
        return self.free if name == "vsan-ml" else None

    def network(self, name: str) -> bool:
        return name == "ml-nodes"

    def hosts(self, cluster: str) -> Hosts | None:
        return Hosts(drs=self.drs, free_memory_gib=self.memory, hosts=self.found) if cluster == "ml-hosts" else None


def spec() -> ClusterSpec:
    return load(ROOT / "stacks/Pulumi.vsphere.yaml").cluster


def example() -> VsphereOptions:
    return options_of(spec(), VsphereOptions)


def planned(vcenter: VCenter, given: ClusterSpec | None = None) -> tuple[Check, ...]:
    return vsphere.make(Plan(spec=given or spec(), today=TODAY, live=nothing), vcenter)


def nothing() -> Live:
    raise CannotLookError("no cluster is there")


class TestVsphere:
    def test_the_example_passes_where_there_is_room(self) -> None:
        assert {outcome for outcome, _ in outcomes(planned(VCenter())).values()} == {Outcome.PASS}

    @pytest.mark.parametrize(
        ("found", "words"),
        [
            (None, "there is no template ubuntu-2404-kube-1.35.4"),
            (Image(is_template=False, efi=True, hardware=20), "is a machine and no template"),
            (Image(is_template=True, efi=False, hardware=20), "starts by BIOS"),
            (Image(is_template=True, efi=True, hardware=14), "has virtual hardware 14; least: 17"),
        ],
    )
    def test_a_template_that_cannot_become_a_node_fails(self, found: Image | None, words: str) -> None:
        vcenter = VCenter()
        vcenter.image_found = found
        assert words in failures(planned(vcenter))["vsphere.template"]

    @pytest.mark.parametrize("free", [None, 100.0])
    def test_disks_need_room_in_the_datastore(self, free: float | None) -> None:
        vcenter = VCenter()
        vcenter.free = free
        assert set(failures(planned(vcenter))) == {"vsphere.datastore"}

    def test_a_port_group_that_is_missing_fails(self) -> None:
        given = spec()
        kubeadm = example().kubeadm
        assert kubeadm is not None
        options = replace(example(), kubeadm=replace(kubeadm, port_group="other"))
        assert set(failures(planned(VCenter(), replace(given, options=options)))) == {"vsphere.network"}

    def test_memory_that_others_were_promised_is_not_there(self) -> None:
        vcenter = VCenter()
        vcenter.memory = 100.0
        assert "GiB of memory: " in failures(planned(vcenter))["vsphere.resource-pool"]

    def test_devices_must_be_in_their_host_and_switched_to_passthrough(self) -> None:
        vcenter = VCenter()
        host = vcenter.found["esx-21.example.com"]
        devices = {**host.devices, "0000:30:00.0": False}
        del devices["0000:31:00.0"]
        vcenter.found["esx-21.example.com"] = replace(host, devices=devices)
        del vcenter.found["esx-11.example.com"]
        reason = failures(planned(vcenter))["vsphere.gpus"]
        assert "seats.h100[0]: 0000:30:00.0 of esx-21.example.com is not switched to passthrough" in reason
        assert "seats.h100[0]: esx-21.example.com has no device 0000:31:00.0" in reason
        assert "seats.l4[0]: esx-11.example.com is no host of the compute cluster" in reason
        assert "esx-22" not in reason

    def test_hosts_in_maintenance_and_without_drs_hold_nothing(self) -> None:
        vcenter = VCenter()
        vcenter.drs = False
        assert set(failures(planned(vcenter))) == {"vsphere.cluster"}
        vcenter.found = {name: replace(host, working=False) for name, host in vcenter.found.items()}
        found = failures(planned(vcenter))
        assert "none of them works" in found["vsphere.cluster"]
        assert {"vsphere.resource-pool", "vsphere.gpus"} < set(found)

    def test_nobody_is_signed_in_without_a_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("VSPHERE_PASSWORD", raising=False)
        monkeypatch.setattr("infra.preflight.vcenter.load", _installed)
        found = outcomes(vsphere.make(Plan(spec=spec(), today=TODAY, live=nothing)))
        assert found["vsphere.credentials"] == (Outcome.FAIL, "no vCenter credentials")
        assert found["vsphere.template"] == (Outcome.SKIP, "no vCenter credentials")


def _installed(_environment: str, _module: str) -> SimpleNamespace:
    """An SDK that is there and never asked."""
    return SimpleNamespace(vim=None)
