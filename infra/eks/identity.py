"""Who may do what in the account: roles of services and of service accounts. Makes no access key and no user.

Pods become principals by a token that the API server signs (IRSA), not by EKS Pod Identity: its agent answers at
169.254.170.23, and no pod of the platform may reach a link-local address (rule C12).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.contract import Binding, Grant, Identity, Store
from infra.naming import Kind, fit

from .options import Site

Statement = Mapping[str, Any]

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
AUDIENCE = "sts.amazonaws.com"

_READ = ("s3:GetObject", "s3:GetObjectVersion")
_WRITE = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject")


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """A service account, as the cluster's issuer writes it into tokens."""

    namespace: str
    account: str

    @property
    def subject(self) -> str:
        """The subject of its tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"


class EksIdentity(pulumi.ComponentResource):
    """Makes the account trust tokens of the cluster, each service account's for one role."""

    provider: aws.iam.OpenIdConnectProvider
    issuer: pulumi.Output[str]

    def __init__(
        self, name: str, site: Site, cluster: aws.eks.Cluster, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("proof:eks:Identity", name, {"audience": AUDIENCE}, opts)
        self._site, self._own = site, pulumi.ResourceOptions(parent=self)
        self.issuer = cluster.identities.apply(_issuer)
        self.provider = aws.iam.OpenIdConnectProvider(
            name, url=self.issuer, client_id_lists=[AUDIENCE], tags={"Name": name}, opts=self._own
        )
        self.register_outputs({"issuer": self.issuer})

    def role(
        self,
        name: str,
        who: Principal,
        *,
        managed: Sequence[str] = (),
        statements: pulumi.Input[Sequence[Statement]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> tuple[aws.iam.Role, tuple[pulumi.Resource, ...]]:
        """The role of one service account, and what has to exist before its rights hold."""
        own = self._own if opts is None else opts
        trust = pulumi.Output.all(self.provider.arn, self.issuer).apply(
            lambda found: json.dumps(token_trust(found[0], found[1], who))
        )
        role = aws.iam.Role(
            name,
            name=role_name(self._site.name, who),
            description=f"{who.namespace}/{who.account} of cluster {self._site.name}",
            assume_role_policy=trust,
            opts=own,
        )
        return role, attach(name, role, own, managed, statements)

    def on(
        self, buckets: Mapping[Store, pulumi.Output[str]], key: pulumi.Output[str], account: aws.Provider
    ) -> Identity:
        """Workload identity on buckets that are given by ARN, with the key of their objects."""
        facts = pulumi.Output.all(key=key, **{store.value: arn for store, arn in buckets.items()})

        def bind(
            namespace: str, service_account: str, grants: Sequence[Grant], opts: pulumi.ResourceOptions
        ) -> Binding:
            who = Principal(namespace=namespace, account=service_account)
            statements = facts.apply(
                lambda arns: bucket_statements(grants, {store: arns[store.value] for store in buckets}, arns["key"])
            )
            # The caller knows Kubernetes only; the account's provider comes from here.
            ours = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=account))
            role, rights = self.role(f"{namespace}.{service_account}", who, statements=statements, opts=ours)
            return Binding(annotations={ROLE_ANNOTATION: role.arn}, ready=rights)

        return Identity(bind=bind, issuer=self.issuer)


def _issuer(identities: Sequence[aws.eks.outputs.ClusterIdentity]) -> str:
    """The address that stands in every token of the cluster."""
    oidcs = identities[0].oidcs or []
    return oidcs[0].issuer or ""


def attach(
    name: str,
    role: aws.iam.Role,
    opts: pulumi.ResourceOptions,
    managed: Sequence[str],
    statements: pulumi.Input[Sequence[Statement]] = (),
) -> tuple[pulumi.Resource, ...]:
    """Give a role policies of AWS, by ARN, and statements of our own."""
    made: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(f"{name}-{arn.rpartition('/')[2]}", role=role.name, policy_arn=arn, opts=opts)
        for arn in managed
    ]
    if isinstance(statements, pulumi.Output) or statements:
        policy = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
        made.append(aws.iam.RolePolicy(name, name="rights", role=role.name, policy=policy, opts=opts))
    return tuple(made)


def role_name(cluster: str, who: Principal) -> str:
    """A name that IAM allows, readable as far as it fits, and different for each service account of each cluster."""
    return fit(Kind.AWS_ROLE, cluster, who.namespace, who.account)


def service_trust(service: str, conditions: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """A trust policy for one service of AWS."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        **({} if conditions is None else {"Condition": conditions}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def token_trust(provider: str, issuer: str, who: Principal) -> dict[str, Any]:
    """A trust policy for tokens of one service account; no pattern, so no other name can match."""
    host = issuer.removeprefix("https://")
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:sub": who.subject, f"{host}:aud": AUDIENCE}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def bucket_statements(grants: Sequence[Grant], buckets: Mapping[Store, str], key: str) -> list[Statement]:
    """Rights on objects below the granted prefixes, and on the key that encrypts them. Nothing else."""
    statements: list[Statement] = []
    for grant in grants:
        bucket = buckets[grant.store]
        below = {"StringLike": {"s3:prefix": [f"{grant.prefix}*"]}}
        statements.append(
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
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
