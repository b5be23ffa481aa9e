"""Rules of Google Cloud for what a cluster needs."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import Like, Machines, OneOf, Rules

_GKE = "GKE API reference v1"
_COMPUTE = "Compute Engine API reference v1"
_SIZES = {
    "a2-highgpu": "1g 2g 4g 8g",
    "a2-megagpu": "16g",
    "a2-ultragpu": "1g 2g 4g 8g",
    "a3-edgegpu": "8g",
    "a3-highgpu": "1g 2g 4g 8g",
    "a3-megagpu": "8g",
    "a3-ultragpu": "8g",
    "a4-highgpu": "8g",
    "a4x-highgpu": "4g",
    "a4x-maxgpu": "4g-metal",
    "g2-standard": "4 8 12 16 24 32 48 96",
    "g4-standard": "48 96 192 384",
    "ct4p-hightpu": "4t",
    "ct5lp-hightpu": "1t 4t 8t",
    "ct5p-hightpu": "1t 2t 4t",
    "ct6e-standard": "1t 4t 8t",
    "tpu7x-standard": "1t 4t",
}
MACHINES = Machines(
    accelerated=frozenset(f"{family}-{size}" for family, sizes in _SIZES.items() for size in sizes.split()),
    family=r"(a\d+x?|g[24]|ct\w+|tpu\w+)-",
    pattern=r"(e2|n1|n2d?|n4d?|c2d?|c3d?|c4[ad]?|t2[ad]|m[1-4]|x4|z3|h3|h4d)-"
    r"((standard|highmem|highcpu|ultramem|megamem|hypermem)-\d+(-\w+)*|micro|small|medium|custom-\d+-\d+(-ext)?)",
    words="a machine type such as n4-standard-8",
    source="Compute Engine, accelerator-optimized machine family; Cloud TPU machine types of GKE",
)
VERSION = Like(
    r"latest|-|1\.3[1-6](\.\d+(-gke\.\d+)?)?", "a Kubernetes version of GKE, 1.31 to 1.36", "GKE release schedule, 2026"
)
_EFFECTS = OneOf(("NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"), f"{_GKE}, NodeTaint.Effect")
_IMAGES = OneOf(
    ("COS_CONTAINERD", "UBUNTU_CONTAINERD", "WINDOWS_LTSC_CONTAINERD", "WINDOWS_SAC_CONTAINERD"), f"{_GKE}, NodeConfig"
)
_DISKS = OneOf(
    ("pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced", "hyperdisk-throughput", "hyperdisk-extreme"),
    _COMPUTE,
)
_ACCELERATORS = OneOf(
    (
        "nvidia-tesla-t4",
        "nvidia-tesla-v100",
        "nvidia-tesla-p100",
        "nvidia-tesla-p4",
        "nvidia-tesla-a100",
        "nvidia-a100-80gb",
        "nvidia-l4",
        "nvidia-h100-80gb",
        "nvidia-h100-mega-80gb",
        "nvidia-h200-141gb",
        "nvidia-b200",
        "nvidia-gb200",
        "nvidia-gb300",
        "nvidia-rtx-pro-6000",
    ),
    "Compute Engine, GPU machine types",
)
_NODE = {
    "machineType": MACHINES,
    "imageType": _IMAGES,
    "diskType": _DISKS,
    "taints[].effect": _EFFECTS,
    "guestAccelerators[].type": _ACCELERATORS,
    "guestAccelerators[].gpuDriverInstallationConfig.gpuDriverVersion": OneOf(
        ("DEFAULT", "LATEST", "INSTALLATION_DISABLED", "GPU_DRIVER_VERSION_UNSPECIFIED"), f"{_GKE}, AcceleratorConfig"
    ),
    "guestAccelerators[].gpuSharingConfig.gpuSharingStrategy": OneOf(
        ("TIME_SHARING", "MPS"), f"{_GKE}, AcceleratorConfig"
    ),
    "kubeletConfig.insecureKubeletReadonlyPortEnabled": OneOf(("TRUE", "FALSE"), f"{_GKE}, NodeKubeletConfig"),
    "workloadMetadataConfig.mode": OneOf(("GKE_METADATA", "GCE_METADATA", "MODE_UNSPECIFIED"), _GKE),
    "reservationAffinity.consumeReservationType": OneOf(
        ("NO_RESERVATION", "ANY_RESERVATION", "SPECIFIC_RESERVATION", "UNSPECIFIED"), f"{_GKE}, ReservationAffinity"
    ),
}

RULES = Rules(
    required={
        "gcp:container/cluster:Cluster": (
            "initialNodeCount|nodePools|enableAutopilot",
            "databaseEncryption.keyName",
        ),
        "gcp:container/nodePool:NodePool": (
            "nodeCount|initialNodeCount|autoscaling",
            "autoscaling.totalMaxNodeCount|maxNodeCount",
            "nodeConfig.reservationAffinity.consumeReservationType",
        ),
        "gcp:compute/subnetwork:Subnetwork": ("ipCidrRange|reservedInternalRange|ipCollection",),
        "gcp:compute/routerNat:RouterNat": ("natIpAllocateOption|type",),
        "gcp:compute/firewall:Firewall": ("allows|denies",),
        "gcp:storage/bucket:Bucket": ("location",),
        "gcp:kms/keyRing:KeyRing": ("location",),
        "gcp:filestore/instance:Instance": ("fileShares.capacityGb", "networks[].modes"),
        "gcp:artifactregistry/repository:Repository": ("format",),
    },
    needs={"gcp:container/cluster:Cluster": {"removeDefaultNodePool": ("initialNodeCount",)}},
    values={
        "gcp:container/cluster:Cluster": {
            "minMasterVersion": VERSION,
            "nodeVersion": VERSION,
            "releaseChannel.channel": OneOf(("UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED"), _GKE),
            "datapathProvider": OneOf(("ADVANCED_DATAPATH", "LEGACY_DATAPATH", "DATAPATH_PROVIDER_UNSPECIFIED"), _GKE),
            "networkingMode": OneOf(("VPC_NATIVE", "ROUTES"), _GKE),
            "databaseEncryption.state": OneOf(("ENCRYPTED", "DECRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED"), _GKE),
            "clusterAutoscaling.autoscalingProfile": OneOf(("BALANCED", "OPTIMIZE_UTILIZATION"), _GKE),
            "gatewayApiConfig.channel": OneOf(("CHANNEL_DISABLED", "CHANNEL_STANDARD"), _GKE),
            "securityPostureConfig.mode": OneOf(("DISABLED", "BASIC", "ENTERPRISE"), _GKE),
            "loggingConfig.enableComponents[]": OneOf(
                (
                    "SYSTEM_COMPONENTS",
                    "WORKLOADS",
                    "APISERVER",
                    "CONTROLLER_MANAGER",
                    "SCHEDULER",
                    "KCP_CONNECTION",
                    "KCP_SSHD",
                    "KCP_HPA",
                ),
                f"{_GKE}, LoggingComponentConfig",
            ),
            "monitoringConfig.enableComponents[]": OneOf(
                (
                    "SYSTEM_COMPONENTS",
                    "APISERVER",
                    "SCHEDULER",
                    "CONTROLLER_MANAGER",
                    "STORAGE",
                    "HPA",
                    "POD",
                    "DAEMONSET",
                    "DEPLOYMENT",
                    "STATEFULSET",
                    "KUBELET",
                    "CADVISOR",
                    "DCGM",
                    "JOBSET",
                ),
                f"{_GKE}, MonitoringComponentConfig",
            ),
            **{f"nodeConfig.{path}": allowed for path, allowed in _NODE.items()},
        },
        "gcp:container/nodePool:NodePool": {
            "version": VERSION,
            "autoscaling.locationPolicy": OneOf(("BALANCED", "ANY"), f"{_GKE}, NodePoolAutoscaling"),
            "placementPolicy.type": OneOf(("COMPACT",), f"{_GKE}, PlacementPolicy"),
            "upgradeSettings.strategy": OneOf(("SURGE", "BLUE_GREEN", "SHORT_LIVED"), f"{_GKE}, UpgradeSettings"),
            **{f"nodeConfig.{path}": allowed for path, allowed in _NODE.items()},
        },
        "gcp:compute/routerNat:RouterNat": {
            "natIpAllocateOption": OneOf(("AUTO_ONLY", "MANUAL_ONLY"), _COMPUTE),
            "sourceSubnetworkIpRangesToNat": OneOf(
                ("ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS"),
                _COMPUTE,
            ),
            "logConfig.filter": OneOf(("ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL"), _COMPUTE),
            "subnetworks[].sourceIpRangesToNats[]": OneOf(
                ("ALL_IP_RANGES", "PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"), _COMPUTE
            ),
        },
        "gcp:compute/firewall:Firewall": {"direction": OneOf(("INGRESS", "EGRESS"), _COMPUTE)},
        "gcp:dns/managedZone:ManagedZone": {"visibility": OneOf(("public", "private"), "Cloud DNS API, ManagedZone")},
        "gcp:compute/subnetwork:Subnetwork": {
            "logConfig.metadata": OneOf(("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", "CUSTOM_METADATA"), _COMPUTE),
            "purpose": OneOf(
                (
                    "PRIVATE",
                    "REGIONAL_MANAGED_PROXY",
                    "GLOBAL_MANAGED_PROXY",
                    "PRIVATE_SERVICE_CONNECT",
                    "PEER_MIGRATION",
                    "PRIVATE_NAT",
                ),
                _COMPUTE,
            ),
            "role": OneOf(("ACTIVE", "BACKUP"), _COMPUTE),
        },
        "gcp:compute/network:Network": {"routingMode": OneOf(("REGIONAL", "GLOBAL"), _COMPUTE)},
        "gcp:storage/bucket:Bucket": {
            "publicAccessPrevention": OneOf(("enforced", "inherited"), "Cloud Storage JSON API"),
            "storageClass": OneOf(("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"), "Cloud Storage JSON API"),
            "lifecycleRules[].action.type": OneOf(
                ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"), "Cloud Storage JSON API"
            ),
        },
        "gcp:kms/cryptoKey:CryptoKey": {
            "purpose": OneOf(
                ("ENCRYPT_DECRYPT", "ASYMMETRIC_SIGN", "ASYMMETRIC_DECRYPT", "RAW_ENCRYPT_DECRYPT", "MAC"),
                "Cloud KMS API",
            ),
            "rotationPeriod": Like(r"\d+(\.\d+)?s", "a duration in seconds such as 7776000s", "Cloud KMS API"),
        },
        "gcp:filestore/instance:Instance": {
            "tier": OneOf(
                ("STANDARD", "PREMIUM", "BASIC_HDD", "BASIC_SSD", "HIGH_SCALE_SSD", "ZONAL", "REGIONAL", "ENTERPRISE"),
                "Filestore API",
            ),
            "protocol": OneOf(("NFS_V3", "NFS_V4_1"), "Filestore API"),
        },
        "gcp:artifactregistry/repository:Repository": {
            "format": OneOf(
                ("DOCKER", "MAVEN", "NPM", "PYTHON", "APT", "YUM", "GO", "GENERIC", "KFP", "GOOGET", "RUBY"),
                "Artifact Registry API",
            ),
            "mode": OneOf(("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"), "Artifact Registry API"),
        },
        "gcp:serviceaccount/account:Account": {
            "accountId": Like(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "an account id of 6 to 30 characters", "IAM API")
        },
    },
)
