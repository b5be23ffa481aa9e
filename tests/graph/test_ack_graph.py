"""What a cluster on Alibaba Cloud is made of: read from what the program registers, never from what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.contract import Capability, Capacity, Cluster, Environment, Grant, Pool, Store
from tests.support import clouds
from tests.support.cloud_ack import OPTIONS, POOLS

ROOT = Path(__file__).resolve().parents[2]
ZONES = OPTIONS.zones
OPEN = replace(OPTIONS.network, api_access=("198.51.100.0/24", "203.0.113.7/32"))
# Alibaba Cloud gives these no tags, or the SDK has no place for them.
UNTAGGED = {
    "AccessGroup", "AccessRule", "Alias", "AutoscalingConfig", "BucketHttpsConfig", "BucketPolicy",
    "BucketPublicAccessBlock", "BucketServerSideEncryption", "BucketVersioning", "EcsDeploymentSet", "EipAssociation",
    "Ipv4CidrBlock", "KubernetesAddon", "KubernetesPermission", "MountTarget", "RolePolicyAttachment",
    "SecurityGroupRule", "SnatEntry", "Store",
}  # fmt: skip


@cache
def made() -> clouds.Made:
    """The sample cluster with one bound account."""

    def bind(cluster: Cluster) -> None:
        grants = [Grant(store=Store.ARTIFACTS, prefix="team-a/", write=True), Grant(store=Store.SCRATCH, prefix="")]
        cluster.identity.bind("team-a", "trainer", grants, clouds.below(cluster))

    return clouds.build(clouds.spec(Environment.ACK), bind)


def built(pools: Mapping[str, Pool] = POOLS, **options: Any) -> clouds.Made:  # noqa: ANN401 - fields of the options
    return clouds.build(clouds.spec(Environment.ACK, pools=pools, options=replace(OPTIONS, **options)))


def only(kind: str, given: clouds.Made | None = None) -> Mapping[str, Any]:
    (found,) = (given or made()).inputs(kind).values()
    return found


def statements() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement of every policy in the program, with the name of its resource."""
    for item in made().graph.resources:
        for key in ("policy", "policyDocument", "assumeRolePolicyDocument"):
            if item.type.startswith("alicloud:") and key in item.inputs:
                yield from ((f"{item.type} {item.name}", each) for each in json.loads(item.inputs[key])["Statement"])


def test_nodes_live_in_private_vswitches_only() -> None:
    for name, pool in made().inputs("NodePool").items():
        assert set(pool["vswitchIds"]) <= {f"sample-nodes-{zone}-id" for zone in ZONES}, name
        assert "internetMaxBandwidthOut" not in pool


def test_nodes_and_pods_leave_through_nat_and_nothing_else_does() -> None:
    sources = {entry["sourceVswitchId"] for entry in made().inputs("SnatEntry").values()}
    assert sources == {f"sample-{kind}-{zone}-id" for kind in ("nodes", "pods") for zone in ZONES}
    assert {entry["snatIp"] for entry in made().inputs("SnatEntry").values()} == {"203.0.113.10"}


def test_nodes_wait_for_their_way_out() -> None:
    for options in made().option("NodePool").values():
        assert all(any(need in urn for urn in options.depends_on) for need in ("SnatEntry::", "GatewayEndpoint::"))


def test_pods_have_a_network_of_their_own_in_every_zone() -> None:
    pods = only("ManagedKubernetes")["podVswitchIds"]
    assert set(pods) == {f"sample-pods-{zone}-id" for zone in ZONES}
    assert not set(pods) & {vswitch for pool in made().inputs("NodePool").values() for vswitch in pool["vswitchIds"]}


def test_the_cloud_makes_no_gateway_and_no_public_address_behind_our_back() -> None:
    cluster = only("ManagedKubernetes")
    assert (cluster["newNatGateway"], cluster["slbInternetEnabled"]) == (False, False)


