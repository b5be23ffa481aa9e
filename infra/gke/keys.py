"""Encryption keys, one for each purpose, so that a leaked right on one opens nothing else. Logs have Google's own."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from .options import Site

_ROTATION = f"{90 * 24 * 3600}s"
_DELETION = f"{30 * 24 * 3600}s"
_USE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


class GkeKeys(pulumi.ComponentResource):
    """Keys of the API server's secrets, of disks and file systems, and of buckets."""

    secrets: gcp.kms.CryptoKey
    disks: gcp.kms.CryptoKey
    buckets: gcp.kms.CryptoKey
    ready: tuple[pulumi.Resource, ...]  # without these rights nothing can be encrypted

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:Keys", name, {"project": site.options.project}, opts)
        own = pulumi.ResourceOptions(parent=self)
        # Key rings cannot be deleted; Pulumi's own suffix lets a cluster of the same name come back.
        ring = gcp.kms.KeyRing(name, location=site.region, opts=own)
        rights: list[pulumi.Resource] = []

        def key(purpose: str, *services: str) -> gcp.kms.CryptoKey:
            made = gcp.kms.CryptoKey(
                f"{name}-{purpose}",
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=_ROTATION,
                destroy_scheduled_duration=_DELETION,
                labels=site.labels,
                opts=pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection),
            )
            rights.extend(
                gcp.kms.CryptoKeyIAMMember(
                    f"{name}-{purpose}-{service}",
                    crypto_key_id=made.id,
                    role=_USE,
                    member=site.agent(service),
                    opts=own,
                )
                for service in services
            )
            return made

        self.secrets = key("secrets", "container-engine-robot")
        self.disks = key("disks", "compute-system", "cloud-filer")
        self.buckets = key("buckets", "gs-project-accounts")
        self.ready = tuple(rights)
        self.register_outputs({})
