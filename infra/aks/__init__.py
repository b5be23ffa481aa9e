"""The `aks` environment: a cluster on Azure from single resources, private by default.

Besides the files of every environment there are `cluster.py` (the parts in their order), `keys.py` (encryption keys),
`logs.py` (where logs are kept), `agents.py` (how an agent pool is made), `machines.py` (which GPUs a VM size has) and
`names.py` (names in Azure's limits). Importing this package, or its options, imports no SDK.
"""

from __future__ import annotations

import pulumi

from infra.contract import Cluster, ClusterSpec, Secrets


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make a cluster on Azure; credentials come from the Azure SDK's own places, never from the configuration."""
    from .cluster import build  # noqa: PLC0415 - stack files are checked where the SDK is not installed

    del secrets
    return build(spec, opts)
