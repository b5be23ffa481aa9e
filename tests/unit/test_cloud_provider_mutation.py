"""How many mistakes the stand-in's checks find, in small valid inputs of each cloud and in the real programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.contract import Environment
from rehearsal.cloud_provider.mutation import Kind, drop, measure, package_of, swapped
from tests.support.clouds import CLOUDS, build, spec

Resources = Sequence[tuple[str, Mapping[str, Any]]]
TYPES = (Kind.MISSPELT, Kind.MISSPELT_INSIDE, Kind.WRONG_TYPE)
TAINT = {"key": "nvidia.com/gpu", "value": "present"}

SAMPLES: Mapping[str, Resources] = {
    "aws": (
        (
            "aws:eks/cluster:Cluster",
            {
                "roleArn": "arn:aws:iam::123456789012:role/cluster",
                "version": "1.35",
                "accessConfig": {"authenticationMode": "API"},
                "enabledClusterLogTypes": ["api", "audit"],
                "encryptionConfig": {"provider": {"keyArn": "arn:aws:kms:x"}, "resources": ["secrets"]},
                "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"], "endpointPrivateAccess": True},
            },
        ),
        (
            "aws:eks/nodeGroup:NodeGroup",
            {
                "clusterName": "c",
                "nodeRoleArn": "arn:aws:iam::123456789012:role/node",
                "subnetIds": ["subnet-1"],
                "amiType": "AL2023_x86_64_NVIDIA",
                "capacityType": "ON_DEMAND",
                "instanceTypes": ["p5.48xlarge"],
                "version": "1.35",
                "labels": {"pool": "h100"},
                "taints": [{**TAINT, "effect": "NO_SCHEDULE"}],
                "scalingConfig": {"desiredSize": 2, "minSize": 0, "maxSize": 8},
            },
        ),
        ("aws:ec2/subnet:Subnet", {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "availabilityZone": "eu-west-1a"}),
    ),
    "azure-native": (
        (
            "azure-native:containerservice:ManagedCluster",
            {
                "resourceGroupName": "g",
                "resourceName": "c",
                "dnsPrefix": "c",
                "kubernetesVersion": "1.35",
                "identity": {"type": "SystemAssigned"},
                "networkProfile": {
                    "networkPlugin": "azure",
                    "networkPluginMode": "overlay",
                    "loadBalancerSku": "standard",
                },
                "agentPoolProfiles": [
                    {"name": "system", "mode": "System", "count": 2, "vmSize": "Standard_D4s_v5", "osType": "Linux"}
                ],
            },
        ),
        (
            "azure-native:containerservice:AgentPool",
            {
                "resourceGroupName": "g",
                "resourceName": "c",
                "agentPoolName": "h100",
                "mode": "User",
                "osType": "Linux",
                "osSKU": "Ubuntu2404",
                "vmSize": "Standard_ND96isr_H100_v5",
                "enableAutoScaling": True,
                "minCount": 0,
                "maxCount": 4,
                "gpuInstanceProfile": "MIG1g",
                "nodeTaints": ["nvidia.com/gpu=present:NoSchedule"],
            },
        ),
        (
            "azure-native:network:VirtualNetwork",
            {"resourceGroupName": "g", "virtualNetworkName": "n", "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}},
        ),
    ),
    "gcp": (
        (
            "gcp:container/cluster:Cluster",
            {
                "location": "europe-west4",
                "network": "n",
                "initialNodeCount": 1,
                "removeDefaultNodePool": True,
                "minMasterVersion": "1.35",
                "datapathProvider": "ADVANCED_DATAPATH",
                "releaseChannel": {"channel": "REGULAR"},
                "databaseEncryption": {"state": "ENCRYPTED", "keyName": "k"},
                "workloadIdentityConfig": {"workloadPool": "p.svc.id.goog"},
                "ipAllocationPolicy": {"clusterSecondaryRangeName": "pods"},
            },
        ),
        (
            "gcp:container/nodePool:NodePool",
            {
                "cluster": "c",
                "location": "europe-west4",
                "nodeCount": 1,
                "version": "1.35.2-gke.100",
                "nodeConfig": {
                    "machineType": "a3-megagpu-8g",
                    "imageType": "COS_CONTAINERD",
                    "taints": [{**TAINT, "effect": "NO_SCHEDULE"}],
                    "guestAccelerators": [
                        {
                            "type": "nvidia-h100-mega-80gb",
                            "count": 8,
                            "gpuDriverInstallationConfig": {"gpuDriverVersion": "LATEST"},
                        }
                    ],
                },
            },
        ),
        ("gcp:compute/subnetwork:Subnetwork", {"network": "n", "region": "europe-west4", "ipCidrRange": "10.0.0.0/16"}),
    ),
    "alicloud": (
        (
            "alicloud:cs/managedKubernetes:ManagedKubernetes",
            {
                "clusterSpec": "ack.pro.small",
                "version": "1.35.2-aliyun.1",
                "vswitchIds": ["vsw-1"],
                "podVswitchIds": ["vsw-2"],
                "serviceCidr": "172.21.0.0/20",
                "proxyMode": "nftables",
                "newNatGateway": False,
                "addons": [{"name": "terway-eniip"}],
            },
        ),
        (
            "alicloud:cs/nodePool:NodePool",
            {
                "nodePoolName": "a10",
                "clusterId": "c",
                "vswitchIds": ["vsw-1"],
                "instanceTypes": ["ecs.gn7i-c16g1.4xlarge"],
                "imageType": "AliyunLinux3ContainerOptimized",
                "systemDiskCategory": "cloud_essd",
                "systemDiskSize": 120,
                "scalingConfig": {"enable": True, "minSize": 0, "maxSize": 4},
                "labels": [{"key": "pool", "value": "a10"}],
                "taints": [{**TAINT, "effect": "NoSchedule"}],
            },
        ),
        ("alicloud:vpc/switch:Switch", {"vpcId": "vpc-1", "cidrBlock": "10.1.0.0/16", "zoneId": "eu-central-1a"}),
    ),
    "vsphere": (
        (
            "vsphere:index/virtualMachine:VirtualMachine",
            {
                "name": "worker",
                "resourcePoolId": "resgroup-1",
                "datastoreId": "datastore-1",
                "hostSystemId": "host-1",
                "numCpus": 16,
                "memory": 131072,
                "memoryReservation": 131072,
                "guestId": "ubuntu64Guest",
                "firmware": "efi",
                "networkInterfaces": [{"networkId": "network-1", "adapterType": "vmxnet3"}],
                "disks": [{"label": "disk0", "size": 40, "thinProvisioned": True}],
                "pciDeviceIds": ["0000:3b:00.0"],
                "clone": {"templateUuid": "4200"},
            },
        ),
        ("vsphere:index/folder:Folder", {"path": "k8s", "type": "vm", "datacenterId": "datacenter-1"}),
    ),
}

# What the clouds' APIs refuse to do without, by their own reference pages, whatever the SDK or the rules say.
API_REQUIRES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "aws": (
        ("aws:eks/cluster:Cluster", "roleArn"),
        ("aws:eks/cluster:Cluster", "vpcConfig.subnetIds"),
        ("aws:eks/nodeGroup:NodeGroup", "clusterName"),
        ("aws:eks/nodeGroup:NodeGroup", "nodeRoleArn"),
        ("aws:eks/nodeGroup:NodeGroup", "subnetIds"),
        ("aws:eks/nodeGroup:NodeGroup", "taints.effect"),
        ("aws:eks/cluster:Cluster", "encryptionConfig.resources"),
        ("aws:eks/cluster:Cluster", "encryptionConfig.provider.keyArn"),
        ("aws:ec2/subnet:Subnet", "vpcId"),
        ("aws:ec2/subnet:Subnet", "cidrBlock"),
    ),
    "azure-native": (
        ("azure-native:containerservice:ManagedCluster", "resourceGroupName"),
        ("azure-native:containerservice:ManagedCluster", "dnsPrefix"),
        ("azure-native:containerservice:ManagedCluster", "identity"),
        ("azure-native:containerservice:ManagedCluster", "identity.type"),
        ("azure-native:containerservice:ManagedCluster", "agentPoolProfiles"),
        ("azure-native:containerservice:ManagedCluster", "agentPoolProfiles.name"),
        ("azure-native:containerservice:ManagedCluster", "agentPoolProfiles.mode"),
        ("azure-native:containerservice:ManagedCluster", "agentPoolProfiles.count"),
        ("azure-native:containerservice:ManagedCluster", "agentPoolProfiles.vmSize"),
        ("azure-native:containerservice:AgentPool", "vmSize"),
        ("azure-native:containerservice:AgentPool", "minCount"),
        ("azure-native:containerservice:AgentPool", "maxCount"),
        ("azure-native:network:VirtualNetwork", "addressSpace"),
        ("azure-native:network:VirtualNetwork", "addressSpace.addressPrefixes"),
    ),
    "gcp": (
        ("gcp:container/cluster:Cluster", "initialNodeCount"),
        ("gcp:container/cluster:Cluster", "databaseEncryption.keyName"),
        ("gcp:container/nodePool:NodePool", "cluster"),
        ("gcp:container/nodePool:NodePool", "nodeCount"),
        ("gcp:container/nodePool:NodePool", "nodeConfig.guestAccelerators.type"),
        ("gcp:container/nodePool:NodePool", "nodeConfig.guestAccelerators.count"),
        ("gcp:container/nodePool:NodePool", "nodeConfig.taints.effect"),
        ("gcp:compute/subnetwork:Subnetwork", "network"),
        ("gcp:compute/subnetwork:Subnetwork", "ipCidrRange"),
    ),
    "alicloud": (
        ("alicloud:cs/managedKubernetes:ManagedKubernetes", "vswitchIds"),
        ("alicloud:cs/managedKubernetes:ManagedKubernetes", "podVswitchIds"),
        ("alicloud:cs/managedKubernetes:ManagedKubernetes", "serviceCidr"),
        ("alicloud:cs/managedKubernetes:ManagedKubernetes", "addons.name"),
        ("alicloud:cs/nodePool:NodePool", "clusterId"),
        ("alicloud:cs/nodePool:NodePool", "vswitchIds"),
        ("alicloud:cs/nodePool:NodePool", "instanceTypes"),
        ("alicloud:cs/nodePool:NodePool", "scalingConfig.maxSize"),
        ("alicloud:cs/nodePool:NodePool", "taints.key"),
        ("alicloud:vpc/switch:Switch", "vpcId"),
        ("alicloud:vpc/switch:Switch", "cidrBlock"),
        ("alicloud:vpc/switch:Switch", "zoneId"),
    ),
    "vsphere": (
        ("vsphere:index/virtualMachine:VirtualMachine", "resourcePoolId"),
        ("vsphere:index/virtualMachine:VirtualMachine", "datastoreId"),
        ("vsphere:index/virtualMachine:VirtualMachine", "networkInterfaces"),
        ("vsphere:index/virtualMachine:VirtualMachine", "networkInterfaces.networkId"),
        ("vsphere:index/virtualMachine:VirtualMachine", "disks"),
        ("vsphere:index/virtualMachine:VirtualMachine", "disks.label"),
        ("vsphere:index/virtualMachine:VirtualMachine", "disks.size"),
        ("vsphere:index/virtualMachine:VirtualMachine", "clone.templateUuid"),
        ("vsphere:index/virtualMachine:VirtualMachine", "hostSystemId"),
        ("vsphere:index/virtualMachine:VirtualMachine", "memoryReservation"),
        ("vsphere:index/folder:Folder", "path"),
        ("vsphere:index/folder:Folder", "type"),
    ),
}


def program(environment: Environment) -> Resources:
    """What the sample cluster of an environment registers."""
    return [(resource.type, resource.inputs) for resource in build(spec(environment)).graph.resources]


@pytest.mark.parametrize("cloud", SAMPLES)
def test_misspelt_and_wrongly_typed_properties_are_refused(cloud: str) -> None:
    score = measure(SAMPLES[cloud])
    missed = [(one.token, one.kind, one.path) for one in score.missed if one.kind in TYPES]
    assert score.share(*TYPES) >= 0.9, missed


@pytest.mark.parametrize("cloud", SAMPLES)
def test_wrong_machine_types_versions_images_and_effects_are_refused(cloud: str) -> None:
    score = measure(SAMPLES[cloud])
    missed = [(one.token, one.path) for one in score.missed if one.kind in {Kind.WRONG_TEXT, Kind.WRONG_CHOICE}]
    assert score.share(Kind.WRONG_TEXT, Kind.WRONG_CHOICE) >= 0.8, missed


@pytest.mark.parametrize("cloud", SAMPLES)
def test_what_the_api_requires_cannot_be_left_out(cloud: str) -> None:
    inputs = dict(SAMPLES[cloud])
    results = {(token, path): drop(token, inputs[token], path) for token, path in API_REQUIRES[cloud]}
    assert None not in results.values(), results
    assert sum(map(bool, results.values())) >= 0.8 * len(results), results


@pytest.mark.parametrize("environment", CLOUDS, ids=lambda item: item.value)
def test_nine_of_ten_slips_in_the_real_program_are_refused(environment: Environment) -> None:
    score = measure(program(environment))
    missed = [(one.token, one.kind, one.path) for one in score.missed if one.kind in TYPES]
    assert score.share(*TYPES) >= 0.9, missed


@pytest.mark.parametrize("environment", CLOUDS, ids=lambda item: item.value)
def test_eight_of_ten_wrong_texts_in_the_real_program_are_refused(environment: Environment) -> None:
    score = measure(program(environment))
    missed = [(one.token, one.path) for one in score.missed if one.kind is Kind.WRONG_TEXT]
    assert score.share(Kind.WRONG_TEXT) >= 0.8, missed


def test_inputs_that_are_wrong_before_they_are_broken_are_told() -> None:
    with pytest.raises(ValueError, match=r"wrong before it is broken.*cidrBlok"):
        measure([("aws:ec2/vpc:Vpc", {"cidrBlok": "10.0.0.0/16"})])


def test_other_packages_are_left_alone() -> None:
    assert package_of("kubernetes:core/v1:Pod") is None
    assert measure([("kubernetes:core/v1:Pod", {"x": 1})]).total == {}


@pytest.mark.parametrize("text", ["effect", "aa", "a", "NoSchedule", "aab"])
def test_a_slip_of_the_fingers_always_changes_a_text(text: str) -> None:
    assert swapped(text) != text
