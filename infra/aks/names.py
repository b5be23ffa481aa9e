"""Names in the limits of Azure: pure functions, different results for different arguments. Makes no resource."""

from __future__ import annotations

import uuid

from infra.naming import Kind, fit

_VAULT_STEM = 14  # a vault: 24, of which the provider adds up to 9 of its own


def agent_pool_name(pool: str, *facts: str) -> str:
    """A name of a node pool for as long as `facts` stay, which Azure cannot change.

    Another machine is thereby another pool: it is there before the old one goes.
    """
    return fit(Kind.AKS_POOL, pool, apart=facts)


def account_name(subscription: str, cluster: str, purpose: str) -> str:
    """A name of a storage account, different from all others in the world."""
    return fit(Kind.AZURE_ACCOUNT, cluster, purpose, apart=(subscription,))


def vault_stem(cluster: str) -> str:
    """The part of a vault's name that is chosen; the rest is chance, for deleted vaults keep their names for months."""
    return cluster.replace("-", "")[:_VAULT_STEM]


def identity_name(namespace: str, account: str) -> str:
    """A name of a service account's identity."""
    return fit(Kind.AZURE_IDENTITY, namespace, account)


def guid(*words: str) -> str:
    """The name of a role or of a role assignment."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(words)))
