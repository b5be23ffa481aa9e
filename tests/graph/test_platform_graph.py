"""The whole program under mocks: which resources a stack file leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pulumi

from infra.contract import Binding, Environment, Grant, Identity, Network, Store
from infra.provision import provision
from kubeflow.network.objects import fences
from kubeflow.platform import KubeflowPlatform, PlatformArgs
from kubeflow.spec.network import NetworkSpec
from kubeflow.tenancy import TenantArgs, TenantNamespace
from stacks.outputs import Outputs
from stacks.settings import ValidationSpec
from tests.support import graph, samples
from workloads.contract import parse


def build(folder: Path) -> tuple[graph.Graph, Outputs]:
    made: list[Outputs] = []

    def program() -> None:
        cluster = provision(samples.spec_for(Environment.LOCAL, folder), samples.secrets({}))
        own = pulumi.ResourceOptions(providers=[cluster.provider])
        args = PlatformArgs(spec=samples.platform_spec(), cluster=cluster, secrets=samples.secrets({}))
        platform = KubeflowPlatform("kubeflow", args, own)
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


def tenant(*installed: str) -> tuple[graph.Graph, list[tuple[str, str, tuple[Grant, ...]]]]:
    """One tenant beside these components, in a cluster where pods are principals."""
    asked: list[tuple[str, str, tuple[Grant, ...]]] = []

    def bind(namespace: str, account: str, grants: Sequence[Grant], _opts: pulumi.ResourceOptions) -> Binding:
        asked.append((namespace, account, tuple(grants)))
        return Binding(
            annotations={"identity/role": pulumi.Output.from_input("role-of-team-a")},
            pod_labels={"identity/use": "true"},
            namespace_labels={"identity/space": "true"},
        )

    async def later() -> str:
        await asyncio.sleep(0.2)  # long enough for whoever does not wait for it
        return "up"

    def program() -> None:
        network = Network(
            pod_cidr="10.244.0.0/16",
            service_cidr="10.96.0.0/12",
            metadata_addresses=(),
            api_server_cidrs=pulumi.Output.from_input(["10.0.0.10/32"]),
        )
        args = TenantArgs(
            spec=samples.platform_spec().tenants["team-a"],
            gpu_resources=("nvidia.com/gpu",),
            fences=fences(installed, network, NetworkSpec()),
            identity=Identity(bind=bind),
            stores=(Store.ARTIFACTS,),
            after=(pulumi.Stash("controllers", input=pulumi.Output.from_input(later())),),
        )
        TenantNamespace("team-a", args)

    return graph.run(program), asked


def test_a_tenant_is_a_principal_with_rights_below_its_own_prefix_only() -> None:
    recorded, asked = tenant("profiles", "admission-webhook")
    grant = Grant(store=Store.ARTIFACTS, prefix="tenants/team-a/", write=True)
    assert asked == [("team-a", "default-editor", (grant,))]
    account = recorded.objects("ServiceAccount")["team-a", "default-editor"]
    assert account["metadata"]["annotations"] == {"identity/role": "role-of-team-a"}
    assert recorded.objects("Namespace")["", "team-a"]["metadata"]["labels"]["identity/space"] == "true"
    assert recorded.objects("PodDefault")["team-a", "workload-identity"]["spec"]["labels"] == {"identity/use": "true"}


def test_a_tenant_comes_behind_everything_that_acts_on_what_it_holds() -> None:
    recorded, _ = tenant("profiles", "kueue", "istio", "katib")
    _component, controllers, *objects = recorded.resources
    assert controllers.name == "controllers"
    names = [item.name for item in objects]
    assert {"team-a/Profile/team-a", "team-a/LocalQueue/default", "team-a/ResourceQuota/tenant"} <= set(names)
    assert objects[0].type.endswith(":Namespace"), "the namespace is there before what lives in it"


def test_a_tenant_beside_nothing_holds_nothing_that_somebody_would_have_to_install() -> None:
    recorded, _ = tenant()
    groups = {
        item.type.split(":")[1].split("/")[0] for item in recorded.resources if item.type.startswith("kubernetes:")
    }
    assert groups == {"core", "networking.k8s.io", "rbac.authorization.k8s.io"}
    names = {name for _, name in recorded.objects("NetworkPolicy")}
    assert names == {"default-deny", "allow-dns", "allow-same-namespace", "allow-declared"}


def test_kubeflows_own_traffic_is_declared_in_a_tenants_namespace() -> None:
    recorded, _ = tenant("pipelines", "katib", "notebook-controller")
    found = {name for _, name in recorded.objects("NetworkPolicy")}
    assert {"platform-pods", "platform-notebooks", "platform-pipeline-steps"} <= found
    assert "10.0.0.10/32" in str(recorded.objects("NetworkPolicy")["team-a", "platform-notebooks"])
