"""The `eks` environment: a cluster on AWS from single resources, private by default.

Besides the files of every environment there are `cluster.py` (the parts in their order), `keys.py` (encryption keys),
`addons.py` (what EKS installs into the cluster), `autoscaler.py` (what scales the pools), `launch.py` (how a node
starts) and `machines.py` (which GPUs a machine type has). Importing this package, or its options, imports no SDK.
"""

from __future__ import annotations

import pulumi

from infra.contract import Cluster, ClusterSpec, Secrets


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make a cluster on AWS; credentials come from the AWS SDK's own places, never from the configuration."""
    from .cluster import build  # noqa: PLC0415 - stack files are checked where the SDK is not installed

    del secrets
    return build(spec, opts)
