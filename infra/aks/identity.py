"""Who may do what in the subscription: identities of the cluster and of service accounts. Makes no key and no secret.

Pods become principals by a token that the API server signs, which Entra ID takes in exchange over HTTPS: nothing asks
a node's metadata address, and no pod of the platform may reach it (rule C12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization, managedidentity, resources

from infra.contract import Binding, Grant, Identity, Store

from .names import guid, identity_name
from .options import Site

CLIENT_ANNOTATION = "azure.workload.identity/client-id"
POD_LABEL = {"azure.workload.identity/use": "true"}
AUDIENCE = "api://AzureADTokenExchange"

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_READ = (f"{_BLOBS}/read",)
_WRITE = (f"{_BLOBS}/write", f"{_BLOBS}/add/action", f"{_BLOBS}/delete", f"{_BLOBS}/move/action")


class BuiltIn(Enum):
    """Roles that Azure maintains, by their names in every tenant (Azure documentation, built-in roles)."""

    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
    KEY_ENCRYPTION = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
    KEY_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    STORAGE_CONTRIBUTOR = "17d1049b-9a84-46fb-8f53-869881c3d3ab"
    VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"


@dataclass(frozen=True, slots=True)
class Right:
    """A role of a principal on one thing, with a condition or without."""

    principal: pulumi.Input[str]
    role: BuiltIn | pulumi.Output[str]
    scope: pulumi.Input[str]
    condition: str | None = None


class AksPrincipals(pulumi.ComponentResource):
    """Whom the control plane and the nodes act as. Both are there before the cluster, with their rights."""

    cluster: managedidentity.UserAssignedIdentity
    nodes: managedidentity.UserAssignedIdentity
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, site: Site, group: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Principals", name, {"registries": list(site.options.registries)}, opts)
        own = pulumi.ResourceOptions(parent=self)
        self.cluster, self.nodes = (
            managedidentity.UserAssignedIdentity(f"{name}-{whose}", resource_group_name=group, tags=site.tags, opts=own)
            for whose in ("control", "node")
        )
        self.ready = (
            assign(
                site,
                f"{name}-node-identity",
                Right(self.cluster.principal_id, BuiltIn.IDENTITY_OPERATOR, self.nodes.id),
                own,
            ),
            *(
                assign(
                    site,
                    f"{name}-pull-{registry.rpartition('/')[2]}",
                    Right(self.nodes.principal_id, BuiltIn.ACR_PULL, registry),
                    own,
                )
                for registry in site.options.registries
            ),
        )
        self.register_outputs({})


class AksIdentity(pulumi.ComponentResource):
    """Roles on objects, and how a service account gets them.

    Azure's own roles would let a workload delete the whole container; these two know objects only.
    """

    def __init__(
        self,
        name: str,
        site: Site,
        group: resources.ResourceGroup,
        issuer: pulumi.Output[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("proof:aks:Identity", name, {"audience": AUDIENCE}, opts)
        self._site, self._group, self._issuer = site, group.name, issuer
        own = pulumi.ResourceOptions(parent=self)
        self._roles = {
            write: authorization.RoleDefinition(
                f"{name}-objects-{'write' if write else 'read'}",
                scope=group.id,
                role_definition_id=guid(site.cluster_id, "objects", "write" if write else "read"),
                role_name=f"{'Writes' if write else 'Reads'} objects of {site.cluster_id}",  # unique in a tenant
                role_type="CustomRole",
                assignable_scopes=[group.id],
                permissions=[
                    authorization.PermissionArgs(
                        actions=[], data_actions=[*_READ, *(_WRITE if write else ())], not_actions=[]
                    )
                ],
                opts=own,
            )
            for write in (False, True)
        }
        self.register_outputs({})

    def on(self, containers: Mapping[Store, pulumi.Output[str]], here: pulumi.ResourceOptions) -> Identity:
        """Workload identity on containers that are given by their ids; `here` says in which subscription."""

        def bind(
            namespace: str, service_account: str, grants: Sequence[Grant], opts: pulumi.ResourceOptions
        ) -> Binding:
            ours = pulumi.ResourceOptions.merge(opts, here)  # the caller knows Kubernetes only
            name = f"{namespace}.{service_account}"
            identity = managedidentity.UserAssignedIdentity(
                name,
                resource_group_name=self._group,
                resource_name_=identity_name(namespace, service_account),
                tags=self._site.tags,
                opts=ours,
            )
            token = managedidentity.FederatedIdentityCredential(
                name,
                resource_group_name=self._group,
                resource_name_=identity.name,
                federated_identity_credential_resource_name="cluster",
                issuer=self._issuer,
                subject=subject(namespace, service_account),
                audiences=[AUDIENCE],
                opts=ours,
            )
            rights = [
                assign(
                    self._site,
                    f"{name}-{grant.store.value}-{index}",
                    Right(
                        identity.principal_id,
                        self._roles[grant.write].id,
                        containers[grant.store],
                        condition(grant),
                    ),
                    ours,
                )
                for index, grant in enumerate(grants)
            ]
            return Binding(
                annotations={CLIENT_ANNOTATION: identity.client_id}, pod_labels=POD_LABEL, ready=(token, *rights)
            )

        return Identity(bind=bind, issuer=self._issuer)


def assign(site: Site, name: str, right: Right, opts: pulumi.ResourceOptions) -> authorization.RoleAssignment:
    """Give a right. An assignment never changes: a new one replaces it."""
    role, condition = right.role, right.condition
    return authorization.RoleAssignment(
        name,
        principal_id=right.principal,
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,  # or Azure looks for it before it has spread
        role_definition_id=site.role(role.value) if isinstance(role, BuiltIn) else role,
        scope=right.scope,
        role_assignment_name=guid(site.cluster_id, name),
        condition=condition,
        condition_version=None if condition is None else "2.0",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
    )


def subject(namespace: str, account: str) -> str:
    """The subject of a service account's tokens."""
    return f"system:serviceaccount:{namespace}:{account}"


def condition(grant: Grant) -> str | None:
    """What limits a grant to a prefix; None where it has none. Quotes in a prefix are doubled, as the language wants.

    Every action of the role is named: an action that no part names would be free.
    """
    if not grant.prefix:
        return None
    prefix = grant.prefix.replace("'", "''")
    objects = f"@Resource[{_BLOBS}:path] StringStartsWith '{prefix}'"
    listing = f"@Request[{_BLOBS}:prefix] StringStartsWith '{prefix}'"
    return " AND ".join(f"({part})" for part in _parts(grant, objects, listing))


def _parts(grant: Grant, objects: str, listing: str) -> Iterator[str]:
    """One part for each action: either it is not asked for, or it is below the prefix."""
    (read,) = _READ
    lists = "SubOperationMatches{'Blob.List'}"
    yield f"!(ActionMatches{{'{read}'}} AND NOT {lists}) OR {objects}"
    yield f"!(ActionMatches{{'{read}'}} AND {lists}) OR {listing}"
    for action in _WRITE if grant.write else ():
        yield f"!(ActionMatches{{'{action}'}}) OR {objects}"
