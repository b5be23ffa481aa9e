"""What a cluster on AWS is made of: read from what the program registers, never from what it says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.clouds import CloudNetwork
from infra.contract import Capability, Capacity, Cluster, Environment, Grant, Pool, Store
from tests.support import clouds
from tests.support.cloud_eks import OPTIONS, POOLS

ROOT = Path(__file__).resolve().parents[2]
WORLD = ("0.0.0.0/0", "::/0")


@cache
def made() -> clouds.Made:
    """The sample cluster with one bound account."""

    def bind(cluster: Cluster) -> None:
        grants = [Grant(store=Store.ARTIFACTS, prefix="team-a/", write=True), Grant(store=Store.SCRATCH, prefix="")]
        cluster.identity.bind("team-a", "trainer", grants, clouds.below(cluster))

    return clouds.build(clouds.spec(Environment.EKS), bind)


def built(pools: Mapping[str, Pool] = POOLS, **options: Any) -> clouds.Made:  # noqa: ANN401 - fields of the options
    return clouds.build(clouds.spec(Environment.EKS, pools=pools, options=replace(OPTIONS, **options)))


def only(kind: str) -> Mapping[str, Any]:
    (found,) = made().inputs(kind).values()
    return found


def statements() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement of every policy in the program, with the name of its resource."""
    for item in made().graph.resources:
        for key in ("policy", "assumeRolePolicy"):
            if item.type.startswith("aws:") and key in item.inputs:
                yield from ((f"{item.type} {item.name}", each) for each in json.loads(item.inputs[key])["Statement"])


def test_there_are_policies_to_look_at() -> None:
    assert len(list(statements())) > 20


def test_nodes_live_in_private_subnets_only() -> None:
    private = {f"sample-nodes-{zone}-id" for zone in OPTIONS.zones}
    for name, group in made().inputs("NodeGroup").items():
        assert set(group["subnetIds"]) <= private, name
    tables = made().inputs("RouteTable")
    ways = {name: table["routes"] for name, table in tables.items() if name.startswith("sample-private")}
    assert len(ways) == 3
    assert all("natGatewayId" in route and "gatewayId" not in route for routes in ways.values() for route in routes)


def test_no_subnet_gives_public_addresses() -> None:
    assert {subnet["mapPublicIpOnLaunch"] for subnet in made().inputs("Subnet").values()} == {False}


def test_the_control_plane_and_the_services_have_no_way_out() -> None:
    assert made().inputs("RouteTable")["sample-inside"]["routes"] == []


def test_the_default_security_group_lets_nothing_through() -> None:
    group = only("DefaultSecurityGroup")
    assert (group["ingress"], group["egress"]) == ([], [])


def test_no_rule_lets_the_world_in() -> None:
    rules = made().inputs("SecurityGroupIngressRule")
    assert rules
    assert [name for name, rule in rules.items() if rule.get("cidrIpv4") in WORLD or rule.get("cidrIpv6")] == []


def test_without_a_list_of_networks_the_api_server_is_private() -> None:
    door = only("Cluster")["vpcConfig"]
    assert (door["endpointPrivateAccess"], door["endpointPublicAccess"], door.get("publicAccessCidrs")) == (
        True, False, None,
    )  # fmt: skip


def test_the_public_door_opens_for_named_networks_only() -> None:
    (cluster,) = built(network=CloudNetwork(api_access=("198.51.100.0/24",))).inputs("Cluster").values()
    assert cluster["vpcConfig"]["endpointPublicAccess"] is True
    assert cluster["vpcConfig"]["publicAccessCidrs"] == ["198.51.100.0/24"]


def test_the_world_is_no_list_of_networks() -> None:
    with pytest.raises(ValueError, match="the whole internet"):
        CloudNetwork(api_access=("0.0.0.0/0",))


def test_secrets_logs_disks_files_and_objects_have_keys_of_our_own() -> None:
    assert only("Cluster")["encryptionConfig"]["provider"]["keyArn"].endswith(":sample-secrets")
    assert {group["kmsKeyId"].rpartition(":")[2] for group in made().inputs("LogGroup").values()} == {"sample-logs"}
    for template in made().inputs("LaunchTemplate").values():
        (disk,) = template["blockDeviceMappings"]
        assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"]) == ("true", "gp3")
        assert disk["ebs"]["kmsKeyId"].endswith(":sample-disks")
    assert only("FileSystem")["encrypted"] is True
    for rules in made().inputs("BucketServerSideEncryptionConfiguration").values():
        (rule,) = rules["rules"]
        assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"].endswith(":sample-buckets")
    assert {key["enableKeyRotation"] for key in made().inputs("Key").values()} == {True}


