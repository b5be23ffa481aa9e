"""The `gke` environment: a regional cluster on Google Cloud from single resources, private by default.

Besides the files of every environment there are `cluster.py` (the parts in their order), `keys.py` (encryption keys)
and `machines.py` (which GPUs and TPUs a machine type has). There is no `addons.py`: GKE brings what a cluster needs.
Importing this package, or its options, imports no SDK.
"""

from __future__ import annotations

import pulumi

from infra.contract import Cluster, ClusterSpec, Secrets


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make a cluster on Google Cloud; credentials come from its SDK's own places, never from the configuration."""
    from .cluster import build  # noqa: PLC0415 - stack files are checked where the SDK is not installed

    del secrets
    return build(spec, opts)
