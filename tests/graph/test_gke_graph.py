"""What a cluster on Google Cloud is made of: read from what the program registers, not from what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pulumi
import pytest

from infra.clouds import CloudNetwork
from infra.contract import (
    TOKEN_FILE,
    Binding,
    Capability,
    Capacity,
    Cluster,
    Environment,
    Gpu,
    Grant,
    Owner,
    Pool,
    Role,
    Store,
)
from tests.support import clouds
from tests.support.cloud_gke import OPTIONS, POOLS

WORLD = ("0.0.0.0/0", "::/0")
H200 = Gpu(product="NVIDIA-H200", count=8, memory_mib=143771)
RDMA = Pool(role=Role.GPU, machine="a3-ultragpu-8g", min=0, max=4, gpu=H200, zones=("europe-west4-b",), together=True)


@cache
def bound() -> tuple[clouds.Made, Binding, str]:
    """The sample cluster with one bound account, its binding, and the text that it mounts."""
    bindings: list[Binding] = []
    texts: list[str] = []

    def bind(cluster: Cluster) -> None:
        grants = [Grant(store=Store.ARTIFACTS, prefix="team-a/", write=True), Grant(store=Store.SCRATCH, prefix="")]
        binding = cluster.identity.bind("team-a", "trainer", grants, clouds.below(cluster))
        assert binding.credentials is not None
        binding.credentials.apply(texts.append)
        bindings.append(binding)

    given = clouds.build(clouds.spec(Environment.GKE), bind)
    return given, bindings[0], texts[0]


def made() -> clouds.Made:
    return bound()[0]


def built(pools: Mapping[str, Pool] = POOLS, **options: Any) -> clouds.Made:  # noqa: ANN401 - fields of the options
    return clouds.build(clouds.spec(Environment.GKE, pools=pools, options=replace(OPTIONS, **options)))


def only(kind: str) -> Mapping[str, Any]:
    (found,) = made().inputs(kind).values()
    return found


def nodes() -> dict[str, Mapping[str, Any]]:
    """How a node of each node pool is made."""
    return {name: pool["nodeConfig"] for name, pool in made().inputs("NodePool").items()}


def test_no_node_has_a_public_address() -> None:
    assert only("Cluster")["privateClusterConfig"]["enablePrivateNodes"] is True
    assert {pool["networkConfig"]["enablePrivateNodes"] for pool in made().inputs("NodePool").values()} == {True}


def test_without_a_list_of_networks_the_api_server_is_private() -> None:
    assert only("Cluster")["privateClusterConfig"]["enablePrivateEndpoint"] is True
    assert only("Cluster")["masterAuthorizedNetworksConfig"]["cidrBlocks"] == []


def test_the_public_door_opens_for_named_networks_only() -> None:
    (cluster,) = built(network=CloudNetwork(api_access=("198.51.100.0/24",))).inputs("Cluster").values()
    assert cluster["privateClusterConfig"]["enablePrivateEndpoint"] is False
    door = cluster["masterAuthorizedNetworksConfig"]
    assert door["cidrBlocks"] == [{"cidrBlock": "198.51.100.0/24"}]
    assert door["gcpPublicCidrsAccessEnabled"] is False


def test_only_the_control_plane_gets_through_the_firewall() -> None:
    rule, control = only("Firewall"), made().inputs("Subnetwork")["sample-control"]
    assert rule["sourceRanges"] == [control["ipCidrRange"]]
    assert not set(rule["sourceRanges"]) & set(WORLD)
    assert rule["targetServiceAccounts"] == [nodes()["system"]["serviceAccount"]]


def test_secrets_disks_files_and_objects_have_keys_of_our_own() -> None:
    assert only("Cluster")["databaseEncryption"] == {"state": "ENCRYPTED", "keyName": "sample-secrets-id"}
    assert {node["bootDiskKmsKey"] for node in nodes().values()} == {"sample-disks-id"}
    assert only("Cluster")["nodeConfig"]["bootDiskKmsKey"] == "sample-disks-id"
    classes = {name: item["parameters"] for (_, name), item in made().graph.objects("StorageClass").items()}
    assert classes["balanced"]["disk-encryption-kms-key"] == "sample-disks-id"
    assert classes["filestore"]["instance-encryption-kms-key"] == "sample-disks-id"
    buckets = made().inputs("Bucket").values()
    assert {bucket["encryption"]["defaultKmsKeyName"] for bucket in buckets} == {"sample-buckets-id"}
    assert all(key["rotationPeriod"] == "7776000s" for key in made().inputs("CryptoKey").values())


def test_each_key_serves_the_services_that_encrypt_with_it_and_no_others() -> None:
    rights = {(right["cryptoKeyId"], right["member"]) for right in made().inputs("CryptoKeyIAMMember").values()}
    domain = "@{}.iam.gserviceaccount.com"
    agents = {
        ("sample-secrets-id", "container-engine-robot"),
        ("sample-disks-id", "compute-system"),
        ("sample-disks-id", "cloud-filer"),
        ("sample-buckets-id", "gs-project-accounts"),
    }
    assert rights == {(key, f"serviceAccount:service-123456789012{domain.format(name)}") for key, name in agents}


def test_nothing_is_encrypted_before_its_service_may() -> None:
    needs = ("CryptoKeyIAMMember::sample-secrets-container-engine-robot", "::sample-buckets-gs-project-accounts")
    (cluster,) = made().option("Cluster").values()
    assert any(urn.endswith(needs[0]) for urn in cluster.depends_on)
    for bucket in made().option("Bucket").values():
        assert any(urn.endswith(needs[1]) for urn in bucket.depends_on)


def test_no_bucket_can_become_public() -> None:
    for bucket in made().inputs("Bucket").values():
        assert (bucket["publicAccessPrevention"], bucket["uniformBucketLevelAccess"]) == ("enforced", True)


def test_artifacts_keep_their_versions_and_scratch_expires() -> None:
    artifacts, scratch = (made().inputs("Bucket")[f"sample-{store.value}"] for store in Store)
    assert (artifacts["versioning"], scratch["versioning"]) == ({"enabled": True}, {"enabled": False})
    ages = [rule["condition"]["age"] for rule in scratch["lifecycleRules"] if rule["action"]["type"] == "Delete"]
    assert ages == [OPTIONS.scratch_days]
    assert scratch["softDeletePolicy"] == {"retentionDurationSeconds": 0}
    deleted = [rule["condition"] for rule in artifacts["lifecycleRules"] if rule["action"]["type"] == "Delete"]
    assert [condition.get("withState") for condition in deleted] == ["ARCHIVED"]


def test_a_bound_account_gets_objects_below_its_prefix_and_lists_of_them() -> None:
    member = (
        "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/"
        "ml-sample-0042.svc.id.goog/subject/ns/team-a/sa/trainer"
    )
    write, read = (made().inputs("BucketIAMMember")[f"team-a.trainer.{index}"] for index in (0, 1))
    assert {write["member"], read["member"]} == {member}
    assert (write["role"], read["role"]) == ("roles/storage.objectUser", "roles/storage.objectViewer")
    assert write["condition"]["expression"] == (
        'resource.name.startsWith("projects/_/buckets/sample-artifacts-1a2b3c4/objects/team-a/") || '
        'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("team-a/")'
    )
    assert "condition" not in read


def test_a_bound_account_needs_no_metadata_server() -> None:
    """Audience and token URL as in Google's page on fleet workload identity."""
    _, binding, text = bound()
    found = json.loads(text)
    assert found["audience"] == (
        "identitynamespace:ml-sample-0042.svc.id.goog:"
        "https://container.googleapis.com/v1/projects/ml-sample-0042/locations/europe-west4/clusters/sample"
    )
    assert found["token_url"].startswith("https://sts.googleapis.com/")
    assert found["credential_source"] == {"file": TOKEN_FILE}
    assert "169.254" not in text
    assert (binding.audience, binding.variable) == ("ml-sample-0042.svc.id.goog", "GOOGLE_APPLICATION_CREDENTIALS")
    assert (dict(binding.annotations), dict(binding.pod_labels)) == ({}, {})


