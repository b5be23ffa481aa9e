"""Who may do what in the account: roles of service accounts. Makes no access key and no user.

Pods become principals by a token that the API server signs (RRSA). ACK registers the cluster's issuer by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_alicloud as alicloud

from infra.contract import Binding, Grant, Identity, Store

from .names import policy_name, role_name
from .options import Site

Statement = Mapping[str, Any]

ROLE_ANNOTATION = "pod-identity.alibabacloud.com/role-name"
INJECTION_LABEL = "pod-identity.alibabacloud.com/injection"
AUDIENCE = "sts.aliyuncs.com"

_READ = ("oss:GetObject", "oss:GetObjectVersion")
_WRITE = ("oss:AbortMultipartUpload", "oss:DeleteObject", "oss:ListParts", "oss:PutObject")
_LIST = ("oss:GetBucketInfo", "oss:ListObjectVersions", "oss:ListObjects")


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """A service account, as the cluster's issuer writes it into tokens."""

    namespace: str
    account: str

    @property
    def subject(self) -> str:
        """The subject of its tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityArgs:
    """Where rights are given: the cluster whose tokens count, its buckets and their key, by the account's provider."""

    site: Site
    cluster: alicloud.cs.ManagedKubernetes
    buckets: Mapping[Store, pulumi.Output[str]]  # names
    key: pulumi.Output[str]  # ARN
    account: alicloud.Provider


def identity(args: IdentityArgs) -> Identity:
    """Workload identity on the buckets of a cluster."""
    facts = pulumi.Output.all(key=args.key, **{store.value: name for store, name in args.buckets.items()})

    def bind(namespace: str, service_account: str, grants: Sequence[Grant], opts: pulumi.ResourceOptions) -> Binding:
        who = Principal(namespace=namespace, account=service_account)
        # The caller knows Kubernetes only; the account's provider comes from here.
        ours = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=args.account))
        role = _role(args, who, ours)
        statements = facts.apply(
            lambda found: bucket_statements(
                grants,
                {store: bucket_arn(args.site, found[store.value]) for store in args.buckets},
                found["key"],
            )
        )
        return Binding(
            annotations={ROLE_ANNOTATION: role.role_name},
            namespace_labels={INJECTION_LABEL: "on"},
            ready=(_rights(args.site, who, role, statements, ours),) if grants else (role,),
        )

    return Identity(bind=bind, issuer=args.cluster.rrsa_metadata.apply(lambda rrsa: rrsa.rrsa_oidc_issuer_url or ""))


def _role(args: IdentityArgs, who: Principal, opts: pulumi.ResourceOptions) -> alicloud.ram.Role:
    """The role of one service account."""
    trust = args.cluster.rrsa_metadata.apply(
        lambda rrsa: json.dumps(token_trust(rrsa.ram_oidc_provider_arn or "", rrsa.rrsa_oidc_issuer_url or "", who))
    )
    return alicloud.ram.Role(
        f"{who.namespace}.{who.account}",
        role_name=role_name(args.site.name, who.namespace, who.account),
        description=f"{who.namespace}/{who.account} of cluster {args.site.name}",
        assume_role_policy_document=trust,
        tags=args.site.tags,
        opts=opts,
    )


def _rights(
    site: Site,
    who: Principal,
    role: alicloud.ram.Role,
    statements: pulumi.Output[list[Statement]],
    opts: pulumi.ResourceOptions,
) -> alicloud.ram.RolePolicyAttachment:
    """A policy of the role's own, and what has to exist before it holds."""
    name = f"{who.namespace}.{who.account}"
    policy = alicloud.ram.Policy(
        name,
        policy_name=policy_name(site.name, who.namespace, who.account),
        policy_document=pulumi.Output.json_dumps({"Version": "1", "Statement": statements}),
        rotate_strategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",  # RAM keeps five, and then refuses changes
        tags=site.tags,
        opts=opts,
    )
    return alicloud.ram.RolePolicyAttachment(
        name, role_name=role.role_name, policy_name=policy.policy_name, policy_type="Custom", opts=opts
    )


def token_trust(provider: str, issuer: str, who: Principal) -> dict[str, Any]:
    """A trust policy for tokens of one service account; no pattern, so no other name can match."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Federated": [provider]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"oidc:aud": AUDIENCE, "oidc:iss": issuer, "oidc:sub": who.subject}},
    }
    return {"Version": "1", "Statement": [statement]}


def bucket_arn(site: Site, bucket: str) -> str:
    """A bucket of ours; the region is part of what a bucket is, not of its ARN in policies."""
    return f"acs:oss:*:{site.options.account}:{bucket}"


def bucket_statements(grants: Sequence[Grant], buckets: Mapping[Store, str], key: str) -> list[Statement]:
    """Rights on objects below the granted prefixes, and on the key that encrypts them. Nothing else."""
    statements: list[Statement] = []
    for grant in grants:
        bucket = buckets[grant.store]
        below = {"StringLike": {"oss:Prefix": [f"{grant.prefix}*"]}}
        statements.append(
            {
                "Effect": "Allow",
                "Action": list(_LIST),
                "Resource": [bucket],
                **({"Condition": below} if grant.prefix else {}),
            }
        )
        statements.append(
            {
                "Effect": "Allow",
                "Action": [*_READ, *(_WRITE if grant.write else ())],
                "Resource": [f"{bucket}/{grant.prefix}*"],
            }
        )
    if grants:
        writes = any(grant.write for grant in grants)
        actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": [key]})
    return statements
