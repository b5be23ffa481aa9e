"""Options of `gke`, the pools that it can provide, and the plain facts that its files share. Imports no SDK."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from infra.clouds import CloudOptions, groups_at_most, system_problems
from infra.contract import Capacity, ClusterSpec, Pool, options_of
from infra.naming import Kind, complete_pool, fit

from .machines import MACHINES, can_be_together, cpu_problem, gpu_problem, hosts, tpu_problem

FALLBACK = "-on-demand"  # the second group of a pool that falls back to it

_PRINCIPAL = re.compile(r"(user|serviceAccount|group):[^@\s]+@[^@\s]+")
_ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]")
_RESERVATION = re.compile(r"(projects/[a-z0-9-]+/reservations/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_PREFIXES = {"nodes": (8, 24), "pods": (9, 21), "services": (12, 27)}
_ZONES = (2, 4)
_GROUP_NAME = 32  # GKE allows 40 characters; Pulumi adds 8 of its own
_NODE_BLOCK = 24  # prefix of the pods' addresses on one node
_OLDEST = (1, 35)
_USUAL_ZONES = 3  # that GKE chooses in a region


@dataclass(frozen=True, kw_only=True, slots=True)
class GkeOptions(CloudOptions):
    """Options of a cluster on Google Cloud."""

    project: str = field(
        metadata={
            "help": "id of the project, which should hold nothing else",
            "pattern": "[a-z][a-z0-9-]{4,28}[a-z0-9]",
            "example": "ml-platform-prod",
        }
    )
    project_number: str = field(
        metadata={
            "help": "number of the same project: principals and Google's own accounts are called by it",
            "pattern": r"\d{6,19}",
            "example": "123456789012",
        }
    )
    zones: tuple[str, ...] = field(
        default=(),
        metadata={"help": "zones to use; empty: three that GKE chooses", "example": "europe-west4-a"},
    )
    internet_facing: bool = field(
        default=False, metadata={"help": "give the platform's load balancer a public address"}
    )
    security_group: str | None = field(
        default=None,
        metadata={
            "help": "Google group that holds the groups in `admins`; without it groups are nobody",
            "pattern": r"gke-security-groups@[a-z0-9.-]+",
            "example": "gke-security-groups@example.com",
        },
    )

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse what Google Cloud would refuse later, or would grant and nobody could use. TPUs are allowed."""
        problems = [*self._own_problems(), *self._network_problems(pools), *_name_problems(pools)]
        for name, pool in pools.items():
            problems += [f"pools.{name}.{problem}" for problem in _pool_problems(pool)]
        if problems:
            raise ValueError("; ".join(problems))

    def _own_problems(self) -> Iterator[str]:
        if not self.admins:
            yield "options.admins: nobody is named; name whoever runs `pulumi up` at least"
        for admin in self.admins:
            if not _PRINCIPAL.fullmatch(admin):
                yield f"options.admins: found '{admin}'; allowed: user:, serviceAccount: or group: and an address"
            elif admin.startswith("group:") and self.security_group is None:
                yield f"options.admins: found '{admin}'; groups need options.securityGroup"

    def _network_problems(self, pools: Mapping[str, Pool]) -> Iterator[str]:
        low, high = _ZONES
        if self.zones and not low <= len(set(self.zones)) == len(self.zones) <= high:
            yield f"options.zones: found {', '.join(self.zones)}; allowed: {low} to {high} different ones"
        for zone in self.zones:
            if not _ZONE.fullmatch(zone):
                yield f"options.zones: found '{zone}'; allowed: a zone such as europe-west4-a"
        yield from self.network.size_problems(_PREFIXES)
        pods = ipaddress.ip_network(self.network.pods)
        room = 2 ** max(0, _NODE_BLOCK - pods.prefixlen)
        most = groups_at_most(pools)
        if most > room:
            yield f"options.network.pods: {pods} has room for {room} nodes; the pools have up to {most}"


def _name_problems(pools: Mapping[str, Pool]) -> Iterator[str]:
    for name, pool in pools.items():
        falls_back = pool.capacity is Capacity.SPOT_OR_ON_DEMAND
        longest = _GROUP_NAME - (len(FALLBACK) if falls_back else 0)
        if len(name) > longest:
            yield f"pools.{name}: the name has {len(name)} characters; allowed: {longest}"
        if falls_back and f"{name}{FALLBACK}" in pools:
            yield f"pools.{name}{FALLBACK}: the name is that of the fallback of pools.{name}; choose another"


