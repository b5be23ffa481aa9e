"""The numbered rules of infra/CONTRACT.md where clouds have more to keep, over every cloud that exists.

What needs a cloud's own words is in tests/graph/test_NAME_graph.py. Golden files: UPDATE_GOLDEN=1 writes them anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.contract import (
    METADATA_ADDRESSES,
    TOKEN_FILE,
    Binding,
    Capability,
    Cluster,
    Environment,
    Grant,
    Owner,
    Role,
    Store,
)
from infra.naming import CAPACITY_LABEL, GPU_TAINT, POOL_LABEL, ROLE_LABEL
from tests.support import clouds, graph

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
CLOUD_SDKS = ("pulumi_aws", "pulumi_azure_native", "pulumi_azuread", "pulumi_gcp", "pulumi_alicloud", "pulumi_vsphere")
KEYS = ("AccessKey", "ServiceAccountKey", "serviceAccountKey", "accessKey")


@cache
def made(environment: Environment) -> clouds.Made:
    """The sample cluster of a cloud; built once, read by many tests."""
    return clouds.build(clouds.spec(environment))


@cache
def flowing(environment: Environment) -> Mapping[str, Any]:
    """What the sample cluster's Outputs come to."""
    seen: dict[str, Any] = {}

    def read(cluster: Cluster) -> None:
        cluster.kubeconfig.apply(lambda text: seen.update(kubeconfig=json.loads(text)))
        cluster.network.api_server_cidrs.apply(lambda cidrs: seen.update(api=cidrs))
        cluster.network.object_store_cidrs.apply(lambda cidrs: seen.update(store=cidrs))
        if cluster.identity.issuer is not None:
            cluster.identity.issuer.apply(lambda issuer: seen.update(issuer=issuer))
        for name, bucket in (("artifacts", cluster.artifacts), ("scratch", cluster.scratch)):
            if bucket is not None:
                bucket.uri.apply(lambda uri, name=name: seen.update({name: uri}))

    clouds.build(clouds.spec(environment), read)
    return seen