def test_the_token_exchange_and_the_buckets_are_at_addresses_that_policies_open() -> None:
    opened: list[str] = []

    def read(cluster: Cluster) -> None:
        cluster.network.object_store_cidrs.apply(opened.extend)

    clouds.build(clouds.spec(Environment.GKE), read)
    assert opened == ["199.36.153.8/30"]
    zone = made().inputs("ManagedZone")["sample-googleapis-com"]
    assert (zone["dnsName"], zone["visibility"]) == ("googleapis.com.", "private")
    records = {record["name"]: record["rrdatas"] for record in made().inputs("RecordSet").values()}
    assert records["private.googleapis.com."] == [f"199.36.153.{last}" for last in range(8, 12)]
    assert records["*.googleapis.com."] == ["private.googleapis.com."]
    assert records["*.pkg.dev."] == ["pkg.dev."]


def test_nodes_may_log_and_pull_images_and_nothing_else() -> None:
    account = f"serviceAccount:{nodes()['system']['serviceAccount']}"
    roles = {item["role"] for item in made().inputs("IAMMember").values() if item["member"] == account}
    assert roles == {"roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"}
    assert {node["serviceAccount"] for node in nodes().values()} == {account.partition(":")[2]}


def test_administrators_have_all_rights_in_this_cluster_and_none_in_others() -> None:
    ((_, name),) = made().graph.objects("ClusterRoleBinding")
    binding = made().graph.objects("ClusterRoleBinding")["", name]
    assert [(item["kind"], item["name"]) for item in binding["subjects"]] == [
        ("User", "admin@example.test"),
        ("Group", "platform@example.test"),
    ]
    admins = [item["role"] for item in made().inputs("IAMMember").values() if item["member"] in OPTIONS.admins]
    assert admins == ["roles/container.clusterViewer"] * 2


