"""Buckets and storage classes. Nothing is public, nothing lacks a key of our own."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.contract import Bucket, Storage, Store
from infra.objects import install_classes, storage_class

from .access import GkeControlPlane
from .keys import GkeKeys
from .network import GkeNetwork
from .options import Site

BLOCK, SHARED = "balanced", "filestore"
STORAGE = Storage(block=BLOCK, shared=SHARED)  # fast scratch is each pod's emptyDir: local disks lie under it

_OLD_VERSIONS_DAYS = 90
_UNFINISHED_DAYS = 7
_BROUGHT_BACK_SECONDS = 7 * 24 * 3600
_Rule = gcp.storage.BucketLifecycleRuleArgs


class GkeBuckets(pulumi.ComponentResource):
    """The bucket of artifacts, which keeps old versions, and the bucket of scratch data, which keeps nothing."""

    buckets: Mapping[Store, Bucket]
    names: Mapping[Store, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, keys: GkeKeys, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:Buckets", name, {"scratchDays": site.options.scratch_days}, opts)
        self._name, self._site, self._keys = name, site, keys
        made = {
            Store.ARTIFACTS: self._bucket(Store.ARTIFACTS, artifact_rules(), versioned=True),
            Store.SCRATCH: self._bucket(Store.SCRATCH, scratch_rules(site.options.scratch_days), versioned=False),
        }
        self.names = {store: bucket.name for store, bucket in made.items()}
        self.buckets = {
            store: Bucket(
                scheme="gs",
                name=bucket.name,
                uri=pulumi.Output.concat("gs://", bucket.name),
                endpoint=pulumi.Output.from_input("https://storage.googleapis.com"),
                region=site.region,
            )
            for store, bucket in made.items()
        }
        self.ready = tuple(made.values())
        self.register_outputs({store.value: bucket.name for store, bucket in made.items()})

    def _bucket(self, store: Store, rules: list[_Rule], *, versioned: bool) -> gcp.storage.Bucket:
        """A bucket that can never be public, whose objects are encrypted with our key."""
        protected = self._site.options.deletion_protection
        return gcp.storage.Bucket(
            f"{self._name}-{store.value}",
            location=self._site.region.upper(),  # as the API gives it back
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=self._keys.buckets.id),
            versioning=gcp.storage.BucketVersioningArgs(enabled=versioned),
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(
                retention_duration_seconds=_BROUGHT_BACK_SECONDS if versioned else 0
            ),
            lifecycle_rules=rules,
            force_destroy=not protected,
            labels=self._site.labels,
            opts=pulumi.ResourceOptions(parent=self, protect=protected, depends_on=list(self._keys.ready)),
        )


class GkeVolumes(pulumi.ComponentResource):
    """The storage classes of the cluster; GKE runs their drivers."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        control: GkeControlPlane,
        network: GkeNetwork,
        keys: GkeKeys,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("proof:gke:Volumes", name, {"block": BLOCK, "shared": SHARED}, opts)
        in_cluster = pulumi.ResourceOptions(parent=self, provider=control.provider, deleted_with=control.cluster)
        self.ready = storage_classes(network.network.name, keys.disks.id, in_cluster)
        self.register_outputs({})


def storage_classes(
    network: pulumi.Input[str], key: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Encrypted disks by default, of the type that the node takes; shares of file servers for shared volumes."""
    disk = {
        "type": "dynamic",
        "pd-type": "pd-balanced",
        "hyperdisk-type": "hyperdisk-balanced",
        "use-allowed-disk-topology": "true",  # a volume goes where its disk can be attached
        "disk-encryption-kms-key": key,
    }
    shared = {
        "tier": "enterprise",
        "multishare": "true",  # otherwise each volume is a server of 1 TiB
        "max-volume-size": "128Gi",
        "network": network,
        "instance-encryption-kms-key": key,
    }
    return install_classes(
        opts,
        storage_class(BLOCK, "pd.csi.storage.gke.io", default=True, parameters=disk, allowVolumeExpansion=True),
        storage_class(
            SHARED, "filestore.csi.storage.gke.io", default=False, parameters=shared, allowVolumeExpansion=True
        ),
    )


def artifact_rules() -> list[_Rule]:
    """Overwritten and deleted objects can be brought back for a while."""
    return [
        _Rule(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                with_state="ARCHIVED", days_since_noncurrent_time=_OLD_VERSIONS_DAYS
            ),
        ),
        _unfinished(_UNFINISHED_DAYS),
    ]


def scratch_rules(days: int) -> list[_Rule]:
    """Everything goes by age."""
    return [
        _Rule(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=days),
        ),
        _unfinished(min(days, _UNFINISHED_DAYS)),
    ]


def _unfinished(days: int) -> _Rule:
    return _Rule(
        action=gcp.storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
        condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=days),
    )
