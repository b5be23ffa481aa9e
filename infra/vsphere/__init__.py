"""The `vsphere` environment: a cluster of virtual machines that kubeadm joins, or one that a Supervisor makes.

Besides the files of every environment there are `cluster.py` (the parts in their order), `site.py` (plain facts that
they share), `keys.py` (authorities and keys), `place.py` (what is found in vCenter), `kubeadm.py` and `launch.py` (what
a node is told), `vm.py` (one virtual machine), `machines.py` (which GPU has how much memory) and `supervisor.py` (the
other mode). `identity.py` is absent: vSphere has no principals that a pod could become. Importing this package, or its
options, imports no SDK.
"""

from __future__ import annotations

import pulumi

from infra.contract import Cluster, ClusterSpec, Secrets


def provision(spec: ClusterSpec, secrets: Secrets, opts: pulumi.ResourceOptions | None = None) -> Cluster:
    """Make a cluster on vSphere; credentials come from VSPHERE_USER and VSPHERE_PASSWORD, never from the stack file."""
    from .cluster import build  # noqa: PLC0415 - stack files are checked where the SDK is not installed

    return build(spec, secrets, opts)