def test_no_bucket_can_become_public_and_none_is_read_without_tls() -> None:
    blocks = made().inputs("BucketPublicAccessBlock")
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [[block[switch] for switch in switches] for block in blocks.values()] == [[True] * 4] * 2
    for policy in made().inputs("BucketPolicy").values():
        (statement,) = json.loads(policy["policy"])["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_artifacts_keep_their_versions_and_scratch_expires() -> None:
    assert set(made().inputs("BucketVersioning")) == {"sample-artifacts"}
    (rule,) = made().inputs("BucketLifecycleConfiguration")["sample-scratch"]["rules"]
    assert rule["expiration"]["days"] == OPTIONS.scratch_days


def test_no_statement_allows_every_action() -> None:
    wide = [
        (where, action)
        for where, statement in statements()
        if statement["Effect"] == "Allow"
        for action in _list(statement["Action"])
        if "*" in action
    ]
    assert wide == []


def test_everything_is_allowed_on_named_resources_or_under_a_condition() -> None:
    lists = ("autoscaling:Describe", "ec2:Describe", "ec2:Get")  # AWS knows no resources for these
    wide = [
        (where, statement.get("Sid"))
        for where, statement in statements()
        if statement["Effect"] == "Allow"
        and "*" in _list(statement.get("Resource", []))
        and not all(action.startswith(lists) for action in statement["Action"])
        and not where.startswith("aws:kms/key:Key")  # in a key policy it means this key
    ]
    assert wide == []


def test_only_conditions_let_anybody_use_a_key() -> None:
    for where, statement in statements():
        if statement["Effect"] == "Allow" and statement.get("Principal") == {"AWS": "*"}:
            condition = statement["Condition"]
            assert condition["StringEquals"]["kms:CallerAccount"] == OPTIONS.account, where
            assert condition["ArnEquals"]["aws:PrincipalArn"].endswith("/AWSServiceRoleForAutoScaling"), where


def test_roles_of_service_accounts_trust_one_account_each() -> None:
    federated = [item for _, item in statements() if "Federated" in item.get("Principal", {})]
    subjects = [value for item in federated for key, value in item["Condition"]["StringEquals"].items() if "sub" in key]
    assert len(subjects) == len(set(subjects)) == 5
    assert "system:serviceaccount:team-a:trainer" in subjects


def test_there_is_no_user_and_no_access_key() -> None:
    kinds = {item.type for item in made().graph.resources}
    assert not {kind for kind in kinds if kind.endswith((":User", ":AccessKey", ":PodIdentityAssociation"))}


def test_every_resource_is_tagged() -> None:
    defaults = json.loads(only("aws")["defaultTags"])["tags"]
    assert set(defaults) == {"cluster", "environment", "owner", "cost-centre", "expires", "managed-by"}
    for template in made().inputs("LaunchTemplate").values():  # the provider's tags do not reach what EC2 starts
        kinds = {item["resourceType"]: set(item["tags"]) for item in template["tagSpecifications"]}
        assert set(kinds) == {"instance", "volume", "network-interface"}
        assert all(set(defaults) <= tags for tags in kinds.values())


def test_names_in_the_console_are_there_for_what_people_look_for() -> None:
    wanted = ("Vpc", "Subnet", "NatGateway", "Cluster", "NodeGroup", "Bucket", "Key", "FileSystem", "SecurityGroup")
    missing = [
        item.name
        for kind in wanted
        for item in made().graph.of_type(kind)
        if item.type.startswith("aws:") and "Name" not in item.inputs["tags"]
    ]
    assert missing == []


def test_gpu_groups_are_tainted_and_no_others_are() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    tainted = {name for name, group in made().inputs("NodeGroup").items() if taint in group["taints"]}
    assert tainted == {"l4", "l4_on-demand", "h100"}


def test_gpu_groups_start_from_an_image_with_the_driver() -> None:
    images = {name: group["amiType"] for name, group in made().inputs("NodeGroup").items()}
    gpus = dict.fromkeys(("l4", "l4_on-demand", "h100"), "AL2023_x86_64_NVIDIA")
    assert images == {**dict.fromkeys(("system", "cpu"), "AL2023_x86_64_STANDARD"), **gpus}


def test_zero_gpu_nodes_is_allowed_and_the_autoscaler_owns_the_number() -> None:
    sizes = {name: group["scalingConfig"] for name, group in made().inputs("NodeGroup").items()}
    assert sizes["h100"] == {"minSize": 0, "maxSize": 8, "desiredSize": 0}
    assert {options.ignore_changes for options in made().option("NodeGroup").values()} == {
        ("scalingConfig.desiredSize",)
    }


def test_a_pool_that_can_never_have_a_node_has_no_group() -> None:
    pools = {**POOLS, "h100": replace(POOLS["h100"], max=0)}
    given = built(pools)
    assert "h100" not in given.inputs("NodeGroup")
    assert "h100" in given.cluster.pools
    assert "SecurityGroupEgressRule" not in {item.type.rpartition(":")[2] for item in given.graph.resources}


def autoscaler(kind: str) -> Mapping[str, Any]:
    (found,) = (item for (_, name), item in made().graph.objects(kind).items() if name.startswith("cluster-autoscaler"))
    return found


def scaler_pod() -> Mapping[str, Any]:
    return autoscaler("Deployment")["spec"]["template"]["spec"]


def test_the_autoscaler_is_the_principal_that_may_change_the_groups() -> None:
    annotations = autoscaler("ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": "arn:aws:mock:::sample-autoscaler"}
    assert scaler_pod()["serviceAccountName"] == autoscaler("ServiceAccount")["metadata"]["name"]
    trusted = [item for _, item in statements() if "Federated" in item.get("Principal", {})]
    subjects = {value for item in trusted for value in item["Condition"]["StringEquals"].values()}
    assert "system:serviceaccount:kube-system:cluster-autoscaler" in subjects


def test_the_autoscaler_finds_exactly_the_groups_that_its_role_may_change() -> None:
    (container,) = scaler_pod()["containers"]
    (found,) = (item for item in container["command"] if item.startswith("--node-group-auto-discovery="))
    tags = found.partition("tag=")[2].split(",")
    (change,) = (item for _, item in statements() if "autoscaling:SetDesiredCapacity" in item["Action"])
    ((condition, value),) = change["Condition"]["StringEquals"].items()
    assert (condition.removeprefix("aws:ResourceTag/"), value) == (tags[-1], "owned")


@pytest.mark.parametrize(("version", "tag"), [("1.33", "v1.33."), ("1.35", "v1.35.")])
def test_the_autoscaler_is_of_the_clusters_version(version: str, tag: str) -> None:
    given = clouds.build(clouds.spec(Environment.EKS, version=version))
    pod = given.graph.objects("Deployment")["kube-system", "cluster-autoscaler"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"].rpartition(":")[2].startswith(tag)


def test_a_version_without_a_known_autoscaler_asks_for_its_image() -> None:
    with pytest.raises(Exception, match=r"cluster\.version: found 1\.40.*options\.autoscalerImage"):
        clouds.build(clouds.spec(Environment.EKS, version="1.40"))
    given = clouds.spec(Environment.EKS, version="1.40", options=replace(OPTIONS, autoscaler_image="mirror/scaler:1"))
    made_of = clouds.build(given).graph.objects("Deployment")["kube-system", "cluster-autoscaler"]
    assert made_of["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror/scaler:1"


def test_a_fallback_is_tried_last_and_every_group_has_its_place() -> None:
    """Expressions match anywhere in a name; EKS calls a group `eks-NAME-ID` (expander/priority/readme.md)."""
    order: dict[int, list[str]] = yaml.safe_load(autoscaler("ConfigMap")["data"]["priorities"])

    def place(group: str) -> int:
        name = f"eks-{group}-1a2b3c4-9c0b6f2e"
        return max(number for number, patterns in order.items() if any(re.search(each, name) for each in patterns))

    places = {name: place(name) for name in made().inputs("NodeGroup")}
    assert min(places, key=lambda name: places[name]) == "l4_on-demand"
    assert {number for name, number in places.items() if name != "l4_on-demand"} == {max(places.values())}


def test_the_autoscaler_runs_on_no_gpu_node_and_nothing_pushes_it_out() -> None:
    pod = scaler_pod()
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert not [item for item in pod["tolerations"] if item["key"].startswith("nvidia.com")]
    where = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    ((rule,),) = (term["matchExpressions"] for term in where)
    gpus = [group for group in made().inputs("NodeGroup").values() if group["amiType"].endswith("NVIDIA")]
    assert {group["labels"][rule["key"]] for group in gpus}.isdisjoint(rule["values"])


def test_the_autoscaler_reads_no_secret_and_writes_no_workload() -> None:
    ours = [item for item in made().graph.resources if item.type.startswith("kubernetes:rbac")]
    rules = [rule for item in ours for rule in item.inputs.get("rules", ())]
    written = {name for rule in rules if set(rule["verbs"]) - {"get", "list", "watch"} for name in rule["resources"]}
    assert "secrets" not in {name for rule in rules for name in rule["resources"]}
    assert written == {
        "configmaps", "endpoints", "events", "jobs", "leases", "nodes", "pods/eviction", "pods/status",
    }  # fmt: skip


def test_the_autoscaler_starts_where_there_are_nodes_and_nothing_waits_for_it() -> None:
    (options,) = (found for name, found in made().option("Deployment").items() if name == "cluster-autoscaler")
    assert {urn.rpartition("::")[2] for urn in options.depends_on} >= set(made().inputs("NodeGroup"))
    waiting = [key for key, item in made().options.items() if any("Deployment::" in urn for urn in item.depends_on)]
    assert waiting == []


def test_the_autoscaler_waits_for_gpus_that_a_new_node_does_not_show_yet() -> None:
    """cluster-autoscaler, cloudprovider/aws/README.md: the label that says that a node will have GPUs."""
    labelled = {
        name for name, group in made().inputs("NodeGroup").items() if "k8s.amazonaws.com/accelerator" in group["labels"]
    }
    assert labelled == {"l4", "l4_on-demand", "h100"}


def test_spot_falls_back_under_the_same_label() -> None:
    spot, fallback = (made().inputs("NodeGroup")[name] for name in ("l4", "l4_on-demand"))
    assert (spot["capacityType"], fallback["capacityType"]) == ("SPOT", "ON_DEMAND")
    assert spot["labels"] == fallback["labels"]


def test_credentials_of_a_node_are_out_of_the_reach_of_pods() -> None:
    for template in made().inputs("LaunchTemplate").values():
        options = template["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)


def test_nodes_for_training_stand_together_on_every_efa_card() -> None:
    template = made().inputs("LaunchTemplate")["sample-h100"]
    cards = template["networkInterfaces"]
    assert [card["networkCardIndex"] for card in cards] == list(range(32))
    assert [card["interfaceType"] for card in cards] == ["efa", *["efa-only"] * 31]
    assert template["placement"]["groupName"].startswith("sample-h100")
    assert only("PlacementGroup")["strategy"] == "cluster"
    assert Capability.RDMA in made().cluster.capabilities


def test_pools_that_are_not_together_have_neither_efa_nor_rdma() -> None:
    given = built({**POOLS, "h100": replace(POOLS["h100"], together=False)})
    assert not given.graph.of_type("PlacementGroup")
    assert not any("networkInterfaces" in template for template in given.inputs("LaunchTemplate").values())
    assert Capability.RDMA not in given.cluster.capabilities


def test_a_reserved_pool_uses_its_reservation_and_nothing_beside_it() -> None:
    pool = replace(POOLS["h100"], capacity=Capacity.RESERVED, reservation="cr-0123")
    given = built({**POOLS, "h100": pool}, capacity_blocks=("cr-0123",))
    template = given.inputs("LaunchTemplate")["sample-h100"]
    target = template["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": "cr-0123"}
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
    assert given.inputs("NodeGroup")["h100"]["capacityType"] == "CAPACITY_BLOCK"
    assert not given.graph.of_type("PlacementGroup")


@pytest.mark.parametrize("protected", [True, False])
def test_what_holds_data_is_protected_exactly_as_the_configuration_says(*, protected: bool) -> None:
    given = made() if protected else built(deletion_protection=False)
    holders = ("Cluster", "Key", "Bucket", "FileSystem")
    assert [
        (kind, name)
        for kind in holders
        for name, options in given.option(kind).items()
        if options.protect is not protected
    ] == []
    (cluster,) = given.inputs("Cluster").values()
    assert cluster["deletionProtection"] is protected
    assert {bucket.get("forceDestroy") for bucket in given.inputs("Bucket").values()} == {not protected}


def test_the_control_planes_log_is_there_before_the_control_plane() -> None:
    log = made().inputs("LogGroup")["sample"]
    assert log["name"] == "/aws/eks/sample/cluster"
    (options,) = made().option("Cluster").values()
    assert any(urn.endswith("LogGroup::sample") for urn in options.depends_on)


def test_administrators_get_in_before_the_first_object() -> None:
    (options,) = (item for (kind, _), item in made().options.items() if kind == "pulumi:providers:kubernetes")
    assert any("AccessPolicyAssociation" in urn for urn in options.depends_on)
    assert only("Cluster")["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }


def test_nodes_wait_for_network_plugin_routes_and_rights() -> None:
    for options in made().option("NodeGroup").values():
        needs = ("Addon::sample-vpc-cni", "RouteTableAssociation::", "RolePolicyAttachment::", "ENIConfig::")
        assert all(any(need in urn for urn in options.depends_on) for need in needs)


def test_the_network_plugin_enforces_policies() -> None:
    settings = json.loads(made().inputs("Addon")["sample-vpc-cni"]["configurationValues"])
    assert settings["enableNetworkPolicy"] == "true"


def test_an_addon_is_only_updated_when_somebody_writes_a_version() -> None:
    assert {addon.get("addonVersion") for addon in made().inputs("Addon").values()} == {None}
    pinned = built(addon_versions={"coredns": "v1.12.1-eksbuild.2"}).inputs("Addon")
    assert {name: addon["addonVersion"] for name, addon in pinned.items() if "addonVersion" in addon} == {
        "sample-coredns": "v1.12.1-eksbuild.2"
    }


def test_s3_and_sts_stay_inside_even_without_the_other_endpoints() -> None:
    services = {item["serviceName"] for item in built(interface_endpoints=False).inputs("VpcEndpoint").values()}
    assert services == {"com.amazonaws.eu-west-1.s3", "com.amazonaws.eu-west-1.sts"}


def test_the_addresses_of_sts_are_those_that_policies_open() -> None:
    fixed = {item["ipv4"] for item in made().inputs("VpcEndpoint")["sample-sts"]["subnetConfigurations"]}
    opened: list[str] = []
    clouds.build(
        clouds.spec(Environment.EKS), lambda cluster: _read(cluster.network.object_store_cidrs.apply(opened.extend))
    )
    assert {f"{address}/32" for address in fixed} <= set(opened)
    assert len(fixed) == 3


def test_no_two_services_want_one_address() -> None:
    taken = [
        item["ipv4"]
        for endpoint in made().inputs("VpcEndpoint").values()
        for item in endpoint.get("subnetConfigurations", [])
    ]
    assert len(taken) == len(set(taken)) == 30


@pytest.mark.parametrize(("single", "expected"), [(False, 3), (True, 1)])
def test_every_zone_has_its_own_way_out_unless_one_is_enough(*, single: bool, expected: int) -> None:
    given = built(single_nat=single)
    assert len(given.inputs("NatGateway")) == expected
    private = [table for name, table in given.inputs("RouteTable").items() if name.startswith("sample-private")]
    assert all(table["routes"] for table in private)


def test_flow_logs_can_be_left_out() -> None:
    assert made().graph.of_type("FlowLog")
    assert not built(network=CloudNetwork(flow_logs=False)).graph.of_type("FlowLog")


@pytest.mark.parametrize(("facing", "internal"), [(False, "true"), (True, "false")])
def test_the_gateway_is_internal_unless_it_is_said(*, facing: bool, internal: bool) -> None:
    annotations = built(internet_facing=facing).cluster.ingress.annotations
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-internal"] == internal


def test_pods_have_a_network_of_their_own_in_every_zone() -> None:
    places = made().graph.objects("ENIConfig")
    assert {name for _, name in places} == set(OPTIONS.zones)
    nodes = {subnet for group in made().inputs("NodeGroup").values() for subnet in group["subnetIds"]}
    pods = {item["spec"]["subnet"] for item in places.values()}
    assert not [pair for pair in product(nodes, pods) if pair[0] == pair[1]]


def test_the_region_must_fit_the_zones() -> None:
    with pytest.raises(Exception, match=r"cluster\.options\.zones: found eu-west-1a.*; allowed: zones of us-east-1"):
        clouds.build(clouds.spec(Environment.EKS, region="us-east-1"))


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value)  # pyright: ignore[reportArgumentType, reportUnknownVariableType] a text or a list of them


def _read(_output: object) -> None:
    """An Output that nobody waits for."""


def test_the_documented_permissions_name_every_service_that_the_program_uses() -> None:
    text = (ROOT / "docs/environments/eks.md").read_text(encoding="utf-8")
    documented = {row.split("|")[1].split(",")[0].strip() for row in text.splitlines() if row.startswith("| ")}
    modules = {item.type.split("/")[0].removeprefix("aws:") for item in made().graph.resources if "aws:" in item.type}
    services = {"cloudwatch": "logs", "efs": "elasticfilesystem", "vpc": "ec2"}
    used = {services.get(module, module) for module in modules if ":" not in module}
    assert used
    assert used <= documented
