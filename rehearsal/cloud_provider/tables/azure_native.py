"""Package `azure-native`: identifiers, outputs and answers in the form that Azure gives them."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import KUBECONFIG, Table

_GROUP = "/subscriptions/${subscription}/resourceGroups/${resourceGroupName}"
_CLUSTER = _GROUP + "/providers/Microsoft.ContainerService/managedClusters/${resourceName}"
_NETWORK = _GROUP + "/providers/Microsoft.Network"
_IDENTITIES = {  # go in as a list of ids, come out as a map: each id gets what stands here for any
    "userAssignedIdentities": {
        "any": {
            "clientId": "${h8}-0000-4000-8000-000000000008",
            "principalId": "${h8}-0000-4000-8000-000000000009",
        }
    }
}
_ASSIGNMENT = "/providers/Microsoft.Authorization/roleAssignments/${h32}"
_VAULT = _GROUP + "/providers/Microsoft.KeyVault/vaults/${vaultName}"
_ACCOUNT = _GROUP + "/providers/Microsoft.Storage/storageAccounts/${accountName}"

TABLE = Table(
    default_id=_GROUP + "/providers/Microsoft.${Module}/${kind}s/${name}",
    defaults={
        "location": "westeurope",
        "resourceGroupName": "stand-in",
        "subscription": "00000000-0000-4000-8000-000000000001",
        "subscriptionId": "00000000-0000-4000-8000-000000000001",
        "tenant": "00000000-0000-4000-8000-000000000002",
    },
    ids={
        "azure-native:resources:ResourceGroup": "/subscriptions/${subscription}/resourceGroups/${resourceGroupName}",
        "azure-native:containerservice:ManagedCluster": _CLUSTER,
        "azure-native:containerservice:AgentPool": _CLUSTER + "/agentPools/${agentPoolName}",
        "azure-native:network:VirtualNetwork": _NETWORK + "/virtualNetworks/${virtualNetworkName}",
        "azure-native:network:Subnet": _NETWORK + "/virtualNetworks/${virtualNetworkName}/subnets/${subnetName}",
        "azure-native:keyvault:Vault": _VAULT,
        "azure-native:keyvault:Key": _VAULT + "/keys/${keyName}",
        "azure-native:storage:StorageAccount": _ACCOUNT,
        "azure-native:storage:BlobContainer": _ACCOUNT + "/blobServices/default/containers/${containerName}",
        "azure-native:managedidentity:UserAssignedIdentity": _GROUP
        + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${resourceName}",
        "azure-native:authorization:RoleAssignment": "${scope}" + _ASSIGNMENT,
    },
    common={
        "name": "${name}",
        "provisioningState": "Succeeded",
        "type": "Microsoft.${Module}/${kind}s",
        "azureApiVersion": "2025-01-01",
    },
    outputs={
        "azure-native:resources:ResourceGroup": {"name": "${resourceGroupName}"},
        "azure-native:containerservice:ManagedCluster": {
            "name": "${resourceName}",
            "fqdn": "${endpoint}",
            "privateFQDN": "${endpoint}",
            "currentKubernetesVersion": "1.35.2",
            "identity": _IDENTITIES,
            "nodeResourceGroup": "MC_${resourceGroupName}_${resourceName}_${location}",
            "identityProfile": {
                "kubeletidentity": {
                    "clientId": "${h8}-0000-4000-8000-000000000003",
                    "objectId": "${h8}-0000-4000-8000-000000000004",
                    "resourceId": _GROUP + "/kubelet",
                }
            },
            "oidcIssuerProfile": {
                "enabled": True,
                "issuerURL": "https://${location}.oic.prod-aks.azure.com/${tenant}/${h32}/",
            },
        },
        "azure-native:containerservice:AgentPool": {"name": "${agentPoolName}"},
        "azure-native:network:VirtualNetwork": {"name": "${virtualNetworkName}"},
        "azure-native:network:Subnet": {"name": "${subnetName}"},
        "azure-native:network:PublicIPAddress": {"ipAddress": "203.0.113.${octet}"},
        "azure-native:network:FlowLog": {"identity": _IDENTITIES},
        "azure-native:storage:StorageAccount": {
            "identity": _IDENTITIES,
            "name": "${accountName}",
            "primaryEndpoints": {
                "blob": "https://${accountName}.blob.core.windows.net/",
                "dfs": "https://${accountName}.dfs.core.windows.net/",
                "file": "https://${accountName}.file.core.windows.net/",
            },
        },
        "azure-native:storage:BlobContainer": {"name": "${containerName}"},
        "azure-native:managedidentity:UserAssignedIdentity": {
            "name": "${resourceName}",
            "clientId": "${h8}-0000-4000-8000-000000000005",
            "principalId": "${h8}-0000-4000-8000-000000000006",
            "tenantId": "${tenant}",
        },
        "azure-native:compute:DiskEncryptionSet": {
            "identity": {"principalId": "${h8}-0000-4000-8000-000000000007", "tenantId": "${tenant}"}
        },
        "azure-native:keyvault:Vault": {
            "name": "${vaultName}",
            "properties": {"vaultUri": "https://${vaultName}.vault.azure.net/"},
        },
        "azure-native:keyvault:Key": {
            "keyUri": "https://${vaultName}.vault.azure.net/keys/${keyName}",
            "keyUriWithVersion": "https://${vaultName}.vault.azure.net/keys/${keyName}/${h32}",
        },
        "azure-native:containerregistry:Registry": {"loginServer": "${name}.azurecr.io"},
    },
    force_new={
        "azure-native:containerservice:AgentPool": frozenset(
            {
                "vmSize",
                "osType",
                "gpuInstanceProfile",
                "gpuProfile",
                "scaleSetPriority",
                "osDiskType",
                "osDiskSizeGB",
                "availabilityZones",
                "vnetSubnetID",
                "proximityPlacementGroupID",
                "capacityReservationGroupID",
            }
        ),
        "azure-native:containerservice:ManagedCluster": frozenset({"dnsPrefix", "nodeResourceGroup"}),
        "azure-native:storage:StorageAccount": frozenset({"accountName", "kind", "isHnsEnabled"}),
        "azure-native:network:Subnet": frozenset({"subnetName", "virtualNetworkName"}),
        "azure-native:network:VirtualNetwork": frozenset({"virtualNetworkName"}),
        "azure-native:authorization:RoleAssignment": frozenset(
            {"principalId", "roleAssignmentName", "roleDefinitionId", "scope"}
        ),
    },
    config_force_new=frozenset({"subscriptionId", "tenantId", "location"}),
    invokes={
        "azure-native:containerservice:listManagedClusterUserCredentials": {
            "kubeconfigs": [{"name": "clusterUser", "value": {"$base64": KUBECONFIG}}]
        },
        "azure-native:authorization:getClientConfig": {
            "clientId": "${h32}",
            "objectId": "${h32}",
            "subscriptionId": "${subscription}",
            "tenantId": "${tenant}",
        },
    },
    # NVIDIA's GB200 and GB300 nodes need it, and the SDK's enum lacks it.
    extra_enum_values={"OSSKU": ("Ubuntu2404",)},
)
