"""Who may do what in the project: the account of nodes, and service accounts as principals. Makes no key of anybody.

Pods become principals by a token that the API server signs and Google's token exchange takes, not by the metadata
server of a node: no pod of the platform may reach a link-local address (rule C12). The exchange is the one that fleets
use outside of Google Cloud ("Authenticate to Google Cloud APIs from shared-trust fleet workloads").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp

from infra.contract import TOKEN_FILE, Binding, Grant, Identity, Store

from .options import Site, account_id

_EXCHANGE = "https://sts.googleapis.com/v1/token"
_READ, _WRITE = "roles/storage.objectViewer", "roles/storage.objectUser"

# To write logs and metrics, and to pull images; nothing that a tenant could use.
_NODE_ROLES = ("roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader")


class GkeNodeAccount(pulumi.ComponentResource):
    """The account of every node. The project's default one may edit everything in it."""

    email: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:gke:NodeAccount", name, {"roles": list(_NODE_ROLES)}, opts)
        own = pulumi.ResourceOptions(parent=self)
        account = gcp.serviceaccount.Account(
            f"{name}-nodes",
            account_id=account_id(site.name),
            display_name=f"Nodes of cluster {site.name}",
            opts=own,
        )
        self.email = account.email
        self.ready = tuple(
            gcp.projects.IAMMember(
                f"{name}-nodes-{role.rpartition('.')[2]}",
                project=site.options.project,
                role=role,
                member=pulumi.Output.concat("serviceAccount:", account.email),
                opts=own,
            )
            for role in _NODE_ROLES
        )
        self.register_outputs({"email": self.email})


def identity(
    site: Site, buckets: Mapping[Store, pulumi.Output[str]], account: gcp.Provider, cluster: pulumi.Resource
) -> Identity:
    """Workload identity on buckets that are given by name."""

    def bind(namespace: str, service_account: str, grants: Sequence[Grant], opts: pulumi.ResourceOptions) -> Binding:
        # The caller knows Kubernetes only; the project's provider comes from here. The cluster makes the pool exist.
        ours = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=account, depends_on=[cluster]))
        rights = [
            gcp.storage.BucketIAMMember(
                f"{namespace}.{service_account}.{index}",  # no namespace has a dot
                bucket=buckets[grant.store],
                role=_WRITE if grant.write else _READ,
                member=principal(site, namespace, service_account),
                condition=_condition(buckets[grant.store], grant.prefix),
                opts=ours,
            )
            for index, grant in enumerate(grants)
        ]
        return Binding(
            credentials=pulumi.Output.from_input(json.dumps(credentials(site), sort_keys=True)),
            audience=site.identity_pool,
            variable="GOOGLE_APPLICATION_CREDENTIALS",
            ready=tuple(rights),
        )

    return Identity(bind=bind, issuer=pulumi.Output.from_input(issuer(site)))


def issuer(site: Site) -> str:
    """Who signs the cluster's tokens."""
    return f"https://container.googleapis.com/v1/{site.cluster_id}"


def principal(site: Site, namespace: str, service_account: str) -> str:
    """A service account as IAM calls it; no pattern, so no other name can match."""
    pool = f"projects/{site.options.project_number}/locations/global/workloadIdentityPools/{site.identity_pool}"
    return f"principal://iam.googleapis.com/{pool}/subject/ns/{namespace}/sa/{service_account}"


def credentials(site: Site) -> dict[str, object]:
    """What Google's libraries need to exchange a token; it holds no secret."""
    return {
        "type": "external_account",
        "universe_domain": "googleapis.com",
        "audience": f"identitynamespace:{site.identity_pool}:{issuer(site)}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": _EXCHANGE,
        "credential_source": {"file": TOKEN_FILE},
    }


def below(bucket: str, prefix: str) -> str:
    """A condition: objects below the prefix, and lists of nothing else. JSON's texts are texts of CEL too."""
    objects = json.dumps(f"projects/_/buckets/{bucket}/objects/{prefix}")
    listed = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")'
    return f"resource.name.startsWith({objects}) || {listed}.startsWith({json.dumps(prefix)})"


def _condition(bucket: pulumi.Output[str], prefix: str) -> gcp.storage.BucketIAMMemberConditionArgs | None:
    if not prefix:
        return None
    return gcp.storage.BucketIAMMemberConditionArgs(
        title="prefix",
        description="objects below a prefix of the bucket",
        expression=bucket.apply(lambda name: below(name, prefix)),
    )
