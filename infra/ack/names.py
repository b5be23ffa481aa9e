"""Names in the limits of Alibaba Cloud: pure functions, different results for different arguments. Makes nothing."""

from __future__ import annotations

from infra.naming import Kind, fit


def bucket_name(account: str, region: str, cluster: str, purpose: str) -> str:
    """A name of a bucket, different from all others in the world."""
    return fit(Kind.OSS_BUCKET, cluster, purpose, apart=(account, region))


def log_project_name(account: str, region: str, cluster: str) -> str:
    """A name of a log project, different from all others in the world."""
    return fit(Kind.SLS_PROJECT, cluster, "logs", apart=(account, region))


def role_name(cluster: str, namespace: str, account: str) -> str:
    """A name of a service account's role."""
    return fit(Kind.RAM_ROLE, cluster, namespace, account)


def policy_name(cluster: str, namespace: str, account: str) -> str:
    """A name of the policy of a service account's role."""
    return fit(Kind.RAM_POLICY, cluster, namespace, account)