def test_nobody_can_bind_rights_to_strangers() -> None:
    assert set(only("Cluster")["rbacBindingConfig"].values()) == {False}
    assert only("Cluster")["anonymousAuthenticationConfig"] == {"mode": "LIMITED"}


def test_there_is_no_key_of_any_account() -> None:
    kinds = {item.type for item in made().graph.resources}
    assert not {kind for kind in kinds if kind.endswith((":Key", ":HmacKey"))}


def test_every_resource_is_labelled() -> None:
    labels = json.loads(only("gcp")["defaultLabels"])
    assert set(labels) == {"cluster", "environment", "owner", "cost-centre", "expires", "managed-by"}
    assert all(node["resourceLabels"] == labels for node in nodes().values())  # what GKE starts itself
    assert only("Cluster")["resourceLabels"] == labels


def test_accelerators_are_tainted_and_nothing_else_is() -> None:
    taints = {
        name: [(item["key"], item["value"], item["effect"]) for item in node["taints"]]
        for name, node in nodes().items()
    }
    gpu = [("nvidia.com/gpu", "present", "NO_SCHEDULE")]
    tpu = [("google.com/tpu", "present", "NO_SCHEDULE")]
    assert taints == {"system": [], "cpu": [], "l4": gpu, "l4-on-demand": gpu, "h100": gpu, "tpu": tpu}


def test_gke_brings_the_driver_and_the_plugin_that_carries_it() -> None:
    (card,) = nodes()["h100"]["guestAccelerators"]
    assert (card["type"], card["count"]) == ("nvidia-h100-80gb", 8)
    assert card["gpuDriverInstallationConfig"] == {"gpuDriverVersion": "DEFAULT"}
    # With this label GKE leaves its plugin out, and the driver with it (GKE, "Run GPUs in Standard node pools").
    assert not any("gke-no-default-nvidia-gpu-device-plugin" in node["labels"] for node in nodes().values())
    accelerator = made().cluster.accelerator
    assert accelerator is not None
    assert (accelerator.driver, accelerator.device_plugin) == (Owner.CLOUD, Owner.CLOUD)
    assert accelerator.driver_root == "/home/kubernetes/bin/nvidia"