def _pool_problems(pool: Pool) -> Iterator[str]:
    """What is wrong with one pool, beginning with its key."""
    if pool.tpu is not None:
        yield from _tpu_problems(pool)
    elif problem := cpu_problem(pool.machine) if pool.gpu is None else gpu_problem(pool.machine, pool.gpu):
        yield problem
    for zone in pool.zones:
        if not _ZONE.fullmatch(zone):
            yield f"zones: found '{zone}'; allowed: a zone such as europe-west4-a"
    alone = pool.together or pool.tpu is not None or pool.capacity is Capacity.RESERVED
    if len(pool.zones) != 1 and alone:
        yield f"zones: found {len(pool.zones)}; placed together, reserved, or TPUs means exactly one"
    if pool.together and not can_be_together(pool.machine):
        yield f"together: {pool.machine} cannot be placed side by side"
    yield from system_problems(pool)
    if pool.machine in MACHINES and MACHINES[pool.machine].interruptible and pool.capacity is not Capacity.SPOT:
        yield f"capacity: found {pool.capacity.value}; {pool.machine} is sold as spot only"
    if pool.reservation is not None and not _RESERVATION.fullmatch(pool.reservation):
        yield f"reservation: found '{pool.reservation}'; allowed: NAME, or projects/PROJECT/reservations/NAME"


def _tpu_problems(pool: Pool) -> Iterator[str]:
    if pool.tpu is None:
        return
    if problem := tpu_problem(pool.machine, pool.tpu):
        yield problem
        return
    nodes = hosts(pool.tpu)
    if nodes > 1 and (pool.max not in (0, nodes) or pool.min not in (0, pool.max)):
        yield f"max: found {pool.min} to {pool.max}; a slice of {pool.tpu.topology} is {nodes} nodes, or none"
    if pool.together:
        yield "together: nodes of a slice always are; leave it out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Plain facts about one cluster that all of its parts share."""

    name: str
    region: str
    version: str
    pools: Mapping[str, Pool]
    options: GkeOptions

    @classmethod
    def of(cls, spec: ClusterSpec) -> Site:
        """The facts that follow from a spec; ValueError where name, region, zones and version do not fit together."""
        options = options_of(spec, GkeOptions)
        if spec.name.endswith("-") or "google" in spec.name or spec.name.startswith("goog"):
            raise ValueError(f"name: found '{spec.name}'; allowed: no hyphen at the end, and no name of Google's")
        named = {
            "options.zones": options.zones,
            **{f"pools.{name}.zones": pool.zones for name, pool in spec.pools.items()},
        }
        for key, zones in named.items():
            if wrong := [zone for zone in zones if zone.rpartition("-")[0] != spec.region]:
                raise ValueError(f"{key}: found {', '.join(wrong)}; allowed: zones of {spec.region}")
        if tuple(int(part) for part in spec.version.split(".")) < _OLDEST:
            raise ValueError(f"version: found {spec.version}; allowed: 1.35 and later, where disks fit every machine")
        return cls(
            name=spec.name,
            region=spec.region,
            version=spec.version,
            pools={name: complete_pool(name, pool) for name, pool in spec.pools.items()},
            options=options,
        )

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every resource that can carry any. Google Cloud allows no dots in them."""
        tags = self.options.ownership.tags(self.name, "gke")
        return {key: value.replace(".", "_") for key, value in tags.items()}

    @property
    def cluster_id(self) -> str:
        """What the cluster is called for as long as it lives."""
        return f"projects/{self.options.project}/locations/{self.region}/clusters/{self.name}"

    @property
    def identity_pool(self) -> str:
        """The project's pool of workload identities, which GKE keeps; all of its clusters share it."""
        return f"{self.options.project}.svc.id.goog"

    def zone_count(self, pool: Pool) -> int:
        """How many zones a pool's nodes are spread over."""
        return len(pool.zones or self.options.zones) or _USUAL_ZONES

    def agent(self, service: str) -> str:
        """The account by which a service of Google acts in the project."""
        return f"serviceAccount:service-{self.options.project_number}@{service}.iam.gserviceaccount.com"


def account_id(cluster: str) -> str:
    """A name that IAM allows, readable as far as it fits, and different for each cluster."""
    return fit(Kind.GCP_ACCOUNT, cluster, "nodes")
