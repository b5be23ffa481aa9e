"""Buckets, the shared file system, and storage classes. Nothing is public, nothing is unencrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.contract import Bucket, Storage, Store
from infra.objects import install_classes, storage_class

from .access import AckControlPlane
from .identity import bucket_arn
from .keys import AckKeys
from .network import AckNetwork
from .options import Site

BLOCK, SHARED = "essd", "nas"
STORAGE = Storage(block=BLOCK, shared=SHARED)  # fast scratch is each pod's emptyDir, on the node's own disk

_OLD_VERSIONS_DAYS = 90
_UNFINISHED_DAYS = 7
_Rule = alicloud.oss.BucketLifecycleRuleArgs


class AckBuckets(pulumi.ComponentResource):
    """The bucket of artifacts, which keeps old versions, and the bucket of scratch data, which keeps nothing."""

    buckets: Mapping[Store, Bucket]
    names: Mapping[Store, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, keys: AckKeys, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Buckets", name, {"scratchDays": site.options.scratch_days}, opts)
        self._name, self._site, self._key = name, site, keys.buckets
        self._own = pulumi.ResourceOptions(parent=self)
        rules = {Store.ARTIFACTS: artifact_rule(), Store.SCRATCH: scratch_rule(site.options.scratch_days)}
        made = {store: self._bucket(store, rule) for store, rule in rules.items()}
        alicloud.oss.BucketVersioning(
            f"{name}-{Store.ARTIFACTS.value}",
            bucket=made[Store.ARTIFACTS].bucket,
            status="Enabled",
            opts=self._own,
        )
        self.ready = tuple(self._close(store, bucket) for store, bucket in made.items())
        self.names = {store: bucket.bucket for store, bucket in made.items()}
        self.buckets = {
            store: Bucket(
                scheme="oss",
                name=bucket.bucket,
                uri=pulumi.Output.concat("oss://", bucket.bucket),
                endpoint=pulumi.Output.from_input(f"https://oss-{site.region}-internal.aliyuncs.com"),
                region=site.region,
            )
            for store, bucket in made.items()
        }
        self.register_outputs({store.value: bucket.bucket for store, bucket in made.items()})

    def _bucket(self, store: Store, rule: _Rule) -> alicloud.oss.Bucket:
        """A private bucket whose objects are encrypted with our key."""
        name, options = f"{self._name}-{store.value}", self._site.options
        bucket = alicloud.oss.Bucket(
            name,
            bucket=self._site.bucket(store),
            storage_class="Standard",
            redundancy_type="ZRS" if options.zone_redundant else "LRS",
            lifecycle_rules=[rule],
            force_destroy=not options.deletion_protection,
            tags=self._site.tagged(name),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=options.deletion_protection,
                # These have resources of their own, and come back from the cloud in the bucket, too.
                ignore_changes=["serverSideEncryptionRule", "versioning", "policy", "acl"],
            ),
        )
        alicloud.oss.BucketServerSideEncryption(
            name,
            bucket=bucket.bucket,
            sse_algorithm="KMS",
            kms_master_key_id=self._key.id,
            opts=self._own,
        )
        return bucket

    def _close(self, store: Store, bucket: alicloud.oss.Bucket) -> alicloud.oss.BucketPolicy:
        """No public access, and nothing without TLS of our day."""
        name = f"{self._name}-{store.value}"
        block = alicloud.oss.BucketPublicAccessBlock(
            name, bucket=bucket.bucket, block_public_access=True, opts=self._own
        )
        alicloud.oss.BucketHttpsConfig(
            name, bucket=bucket.bucket, enable=True, tls_versions=["TLSv1.2", "TLSv1.3"], opts=self._own
        )
        return alicloud.oss.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=bucket.bucket.apply(lambda found: json.dumps(tls_only(bucket_arn(self._site, found)))),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeArgs:
    """Who uses the volumes, and from where."""

    site: Site
    control: AckControlPlane
    network: AckNetwork
    keys: AckKeys


class AckVolumes(pulumi.ComponentResource):
    """The shared file system and the storage classes of the cluster."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: VolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Volumes", name, {"block": BLOCK, "shared": SHARED}, opts)
        site, own = args.site, pulumi.ResourceOptions(parent=self)
        files = alicloud.nas.FileSystem(
            name,
            description=name,
            file_system_type="standard",
            protocol_type="NFS",
            storage_type="Performance",
            encrypt_type=1,  # a key of NAS: it takes ours for another type of file system only
            tags=site.tagged(name),
            opts=pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection),
        )
        group = alicloud.nas.AccessGroup(
            name,
            access_group_name=f"{name}-nodes",
            access_group_type="Vpc",
            file_system_type="standard",
            description="nodes",
            opts=own,
        )
        rule = alicloud.nas.AccessRule(
            name,
            access_group_name=group.access_group_name,
            file_system_type="standard",
            source_cidr_ip=site.options.network.nodes,
            rw_access_type="RDWR",
            user_access_type="no_squash",
            priority=1,
            opts=own,
        )
        target = alicloud.nas.MountTarget(
            name,
            file_system_id=files.id,
            access_group_name=group.access_group_name,
            network_type="Vpc",
            vpc_id=args.network.vpc_id,
            vswitch_id=args.network.node_vswitches[site.zones[0]],  # one serves the whole network
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rule]),
        )
        in_cluster = pulumi.ResourceOptions(
            parent=self, provider=args.control.provider, deleted_with=args.control.cluster
        )
        classes = storage_classes(site, target.mount_target_domain, args.keys.disks.id, in_cluster)
        self.ready = (target, *classes)
        self.register_outputs({"fileSystem": files.id})