def test_zero_accelerators_is_allowed_and_the_autoscaler_owns_the_number() -> None:
    pool = made().inputs("NodePool")["h100"]
    assert pool["autoscaling"] == {"totalMinNodeCount": 0, "totalMaxNodeCount": 8, "locationPolicy": "ANY"}
    assert pool["initialNodeCount"] == 0
    assert {options.ignore_changes for options in made().option("NodePool").values()} == {("initialNodeCount",)}


def test_a_minimum_is_of_the_pool_and_not_of_each_zone() -> None:
    pool = made().inputs("NodePool")["system"]
    assert (pool["autoscaling"]["totalMinNodeCount"], pool["initialNodeCount"]) == (3, 1)


def test_a_pool_that_can_never_have_a_node_has_no_node_pool() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], max=0)})
    assert "h100" not in given.inputs("NodePool")
    assert "h100" in given.cluster.pools


def test_spot_falls_back_under_the_same_label() -> None:
    spot, fallback = (nodes()[name] for name in ("l4", "l4-on-demand"))
    assert (spot["spot"], fallback["spot"]) == (True, False)
    assert spot["labels"] == fallback["labels"]


def test_nodes_start_verified_and_hide_their_credentials() -> None:
    for node in nodes().values():
        assert node["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
        assert node["shieldedInstanceConfig"] == {"enableSecureBoot": True, "enableIntegrityMonitoring": True}


def test_local_disks_lie_under_the_scratch_space_of_pods() -> None:
    counts = {name: node.get("ephemeralStorageLocalSsdConfig") for name, node in nodes().items()}
    assert counts["h100"] == {"localSsdCount": 16}
    assert counts["cpu"] is None


def test_nodes_for_training_stand_together_and_talk_by_rdma_where_the_machine_can() -> None:
    given = built({**POOLS, "h200": RDMA})
    pool = given.inputs("NodePool")["h200"]
    assert pool["placementPolicy"] == {"type": "COMPACT"}
    assert pool["networkConfig"]["acceleratorNetworkProfile"] == "auto"
    assert pool["nodeConfig"]["gpudirectStrategy"] == "RDMA"
    assert pool["nodeConfig"]["diskType"] == "hyperdisk-balanced"  # the machine takes no other
    assert Capability.RDMA in given.cluster.capabilities
    assert Capability.RDMA not in made().cluster.capabilities  # an A3 High has no RDMA


def test_pools_that_are_not_together_have_neither_placement_nor_rdma() -> None:
    given = built({**POOLS, "h200": replace(RDMA, together=False)})
    pool = given.inputs("NodePool")["h200"]
    assert "placementPolicy" not in pool
    assert "gpudirectStrategy" not in pool["nodeConfig"]
    assert Capability.RDMA not in given.cluster.capabilities


def test_a_reserved_pool_uses_its_reservation_and_nothing_beside_it() -> None:
    pool = replace(POOLS["h100"], capacity=Capacity.RESERVED, reservation="training-2027")
    found = built({**POOLS, "h100": pool}).inputs("NodePool")["h100"]
    assert found["nodeConfig"]["reservationAffinity"] == {
        "consumeReservationType": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": ["training-2027"],
    }
    assert "placementPolicy" not in found


def test_the_nodes_of_a_slice_are_one_piece() -> None:
    pool = made().inputs("NodePool")["tpu"]
    assert pool["placementPolicy"] == {"type": "COMPACT", "tpuTopology": "4x4"}
    assert pool["nodeLocations"] == ["europe-west4-a"]


def test_a_slice_of_one_node_has_no_placement() -> None:
    tpu = POOLS["tpu"].tpu
    assert tpu is not None
    small = replace(POOLS["tpu"], tpu=replace(tpu, topology="2x2"))
    assert "placementPolicy" not in built({**POOLS, "tpu": small}).inputs("NodePool")["tpu"]


@pytest.mark.parametrize("protected", [True, False])
def test_what_holds_data_is_protected_exactly_as_the_configuration_says(*, protected: bool) -> None:
    given = made() if protected else built(deletion_protection=False)
    assert [
        (kind, name)
        for kind in ("Cluster", "CryptoKey", "Bucket")
        for name, options in given.option(kind).items()
        if options.protect is not protected
    ] == []
    (cluster,) = given.inputs("Cluster").values()
    assert cluster["deletionProtection"] is protected
    assert {bucket["forceDestroy"] for bucket in given.inputs("Bucket").values()} == {not protected}


def test_logs_of_control_plane_and_connections_are_kept_as_long_as_the_configuration_says() -> None:
    assert set(only("Cluster")["loggingConfig"]["enableComponents"]) >= {"APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"}
    assert only("ProjectBucketConfig")["retentionDays"] == OPTIONS.log_days
    assert 'cluster_name="sample"' in only("ProjectSink")["filter"]
    assert 'subnetwork_name="sample-nodes-1a2b3c4"' in only("ProjectSink")["filter"]


def test_flow_logs_can_be_left_out() -> None:
    assert "logConfig" in made().inputs("Subnetwork")["sample-nodes"]
    given = built(network=CloudNetwork(flow_logs=False))
    assert "logConfig" not in given.inputs("Subnetwork")["sample-nodes"]


def test_the_network_enforces_policies_and_nodes_have_no_resolver_of_their_own() -> None:
    assert only("Cluster")["datapathProvider"] == "ADVANCED_DATAPATH"
    assert only("Cluster")["addonsConfig"]["dnsCacheConfig"] == {"enabled": False}
    assert made().cluster.network.resolver is None


def test_a_minor_version_comes_when_the_configuration_says_so() -> None:
    cluster = only("Cluster")
    assert cluster["minMasterVersion"] == "1.35"
    (frozen,) = cluster["maintenancePolicy"]["maintenanceExclusions"]
    assert frozen["exclusionOptions"] == {"scope": "NO_MINOR_UPGRADES", "endTimeBehavior": "UNTIL_END_OF_SUPPORT"}
    versions = {pool["version"] for pool in made().inputs("NodePool").values()}
    assert versions == {"1.35.5-gke.1000000"}  # that of the control plane


def test_what_gke_changes_about_the_cluster_itself_is_left_alone() -> None:
    (options,) = made().option("Cluster").values()
    assert set(options.ignore_changes) == {"initialNodeCount", "nodeConfig", "nodePools", "nodeVersion"}


def test_nodes_wait_until_they_can_reach_something() -> None:
    (options,) = made().option("Cluster").values()
    needs = ("RouterNat::sample", "RecordSet::sample-googleapis-com-all", "IAMMember::sample-nodes-reader")
    assert all(any(urn.endswith(need) for urn in options.depends_on) for need in needs)


def test_the_gateways_load_balancer_is_private_unless_somebody_wants_it_otherwise() -> None:
    kind = "networking.gke.io/load-balancer-type"
    assert made().cluster.ingress.annotations == {kind: "Internal"}
    assert kind not in built(internet_facing=True).cluster.ingress.annotations


def test_pods_of_system_priority_need_a_quota() -> None:
    assert made().cluster.quirks.critical_pods_quota is True


def test_regions_and_zones_have_to_fit() -> None:
    spec = replace(clouds.spec(Environment.GKE), region="us-central1")
    with pytest.raises(pulumi.RunError, match=r"cluster\.options\.zones: found europe-west4-a"):
        clouds.build(spec)