def test_without_a_list_of_networks_the_api_server_is_private() -> None:
    doors = only("ManagedKubernetes")["controlPlaneEndpointsConfig"]["loadBalancersConfigs"]
    assert doors == [{"endpointType": "private"}]
    assert not made().graph.of_type("LoadBalancer")


def test_the_public_door_opens_for_named_networks_only() -> None:
    given = built(network=OPEN)
    _, door = only("ManagedKubernetes", given)["controlPlaneEndpointsConfig"]["loadBalancersConfigs"]
    balancer = only("LoadBalancer", given)
    assert door == {"endpointType": "public", "loadBalancerId": "sample-api-id"}
    assert balancer["securityGroupIds"] == ["sample-api-id"]
    rules = given.inputs("SecurityGroupRule").values()
    accepted = {rule["cidrIp"]: rule["portRange"] for rule in rules if rule["policy"] == "accept"}
    assert accepted == dict.fromkeys(OPEN.api_access, "6443/6443")


def test_whoever_is_not_on_the_list_is_turned_away_before_the_door_is_there() -> None:
    given = built(network=OPEN)
    (refusal,) = (rule for rule in given.inputs("SecurityGroupRule").values() if rule["policy"] == "drop")
    assert (refusal["cidrIp"], refusal["ipProtocol"], refusal["portRange"]) == ("0.0.0.0/0", "all", "-1/-1")
    assert all(
        refusal["priority"] > rule["priority"]
        for rule in given.inputs("SecurityGroupRule").values()
        if rule["policy"] == "accept"
    )
    (options,) = given.option("LoadBalancer").values()
    assert len([urn for urn in options.depends_on if "SecurityGroupRule::" in urn]) == 3


@pytest.mark.parametrize(("network", "door"), [(OPTIONS.network, "private"), (OPEN, "public")])
def test_the_kubeconfig_knocks_at_the_door_that_is_open(network: Any, door: str) -> None:  # noqa: ANN401 - a network
    seen: list[str] = []
    spec = clouds.spec(Environment.ACK, options=replace(OPTIONS, network=network))
    clouds.build(spec, lambda cluster: _read(cluster.kubeconfig.apply(seen.append)))
    (kubeconfig,) = map(json.loads, seen)
    assert kubeconfig["clusters"][0]["cluster"]["server"] == f"https://sample.{door}.example.test:6443"


def test_no_client_key_of_the_cloud_gets_into_the_kubeconfig() -> None:
    seen: list[str] = []
    clouds.build(clouds.spec(Environment.ACK), lambda cluster: _read(cluster.kubeconfig.apply(seen.append)))
    assert "a2V5" not in seen[0]
    assert set(json.loads(seen[0])["users"][0]["user"]) == {"exec"}


def test_secrets_disks_and_objects_have_keys_of_our_own() -> None:
    cluster = only("ManagedKubernetes")
    assert (cluster["encryptionProviderKey"], cluster["disableEncryption"]) == ("sample-secrets-id", False)
    for pool in made().inputs("NodePool").values():
        assert (pool["systemDiskEncrypted"], pool["systemDiskKmsKey"]) == (True, "sample-disks-id")
    (disk,) = (item for (_, name), item in made().graph.objects("StorageClass").items() if name == "essd")
    assert (disk["parameters"]["encrypted"], disk["parameters"]["kmsKeyId"]) == ("true", "sample-disks-id")
    for rule in made().inputs("BucketServerSideEncryption").values():
        assert (rule["sseAlgorithm"], rule["kmsMasterKeyId"]) == ("KMS", "sample-buckets-id")
    assert {key["automaticRotation"] for key in made().inputs("Key").values()} == {"Enabled"}


def test_without_a_kms_instance_one_key_serves_all() -> None:
    given = built(kms_instance=None)
    assert set(given.inputs("Key")) == {"sample-all"}
    assert only("ManagedKubernetes", given)["encryptionProviderKey"] == "sample-all-id"
    assert {pool["systemDiskKmsKey"] for pool in given.inputs("NodePool").values()} == {"sample-all-id"}


