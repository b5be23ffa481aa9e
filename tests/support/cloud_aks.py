"""What Azure adds to the resources that a program registers, and the sample cluster there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.aks.options import AksOptions
from infra.contract import Environment, Gpu
from tests.support.cloud_samples import OWNERSHIP, Outputs, pools

_SHARED = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/shared/providers"

ENVIRONMENT = Environment.AKS
REGION = "westeurope"
SDK = "pulumi_azure_native"
PREFIX = "azure-native"
POOLS = pools(
    cpu="Standard_D8ds_v5",
    small="Standard_NC64as_T4_v3",  # Azure has no L4
    large="Standard_ND96isr_H100_v5",
    zone="2",
    few=Gpu(product="Tesla-T4", count=4, memory_mib=15360),
)
OPTIONS = AksOptions(
    ownership=OWNERSHIP,
    subscription="11111111-2222-4333-8444-555555555555",
    tenant="66666666-7777-4888-8999-aaaaaaaaaaaa",
    admins=("bbbbbbbb-cccc-4ddd-8eee-ffffffffffff",),
    registries=(f"{_SHARED}/Microsoft.ContainerRegistry/registries/images",),
)

_CA = base64.b64encode(b"the certificate authority of the sample cluster").decode()
_KUBECONFIG: Mapping[str, Any] = {
    "current-context": "sample",
    "clusters": [
        {
            "name": "sample",
            "cluster": {"server": "https://sample.example.test:443", "certificate-authority-data": _CA},
        }
    ],
    "contexts": [{"name": "sample", "context": {"cluster": "sample", "user": "clusterUser"}}],
    "users": [{"name": "clusterUser", "user": {}}],
}


def common(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What every resource of Azure has: the name that was given, or one that the provider forms."""
    names = ("containerName", "accountName", "privateZoneName", "subnetName", "keyName")
    return {"name": next((inputs[key] for key in names if key in inputs), f"{name}-1a2b3c4")}


def _identity(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Identities go in as a list and come out as a map."""
    given = inputs["identity"].get("userAssignedIdentities", [])
    return {"identity": {**inputs["identity"], "userAssignedIdentities": {item: {} for item in given}}}


OUTPUTS: Mapping[str, Outputs] = {
    "azure-native:resources:ResourceGroup": lambda _, inputs: {"name": inputs["resourceGroupName"]},
    "azure-native:containerservice:ManagedCluster": lambda name, inputs: {
        **_identity(inputs),
        "name": name,
        "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://oidc.example.test/SAMPLE/"},
    },
    "azure-native:compute:DiskEncryptionSet": lambda name, inputs: {
        "identity": {**inputs["identity"], "principalId": f"{name}-disks-principal"}
    },
    "azure-native:keyvault:Vault": lambda name, inputs: {
        "properties": {**inputs["properties"], "vaultUri": f"https://{name}.example.test/"}
    },
    "azure-native:keyvault:Key": lambda _, inputs: {
        "keyUriWithVersion": f"https://vault.example.test/keys/{inputs['keyName']}/1",
    },
    "azure-native:managedidentity:UserAssignedIdentity": lambda name, inputs: {
        "clientId": f"{name}-client",
        "principalId": f"{name}-principal",
        "name": inputs.get("resourceName", f"{name}-1a2b3c4"),
    },
    "azure-native:storage:StorageAccount": lambda _, inputs: {**_identity(inputs), "name": inputs["accountName"]},
    "azure-native:network:FlowLog": lambda _, inputs: _identity(inputs),
}

ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "azure-native:containerservice:listManagedClusterUserCredentials": lambda _asked: {
        "kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(json.dumps(_KUBECONFIG).encode()).decode()}]
    }
}
