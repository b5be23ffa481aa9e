"""What is stored in a cloud: encrypted by a key of one's own, not public, not lost by one wrong command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .cluster import ACK, AKS, CLUSTERS, EKS, GKE, is_aks
from .documents import statements
from .rule import Config, Finding, Setting, Severity, Subject, relation, rule
from .values import Node

_STORAGE = "azure-native:storage"
_S3 = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_OSS = "alicloud:oss/bucket:Bucket"
_GCS = "gcp:storage/bucket:Bucket"


@rule(
    refuses="A cluster whose Secrets are not encrypted by a key of the account.",
    why="Whoever reads a backup of etcd reads every password.",
    fix="Name a key: encryptionConfig, databaseEncryption, encryptionProviderKey, securityProfile.azureKeyVaultKms.",
    severity=Severity.HIGH,
    source="CIS EKS 5.3.1; CIS GKE 5.3.1; CIS AKS 5.3.1",
    types=CLUSTERS,
)
def cluster_secrets_unencrypted(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Per cloud, where the key stands."""
    root, kind = subject.root, subject.resource.type
    place: Node | None = None
    if kind == EKS:
        place = root.at("encryptionConfig", "provider", "keyArn")
    elif kind in ACK:
        place = root.at("encryptionProviderKey")
    elif is_aks(subject):
        kms = root.at("securityProfile", "azureKeyVaultKms", "enabled")
        etcd = root.at("securityProfile", "kubernetesResourceObjectEncryptionProfile", "infrastructureEncryption")
        if not kms.flag(unknown=True) and etcd.text("Enabled") != "Enabled":
            yield Finding(text="no key for Secrets", path=kms.path)
    elif kind == GKE:
        state = root.at("databaseEncryption", "state")
        if state.text("ENCRYPTED") not in {"ENCRYPTED", "ALL_OBJECTS_ENCRYPTION_ENABLED"}:
            yield Finding(text="no key for Secrets", path=state.path)
    if place is not None and not place.present:
        yield Finding(text="no key for Secrets", path=place.path)