def test_the_shared_file_system_is_encrypted_and_open_to_nodes_only() -> None:
    assert only("FileSystem")["encryptType"] == 1
    assert only("AccessRule")["sourceCidrIp"] == OPTIONS.network.nodes


def test_no_bucket_can_become_public_and_none_is_read_without_tls() -> None:
    assert [block["blockPublicAccess"] for block in made().inputs("BucketPublicAccessBlock").values()] == [True] * 2
    assert len(made().inputs("BucketHttpsConfig")) == 2
    for policy in made().inputs("BucketPolicy").values():
        (statement,) = json.loads(policy["policy"])["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"acs:SecureTransport": ["false"]}}


def test_artifacts_keep_their_versions_and_scratch_expires() -> None:
    assert set(made().inputs("BucketVersioning")) == {"sample-artifacts"}
    (rule,) = made().inputs("Bucket")["sample-scratch"]["lifecycleRules"]
    assert rule["expirations"] == [{"days": OPTIONS.scratch_days}]
    (rule,) = made().inputs("Bucket")["sample-artifacts"]["lifecycleRules"]
    assert "expirations" not in rule


def test_no_statement_allows_every_action_or_everything() -> None:
    allowed = [(where, item) for where, item in statements() if item["Effect"] == "Allow"]
    assert len(allowed) >= 6
    assert [where for where, item in allowed if "*" in "".join(item["Action"])] == []
    assert [where for where, item in allowed if "*" in item.get("Resource", [])] == []


def test_roles_of_service_accounts_trust_one_account_each() -> None:
    (trust,) = (item for _, item in statements() if "Federated" in item.get("Principal", {}))
    assert trust["Condition"]["StringEquals"]["oidc:sub"] == "system:serviceaccount:team-a:trainer"
    assert trust["Principal"]["Federated"] == ["acs:ram::1234567890123456:oidc-provider/ack-rrsa-sample"]


def test_there_is_no_user_and_no_access_key() -> None:
    kinds = {item.type for item in made().graph.resources}
    assert not {kind for kind in kinds if kind.endswith((":User", ":AccessKey", ":EcsKeyPair"))}
    assert not [pool for pool in made().inputs("NodePool").values() if {"password", "keyName"} & set(pool)]


def test_a_bound_account_names_its_role_and_its_namespace_asks_for_injection() -> None:
    names: list[str] = []

    def bind(cluster: Cluster) -> None:
        binding = cluster.identity.bind("team-a", "trainer", [], clouds.below(cluster))
        assert binding.namespace_labels == {"pod-identity.alibabacloud.com/injection": "on"}
        _read(binding.annotations["pod-identity.alibabacloud.com/role-name"].apply(names.append))

    given = clouds.build(clouds.spec(Environment.ACK), bind)
    assert names == [only("Role", given)["roleName"]]
    assert not given.graph.of_type("Policy")  # nothing was granted


def test_everything_that_can_carry_tags_is_tagged() -> None:
    ours = set(OPTIONS.ownership.tags("sample", "ack"))
    missing = [
        f"{item.type} {item.name}"
        for item in made().graph.resources
        if item.type.startswith("alicloud:")
        and item.type.rpartition(":")[2] not in UNTAGGED
        and not ours <= set(item.inputs.get("tags", ()))
    ]
    assert missing == []


def test_gpu_groups_are_tainted_and_no_others_are() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    tainted = {name for name, pool in made().inputs("NodePool").items() if taint in pool["taints"]}
    assert tainted == {"l4", "l4_on-demand", "h100"}


def test_new_gpu_nodes_get_the_driver_that_was_chosen() -> None:
    pinned = {
        name: label["value"]
        for name, pool in made().inputs("NodePool").items()
        for label in pool["labels"]
        if label["key"] == "ack.aliyun.com/nvidia-driver-version"
    }
    assert pinned == dict.fromkeys(("l4", "l4_on-demand", "h100"), OPTIONS.gpu_driver)


def test_zero_gpu_nodes_is_allowed_and_the_autoscaler_owns_the_number() -> None:
    pools = made().inputs("NodePool")
    scaling = pools["h100"]["scalingConfig"]
    assert (scaling["enable"], scaling["minSize"], scaling["maxSize"]) == (True, 0, 8)
    assert [name for name, pool in pools.items() if "desiredSize" in pool] == []


def test_a_pool_that_can_never_have_a_node_has_no_group() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], max=0)})
    assert "h100" not in given.inputs("NodePool")
    assert "h100" in given.cluster.pools
    assert not given.graph.of_type("EcsDeploymentSet")


