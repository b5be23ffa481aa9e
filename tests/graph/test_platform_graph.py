"""The whole program under mocks: which resources a stack file leads to."""

from __future__ import annotations

from pathlib import Path

import pulumi

from infra.contract import Environment
from infra.provision import provision
from kubeflow.platform import KubeflowPlatform
from stacks.outputs import Outputs
from stacks.settings import ValidationSpec
from tests.support import graph, samples
from workloads.contract import parse


def build(folder: Path) -> tuple[graph.Graph, Outputs]:
    made: list[Outputs] = []

    def program() -> None:
        cluster = provision(samples.spec_for(Environment.LOCAL, folder), samples.secrets({}))
        own = pulumi.ResourceOptions(providers=[cluster.provider])
        platform = KubeflowPlatform("kubeflow", samples.platform_spec(), cluster, own)
        made.append(Outputs.of(cluster, platform.platform, ValidationSpec(required={"a.b": True})))

    return graph.run(program), made[0]


def test_every_tenant_gets_the_same_kinds(tmp_path: Path) -> None:
    recorded, _ = build(tmp_path)
    for kind in ("ResourceQuota", "LimitRange", "Role", "RoleBinding", "ServiceAccount"):
        names = {
            tenant: {name for namespace, name in recorded.objects(kind) if namespace == tenant}
            for tenant in ("team-a", "team-b")
        }
        assert names["team-a"] == names["team-b"] != set()


def test_every_namespace_is_made_by_the_tenancy_component(tmp_path: Path) -> None:
    recorded, _ = build(tmp_path)
    assert {name for _, name in recorded.objects("Namespace")} == {item.name for item in recorded.of_type("Tenant")}


def test_every_object_goes_through_the_clusters_provider(tmp_path: Path) -> None:
    recorded, _ = build(tmp_path)
    objects = [item for item in recorded.resources if item.type.startswith("kubernetes:")]
    assert objects
    assert all("::sample::" in item.provider for item in objects)


def test_nodes_look_as_the_device_plugin_would_make_them(tmp_path: Path) -> None:
    recorded, _ = build(tmp_path)
    nodes = {name: item for (_, name), item in recorded.objects("Node").items()}
    assert set(nodes) == {"cpu-0", "cpu-1", "l4-0"}
    assert nodes["l4-0"]["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert nodes["l4-0"]["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-L4"
    assert nodes["l4-0"]["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert "taints" not in nodes["cpu-0"]["spec"]
    assert "nvidia.com/gpu" not in nodes["cpu-0"]["status"]["allocatable"]


def test_every_address_of_a_simulated_node_stays_on_the_machine(tmp_path: Path) -> None:
    recorded, _ = build(tmp_path)
    for node in recorded.objects("Node").values():
        assert node["spec"]["podCIDR"].startswith("198.18.")
        assert all(item["address"].startswith("127.") for item in node["status"]["addresses"])


def test_what_the_stack_exports_is_what_validation_reads(tmp_path: Path) -> None:
    _, outputs = build(tmp_path)
    target = parse({**outputs.body, "kubeconfig": samples.KUBECONFIG}, source="the outputs")
    assert target.name == "sample"
    assert target.gpu_pools == {"l4"}
    assert target.accelerator is not None
    assert target.accelerator.resource == "nvidia.com/gpu"
    assert target.tenants["team-a"].gpus == 8
    assert target.priority_classes["kubeflow-platform"] == 1_000_000
    assert target.rules.required == {"a.b": True}
    assert target.standins, "a cluster without containers says so"


def test_no_secret_is_in_the_plain_outputs(tmp_path: Path) -> None:
    _, outputs = build(tmp_path)
    assert "not-a-real-token" not in repr(outputs)
