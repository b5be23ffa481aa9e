"""Encryption keys of our own, one for each purpose where a KMS instance holds them. Never keys of the services.

Without a KMS instance an account has a single key of its own in a region, which does not rotate: it serves all.
"""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from .options import Site

_DELETION_DAYS = 30
_ROTATION = "365d"


class AckKeys(pulumi.ComponentResource):
    """Keys of the API server's secrets, of disks, and of buckets."""

    secrets: alicloud.kms.Key
    disks: alicloud.kms.Key
    buckets: alicloud.kms.Key

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Keys", name, {"instance": site.options.kms_instance}, opts)
        self._name, self._site = name, site
        if site.options.kms_instance is None:
            self.secrets = self.disks = self.buckets = self._key("all")
        else:
            self.secrets, self.disks, self.buckets = (self._key(kind) for kind in ("secrets", "disks", "buckets"))
        self.register_outputs({})

    def _key(self, purpose: str) -> alicloud.kms.Key:
        name, options = f"{self._name}-{purpose}", self._site.options
        held = options.kms_instance is not None
        key = alicloud.kms.Key(
            name,
            description=f"{purpose} of cluster {self._site.name}",
            key_spec="Aliyun_AES_256",
            dkms_instance_id=options.kms_instance,
            automatic_rotation="Enabled" if held else None,
            rotation_interval=_ROTATION if held else None,
            pending_window_in_days=_DELETION_DAYS,
            deletion_protection="Enabled" if options.deletion_protection else "Disabled",
            tags=self._site.tagged(name),
            opts=pulumi.ResourceOptions(parent=self, protect=options.deletion_protection),
        )
        alicloud.kms.Alias(name, alias_name=f"alias/{name}", key_id=key.id, opts=pulumi.ResourceOptions(parent=self))
        return key