def test_spot_comes_first_and_falls_back_under_the_same_label() -> None:
    spot, fallback = (made().inputs("NodePool")[name] for name in ("l4", "l4_on-demand"))
    assert (spot["spotStrategy"], fallback["spotStrategy"]) == ("SpotAsPriceGo", "NoSpot")
    assert spot["labels"] == fallback["labels"]
    scaler = only("AutoscalingConfig")
    assert scaler["expander"] == "priority"
    first, second = (scaler["priorities"][level].split(",") for level in ("20", "10"))
    assert first == ["asg-l4"]
    assert set(second) == {"asg-system", "asg-cpu", "asg-l4_on-demand", "asg-h100"}


def test_without_spot_nothing_has_priority() -> None:
    scaler = only("AutoscalingConfig", built({**POOLS, "l4": replace(POOLS["l4"], capacity=Capacity.ON_DEMAND)}))
    assert scaler["expander"] == "least-waste"
    assert "priorities" not in scaler


def test_credentials_of_a_node_need_a_session() -> None:
    tokens = {pool["instanceMetadataOptions"]["httpTokens"] for pool in made().inputs("NodePool").values()}
    assert tokens == {"required"}


def test_nodes_for_training_stand_together_and_have_rdma() -> None:
    pool = made().inputs("NodePool")["h100"]
    assert pool["vswitchIds"] == ["sample-nodes-eu-central-1b-id"]
    assert pool["deploymentSetId"] == "sample-h100-id"
    assert only("EcsDeploymentSet")["strategy"] == "LowLatency"
    assert "sample-ack-erdma-controller" in made().inputs("KubernetesAddon")
    assert Capability.RDMA in made().cluster.capabilities


def test_pools_that_are_not_together_have_neither_a_place_nor_rdma() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], together=False)})
    assert not given.graph.of_type("EcsDeploymentSet")
    assert Capability.RDMA not in given.cluster.capabilities


def test_a_reserved_pool_uses_its_reservation_and_nothing_beside_it() -> None:
    pool = replace(POOLS["h100"], capacity=Capacity.RESERVED, reservation="eap-bp1")
    found = built({**POOLS, "h100": pool}).inputs("NodePool")["h100"]["privatePoolOptions"]
    assert found == {"privatePoolOptionsId": "eap-bp1", "privatePoolOptionsMatchCriteria": "Target"}


@pytest.mark.parametrize("protected", [True, False])
def test_what_holds_data_is_protected_exactly_as_the_configuration_says(*, protected: bool) -> None:
    given = made() if protected else built(deletion_protection=False)
    assert [
        (kind, name)
        for kind in ("ManagedKubernetes", "Key", "Bucket", "FileSystem")
        for name, options in given.option(kind).items()
        if options.protect is not protected
    ] == []
    assert only("ManagedKubernetes", given)["deletionProtection"] is protected
    assert {bucket["forceDestroy"] for bucket in given.inputs("Bucket").values()} == {not protected}
    wanted = "Enabled" if protected else "Disabled"
    assert {key["deletionProtection"] for key in given.inputs("Key").values()} == {wanted}


