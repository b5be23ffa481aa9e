"""Options of `eks`, the pools that it can provide, and the plain facts that its files share. Imports no SDK."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infra.clouds import CloudOptions, system_problems, zone_problems
from infra.contract import ClusterSpec, Pool, Role, options_of
from infra.naming import complete_pool

from .machines import cpu_problem, gpu_problem

ADDONS = ("vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver", "aws-efs-csi-driver", "metrics-server")

# By Kubernetes minor version, as kubernetes/kops chooses them (pkg/model/components/clusterautoscaler.go).
AUTOSCALERS: Mapping[str, str] = MappingProxyType(
    {"1.33": "v1.33.5", "1.34": "v1.34.4", "1.35": "v1.35.1", "1.36": "v1.36.0"}
)
_AUTOSCALER_IMAGE = "registry.k8s.io/autoscaling/cluster-autoscaler"

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+")
_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]")
_RESERVATION = re.compile(r"cr-[0-9a-f]+")
_PREFIXES = {
    "nodes": (16, 18),
    "pods": (14, 20),
    "services": (12, 24),
}  # what `network.plan` can divide, what EKS takes
_ZONES = (2, 4)
# What CloudWatch Logs keeps; the API knows no other numbers of days.
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288)


@dataclass(frozen=True, kw_only=True, slots=True)
class EksOptions(CloudOptions):
    """Options of a cluster on AWS."""

    account: str = field(
        metadata={
            "help": "AWS account; credentials of any other are refused",
            "pattern": r"\d{12}",
            "example": "111122223333",
        }
    )
    zones: tuple[str, ...] = field(
        default=(),
        metadata={"help": "availability zones to use; empty: a, b and c of the region", "example": "eu-west-1a"},
    )
    single_nat: bool = field(
        default=False, metadata={"help": "one NAT gateway for all zones: cheaper, and down with its zone"}
    )
    interface_endpoints: bool = field(
        default=True, metadata={"help": "reach AWS's services inside the network; S3 and STS always are"}
    )
    internet_facing: bool = field(
        default=False, metadata={"help": "give the platform's load balancer public addresses"}
    )
    capacity_blocks: tuple[str, ...] = field(
        default=(),
        metadata={"help": "reservations of pools that are capacity blocks", "example": "cr-0123456789abcdef0"},
    )
    addon_versions: Mapping[str, str] = field(
        default_factory=dict[str, str],
        metadata={
            "help": f"versions of add-ons ({', '.join(ADDONS)}); others stay as EKS first installed them",
            "example": "v1.20.4-eksbuild.2",
        },
    )

    autoscaler_image: str | None = field(
        default=None,
        metadata={"help": "image of the cluster autoscaler; none: upstream's for this Kubernetes version"},
    )

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Refuse what AWS would refuse later, or would grant and nobody could use."""
        problems = [*self._own_problems(), *self._network_problems()]
        for name, pool in pools.items():
            problems += [f"pools.{name}.{problem}" for problem in self._pool_problems(pool)]
        if problems:
            raise ValueError("; ".join(problems))

    def _own_problems(self) -> Iterator[str]:
        if not self.admins:
            yield "options.admins: nobody is named; not even who creates the cluster may open it: name its role"
        for admin in self.admins:
            if not _PRINCIPAL.fullmatch(admin):
                yield f"options.admins: found '{admin}'; allowed: the ARN of an IAM role or user"
        if self.log_days not in _LOG_DAYS:
            yield f"options.logDays: found {self.log_days}; allowed: {', '.join(map(str, _LOG_DAYS))}"
        for name in sorted(set(self.addon_versions) - set(ADDONS)):
            yield f"options.addonVersions: found '{name}'; allowed: {', '.join(ADDONS)}"

    def _network_problems(self) -> Iterator[str]:
        low, high = _ZONES
        if self.zones and not low <= len(set(self.zones)) == len(self.zones) <= high:
            yield f"options.zones: found {', '.join(self.zones)}; allowed: {low} to {high} different ones"
        for zone in self.zones:
            if not _ZONE.fullmatch(zone):
                yield f"options.zones: found '{zone}'; allowed: an availability zone such as eu-west-1a"
        yield from self.network.size_problems(_PREFIXES)

    def _pool_problems(self, pool: Pool) -> Iterator[str]:
        if pool.role is Role.TPU:
            yield "role: AWS has no TPUs; allowed: system, cpu, gpu"
            return
        problem = cpu_problem(pool.machine) if pool.gpu is None else gpu_problem(pool.machine, pool.gpu)
        if problem:
            yield problem
        if unknown := sorted(set(pool.zones) - set(self.zones)):
            yield f"zones: found {', '.join(unknown)}; allowed: {', '.join(self.zones) or 'those in options.zones'}"
        yield from zone_problems(pool)
        yield from system_problems(pool)
        if pool.reservation is not None and not _RESERVATION.fullmatch(pool.reservation):
            yield f"reservation: found '{pool.reservation}'; allowed: the id of a capacity reservation (cr-...)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Plain facts about one cluster that all of its parts share."""

    name: str
    region: str
    version: str
    zones: tuple[str, ...]
    pools: Mapping[str, Pool]
    options: EksOptions

    @classmethod
    def of(cls, spec: ClusterSpec) -> Site:
        """The facts that follow from a spec; ValueError where region and zones do not fit together."""
        options = options_of(spec, EksOptions)
        if spec.region.startswith("cn-"):
            raise ValueError(f"region: {spec.region} has services of other names and another operator; not supported")
        if wrong := [zone for zone in options.zones if zone[:-1] != spec.region]:
            raise ValueError(f"options.zones: found {', '.join(wrong)}; allowed: zones of {spec.region}")
        if spec.version not in AUTOSCALERS and options.autoscaler_image is None:
            known = ", ".join(AUTOSCALERS)
            raise ValueError(
                f"version: found {spec.version}, for which no cluster autoscaler is known; allowed: {known}, "
                "or any with options.autoscalerImage"
            )
        return cls(
            name=spec.name,
            region=spec.region,
            version=spec.version,
            zones=options.zones or tuple(f"{spec.region}{letter}" for letter in "abc"),
            pools={name: complete_pool(name, pool) for name, pool in spec.pools.items()},
            options=options,
        )

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that can carry any."""
        return self.options.ownership.tags(self.name, "eks")

    @property
    def autoscaler_image(self) -> str:
        """The cluster autoscaler of the cluster's version."""
        return self.options.autoscaler_image or f"{_AUTOSCALER_IMAGE}:{AUTOSCALERS[self.version]}"

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to."""
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def cluster_arn(self) -> str:
        """What the cluster is called for as long as it lives."""
        return self.arn("eks", f"cluster/{self.name}")

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of ours."""
        region = "" if service == "iam" else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.options.account}:{resource}"

    def managed_policy(self, name: str) -> str:
        """The ARN of a policy that AWS maintains."""
        return f"arn:{self.partition}:iam::aws:policy/{name}"
