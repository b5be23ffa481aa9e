"""Encryption keys in a vault that nobody reaches from a network. Never shared keys of Azure.

Keys are made through Azure's management API, and used by Azure's own services: so the vault needs no way in.
"""

from __future__ import annotations

import pulumi
from pulumi_azure_native import compute, keyvault, managedidentity

from .identity import BuiltIn, Right, assign
from .logs import AksLogs
from .names import vault_stem
from .options import Site

_BITS = 3072
_YEARLY = "P365D"
_KEPT_DAYS = 90  # a deleted vault can be brought back for so long, and not be wiped out


class AksKeys(pulumi.ComponentResource):
    """Keys of the API server's secrets, of disks, and of everything in storage accounts; and who may use them."""

    vault: keyvault.Vault
    secrets: keyvault.Key
    buckets: keyvault.Key
    reader: managedidentity.UserAssignedIdentity  # storage accounts open their key as this
    disks: compute.DiskEncryptionSet
    readable: tuple[pulumi.Resource, ...]  # before this, neither disks nor accounts can use their keys

    def __init__(
        self, name: str, site: Site, group: pulumi.Input[str], logs: AksLogs, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("proof:aks:Keys", name, {"tenant": site.options.tenant}, opts)
        self._site, self._group = site, group
        self._own = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection)
        self.vault = self._vault()
        logs.keep(f"{name}-vault", self.vault.id, ["AuditEvent"])
        self.secrets = self._key("secrets", turns=False)  # the API server is told one version of it
        disks = self._key("disks", turns=True)
        self.buckets = self._key("buckets", turns=True)
        self.reader = managedidentity.UserAssignedIdentity(
            f"{name}-buckets", resource_group_name=group, tags=site.tags, opts=self._own
        )
        self.disks = compute.DiskEncryptionSet(
            name,
            resource_group_name=group,
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_CUSTOMER_KEY,
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=disks.key_uri_with_version),
            rotation_to_latest_key_version_enabled=True,
            identity=compute.EncryptionSetIdentityArgs(type=compute.DiskEncryptionSetIdentityType.SYSTEM_ASSIGNED),
            tags=site.tags,
            opts=self._kept,
        )
        own_identity = self.disks.identity.apply(lambda found: found.principal_id if found else "")
        use = BuiltIn.KEY_ENCRYPTION
        self.readable = (
            assign(site, f"{name}-disks-key", Right(own_identity, use, disks.id), self._own),
            assign(site, f"{name}-buckets-key", Right(self.reader.principal_id, use, self.buckets.id), self._own),
        )
        self.register_outputs({})

    def _vault(self) -> keyvault.Vault:
        """A vault with roles instead of access policies, closed to every network but Azure's own services."""
        return keyvault.Vault(
            vault_stem(self._site.name),
            resource_group_name=self._group,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=self._site.options.tenant,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                enable_purge_protection=True,  # disks and accounts take no key without it
                soft_delete_retention_in_days=_KEPT_DAYS,
                public_network_access="Disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    default_action=keyvault.NetworkRuleAction.DENY,
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                ),
            ),
            tags=self._site.tags,
            opts=self._kept,
        )

    def _key(self, purpose: str, *, turns: bool) -> keyvault.Key:
        """An RSA key; one that `turns` gets a new version every year, which its users follow by themselves."""
        action = keyvault.LifetimeActionArgs(
            action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
            trigger=keyvault.TriggerArgs(time_after_create=_YEARLY),
        )
        return keyvault.Key(
            f"{self._site.name}-{purpose}",
            resource_group_name=self._group,
            vault_name=self.vault.name,
            key_name=purpose,
            properties=keyvault.KeyPropertiesArgs(
                kty=keyvault.JsonWebKeyType.RSA,
                key_size=_BITS,
                rotation_policy=keyvault.RotationPolicyArgs(lifetime_actions=[action]) if turns else None,
            ),
            tags=self._site.tags,
            opts=self._kept,
        )