def test_the_control_planes_logs_and_the_audit_are_kept_as_long_as_the_configuration_says() -> None:
    cluster = only("ManagedKubernetes", built(log_days=30))
    assert cluster["controlPlaneLogTtl"] == "30"
    assert {"apiserver", "kcm", "scheduler", "ccm"} <= set(cluster["controlPlaneLogComponents"])
    assert cluster["auditLogConfig"] == {"enabled": True, "slsProjectName": cluster["controlPlaneLogProject"]}


def test_flow_logs_can_be_left_out() -> None:
    assert made().inputs("Store")["sample-flows"]["retentionPeriod"] == OPTIONS.log_days
    assert only("FlowLog")["trafficType"] == "All"
    assert not built(network=replace(OPTIONS.network, flow_logs=False)).graph.of_type("FlowLog")


def test_nothing_that_the_cloud_made_for_the_cluster_outlives_it() -> None:
    modes = {item["resourceType"]: item["deleteMode"] for item in only("ManagedKubernetes")["deleteOptions"]}
    assert {kind for kind, mode in modes.items() if mode == "delete"} == {"SLB", "ALB", "SLS_Data"}
    assert modes["SLS_ControlPlane"] == "retain"  # it is the project of ours


def test_administrators_get_in_before_the_first_object() -> None:
    (options,) = (item for (kind, _), item in made().options.items() if kind == "pulumi:providers:kubernetes")
    assert any("KubernetesPermission" in urn for urn in options.depends_on)
    (permission,) = only("KubernetesPermission")["permissions"]
    assert (permission["roleName"], permission["isRamRole"]) == ("admin", True)


def test_the_network_plugin_enforces_policies_from_the_first_node() -> None:
    addons = {addon["name"]: addon for addon in only("ManagedKubernetes")["addons"]}
    assert json.loads(addons["terway-eniip"]["config"])["NetworkPolicy"] == "true"
    assert {name for name, addon in addons.items() if addon.get("disabled")} == {
        "nginx-ingress-controller", "arms-prometheus", "logtail-ds",
    }  # fmt: skip


def test_a_private_registry_is_pulled_from_without_a_password() -> None:
    assert "sample-managed-aliyun-acr-credential-helper" not in made().inputs("KubernetesAddon")
    addon = built(registry="cri-0123").inputs("KubernetesAddon")["sample-managed-aliyun-acr-credential-helper"]
    assert json.loads(addon["config"])["AcrInstanceInfo"] == [{"instanceId": "cri-0123", "regionId": "eu-central-1"}]


@pytest.mark.parametrize(("facing", "kind"), [(False, "intranet"), (True, "internet")])
def test_the_gateway_is_internal_unless_it_is_said(*, facing: bool, kind: str) -> None:
    annotations = built(internet_facing=facing).cluster.ingress.annotations
    assert annotations["service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type"] == kind


def test_the_region_must_fit_the_zones() -> None:
    with pytest.raises(Exception, match=r"cluster\.options\.zones: found eu-central-1a.*; allowed: zones of eu-west-1"):
        clouds.build(clouds.spec(Environment.ACK, region="eu-west-1"))


def test_the_documented_permissions_name_every_service_that_the_program_uses() -> None:
    text = (ROOT / "docs/environments/ack.md").read_text(encoding="utf-8")
    documented = {row.split("|")[1].split(",")[0].strip() for row in text.splitlines() if row.startswith("| ")}
    resources = built(network=OPEN).graph.resources + made().graph.resources
    modules = {item.type.split("/")[0].removeprefix("alicloud:") for item in resources if "alicloud:" in item.type}
    used = {module for module in modules if ":" not in module}
    assert {"cs", "vpc", "nlb"} <= used
    assert used <= documented


def _read(_output: object) -> None:
    """An Output that nobody waits for."""
