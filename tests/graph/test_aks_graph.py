"""What a cluster on Azure is made of: read from what the program registers, never from what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
import yaml

from infra.aks.cluster import without_aliases
from infra.aks.identity import BuiltIn
from infra.aks.options import SPOT_TAINT, Login
from infra.clouds import CloudNetwork
from infra.contract import Capability, Capacity, Cluster, Environment, Grant, Owner, Pool, Store
from tests.support import clouds
from tests.support.cloud_aks import OPTIONS, POOLS

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "azure-native:"
GPU_TAINT = "nvidia.com/gpu=present:NoSchedule"
SPOT = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule"
ACCOUNTS = ("sample-artifacts", "sample-scratch", "sample-flows", "sample-files")
RESERVATION = f"/subscriptions/{OPTIONS.subscription}/resourceGroups/shared/providers/Microsoft.Compute"
# Types that have a property for tags, by the SDK, are to be tagged; these have none.
UNTAGGED = (
    "RoleAssignment", "RoleDefinition", "Subnet", "BlobContainer", "BlobServiceProperties", "ManagementPolicy",
    "DiagnosticSetting", "FederatedIdentityCredential", "MaintenanceConfiguration", "PrivateDnsZoneGroup",
)  # fmt: skip


@cache
def made() -> clouds.Made:
    """The sample cluster with one bound account."""

    def bind(cluster: Cluster) -> None:
        grants = [Grant(store=Store.ARTIFACTS, prefix="team-a/", write=True), Grant(store=Store.SCRATCH, prefix="")]
        cluster.identity.bind("team-a", "trainer", grants, clouds.below(cluster))

    return clouds.build(clouds.spec(Environment.AKS), bind)


def built(pools: Mapping[str, Pool] = POOLS, **options: Any) -> clouds.Made:  # noqa: ANN401 - fields of the options
    return clouds.build(clouds.spec(Environment.AKS, pools=pools, options=replace(OPTIONS, **options)))


def only(kind: str, given: clouds.Made | None = None) -> Mapping[str, Any]:
    (found,) = (given or made()).inputs(kind).values()
    return found


def agents(given: clouds.Made | None = None) -> Mapping[str, Mapping[str, Any]]:
    """All agent pools by their resource's name, the first one under its pool's."""
    found = given or made()
    (first,) = only("ManagedCluster", found)["agentPoolProfiles"]
    return {first["nodeLabels"]["proof.kubeflow/pool"]: first, **found.inputs("AgentPool")}


def rights() -> set[tuple[str, str, str]]:
    """(principal, role, scope) of every assignment."""
    names: dict[str, str] = {role.value: role.name for role in BuiltIn}
    found: set[tuple[str, str, str]] = set()
    for item in made().inputs("RoleAssignment").values():
        role: str = item["roleDefinitionId"].rpartition("/")[2]
        found.add((item["principalId"], names.get(role, role), item["scope"]))
    return found


def test_nodes_have_no_public_address_and_live_in_one_subnet() -> None:
    for name, pool in agents().items():
        assert pool["enableNodePublicIP"] is False, name
        assert pool["vnetSubnetID"] == "sample-nodes-id", name


def test_no_subnet_has_a_way_out_of_its_own_and_only_nodes_have_the_gateway() -> None:
    subnets = made().inputs("Subnet")
    assert {subnet["defaultOutboundAccess"] for subnet in subnets.values()} == {False}
    assert [name for name, subnet in subnets.items() if "natGateway" in subnet] == ["sample-nodes"]
    assert only("ManagedCluster")["networkProfile"]["outboundType"] == "userAssignedNATGateway"


def test_the_only_public_address_is_the_gateways() -> None:
    assert set(made().inputs("PublicIPAddress")) == {"sample-nat"}


def test_the_control_plane_has_a_subnet_of_its_own() -> None:
    subnet = made().inputs("Subnet")["sample-control"]
    (delegation,) = subnet["delegations"]
    assert delegation["serviceName"] == "Microsoft.ContainerService/managedClusters"
    assert subnet["addressPrefix"].endswith("/28")


def test_without_a_list_of_networks_the_api_server_is_private() -> None:
    door = only("ManagedCluster")["apiServerAccessProfile"]
    assert (door["enablePrivateCluster"], door["enablePrivateClusterPublicFQDN"], door["privateDNSZone"]) == (
        True, False, "system",
    )  # fmt: skip
    assert "authorizedIPRanges" not in door


def test_the_public_door_opens_for_named_networks_only() -> None:
    given = built(network=CloudNetwork(api_access=("198.51.100.0/24",)))
    door = only("ManagedCluster", given)["apiServerAccessProfile"]
    assert (door["enablePrivateCluster"], door["authorizedIPRanges"]) == (False, ["198.51.100.0/24"])
    assert door["enableVnetIntegration"] is True


def test_nobody_gets_in_but_by_entra_id() -> None:
    cluster = only("ManagedCluster")
    assert cluster["disableLocalAccounts"] is True
    people = cluster["aadProfile"]
    assert (people["managed"], people["enableAzureRBAC"], people["adminGroupObjectIDs"]) == (
        True, True, list(OPTIONS.admins),
    )  # fmt: skip
    assert cluster["apiServerAccessProfile"]["disableRunCommand"] is True


def test_secrets_disks_and_objects_have_keys_of_our_own() -> None:
    cluster = only("ManagedCluster")
    kms = cluster["securityProfile"]["azureKeyVaultKms"]
    assert (kms["enabled"], kms["keyVaultNetworkAccess"]) == (True, "Private")
    assert "/keys/secrets/" in kms["keyId"]
    assert cluster["diskEncryptionSetID"] == "sample-id"
    assert "/keys/disks/" in only("DiskEncryptionSet")["activeKey"]["keyUrl"]
    for account in made().inputs("StorageAccount").values():
        encryption = account["encryption"]
        assert encryption["keySource"] == "Microsoft.Keyvault"
        assert encryption["keyVaultProperties"]["keyName"] == "buckets"
        assert encryption["requireInfrastructureEncryption"] is True
    assert {pool["enableEncryptionAtHost"] for pool in agents().values()} == {True}


def test_volumes_have_the_key_of_the_disks() -> None:
    classes = made().graph.objects("StorageClass")
    assert {item["parameters"].get("diskEncryptionSetID") for item in classes.values()} == {"sample-id", None}


def test_keys_cannot_be_lost_and_no_network_reaches_them() -> None:
    vault = only("Vault")["properties"]
    assert (vault["enablePurgeProtection"], vault["enableSoftDelete"], vault["enableRbacAuthorization"]) == (
        True, True, True,
    )  # fmt: skip
    assert (vault["publicNetworkAccess"], vault["networkAcls"]["defaultAction"]) == ("Disabled", "Deny")


def test_a_key_turns_by_itself_wherever_its_users_follow() -> None:
    turning = {name for name, key in made().inputs("Key").items() if "rotationPolicy" in key["properties"]}
    assert turning == {"sample-disks", "sample-buckets"}
    assert only("DiskEncryptionSet")["rotationToLatestKeyVersionEnabled"] is True
    assert not [item for item in made().inputs("StorageAccount").values() if "keyVersion" in str(item["encryption"])]


def test_keys_can_be_used_before_what_they_encrypt_is_made() -> None:
    for kind in ("StorageAccount", "ManagedCluster"):
        for options in made().option(kind).values():
            needs = ("RoleAssignment::sample-disks-key", "RoleAssignment::sample-buckets-key")
            assert all(any(urn.endswith(need) for urn in options.depends_on) for need in needs), kind


def test_no_account_is_public_or_has_shared_keys() -> None:
    accounts = made().inputs("StorageAccount")
    assert set(accounts) == set(ACCOUNTS)
    for account in accounts.values():
        assert account["publicNetworkAccess"] == "Disabled"
        assert (account["allowBlobPublicAccess"], account["allowSharedKeyAccess"]) == (False, False)
        assert account["networkRuleSet"]["defaultAction"] == "Deny"
        assert account["minimumTlsVersion"] == "TLS1_2"
    assert {container["publicAccess"] for container in made().inputs("BlobContainer").values()} == {"None"}


def test_everything_but_nfs_comes_by_https() -> None:
    plain = {name for name, item in made().inputs("StorageAccount").items() if not item["enableHttpsTrafficOnly"]}
    assert plain == {"sample-files"}


def test_artifacts_keep_their_versions_and_scratch_expires() -> None:
    accounts = made().inputs("StorageAccount")
    assert {name for name, item in accounts.items() if item["isHnsEnabled"]} == {"sample-scratch"}
    (versions,) = made().inputs("BlobServiceProperties").values()
    assert (versions["accountName"], versions["isVersioningEnabled"]) == (
        accounts["sample-artifacts"]["accountName"],
        True,
    )
    (rule,) = made().inputs("ManagementPolicy")["sample-scratch"]["policy"]["rules"]
    deletes = rule["definition"]["actions"]["baseBlob"]["delete"]
    assert deletes == {"daysAfterModificationGreaterThan": OPTIONS.scratch_days}


def test_the_addresses_of_storage_are_those_that_policies_open() -> None:
    opened: list[str] = []
    clouds.build(
        clouds.spec(Environment.AKS), lambda cluster: _read(cluster.network.object_store_cidrs.apply(opened.extend))
    )
    fixed: dict[str, str] = {}
    for name, endpoint in made().inputs("PrivateEndpoint").items():
        (place,) = endpoint["ipConfigurations"]
        fixed[name] = f"{place['privateIPAddress']}/32"
    assert len(set(fixed.values())) == len(fixed) == 5
    objects = {address for name, address in fixed.items() if "files" not in name}
    assert objects <= set(opened)
    assert fixed["sample-files-file"] not in opened  # nodes mount it, pods do not


def test_every_endpoint_has_a_name_inside_the_network() -> None:
    groups, zones = made().inputs("PrivateDnsZoneGroup"), made().inputs("PrivateZone")
    assert set(groups) == set(made().inputs("PrivateEndpoint"))
    for name, group in groups.items():
        (config,) = group["privateDnsZoneConfigs"]
        zone = zones[config["privateDnsZoneId"].removesuffix("-id")]
        assert zone["privateZoneName"] == f"privatelink.{name.rpartition('-')[2]}.core.windows.net"
    assert {link["virtualNetwork"]["id"] for link in made().inputs("VirtualNetworkLink").values()} == {"sample-id"}


def test_a_bound_account_has_roles_that_know_objects_only() -> None:
    for name, role in made().inputs("RoleDefinition").items():
        (permissions,) = role["permissions"]
        assert permissions["actions"] == [], name
        assert all("/blobs/" in action and "*" not in action for action in permissions["dataActions"]), name
    writes = made().inputs("RoleDefinition")["sample-objects-read"]["permissions"][0]["dataActions"]
    assert [action.rpartition("/")[2] for action in writes] == ["read"]


def test_a_bound_account_reaches_its_prefix_and_nothing_beside_it() -> None:
    found = made().inputs("RoleAssignment")
    limited, whole = found["team-a.trainer-artifacts-0"], found["team-a.trainer-scratch-1"]
    assert (limited["scope"], whole["scope"]) == ("sample-artifacts-id", "sample-scratch-id")
    assert "StringStartsWith 'team-a/'" in limited["condition"]
    assert limited["conditionVersion"] == "2.0"
    assert "condition" not in whole
    assert limited["roleDefinitionId"] == "sample-objects-write-id"


def test_only_one_service_account_can_become_an_identity() -> None:
    token = only("FederatedIdentityCredential")
    assert token["subject"] == "system:serviceaccount:team-a:trainer"
    assert token["audiences"] == ["api://AzureADTokenExchange"]
    assert token["issuer"].startswith("https://oidc.example.test/")


def test_a_workload_is_told_who_it_is() -> None:
    told: list[str] = []
    labels: list[Mapping[str, str]] = []

    def bind(cluster: Cluster) -> None:
        binding = cluster.identity.bind("team-b", "server", [], clouds.below(cluster))
        labels.append(binding.pod_labels)
        for output in binding.annotations.values():
            _read(output.apply(told.append))

    clouds.build(clouds.spec(Environment.AKS), bind)
    assert told == ["team-b.server-client"]
    assert labels == [{"azure.workload.identity/use": "true"}]


def test_no_principal_has_more_than_its_work_needs() -> None:
    control = "sample-control-principal"
    assert {(role, scope) for who, role, scope in rights() if who == control} == {
        ("IDENTITY_OPERATOR", "sample-node-id"),
        ("NETWORK_CONTRIBUTOR", "sample-id"),
        ("KEY_USER", "sample-secrets-id"),
        ("VAULT_CONTRIBUTOR", "sample-id"),
        ("READER", "sample-id"),
        ("STORAGE_CONTRIBUTOR", "sample-files-id"),
        ("CONTRIBUTOR", "sample-h100-steady-id"),  # the placement group
    }
    assert {(role, scope) for who, role, scope in rights() if who == "sample-node-principal"} == {
        ("ACR_PULL", OPTIONS.registries[0])
    }


def test_nobody_has_rights_on_the_group_or_the_subscription() -> None:
    wide = [scope for _, _, scope in rights() if scope.count("/") in range(1, 5)]
    assert wide == []


def test_every_resource_that_can_be_is_tagged() -> None:
    ours = [item for item in made().graph.resources if item.type.startswith(PREFIX)]
    tagged = {item.name for item in ours if "tags" in item.inputs}
    assert {item.type for item in ours if item.name not in tagged and not item.type.endswith(UNTAGGED)} == set()
    keys = {"cluster", "environment", "owner", "cost-centre", "expires", "managed-by"}
    assert all(set(item.inputs["tags"]) == keys for item in ours if "tags" in item.inputs)


def test_gpu_pools_are_tainted_and_no_others_are() -> None:
    tainted = {name for name, pool in agents().items() if GPU_TAINT in pool["nodeTaints"]}
    assert tainted == {"l4-spot", "l4-steady", "h100-steady"}


def test_gpu_pools_get_no_driver_from_azure_and_the_contract_says_who_brings_it() -> None:
    drivers = {name: pool.get("gpuProfile", {}).get("driver") for name, pool in agents().items()}
    gpus = dict.fromkeys(("l4-spot", "l4-steady", "h100-steady"), "None")
    assert drivers == {"system": None, "cpu-steady": None, **gpus}
    accelerator = made().cluster.accelerator
    assert accelerator is not None
    assert (accelerator.driver, accelerator.toolkit, accelerator.device_plugin) == (
        Owner.PLATFORM, Owner.CLOUD, Owner.PLATFORM,
    )  # fmt: skip


def test_spot_falls_back_under_the_same_label_without_the_mark() -> None:
    spot, steady = (made().inputs("AgentPool")[name] for name in ("l4-spot", "l4-steady"))
    assert (spot["scaleSetPriority"], spot["scaleSetEvictionPolicy"], spot["spotMaxPrice"]) == ("Spot", "Delete", -1)
    assert not {"scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice"} & set(steady)
    assert spot["nodeLabels"]["proof.kubeflow/pool"] == steady["nodeLabels"]["proof.kubeflow/pool"] == "l4"
    assert (SPOT in spot["nodeTaints"], SPOT in steady["nodeTaints"]) == (True, False)
    assert SPOT_TAINT in made().cluster.pools["l4"].taints


def test_cheap_nodes_come_first() -> None:
    (order,) = made().graph.objects("ConfigMap").values()
    patterns = yaml.safe_load(order["data"]["priorities"])
    assert made().inputs("AgentPool")["l4-spot"]["agentPoolName"] in patterns[max(patterns)][0]
    assert only("ManagedCluster")["autoScalerProfile"]["expander"] == "priority"


def test_zero_gpu_nodes_is_allowed_and_the_autoscaler_owns_the_number() -> None:
    pool = made().inputs("AgentPool")["h100-steady"]
    assert (pool["enableAutoScaling"], pool["minCount"], pool["maxCount"], pool["count"]) == (True, 0, 8, 0)
    assert {options.ignore_changes for options in made().option("AgentPool").values()} == {("count",)}
    (options,) = made().option("ManagedCluster").values()
    assert options.ignore_changes == ("agentPoolProfiles[0].count",)


def test_a_pool_that_can_never_have_a_node_has_no_agent_pool() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], max=0)})
    assert "h100-steady" not in given.inputs("AgentPool")
    assert "h100" in given.cluster.pools
    assert not given.graph.of_type("ProximityPlacementGroup")


def test_agent_pools_are_made_one_after_the_other() -> None:
    order = ["cpu-steady", "l4-spot", "l4-steady", "h100-steady"]
    options = made().option("AgentPool")
    assert list(made().inputs("AgentPool")) == order
    for before, after in pairwise(order):
        assert any(urn.endswith(f"AgentPool::{before}") for urn in options[after].depends_on)


def test_nodes_for_training_stand_together_in_one_zone() -> None:
    pool, place = made().inputs("AgentPool")["h100-steady"], only("ProximityPlacementGroup")
    assert pool["proximityPlacementGroupID"] == "sample-h100-steady-id"
    assert (pool["availabilityZones"], place["zones"]) == (["2"], ["2"])
    assert place["intent"]["vmSizes"] == [POOLS["h100"].machine]
    assert Capability.RDMA in made().cluster.capabilities


def test_pools_that_are_not_together_have_neither_placement_nor_rdma() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], together=False)})
    assert not given.graph.of_type("ProximityPlacementGroup")
    assert Capability.RDMA not in given.cluster.capabilities


def test_a_reserved_pool_uses_its_reservation_and_may() -> None:
    group = f"{RESERVATION}/capacityReservationGroups/h100"
    given = built({**POOLS, "h100": replace(POOLS["h100"], capacity=Capacity.RESERVED, reservation=group)})
    assert given.inputs("AgentPool")["h100-steady"]["capacityReservationGroupID"] == group
    assert not given.graph.of_type("ProximityPlacementGroup")
    assert [item["principalId"] for item in given.inputs("RoleAssignment").values() if item["scope"] == group] == [
        "sample-control-principal"
    ]


def test_a_gpu_node_goes_before_the_new_one_comes() -> None:
    settings = {name: pool.get("upgradeSettings") for name, pool in agents().items()}
    assert (settings["h100-steady"] or {})["maxSurge"] == "0"
    assert (settings["system"] or {})["maxSurge"] == "1"
    assert settings["l4-spot"] is None


@pytest.mark.parametrize("protected", [True, False])
def test_what_holds_data_is_protected_exactly_as_the_configuration_says(*, protected: bool) -> None:
    given = made() if protected else built(deletion_protection=False)
    holders = (
        "ResourceGroup", "ManagedCluster", "Vault", "Key", "DiskEncryptionSet", "StorageAccount", "BlobContainer",
    )  # fmt: skip
    assert all(given.option(kind) for kind in holders)
    assert [
        (kind, name)
        for kind in holders
        for name, options in given.option(kind).items()
        if options.protect is not protected
    ] == []


def test_logs_of_the_control_plane_are_kept_as_long_as_the_configuration_says() -> None:
    assert only("Workspace")["retentionInDays"] == OPTIONS.log_days
    settings = made().inputs("DiagnosticSetting")
    kept = {log["category"] for log in settings["sample-control"]["logs"] if log["enabled"]}
    assert {"kube-audit-admin", "kube-apiserver", "guard"} <= kept
    assert settings["sample-vault"]["logs"][0]["category"] == "AuditEvent"


def test_flow_logs_can_be_left_out_with_their_account() -> None:
    assert only("FlowLog")["networkWatcherName"] == "NetworkWatcher_westeurope"
    given = built(network=CloudNetwork(flow_logs=False))
    assert not given.graph.of_type("FlowLog")
    assert "sample-flows" not in given.inputs("StorageAccount")


def test_the_control_plane_waits_for_its_rights() -> None:
    (options,) = made().option("ManagedCluster").values()
    needs = ("sample-network", "sample-node-identity", "sample-secrets-key", "sample-vault", "sample-disks")
    assert all(any(urn.endswith(f"RoleAssignment::{need}") for urn in options.depends_on) for need in needs)


def test_network_policies_are_enforced() -> None:
    profile = only("ManagedCluster")["networkProfile"]
    assert (profile["networkPluginMode"], profile["networkDataplane"], profile["networkPolicy"]) == (
        "overlay", "cilium", "cilium",
    )  # fmt: skip


def test_azure_never_installs_another_minor_version() -> None:
    cluster = only("ManagedCluster")
    assert cluster["autoUpgradeProfile"]["upgradeChannel"] == "patch"
    assert len(made().inputs("MaintenanceConfiguration")) == 2
    versions = {pool["orchestratorVersion"] for pool in agents().values()}
    assert versions == {cluster["kubernetesVersion"]} == {"1.35"}


def test_webhooks_are_left_as_they_are() -> None:
    assert made().cluster.quirks.webhook_labels == {"admissions.enforcer/disabled": "true"}


def test_pods_are_kept_away_from_the_platform_behind_the_machine() -> None:
    assert "168.63.129.16" in made().cluster.network.metadata_addresses


@pytest.mark.parametrize(("facing", "internal"), [(False, "true"), (True, "false")])
def test_the_gateway_is_internal_unless_it_is_said(*, facing: bool, internal: bool) -> None:
    annotations = built(internet_facing=facing).cluster.ingress.annotations
    assert annotations["service.beta.kubernetes.io/azure-load-balancer-internal"] == internal


@pytest.mark.parametrize("login", list(Login))
def test_whoever_runs_pulumi_signs_in_as_the_configuration_says(login: Login) -> None:
    texts: list[str] = []
    options = replace(OPTIONS, login=login)
    clouds.build(clouds.spec(Environment.AKS, options=options), lambda made: _read(made.kubeconfig.apply(texts.append)))
    (user,) = yaml.safe_load(texts[0])["users"]
    args: list[str] = user["user"]["exec"]["args"]
    assert args[args.index("--login") + 1] == login.value


def test_resources_carry_no_aliases_of_other_versions_of_azures_api() -> None:
    """Forty of them each would take the program several times as long as all the rest."""
    for kind, left in (("azure-native:network:Subnet", None), ("kubernetes:core/v1:Pod", ["urn"])):
        given = pulumi.ResourceTransformationArgs(
            resource=cast("pulumi.Resource", None),
            type_=kind,
            name="any",
            props={},
            opts=pulumi.ResourceOptions(aliases=["urn"], protect=True),
        )
        opts = without_aliases(given).opts
        assert (opts.aliases, opts.protect) == (left, True)


def test_the_documented_permissions_name_every_provider_that_the_program_uses() -> None:
    text = (ROOT / "docs/environments/aks.md").read_text(encoding="utf-8")
    documented = {row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")}
    used = {item.type.split(":")[1] for item in made().graph.resources if item.type.startswith(PREFIX)}
    assert used
    assert used <= documented


def _read(_output: object) -> None:
    """An Output that nobody waits for."""
