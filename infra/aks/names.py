"""Names in the limits of Azure: pure functions, different results for different arguments. Makes no resource."""

from __future__ import annotations

import base64
import hashlib
import uuid

_POOL_WORDS, _POOL_MARK = 4, 8  # an agent pool: 12 lower-case letters and digits
_ACCOUNT_WORDS, _ACCOUNT_MARK = 9, 12  # a storage account: 24 of them, different from all others in the world
_VAULT_STEM = 14  # a vault: 24, of which the provider adds up to 9 of its own
_IDENTITY_WORDS, _IDENTITY_MARK = 100, 12  # a managed identity: 128


def agent_pool_name(pool: str, *facts: str) -> str:
    """A name of a node pool for as long as `facts` stay, which Azure cannot change.

    Another machine is thereby another pool: it is there before the old one goes.
    """
    return f"{_plain(pool)[:_POOL_WORDS]}{_mark(_POOL_MARK, pool, *facts)}"


def account_name(subscription: str, cluster: str, purpose: str) -> str:
    """A name of a storage account."""
    words = _plain(cluster)[:_ACCOUNT_WORDS] + _plain(purpose)[:3]
    return f"{words}{_mark(_ACCOUNT_MARK, subscription, cluster, purpose)}"


def vault_stem(cluster: str) -> str:
    """The part of a vault's name that is chosen; the rest is chance, for deleted vaults keep their names for months."""
    return _plain(cluster)[:_VAULT_STEM]


def identity_name(namespace: str, account: str) -> str:
    """A name of a service account's identity, readable as far as it fits."""
    return f"{f'{namespace}_{account}'.replace('.', '-')[:_IDENTITY_WORDS]}-{_mark(_IDENTITY_MARK, namespace, account)}"


def guid(*words: str) -> str:
    """The name of a role or of a role assignment."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(words)))


def _plain(word: str) -> str:
    return word.replace("-", "")


def _mark(length: int, *words: str) -> str:
    """A digest in lower-case letters and digits; no word can hold the line break that separates them."""
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:length]