def storage_classes(
    site: Site, files: pulumi.Output[str], key: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Encrypted disks by default; a directory of the shared file system for each shared volume."""
    disk = {
        "type": "cloud_essd",
        "performanceLevel": "PL1",
        "encrypted": "true",
        "kmsKeyId": key,
        "csi.storage.k8s.io/fstype": "ext4",
        "diskTags": ",".join(f"{name}:{value}" for name, value in site.tags.items()),
    }
    shared = {"volumeAs": "subpath", "server": pulumi.Output.concat(files, ":/volumes"), "archiveOnDelete": "false"}
    return install_classes(
        opts,
        storage_class(
            BLOCK, "diskplugin.csi.alibabacloud.com", default=True, parameters=disk, allowVolumeExpansion=True
        ),
        storage_class(
            SHARED,
            "nasplugin.csi.alibabacloud.com",
            default=False,
            binding="Immediate",
            parameters=shared,
            allowVolumeExpansion=False,
            mountOptions=["nolock,tcp,noresvport", "vers=3"],
        ),
    )


def artifact_rule() -> _Rule:
    """Overwritten and deleted objects can be brought back for a while."""
    return _Rule(
        id="old-versions",
        enabled=True,
        noncurrent_version_expirations=[
            alicloud.oss.BucketLifecycleRuleNoncurrentVersionExpirationArgs(days=_OLD_VERSIONS_DAYS)
        ],
        abort_multipart_uploads=[alicloud.oss.BucketLifecycleRuleAbortMultipartUploadArgs(days=_UNFINISHED_DAYS)],
    )


def scratch_rule(days: int) -> _Rule:
    """Everything goes by age."""
    return _Rule(
        id="expire",
        enabled=True,
        expirations=[alicloud.oss.BucketLifecycleRuleExpirationArgs(days=days)],
        abort_multipart_uploads=[
            alicloud.oss.BucketLifecycleRuleAbortMultipartUploadArgs(days=min(days, _UNFINISHED_DAYS))
        ],
    )


def tls_only(bucket: str) -> dict[str, object]:
    """A bucket policy that refuses plain HTTP, to everybody."""
    statement = {
        "Effect": "Deny",
        "Principal": ["*"],
        "Action": ["oss:*"],
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"acs:SecureTransport": ["false"]}},
    }
    return {"Version": "1", "Statement": [statement]}
