"""Options of `ack`, the pools that it can provide, and the plain facts that its files share. Imports no SDK."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from infra.clouds import CloudNetwork, CloudOptions, interruptible, system_problems, zone_problems
from infra.contract import ClusterSpec, Pool, Role, Store, options_of
from infra.naming import complete_pool

from .machines import cpu_problem, gpu_problem
from .names import bucket_name, log_project_name

# The newest that the release notes of each minor version named on 2026-08-26 and 2026-06-06.
RELEASES = {"1.35": "1.35.7-aliyun.1", "1.36": "1.36.1-aliyun.1"}
# Alibaba Cloud's own services inside every VPC: OSS, STS and all others. No network of ours may lie in it.
CLOUD_SERVICES = "100.64.0.0/10"

_PRINCIPAL = re.compile(r"(user|role)/\d{15,20}")
_ZONE = re.compile(r"[a-z]{2}-[a-z]+(-\d[a-z]|-[a-z])")
_RESERVATION = re.compile(r"(eap|crp)-[0-9a-z]+")
_RELEASE = re.compile(r"1\.\d+\.\d+-aliyun\.\d+")
_PREFIXES = {
    "nodes": (16, 18),
    "pods": (14, 20),
    "services": (16, 24),
}  # what `network.plan` can divide, what ACK takes
_ZONES = (2, 4)  # a load balancer in front of the API server needs two
_OLDEST = (1, 35)  # with nftables
_SIDE_BY_SIDE = 20  # instances of one deployment set in a zone
_IPV4 = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class AckOptions(CloudOptions):
    """Options of a cluster on Alibaba Cloud."""

    account: str = field(
        metadata={"help": "Alibaba Cloud account", "pattern": r"\d{16}", "example": "1234567890123456"}
    )
    zones: tuple[str, ...] = field(metadata={"help": "availability zones to use", "example": "eu-central-1a"})
    network: CloudNetwork = field(
        default=CloudNetwork(pods="10.44.0.0/14"),
        metadata={"help": f"networks, none of them in {CLOUD_SERVICES}, and who may reach the API server"},
    )
    cloud_services: tuple[str, ...] = field(
        default=(CLOUD_SERVICES,),
        metadata={
            "help": "networks of OSS and STS inside a VPC, open to workloads that use them; the metadata address in "
            "them stays closed"
        },
    )
    releases: Mapping[str, str] = field(
        default_factory=dict[str, str],
        metadata={
            "help": f"ACK's release of a Kubernetes minor version, beside {' and '.join(RELEASES.values())}",
            "example": "1.35.7-aliyun.1",
        },
    )
    kms_instance: str | None = field(
        default=None,
        metadata={
            "help": "KMS instance that holds the keys, one for each purpose; without it there is one key for all",
            "pattern": "kst-[0-9a-z]+",
            "example": "kst-hzz0123456789abcdef",
        },
    )
    gpu_driver: str = field(
        default="550.163.01",
        metadata={
            "help": "NVIDIA driver of new GPU nodes; of a version that ACK does not know it installs another",
            "pattern": r"\d{3}\.\d+(\.\d+)?",
            "example": "570.133.20",
        },
    )
    nat_mbps: int = field(default=200, metadata={"help": "bandwidth of the way out in Mbit/s", "min": 1, "max": 200})
    internet_facing: bool = field(
        default=False, metadata={"help": "give the platform's load balancer a public address"}
    )
    zone_redundant: bool = field(
        default=True, metadata={"help": "keep objects of the buckets in several zones; not every region can"}
    )
    registry: str | None = field(
        default=None,
        metadata={
            "help": "instance of Container Registry Enterprise Edition that nodes pull from without a password",
            "pattern": "cri-[0-9a-z]+",
            "example": "cri-0123456789abcdef",
        },
    )

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse what Alibaba Cloud would refuse later, or would grant and nobody could use."""
        problems = [*self._own_problems(), *self._network_problems()]
        for name, pool in pools.items():
            problems += [f"pools.{name}.{problem}" for problem in self._pool_problems(pool)]
        if problems:
            raise ValueError("; ".join(problems))

    def _own_problems(self) -> Iterator[str]:
        if not self.admins:
            yield "options.admins: nobody is named; only who creates the cluster could open it: name a role"
        for admin in self.admins:
            if not _PRINCIPAL.fullmatch(admin):
                yield f"options.admins: found '{admin}'; allowed: user/ID or role/ID, with the number that RAM gave it"
        for minor, release in self.releases.items():
            if not _RELEASE.fullmatch(release) or not release.startswith(f"{minor}."):
                yield f"options.releases.{minor}: found '{release}'; allowed: a release such as {minor}.1-aliyun.1"
        low, high = _ZONES
        if not low <= len(set(self.zones)) == len(self.zones) <= high:
            yield f"options.zones: found {', '.join(self.zones) or 'none'}; allowed: {low} to {high} different ones"
        for zone in self.zones:
            if not _ZONE.fullmatch(zone):
                yield f"options.zones: found '{zone}'; allowed: a zone such as eu-central-1a or cn-hangzhou-h"

    def _network_problems(self) -> Iterator[str]:
        reserved = ipaddress.IPv4Network(CLOUD_SERVICES)
        for key, (shortest, longest) in _PREFIXES.items():
            found = ipaddress.ip_network(getattr(self.network, key))
            if found.version != _IPV4 or not shortest <= found.prefixlen <= longest:
                yield f"options.network.{key}: found {found}; allowed: IPv4 from /{shortest} to /{longest}"
            elif found.overlaps(reserved):
                yield f"options.network.{key}: found {found}; allowed: outside {reserved}, which is Alibaba Cloud's own"
        for cidr in self.network.api_access:
            if ipaddress.ip_network(cidr).version != _IPV4:
                yield f"options.network.apiAccess: found {cidr}; allowed: IPv4"
        for cidr in self.cloud_services:
            inside = ipaddress.ip_network(cidr)
            if not isinstance(inside, ipaddress.IPv4Network) or not inside.subnet_of(reserved):
                yield f"options.cloudServices: found {cidr}; allowed: networks in {reserved}"

    def _pool_problems(self, pool: Pool) -> Iterator[str]:
        if pool.role is Role.TPU:
            yield "role: Alibaba Cloud has no TPUs; allowed: system, cpu, gpu"
            return
        problem = cpu_problem(pool.machine) if pool.gpu is None else gpu_problem(pool.machine, pool.gpu)
        if problem:
            yield problem
        if unknown := sorted(set(pool.zones) - set(self.zones)):
            yield f"zones: found {', '.join(unknown)}; allowed: {', '.join(self.zones)}"
        yield from zone_problems(pool)
        yield from system_problems(pool)
        if pool.together and interruptible(pool):
            yield f"capacity: found {pool.capacity.value}; nodes that are placed together cannot be spot"
        if pool.together and pool.max > _SIDE_BY_SIDE:
            yield f"max: found {pool.max}; allowed: {_SIDE_BY_SIDE}, the most nodes that can be placed together"
        if pool.reservation is not None and not _RESERVATION.fullmatch(pool.reservation):
            yield f"reservation: found '{pool.reservation}'; allowed: the id of a private pool (eap-... or crp-...)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Plain facts about one cluster that all of its parts share."""

    name: str
    region: str
    release: str
    zones: tuple[str, ...]
    pools: Mapping[str, Pool]
    options: AckOptions

    @classmethod
    def of(cls, spec: ClusterSpec) -> Site:
        """The facts that follow from a spec; ValueError where region, zones and version do not fit together."""
        options = options_of(spec, AckOptions)
        wrong = [zone for zone in options.zones if zone[:-1].removesuffix("-") != spec.region]
        if wrong:
            raise ValueError(f"options.zones: found {', '.join(wrong)}; allowed: zones of {spec.region}")
        if tuple(int(part) for part in spec.version.split(".")) < _OLDEST:
            raise ValueError(f"version: found {spec.version}; allowed: 1.35 and later, where Services use nftables")
        releases = {**RELEASES, **options.releases}
        if spec.version not in releases:
            raise ValueError(
                f"version: found {spec.version}; allowed: {', '.join(sorted(releases))}, or name its release in "
                "options.releases"
            )
        return cls(
            name=spec.name,
            region=spec.region,
            release=releases[spec.version],
            zones=options.zones,
            pools={name: complete_pool(name, pool) for name, pool in spec.pools.items()},
            options=options,
        )

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that can carry any; the provider has none that it would add by itself."""
        return self.options.ownership.tags(self.name, "ack")

    def tagged(self, name: str) -> dict[str, str]:
        """The tags, and the name that people look for."""
        return {**self.tags, "Name": name}

    @property
    def cluster_id(self) -> str:
        """What the cluster is called for as long as it lives."""
        return f"acs:cs:{self.region}:{self.options.account}:cluster/{self.name}"

    @property
    def log_project(self) -> str:
        """The name of the project that keeps the logs."""
        return log_project_name(self.options.account, self.region, self.name)

    def bucket(self, store: Store) -> str:
        """The name of a bucket."""
        return bucket_name(self.options.account, self.region, self.name, store.value)
