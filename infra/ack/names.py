"""Names in the limits of Alibaba Cloud: pure functions, different results for different arguments. Makes nothing."""

from __future__ import annotations

import hashlib

_ROLE, _POLICY = 64, 128  # characters that RAM allows
_MARK = 12


def worldwide(account: str, region: str, cluster: str, purpose: str) -> str:
    """A name of a bucket or a log project (63 characters at most), different from all others in the world."""
    return f"{cluster}-{purpose}-{_mark(account, region, cluster, purpose)}"


def role_name(cluster: str, namespace: str, account: str) -> str:
    """A name of a service account's role, readable as far as it fits."""
    return _readable(_ROLE, cluster, namespace, account)


def policy_name(cluster: str, namespace: str, account: str) -> str:
    """A name of the policy of a service account's role; RAM allows no dots in it."""
    return _readable(_POLICY, cluster, namespace, account)


def _readable(length: int, *words: str) -> str:
    text = "-".join(words).replace(".", "-")[: length - 1 - _MARK].rstrip("-")
    return f"{text}-{_mark(*words)}"


def _mark(*words: str) -> str:
    """A digest in lower-case letters and digits; no word can hold the line break that separates them."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:_MARK]
