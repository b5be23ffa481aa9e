"""How a node starts: the parts of a launch template that follow from its pool. Makes no resource."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.contract import Pool

from .machines import MACHINES, efa_cards

_MOST_PODS = 110  # on one node: what Kubernetes is tested with; prefixes of addresses leave room for more
_EFA_RESOURCE = "vpc.amazonaws.com/efa"


def reservation(pool: Pool) -> aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs | None:
    """Only the pool's reservation, never dearer capacity beside it."""
    if pool.reservation is None:
        return None
    return aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs(
        capacity_reservation_target=aws.ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=pool.reservation
        )
    )


def market(pool: Pool, blocks: Sequence[str]) -> aws.ec2.LaunchTemplateInstanceMarketOptionsArgs | None:
    """Capacity blocks are a market of their own; everything else EKS chooses by the group's capacity type."""
    if pool.reservation not in blocks:
        return None
    return aws.ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type="capacity-block")


def interfaces(pool: Pool, groups: Sequence[pulumi.Input[str]]) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs]:
    """One interface on each network card; only the first carries IP."""
    return [
        aws.ec2.LaunchTemplateNetworkInterfaceArgs(
            network_card_index=card,
            device_index=min(card, 1),
            interface_type="efa" if card == 0 else "efa-only",
            associate_public_ip_address="false" if card == 0 else None,
            delete_on_termination="true",
            security_groups=list(groups),
        )
        for card in range(efa(pool))
    ]


def hidden_resources(pool: Pool) -> dict[str, str]:
    """Resources of a node that nobody can derive from its machine type alone."""
    cards = efa(pool)
    return {"ephemeral-storage": f"{_scratch_gib(pool)}Gi"} | ({_EFA_RESOURCE: str(cards)} if cards else {})


def user_data(pool: Pool) -> str:
    """What a node is told at its start: how many pods it takes, and to join its local disks into scratch space."""
    spec: dict[str, object] = {"kubelet": {"config": {"maxPods": _MOST_PODS}}}
    if pool.machine in MACHINES and MACHINES[pool.machine].nvme_gb:
        spec["instance"] = {"localStorage": {"strategy": "RAID0"}}
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}
    mark = "NODECONFIG"
    lines = (
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{mark}"',
        "",
        f"--{mark}",
        "Content-Type: application/node.eks.aws",
        "",
        json.dumps(config, indent=1, sort_keys=True),
        f"--{mark}--",
        "",
    )
    return base64.b64encode("\n".join(lines).encode()).decode()


def efa(pool: Pool) -> int:
    """Network cards of each node that the pool uses for training over several nodes."""
    return efa_cards(pool.machine) if pool.together else 0


def _scratch_gib(pool: Pool) -> int:
    """Space for what pods lose with the node: local disks where there are any, else the system disk."""
    local = MACHINES[pool.machine].nvme_gb if pool.machine in MACHINES else 0
    return local * 10**9 // 2**30 if local else pool.disk_gib
