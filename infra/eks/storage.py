"""Buckets, the shared file system, and storage classes. Nothing is public, nothing lacks a key of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.contract import Bucket, Storage, Store
from infra.objects import install_classes, storage_class

from .access import EksControlPlane
from .keys import EksKeys
from .network import EksNetwork
from .options import Site

BLOCK, SHARED = "gp3", "efs"
STORAGE = Storage(block=BLOCK, shared=SHARED)  # fast scratch is each pod's emptyDir: local disks lie under it

_OLD_VERSIONS_DAYS = 90
_UNFINISHED_DAYS = 7
_NFS = 2049
_Rule = aws.s3.BucketLifecycleConfigurationRuleArgs


class EksBuckets(pulumi.ComponentResource):
    """The bucket of artifacts, which keeps old versions, and the bucket of scratch data, which keeps nothing."""

    buckets: Mapping[Store, Bucket]
    arns: Mapping[Store, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, keys: EksKeys, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:eks:Buckets", name, {"scratchDays": site.options.scratch_days}, opts)
        self._name, self._site, self._key = name, site, keys.buckets
        self._own = pulumi.ResourceOptions(parent=self)
        made = {store: self._bucket(store) for store in Store}
        self._versioning(made[Store.ARTIFACTS])
        policies = {store: self._close(store, bucket) for store, bucket in made.items()}
        self._lifecycle(Store.ARTIFACTS, made[Store.ARTIFACTS], artifact_rule())
        self._lifecycle(Store.SCRATCH, made[Store.SCRATCH], scratch_rule(site.options.scratch_days))
        self.arns = {store: bucket.arn for store, bucket in made.items()}
        self.buckets = {
            store: Bucket(
                scheme="s3",
                name=bucket.bucket,
                uri=pulumi.Output.concat("s3://", bucket.bucket),
                endpoint=pulumi.Output.from_input(f"https://s3.{site.region}.amazonaws.com"),
                region=site.region,
            )
            for store, bucket in made.items()
        }
        self.ready = tuple(policies.values())
        self.register_outputs({store.value: bucket.bucket for store, bucket in made.items()})

    def _bucket(self, store: Store) -> aws.s3.Bucket:
        """A private bucket whose objects are encrypted with our key and belong to its owner."""
        name, options = f"{self._name}-{store.value}", self._site.options
        bucket = aws.s3.Bucket(
            name,
            force_destroy=not options.deletion_protection,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, protect=options.deletion_protection),
        )
        by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=self._key.arn
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_default, bucket_key_enabled=True
                )
            ],
            opts=self._own,
        )
        aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._own,
        )
        return bucket

    def _close(self, store: Store, bucket: aws.s3.Bucket) -> aws.s3.BucketPolicy:
        """No public access, and nothing without TLS."""
        name = f"{self._name}-{store.value}"
        block = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._own,
        )
        return aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.json_dumps(tls_only(bucket.arn)),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[block]
            ),  # S3 refuses two changes of one bucket at once
        )

    def _versioning(self, bucket: aws.s3.Bucket) -> None:
        aws.s3.BucketVersioning(
            f"{self._name}-{Store.ARTIFACTS.value}",
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._own,
        )

    def _lifecycle(self, store: Store, bucket: aws.s3.Bucket, rule: _Rule) -> None:
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-{store.value}", bucket=bucket.bucket, rules=[rule], opts=self._own
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeArgs:
    """Who uses the volumes, and from where."""

    site: Site
    control: EksControlPlane
    network: EksNetwork
    keys: EksKeys


class EksVolumes(pulumi.ComponentResource):
    """The shared file system and the storage classes of the cluster."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: VolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:eks:Volumes", name, {"block": BLOCK, "shared": SHARED}, opts)
        own = pulumi.ResourceOptions(parent=self)
        files = aws.efs.FileSystem(
            name,
            encrypted=True,
            kms_key_id=args.keys.disks.arn,
            throughput_mode="elastic",
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, protect=args.site.options.deletion_protection),
        )
        door = aws.ec2.SecurityGroup(
            f"{name}-files",
            description="NFS from nodes and pods",
            vpc_id=args.network.vpc_id,
            tags={"Name": f"{name}-files"},
            opts=own,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-files",
            security_group_id=door.id,
            description="NFS from nodes and pods",
            ip_protocol="tcp",
            from_port=_NFS,
            to_port=_NFS,
            referenced_security_group_id=args.control.security_group,
            opts=own,
        )
        targets = [
            aws.efs.MountTarget(
                f"{name}-{zone}", file_system_id=files.id, subnet_id=subnet, security_groups=[door.id], opts=own
            )
            for zone, subnet in args.network.node_subnets.items()
        ]
        in_cluster = pulumi.ResourceOptions(
            parent=self, provider=args.control.provider, deleted_with=args.control.cluster
        )
        self.ready = (*targets, *storage_classes(files.id, args.keys.disks.arn, in_cluster))
        self.register_outputs({"fileSystem": files.id})


def storage_classes(
    files: pulumi.Input[str], key: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """Encrypted disks by default; a directory of the shared file system for each shared volume."""
    disk = {"type": "gp3", "encrypted": "true", "kmsKeyId": key}
    shared = {"provisioningMode": "efs-ap", "fileSystemId": files, "directoryPerms": "700", "basePath": "/volumes"}
    return install_classes(
        opts,
        storage_class(BLOCK, "ebs.csi.aws.com", default=True, parameters=disk, allowVolumeExpansion=True),
        storage_class(
            SHARED, "efs.csi.aws.com", default=False, binding="Immediate", parameters=shared, allowVolumeExpansion=False
        ),
    )


def artifact_rule() -> _Rule:
    """Overwritten and deleted objects can be brought back for a while."""
    return _Rule(
        id="old-versions",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=_OLD_VERSIONS_DAYS
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=_UNFINISHED_DAYS
        ),
    )


def scratch_rule(days: int) -> _Rule:
    """Everything goes by age."""
    return _Rule(
        id="expire",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=min(days, _UNFINISHED_DAYS)
        ),
    )


def tls_only(bucket: pulumi.Input[str]) -> dict[str, object]:
    """A bucket policy that refuses plain HTTP, to everybody."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, pulumi.Output.concat(bucket, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
