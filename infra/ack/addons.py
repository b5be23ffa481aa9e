"""What ACK installs into the cluster once there are nodes: workload identity, RDMA, pulling from a private registry.

What nodes need from the start is in `access.py`. Versions stay as ACK first installed them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.contract import Pool

from .access import AckControlPlane
from .machines import has_rdma
from .nodes import AckNodes
from .options import Site

Settings = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class AddonArgs:
    """Where add-ons go, and what they run on."""

    site: Site
    control: AckControlPlane
    nodes: AckNodes


class AckAddons(pulumi.ComponentResource):
    """Add-ons of the cluster."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(self, name: str, args: AddonArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Addons", name, {"release": args.site.release}, opts)
        self.ready = tuple(
            alicloud.cs.KubernetesAddon(
                f"{name}-{addon}",
                cluster_id=args.control.cluster.id,
                name=addon,
                config=None if settings is None else json.dumps(settings, sort_keys=True),
                opts=pulumi.ResourceOptions(parent=self, depends_on=args.nodes.groups),
            )
            for addon, settings in addons(args.site).items()
        )
        self.register_outputs({})


def addons(site: Site) -> dict[str, Settings | None]:
    """Add-ons and their settings."""
    wanted: dict[str, Settings | None] = {"ack-pod-identity-webhook": None}
    if any(fast(pool) for pool in site.pools.values()):
        wanted["ack-erdma-controller"] = {"agent": {"preferDriver": "compat", "allocateAllDevices": True}}
    if site.options.registry is not None:
        wanted["managed-aliyun-acr-credential-helper"] = {
            "AcrInstanceInfo": [{"instanceId": site.options.registry, "regionId": site.region}],
            "watchNamespace": "all",
            "serviceAccount": "*",
        }
    return wanted


def fast(pool: Pool) -> bool:
    """Whether a pool's nodes use RDMA to train over several of them."""
    return pool.together and has_rdma(pool.machine)