@rule(
    refuses="A disk, a file system or a database without encryption.",
    why="Disks are copied, given back and sold.",
    fix="Switch encryption on, with a key of the account.",
    severity=Severity.HIGH,
    source="CIS AWS 2.2-2.3; CIS AKS 5.4; CIS Alibaba Cloud 7.1",
    types=("aws:ec2/launchTemplate:LaunchTemplate", "aws:ebs/volume:Volume", "aws:efs/fileSystem:FileSystem",
           "aws:rds/instance:Instance", f"{AKS}:ManagedCluster", f"{AKS}:AgentPool", f"{AKS}/",
           "alicloud:cs/nodePool:NodePool", "alicloud:nas/fileSystem:FileSystem", "StorageClass"),
)  # fmt: skip
def disk_unencrypted(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A switch may be text; StorageClasses of AWS and Alibaba Cloud decide for their volumes."""
    for switch in _switches(subject):
        if not switch.flag(unknown=True):
            yield Finding(text="encryption is not on", path=switch.path)
    number = subject.at("encryptType")
    if subject.resource.type == _NAS and number.number(unknown=1, absent=0) == 0:
        yield Finding(text="the file system is not encrypted", path=number.path)


_NAS = "alicloud:nas/fileSystem:FileSystem"
_SWITCHES = {
    "aws:ebs/volume:Volume": "encrypted",
    "aws:efs/fileSystem:FileSystem": "encrypted",
    "aws:rds/instance:Instance": "storageEncrypted",
    "alicloud:cs/nodePool:NodePool": "systemDiskEncrypted",
}


def _switches(subject: Subject) -> list[Node]:
    """Where a resource says whether its disks are encrypted."""
    root, kind = subject.root, subject.resource.type
    if kind in _SWITCHES:
        return [root.at(_SWITCHES[kind])]
    if kind.endswith(":LaunchTemplate"):
        disks = root.at("blockDeviceMappings").items()
        return [disk.at("ebs", "encrypted") for disk in disks if disk.at("ebs").present]
    if is_aks(subject):
        return [pool.at("enableEncryptionAtHost") for pool in root.at("agentPoolProfiles").items()]
    if is_aks(subject, "AgentPool"):
        return [root.at("enableEncryptionAtHost")]
    drivers = {"ebs.csi.aws.com", "diskplugin.csi.alibabacloud.com"}
    return [root.at("parameters", "encrypted")] if root.at("provisioner").text() in drivers else []


@rule(
    refuses="A bucket, a registry or a database that the public may read.",
    why="Training data and models are the company's own.",
    fix="Block public access; give rights to named identities.",
    severity=Severity.CRITICAL,
    source="CIS AWS 2.1.4; CIS Azure 3.7; CIS Google Cloud 5.1",
    types=("aws:s3/", "aws:rds/instance:Instance", "aws:ecr/repositoryPolicy:RepositoryPolicy", _STORAGE,
           "azure-native:containerregistry", _GCS, "gcp:storage/", "gcp:projects/", "gcp:serviceaccount/",
           "gcp:artifactregistry/", "gcp:kms/", "alicloud:oss/"),
)  # fmt: skip
def public_data(subject: Subject, _config: Config) -> Iterator[Finding]:
    """By list, by policy, by member, by switch."""
    root = subject.root
    if root.at("acl").text().startswith(("public", "authenticated-read")):
        yield Finding(text="the access list is public", path="acl")
    yield from _unblocked(subject)
    for key in ("publiclyAccessible", "anonymousPullEnabled", "allowBlobPublicAccess", "adminUserEnabled"):
        if root.at(key).flag(unknown=False):
            yield Finding(text="the public, or a shared password, is let in", path=key)
    for member in (*root.at("member").items(), *root.at("members").items()):
        if member.text() in {"allUsers", "allAuthenticatedUsers"}:
            yield Finding(text="everybody is a member", path=member.path)
    for statement in statements(root.at("policy")):
        if statement.allows and statement.anyone and not statement.conditioned:
            yield Finding(text="the policy names everybody", path=statement.node.path)


def _unblocked(subject: Subject) -> Iterator[Finding]:
    """Switches of a block of public access; AWS has four, Alibaba Cloud one."""
    if "PublicAccessBlock" not in subject.resource.type:
        return
    four = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for key in four if subject.resource.type.startswith("aws:") else ("blockPublicAccess",):
        if not subject.at(key).flag(unknown=True):
            yield Finding(text="public access is not blocked", path=key)


@rule(
    refuses="A storage account or bucket that is open by its defaults.",
    why="Shared keys and access lists are rights that nobody can see in IAM.",
    fix="Azure: allowSharedKeyAccess false, TLS 1.2, networkRuleSet Deny. Google: uniform access, prevention enforced.",
    severity=Severity.HIGH,
    source="CIS Azure 3.1-3.15; CIS Google Cloud 5.2",
    types=(_STORAGE, _GCS),
)
def storage_defaults(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent is open with both clouds."""
    root = subject.root
    if subject.resource.type == _GCS:
        if not root.at("uniformBucketLevelAccess").flag(unknown=True):
            yield Finding(text="access lists of objects hold", path="uniformBucketLevelAccess")
        if root.at("publicAccessPrevention").text("enforced") != "enforced":
            yield Finding(text="public access is not prevented", path="publicAccessPrevention")
    elif subject.resource.type.endswith(":StorageAccount"):
        if root.at("allowSharedKeyAccess").flag(unknown=False, absent=True):
            yield Finding(text="shared keys are taken", path="allowSharedKeyAccess")
        if root.at("minimumTlsVersion").text("TLS1_2") not in {"TLS1_2", "TLS1_3"}:
            yield Finding(text="TLS below 1.2 is taken", path="minimumTlsVersion")
        if not root.at("enableHttpsTrafficOnly").flag(unknown=True, absent=True):
            yield Finding(text="plain HTTP is taken", path="enableHttpsTrafficOnly")
        default, public = root.at("networkRuleSet", "defaultAction"), root.at("publicNetworkAccess")
        if default.text("Deny") != "Deny" and public.text("Disabled") != "Disabled":
            yield Finding(text="every network may call", path=default.path)


@relation(
    refuses="A bucket without a block of public access, a policy for TLS, encryption, or versions of what it keeps.",
    why="Each of them is a resource of its own, and one of them is forgotten sooner or later.",
    fix="Add the resource for this bucket.",
    severity=Severity.HIGH,
    source="CIS AWS 2.1; CIS Alibaba Cloud 6",
    types=(*_S3, _OSS),
)
def bucket_unguarded(subjects: Sequence[Subject], _config: Config) -> Iterator[Finding]:
    """Which part belongs to which bucket follows from names; an unknown one may be anybody's."""
    for kinds, guards, prefix in (
        (_S3, ("BucketPublicAccessBlock", "BucketServerSideEncryption", "BucketVersioning", "BucketPolicy"), "aws:s3/"),
        ((_OSS,), ("BucketPublicAccessBlock", "BucketServerSideEncryption", "BucketVersioning"), "alicloud:oss/"),
    ):
        buckets = [item for item in subjects if item.resource.type in kinds]
        for guard in guards:
            parts = [
                item
                for item in subjects
                if item.resource.type.startswith(prefix) and item.resource.type.rpartition(":")[2].startswith(guard)
            ]
            yield from (
                Finding(text=f"no {guard}", subject=bucket)
                for bucket in buckets
                if not any(_belongs(part, bucket) for part in parts)
                and not (guard == "BucketVersioning" and _expires(bucket, subjects))
            )


def _expires(bucket: Subject, subjects: Sequence[Subject]) -> bool:
    """Whether everything in a bucket goes by age: it keeps nothing that somebody could want back."""
    apart = [item for item in subjects if _lifecycle(item) and _belongs(item, bucket)]
    places = [bucket.at("lifecycleRules"), *(item.at("rules") for item in apart)]
    return any(place.unknown for place in places) or any(
        (rule.at("status").text() == "Enabled" or rule.at("enabled").flag(unknown=False))
        and (rule.at("expiration").items() or rule.at("expirations").items())
        and not rule.at("filter", "prefix").text()
        and not rule.at("prefix").text()
        for place in places
        for rule in place.items()
    )


def _lifecycle(subject: Subject) -> bool:
    return "BucketLifecycleConfiguration" in subject.resource.type


def _belongs(part: Subject, bucket: Subject) -> bool:
    named = part.at("bucket")
    known = {bucket.resource.name, bucket.at("bucket").text(), f"{bucket.resource.name}-id"}
    return part.resource.name == bucket.resource.name or named.text(bucket.resource.name) in known


@rule(
    refuses="A key that is never rotated, or gone a week after a mistake.",
    why="What a lost key encrypted is lost.",
    fix="Rotate yearly at least; keep deleted keys for 30 days.",
    severity=Severity.MEDIUM,
    source="CIS AWS 3.6; CIS Google Cloud 1.10",
    types=("aws:kms/key:Key", "gcp:kms/cryptoKey:CryptoKey", "alicloud:kms/key:Key"),
    advisory=True,
    settings={"days": Setting(type="number", default=7, about="days that a deleted key must be kept at least")},
)
def key_not_rotated(subject: Subject, config: Config) -> Iterator[Finding]:
    """Asymmetric keys cannot be rotated by themselves."""
    root, kind = subject.root, subject.resource.type
    if kind.startswith("aws:"):
        usage = root.at("keyUsage").text("SIGN_VERIFY") or "ENCRYPT_DECRYPT"
        if usage == "ENCRYPT_DECRYPT" and not root.at("enableKeyRotation").flag(unknown=True):
            yield Finding(text="the key is not rotated", path="enableKeyRotation")
        if root.at("deletionWindowInDays").number(unknown=30, absent=30) < config["days"]:
            yield Finding(text="a deleted key is gone too soon", path="deletionWindowInDays")
    elif kind.startswith("gcp:"):
        if root.at("purpose").text("ASYMMETRIC") in {"", "ENCRYPT_DECRYPT"} and not root.at("rotationPeriod").present:
            yield Finding(text="the key is not rotated", path="rotationPeriod")
    elif root.at("automaticRotation").text("Enabled") != "Enabled":
        yield Finding(text="the key is not rotated", path="automaticRotation")


@rule(
    refuses="A registry whose tags can be written again.",
    why="What was tested under a tag is not what runs.",
    fix="Set imageTagMutability IMMUTABLE, and pull by digest.",
    severity=Severity.MEDIUM,
    source="CIS EKS 5.1; NSA/CISA Kubernetes Hardening Guidance",
    types=("aws:ecr/repository:Repository",),
)
def registry_tags_mutable(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means mutable."""
    place = subject.at("imageTagMutability")
    if not place.text("IMMUTABLE").startswith("IMMUTABLE"):
        yield Finding(text="tags can be written again", path=place.path)


RULES = (
    cluster_secrets_unencrypted, disk_unencrypted, public_data, storage_defaults, bucket_unguarded, key_not_rotated,
    registry_tags_mutable,
)  # fmt: skip
