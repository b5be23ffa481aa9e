"""Object store, shared files, and storage classes. Nothing is public, nothing lacks a key of our own.

An account with a tree of directories is fast and keeps no versions; so artifacts have one kind, scratch the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity, storage

from infra.contract import Bucket, Storage, Store
from infra.objects import install_classes, storage_class

from .access import AksControlPlane
from .identity import BuiltIn, Right, assign
from .keys import AksKeys
from .names import account_name
from .network import DOORS, FILES, AksNetwork
from .options import Site

# Fast scratch is each pod's emptyDir: AKS puts a node's system on its local disk wherever that is large enough.
BLOCK, SHARED = "premium-disk", "premium-files"
STORAGE = Storage(block=BLOCK, shared=SHARED)

_OLD_VERSIONS_DAYS = 90
_BLOBS = ["blockBlob", "appendBlob"]
_SQUASH = "NoRootSquash"  # containers own their files by number, root included


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountArgs:
    """What a storage account is for."""

    purpose: str
    kind: storage.Kind = storage.Kind.STORAGE_V2
    tree: bool = False  # directories instead of names with slashes
    plain_nfs: bool = False  # NFS knows no HTTPS; who may come is decided by the network


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreArgs:
    """What storage accounts have in common."""

    site: Site
    group: pulumi.Input[str]
    keys: AksKeys
    network: AksNetwork


class AksBuckets(pulumi.ComponentResource):
    """The container of artifacts, which keeps old versions, and the container of scratch data, which keeps nothing."""

    buckets: Mapping[Store, Bucket]
    ids: Mapping[Store, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Buckets", name, {"scratchDays": args.site.options.scratch_days}, opts)
        self._own = pulumi.ResourceOptions(parent=self)
        self._args, site = args, args.site
        accounts = {
            store: account(args, AccountArgs(purpose=store.value, tree=store is Store.SCRATCH), self) for store in Store
        }
        self._versions(accounts[Store.ARTIFACTS])
        expire(args, Store.ARTIFACTS.value, accounts[Store.ARTIFACTS], old_versions(), self._own)
        expire(args, Store.SCRATCH.value, accounts[Store.SCRATCH], everything(site.options.scratch_days), self._own)
        containers = {
            store: storage.BlobContainer(
                f"{name}-{store.value}",
                resource_group_name=args.group,
                account_name=made.name,
                container_name=store.value,
                public_access=storage.PublicAccess.NONE,
                opts=pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection),
            )
            for store, made in accounts.items()
        }
        doors = [args.network.door(of, service, accounts[Store(of)].id, self._own) for of, service in DOORS]
        self.ids = {store: container.id for store, container in containers.items()}
        self.buckets = {
            store: Bucket(
                scheme="abfs",
                name=containers[store].name,
                uri=pulumi.Output.concat("abfs://", containers[store].name, "@", made.name, ".dfs.core.windows.net"),
                endpoint=pulumi.Output.concat("https://", made.name, ".blob.core.windows.net"),
                region=site.region,
            )
            for store, made in accounts.items()
        }
        self.ready = (*containers.values(), *doors)
        self.register_outputs({store.value: made.name for store, made in accounts.items()})

    def _versions(self, made: storage.StorageAccount) -> None:
        """What was overwritten or deleted can be brought back for a while."""
        back = storage.DeleteRetentionPolicyArgs(enabled=True, days=_OLD_VERSIONS_DAYS)
        storage.BlobServiceProperties(
            f"{self._args.site.name}-{Store.ARTIFACTS.value}",
            resource_group_name=self._args.group,
            account_name=made.name,
            blob_services_name="default",
            is_versioning_enabled=True,
            delete_retention_policy=back,
            container_delete_retention_policy=back,
            opts=self._own,
        )


class AksFlows(pulumi.ComponentResource):
    """The log of connections, in an account of its own that empties itself."""

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Flows", name, {"days": args.site.options.log_days}, opts)
        own = pulumi.ResourceOptions(parent=self)
        made = account(args, AccountArgs(purpose="flows"), self)
        expire(args, "flows", made, everything(args.site.options.log_days), own)
        writer = managedidentity.UserAssignedIdentity(
            f"{name}-flows", resource_group_name=args.group, tags=args.site.tags, opts=own
        )
        right = Right(writer.principal_id, BuiltIn.BLOB_CONTRIBUTOR, made.id)
        rights = assign(args.site, f"{name}-flows", right, own)
        args.network.keep_flows(made.id, writer, rights)
        self.register_outputs({})


class AksVolumes(pulumi.ComponentResource):
    """The account of shared files and the storage classes of the cluster."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: StoreArgs, control: AksControlPlane, opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Volumes", name, {"block": BLOCK, "shared": SHARED}, opts)
        own = pulumi.ResourceOptions(parent=self)
        files = account(args, AccountArgs(purpose="files", kind=storage.Kind.FILE_STORAGE, plain_nfs=True), self)
        makes_shares = Right(control.principals.cluster.principal_id, BuiltIn.STORAGE_CONTRIBUTOR, files.id)
        driver = assign(args.site, f"{name}-files", makes_shares, own)
        door = args.network.door(*FILES, files.id, own)
        in_cluster = pulumi.ResourceOptions(parent=self, provider=control.provider, deleted_with=control.cluster)
        classes = storage_classes(files.name, args.site, args.keys.disks.id, in_cluster)
        self.ready = (driver, door, *classes)
        self.register_outputs({"files": files.name})


