"""Encryption keys, one for each purpose, so that a leaked right on one opens nothing else. Never shared keys of AWS."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from .identity import Statement
from .options import Site

FLOWS_LOG = "/kubeflow-proof/{}/flows"
CONTROL_PLANE_LOG = "/aws/eks/{}/cluster"  # EKS writes into this name, and nowhere else

# What IAM policies of the account may give away. KMS asks for it: a key that nobody administers is lost.
_ADMINISTRATION = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:CreateGrant", "kms:Decrypt", "kms:DeleteAlias", "kms:DescribeKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:Encrypt", "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReEncryptFrom",
    "kms:ReEncryptTo", "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
    "kms:UpdateAlias", "kms:UpdateKeyDescription",
)  # fmt: skip
_USE = (
    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom", "kms:ReEncryptTo",
)  # fmt: skip
_DELETION_DAYS = 30


class EksKeys(pulumi.ComponentResource):
    """Keys of the API server's secrets, of logs, of disks and file systems, and of buckets."""

    secrets: aws.kms.Key
    logs: aws.kms.Key
    disks: aws.kms.Key
    buckets: aws.kms.Key

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:eks:Keys", name, {"account": site.options.account}, opts)
        own = pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection)

        def key(purpose: str, *extra: Statement) -> aws.kms.Key:
            made = aws.kms.Key(
                f"{name}-{purpose}",
                description=f"{purpose} of cluster {site.name}",
                deletion_window_in_days=_DELETION_DAYS,
                enable_key_rotation=True,
                policy=json.dumps(key_policy(site, *extra)),
                tags={"Name": f"{name}-{purpose}"},
                opts=own,
            )
            aws.kms.Alias(
                f"{name}-{purpose}",
                name=f"alias/{name}-{purpose}",
                target_key_id=made.key_id,
                opts=pulumi.ResourceOptions(parent=self),
            )
            return made

        self.secrets = key("secrets")
        self.logs = key("logs", *log_statements(site))
        self.disks = key("disks", *launch_statements(site))
        self.buckets = key("buckets")
        self.register_outputs({})


def key_policy(site: Site, *extra: Statement) -> dict[str, Any]:
    """A key policy: the account decides by IAM policies; `extra` is for services that IAM policies do not reach."""
    account: Statement = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": site.arn("iam", "root")},
        "Action": list(_ADMINISTRATION),
        "Resource": "*",  # in a key policy: this key
    }
    return {"Version": "2012-10-17", "Statement": [account, *extra]}


def log_statements(site: Site) -> tuple[Statement, ...]:
    """CloudWatch encrypts the two log groups of this cluster, and no others."""
    groups = [site.arn("logs", f"log-group:{form.format(site.name)}") for form in (CONTROL_PLANE_LOG, FLOWS_LOG)]
    return (
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{site.region}.amazonaws.com"},
            "Action": list(_USE),
            "Resource": "*",
            "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": groups}},
        },
    )


def launch_statements(site: Site) -> tuple[Statement, ...]:
    """EC2 Auto Scaling starts nodes with encrypted disks; without this they fail without a word.

    Its role is named in a condition: as the principal, KMS would refuse it in accounts where it does not exist yet.
    """
    role = site.arn("iam", "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    only: dict[str, dict[str, str]] = {
        "StringEquals": {"kms:CallerAccount": site.options.account},
        "ArnEquals": {"aws:PrincipalArn": role},
    }
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*"}
    return (
        {"Sid": "Launch", **anyone, "Action": list(_USE), "Condition": only},
        {
            "Sid": "LaunchGrants",
            **anyone,
            "Action": ["kms:CreateGrant"],
            "Condition": {**only, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    )
