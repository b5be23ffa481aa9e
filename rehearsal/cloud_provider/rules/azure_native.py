"""Rules of Azure for what a cluster needs; most texts are closed already by the enums of the SDK."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import Like, Machines, OneOf, Rules

_AKS = "Azure REST API reference, containerservice 2025-09-01"
_NETWORK = "Azure REST API reference, network 2024-05-01"
_ACCELERATED = """
nc8ads_a10_v4 nc16ads_a10_v4 nc32ads_a10_v4 nc24ads_a100_v4 nc48ads_a100_v4 nc96ads_a100_v4 nc4as_t4_v3 nc8as_t4_v3
nc16as_t4_v3 nc64as_t4_v3 nc40ads_h100_v5 nc80adis_h100_v5 nc6s_v3 nc12s_v3 nc24s_v3 nc24rs_v3
nc128lds_xl_rtxpro6000bse_v6 nc256lds_xl_rtxpro6000bse_v6 nc320lds_xl_rtxpro6000bse_v6 nd40rs_v2 nd96asr_v4
nd112asr_a100_v4 nd120asr_a100_v4 nd96amsr_a100_v4 nd112amsr_a100_v4 nd120amsr_a100_v4 nd96ams_a100_v4 nd96isr_h100_v5
nd96is_h100_v5 nd96is_flex_h100_v5 nd96isf_h100_v5 nd96isrf_h100_v5 nd96isr_h200_v5 nd96is_h200_v5 nd96isf_h200_v5
nd96isrf_h200_v5 nd128isr_ndr_gb200_v6 nd128isr_gb300_v6 nd96isr_mi300x_v5 nd96is_mi300x_v5 nv6ads_a10_v5 nv12ads_a10_v5
nv18ads_a10_v5 nv36ads_a10_v5 nv36adms_a10_v5 nv72ads_a10_v5 nv12s_v3 nv24s_v3 nv48s_v3 nv4ads_v710_v5 nv8ads_v710_v5
nv12ads_v710_v5 nv24ads_v710_v5 nv28adms_v710_v5
"""
MACHINES = Machines(
    accelerated=frozenset(f"standard_{name}" for name in _ACCELERATED.split()),
    family=r"standard_n[a-z]",
    pattern=r"standard_(a|b|d|dc|ds|e|ec|f|fx|g|gs|h|hb|hc|hx|l|m)\d+(-\d+)?[a-z]*(_[a-z0-9]+)?(_v\d+)?",
    words="a VM size such as Standard_D8ds_v5",
    source="supported-gpus.yaml of Karpenter's Azure provider; Azure itself does not look at the case",
)
VERSION = Like(
    r"1\.3[1-6](\.\d+)?",
    "a Kubernetes version of AKS, 1.31 to 1.36",
    "AKS release calendar, 2026: 1.35 and 1.36 are GA",
)
_TAINT = Like(
    r"((?!kubernetes\.azure\.com/)([\w.-]+/)?[\w.-]+(=[\w.-]*)?|kubernetes\.azure\.com/scalesetpriority=spot)"
    r":(NoSchedule|PreferNoSchedule|NoExecute)",
    "a taint key=value:Effect; of the prefix kubernetes.azure.com only scalesetpriority=spot",
    f"{_AKS}; the prefix is reserved",
)
_ZONE = OneOf(("1", "2", "3"), "Azure availability zones: three at most in each region")
_RIGHTS = "Azure REST API reference, authorization 2022-04-01"
_GUID = Like(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a GUID", _RIGHTS)
_POOL_NAME = Like(r"[a-z][a-z0-9]{0,11}", "a pool name: at most 12 lower-case letters and digits", "AKS, Linux pools")

RULES = Rules(
    required={
        "azure-native:containerservice:ManagedCluster": (
            "dnsPrefix|fqdnSubdomain",
            "agentPoolProfiles",
            "identity|servicePrincipalProfile",
            "identity.type",
            "agentPoolProfiles[].vmSize",
            "agentPoolProfiles[].count|minCount",
            "agentPoolProfiles[].mode",
            "securityProfile.azureKeyVaultKms.keyId",
        ),
        "azure-native:containerservice:AgentPool": ("vmSize", "count|minCount"),
        "azure-native:containerservice:MaintenanceConfiguration": ("maintenanceWindow|timeInWeek",),
        "azure-native:network:VirtualNetwork": ("addressSpace", "addressSpace.addressPrefixes"),
        "azure-native:network:Subnet": ("addressPrefix|addressPrefixes",),
        "azure-native:network:NatGateway": ("sku",),
        "azure-native:network:PublicIPAddress": ("publicIPAllocationMethod", "sku"),
        "azure-native:network:PrivateEndpoint": ("subnet", "privateLinkServiceConnections"),
        "azure-native:managedidentity:FederatedIdentityCredential": ("audiences", "issuer", "subject"),
        "azure-native:monitor:DiagnosticSetting": (
            "workspaceId|storageAccountId|eventHubAuthorizationRuleId|marketplacePartnerId",
            "logs|metrics",
        ),
        "azure-native:keyvault:Key": ("properties.kty",),
        "azure-native:storage:ManagementPolicy": ("policy.rules",),
        "azure-native:netapp:CapacityPool": ("serviceLevel", "size"),
        "azure-native:storagecache:AmlFilesystem": (
            "sku",
            "storageCapacityTiB",
            "filesystemSubnet",
            "maintenanceWindow",
        ),
    },
    needs={
        "azure-native:containerservice:AgentPool": {
            "enableAutoScaling": ("minCount", "maxCount"),
            "spotMaxPrice": ("scaleSetPriority",),
            "scaleSetEvictionPolicy": ("scaleSetPriority",),
        },
        "azure-native:authorization:RoleAssignment": {"condition": ("conditionVersion",)},
        "azure-native:compute:ProximityPlacementGroup": {"zones": ("intent",)},
    },
    values={
        "azure-native:containerservice:ManagedCluster": {
            "kubernetesVersion": VERSION,
            "agentPoolProfiles[].vmSize": MACHINES,
            "agentPoolProfiles[].name": _POOL_NAME,
            "agentPoolProfiles[].nodeTaints[]": _TAINT,
            "agentPoolProfiles[].orchestratorVersion": VERSION,
            "agentPoolProfiles[].availabilityZones[]": _ZONE,
            "resourceName": Like(
                r"[A-Za-z0-9]([\w-]{0,61}[A-Za-z0-9])?",
                "a cluster name: at most 63, a letter or digit at both ends",
                _AKS,
            ),
            "dnsPrefix": Like(r"[A-Za-z0-9]([A-Za-z0-9-]{0,52}[A-Za-z0-9])?", "a DNS prefix: at most 54", _AKS),
            "nodeResourceGroup": Like(r"[-\w.()]{1,79}[-\w()]", "a resource group of at most 80 characters", _AKS),
        },
        "azure-native:containerservice:AgentPool": {
            "vmSize": MACHINES,
            "agentPoolName": _POOL_NAME,
            "nodeTaints[]": _TAINT,
            "orchestratorVersion": VERSION,
            "availabilityZones[]": _ZONE,
        },
        "azure-native:authorization:RoleAssignment": {
            "roleAssignmentName": _GUID,
            "conditionVersion": OneOf(("1.0", "2.0"), _RIGHTS),
        },
        "azure-native:authorization:RoleDefinition": {"roleDefinitionId": _GUID},
        "azure-native:compute:ProximityPlacementGroup": {
            "intent.vmSizes[]": MACHINES,
            "zones[]": _ZONE,
        },
        "azure-native:monitor:DiagnosticSetting": {
            "logAnalyticsDestinationType": OneOf(("Dedicated", "AzureDiagnostics"), "Azure Monitor")
        },
        "azure-native:storage:StorageAccount": {
            "accountName": Like(
                r"[a-z0-9]{3,24}", "an account name: 3 to 24 lower-case letters and digits", "Azure Storage"
            )
        },
        "azure-native:keyvault:Vault": {
            "vaultName": Like(
                r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]", "a vault name of 3 to 24 characters", "Key Vault"
            )
        },
        "azure-native:containerregistry:Registry": {
            "registryName": Like(
                r"[A-Za-z0-9]{5,50}", "a registry name: 5 to 50 letters and digits", "Container Registry"
            )
        },
        "azure-native:network:Subnet": {
            "privateEndpointNetworkPolicies": OneOf(
                ("Enabled", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"), _NETWORK
            )
        },
    },
)