def account(args: StoreArgs, given: AccountArgs, parent: pulumi.Resource) -> storage.StorageAccount:
    """An account that no network reaches but through its own door, that knows no shared keys, and that has our key."""
    site, options = args.site, args.site.options
    spread = "ZRS" if options.zone_redundant else "LRS"
    speed = "Premium" if given.kind is storage.Kind.FILE_STORAGE else "Standard"
    reader = args.keys.reader.id
    return storage.StorageAccount(
        f"{site.name}-{given.purpose}",
        resource_group_name=args.group,
        account_name=account_name(options.subscription, site.name, given.purpose),
        kind=given.kind,
        sku=storage.SkuArgs(name=storage.SkuName(f"{speed}_{spread}")),
        is_hns_enabled=given.tree,
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        allow_cross_tenant_replication=False,
        minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
        enable_https_traffic_only=not given.plain_nfs,
        public_network_access=storage.PublicNetworkAccess.DISABLED,
        network_rule_set=storage.NetworkRuleSetArgs(
            default_action=storage.DefaultAction.DENY, bypass=storage.Bypass.AZURE_SERVICES
        ),
        identity=storage.IdentityArgs(type=storage.IdentityType.USER_ASSIGNED, user_assigned_identities=[reader]),
        encryption=storage.EncryptionArgs(
            key_source=storage.KeySource.MICROSOFT_KEYVAULT,
            key_vault_properties=storage.KeyVaultPropertiesArgs(
                key_name="buckets", key_vault_uri=args.keys.vault.properties.apply(lambda vault: vault.vault_uri or "")
            ),
            encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=reader),
            require_infrastructure_encryption=True,
        ),
        tags=site.tags,
        opts=pulumi.ResourceOptions(
            parent=parent, protect=options.deletion_protection, depends_on=list(args.keys.readable)
        ),
    )


def expire(
    args: StoreArgs,
    purpose: str,
    made: storage.StorageAccount,
    actions: storage.ManagementPolicyActionArgs,
    opts: pulumi.ResourceOptions,
) -> None:
    """Let an account empty itself; Azure looks once a day."""
    rule = storage.ManagementPolicyRuleArgs(
        name="expire",
        type=storage.RuleType.LIFECYCLE,
        enabled=True,
        definition=storage.ManagementPolicyDefinitionArgs(
            actions=actions, filters=storage.ManagementPolicyFilterArgs(blob_types=_BLOBS)
        ),
    )
    storage.ManagementPolicy(
        f"{args.site.name}-{purpose}",
        resource_group_name=args.group,
        account_name=made.name,
        management_policy_name="default",
        policy=storage.ManagementPolicySchemaArgs(rules=[rule]),
        opts=opts,
    )


def old_versions() -> storage.ManagementPolicyActionArgs:
    """Versions that were replaced go by age."""
    age = storage.DateAfterCreationArgs(days_after_creation_greater_than=_OLD_VERSIONS_DAYS)
    return storage.ManagementPolicyActionArgs(version=storage.ManagementPolicyVersionArgs(delete=age))


def everything(days: int) -> storage.ManagementPolicyActionArgs:
    """Everything goes by age."""
    age = storage.DateAfterModificationArgs(days_after_modification_greater_than=days)
    return storage.ManagementPolicyActionArgs(base_blob=storage.ManagementPolicyBaseBlobArgs(delete=age))


def storage_classes(
    files: pulumi.Input[str], site: Site, disks: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Encrypted disks by default; a share of the account of files for each shared volume."""
    disk = {
        "skuName": "Premium_LRS",
        "cachingMode": "ReadOnly",
        "diskEncryptionSetID": disks,
        "diskEncryptionType": "EncryptionAtRestWithCustomerKey",
        "networkAccessPolicy": "DenyAll",
        "publicNetworkAccess": "Disabled",
    }
    shared = {
        "protocol": "nfs",
        "resourceGroup": site.group,
        "storageAccount": files,
        "rootSquashType": _SQUASH,
        "storeAccountKey": "false",
    }
    return install_classes(
        opts,
        # AKS marks a class of its own as default too; of several, Kubernetes takes the newest.
        storage_class(BLOCK, "disk.csi.azure.com", default=True, parameters=disk, allowVolumeExpansion=True),
        storage_class(
            SHARED,
            "file.csi.azure.com",
            default=False,
            binding="Immediate",
            parameters=shared,
            allowVolumeExpansion=True,
            mountOptions=["nconnect=4", "noresvport", "actimeo=30"],  # Azure's advice for NFS
        ),
    )