def golden(environment: Environment, name: str, found: object) -> None:
    """Compare with a committed file."""
    path = GOLDEN / environment.value / f"{name}.json"
    text = json.dumps(found, indent=2, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def run_alone(code: str) -> set[str]:
    """Modules of cloud SDKs that a program of its own has imported at its end."""
    ending = f"import sys\nprint(*[name for name in sys.modules if name in {CLOUD_SDKS!r}])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("environment", clouds.CLOUDS, ids=lambda item: item.value)
class TestClouds:
    def test_c1_the_kubeconfig_of_a_cloud_is_as_reviewed(self, environment: Environment) -> None:
        golden(environment, "kubeconfig", flowing(environment)["kubeconfig"])

    def test_c2_the_clusters_identity_outlives_its_kubeconfig(self, environment: Environment) -> None:
        (provider,) = made(environment).inputs("kubernetes").values()
        server = flowing(environment)["kubeconfig"]["clusters"][0]["cluster"]["server"]
        assert provider["clusterIdentifier"]
        assert provider["clusterIdentifier"] != server

    def test_c2_nothing_falls_into_an_account_that_nobody_named(self, environment: Environment) -> None:
        prefix = clouds.CLOUDS[environment].PREFIX
        ours = [item for item in made(environment).graph.resources if item.type.startswith(f"{prefix}:")]
        assert ours
        assert [item.name for item in ours if f"pulumi:providers:{prefix}::" not in item.provider] == []

    def test_c4_gpu_pools_are_tainted(self, environment: Environment) -> None:
        pools = made(environment).cluster.pools
        assert {name for name, pool in pools.items() if GPU_TAINT in pool.taints} == {
            name for name, pool in pools.items() if pool.role is Role.GPU
        }

    def test_c4_zero_gpu_nodes_is_allowed(self, environment: Environment) -> None:
        pools = {
            name: replace(pool, min=0, max=0) if pool.role is Role.GPU else pool
            for name, pool in clouds.CLOUDS[environment].POOLS.items()
        }
        assert clouds.build(clouds.spec(environment, pools=pools)).cluster.accelerator is not None

    def test_c5_every_pool_carries_name_role_and_capacity(self, environment: Environment) -> None:
        for name, pool in made(environment).cluster.pools.items():
            own = {key: pool.labels[key] for key in (POOL_LABEL, ROLE_LABEL, CAPACITY_LABEL)}
            assert own == {POOL_LABEL: name, ROLE_LABEL: pool.role.value, CAPACITY_LABEL: pool.capacity.value}

    def test_c6_something_says_when_pods_can_be_scheduled(self, environment: Environment) -> None:
        assert made(environment).cluster.ready

    def test_c8_storage_classes_exist_and_are_as_reviewed(self, environment: Environment) -> None:
        given = made(environment)
        storage = given.cluster.storage
        classes = {name: inputs for (_, name), inputs in given.graph.objects("StorageClass").items()}
        assert {storage.block, storage.shared, storage.scratch} - {None} <= set(classes)
        annotation = "storageclass.kubernetes.io/is-default-class"
        defaults = [
            name for name, item in classes.items() if item["metadata"].get("annotations", {}).get(annotation) == "true"
        ]
        assert defaults == [storage.block]
        golden(environment, "storage-classes", classes)

    def test_c9_every_part_of_the_gpu_software_has_an_owner(self, environment: Environment) -> None:
        accelerator = made(environment).cluster.accelerator
        assert accelerator is not None
        assert {accelerator.driver, accelerator.toolkit, accelerator.device_plugin} <= set(Owner)
        none = clouds.build(clouds.spec(environment, pools={"cpu": clouds.CLOUDS[environment].POOLS["cpu"]})).cluster
        assert none.accelerator is None

    def test_c10_what_a_cloud_has_is_behind_its_capabilities(self, environment: Environment) -> None:
        cluster = made(environment).cluster
        assert Capability.CONTAINERS in cluster.capabilities
        assert (Capability.SHARED_STORAGE in cluster.capabilities) == (cluster.storage.shared is not None)
        managed = cluster.accelerator is not None and cluster.accelerator.driver is Owner.CLOUD
        assert (Capability.MANAGED_DRIVER in cluster.capabilities) == managed

    def test_c11_a_machine_that_the_cloud_does_not_have_is_refused(self, environment: Environment) -> None:
        pools = clouds.CLOUDS[environment].POOLS
        with pytest.raises(ValueError, match=r"pools\.l4\.machine"):
            clouds.spec(environment, pools={**pools, "l4": replace(pools["l4"], machine="no-such-machine")})

    def test_c12_pods_may_reach_no_metadata_address(self, environment: Environment) -> None:
        assert set(METADATA_ADDRESSES) <= set(made(environment).cluster.network.metadata_addresses)

    def test_c12_what_pods_may_reach_is_never_the_world(self, environment: Environment) -> None:
        cidrs = [*flowing(environment)["api"], *flowing(environment)["store"]]
        assert cidrs
        assert [cidr for cidr in cidrs if cidr.endswith("/0")] == []

    def test_c13_the_buckets_are_two(self, environment: Environment) -> None:
        if made(environment).cluster.artifacts is None:
            pytest.skip("this environment has no object store: the platform brings its own")
        uris = {flowing(environment)["artifacts"], flowing(environment)["scratch"]}
        assert len(uris) == 2
        assert all("://" in uri for uri in uris)

    def test_c14_building_twice_registers_the_same(self, environment: Environment) -> None:
        def essence(given: clouds.Made) -> dict[tuple[str, str], Mapping[str, Any]]:
            return {(item.type, item.name): item.inputs for item in given.graph.resources}

        assert essence(clouds.build(clouds.spec(environment))) == essence(made(environment))

    def test_a_bound_account_is_a_principal_without_any_key(self, environment: Environment) -> None:
        if Capability.WORKLOAD_IDENTITY not in made(environment).cluster.capabilities:
            pytest.skip("this environment has no workload identity")
        marks: list[object] = []

        def bind(cluster: Cluster) -> None:
            for namespace in ("team-a", "team-b"):
                grants = [Grant(store=Store.ARTIFACTS, prefix=f"{namespace}/", write=True)]
                binding = cluster.identity.bind(namespace, "trainer", grants, clouds.below(cluster))
                marks.extend((binding.annotations, binding.pod_labels, binding.credentials, binding.ready))

        bound = clouds.build(clouds.spec(environment), bind)
        assert any(marks)
        assert len(bound.graph.resources) > len(made(environment).graph.resources)
        assert [item.type for item in bound.graph.resources if item.type.endswith(KEYS)] == []

    def test_c10_pools_that_are_said_to_scale_have_somebody_who_scales_them(self, environment: Environment) -> None:
        scalers: Mapping[str, Callable[[graph.Graph], bool]] = {
            "ack": lambda made: made.of_type("AutoscalingConfig")[0].inputs["scaleDownEnabled"],
            "aks": lambda made: all(pool.inputs["enableAutoScaling"] for pool in made.of_type("AgentPool")),
            "eks": lambda made: ("kube-system", "cluster-autoscaler") in made.objects("Deployment"),
            "gke": lambda made: all("autoscaling" in pool.inputs for pool in made.of_type("NodePool")),
        }
        given = made(environment)
        claimed = Capability.AUTOSCALING in given.cluster.capabilities
        assert claimed == (environment.value in scalers)
        assert not claimed or scalers[environment.value](given.graph)

    def test_c15_what_is_mounted_says_where_and_for_whom(self, environment: Environment) -> None:
        texts: list[str] = []
        bindings: list[Binding] = []

        def bind(cluster: Cluster) -> None:
            bindings.append(cluster.identity.bind("team-a", "trainer", (), clouds.below(cluster)))
            if bindings[0].credentials is not None:
                bindings[0].credentials.apply(texts.append)

        clouds.build(clouds.spec(environment), bind)
        (binding,) = bindings
        assert len({part is None for part in (binding.credentials, binding.audience, binding.variable)}) == 1
        assert all(TOKEN_FILE in text for text in texts)

    def test_c16_whoever_gives_identities_says_who_signs_the_tokens(self, environment: Environment) -> None:
        capable = Capability.WORKLOAD_IDENTITY in made(environment).cluster.capabilities
        assert ("issuer" in flowing(environment)) == capable
        if capable:
            assert re.fullmatch(r"https://[^/]+/.+", flowing(environment)["issuer"])

    def test_a_program_imports_the_sdk_of_its_own_cloud_only(self, environment: Environment) -> None:
        code = (
            "from infra.contract import Environment\nfrom tests.support import clouds\n"
            f"clouds.build(clouds.spec(Environment({environment.value!r})))"
        )
        assert run_alone(code) == {clouds.CLOUDS[environment].SDK}

    def test_a_stack_file_can_be_checked_without_any_sdk(self, environment: Environment) -> None:
        code = (
            "from infra.contract import Environment\nfrom infra.provision import options_type\n"
            f"options_type(Environment({environment.value!r}))"
        )
        assert run_alone(code) == set()
