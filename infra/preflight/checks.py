"""What a pre-flight check is, and the judgements that are the same everywhere. Pure: looks at nothing, knows no SDK."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import combinations
from typing import Any, ParamSpec, Protocol, TypeVar

from infra.clouds import groups_at_most
from infra.contract import Capacity, ClusterSpec, Pool
from infra.naming import Kind

STACK_FILE = "nothing: the stack file tells"  # what a check needs that never looks

_SHOWN = 8  # of reasons that are alike: a thousand nodes tell nothing more than eight
_SPOT = (Capacity.SPOT, Capacity.SPOT_OR_ON_DEMAND)
_BOUGHT = (Capacity.ON_DEMAND, Capacity.SPOT_OR_ON_DEMAND)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Outcome(Enum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"  # it could not look


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The outcome of one check, why, and what to do about it."""

    outcome: Outcome
    reason: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One question about one stack."""

    id: str
    needs: str  # command or permission
    judge: Callable[[], Finding]
    looks: bool = True  # outside the stack file


class CannotLookError(Exception):
    """There is no way to look; the message says why, `remedy` what would open one."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class NoCredentialsError(CannotLookError):
    """Nobody is signed in, or who is signed in is refused altogether."""


class Live(Protocol):
    """A cluster that is there already, and what the platform would say about it."""

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list; None if there is none."""
        ...

    def conflicts(self) -> list[str]:
        """What is in the way of the platform's components, with the ways out."""
        ...

    def silent_webhooks(self) -> dict[str, list[str]]:
        """Webhook configurations that the API server calls in pods, with what keeps each from answering."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is to be made, seen from a day."""

    spec: ClusterSpec
    today: dt.date
    live: Callable[[], Live]  # raises CannotLookError where no cluster is there yet, or nobody may see it


def static(name: str, finding: Finding) -> Check:
    """A check that the stack file answers."""
    return Check(id=name, needs=STACK_FILE, judge=lambda: finding, looks=False)


def look(name: str, needs: str, judge: Callable[[], Finding]) -> Check:
    """A check that has to look outside."""
    return Check(id=name, needs=needs, judge=judge)


def passed(reason: str) -> Finding:
    """All is well."""
    return Finding(outcome=Outcome.PASS, reason=reason)


def warned(reason: str, remedy: str) -> Finding:
    """It may go wrong."""
    return Finding(outcome=Outcome.WARN, reason=reason, remedy=remedy)


def failed(reasons: str | Iterable[str], remedy: str) -> Finding:
    """It will go wrong."""
    if not isinstance(reasons, str):
        several = list(reasons)
        more = [f"and {len(several) - _SHOWN} more"] if len(several) > _SHOWN else []
        reasons = "; ".join([*several[:_SHOWN], *more])
    return Finding(outcome=Outcome.FAIL, reason=reasons, remedy=remedy)


def once(look: Callable[_P, _T]) -> Callable[_P, _T]:
    """A look that several checks share; it is taken when the first of them asks."""
    return cache(look)  # pyright: ignore[reportReturnType] what is asked with is hashable


def signed_in(identity: Callable[[], str]) -> Finding:
    """Whether anybody is: `pulumi up` would stop here, so this is no reason to skip."""
    try:
        return passed(f"signed in as {identity()}")
    except NoCredentialsError as error:
        return failed(str(error), error.remedy)


def account(kind: str, key: str, *, wanted: str, found: str) -> Finding:
    """Whether the credentials belong where the stack file says."""
    if wanted == found:
        return passed(f"{kind} {found}")
    return failed(f"{kind} {found}; {key} is {wanted}", f"sign in to {wanted}, or correct {key}")


def reach(api_access: Sequence[str]) -> Finding:
    """Whether this machine will reach the API server; it need not, as long as somebody does."""
    if api_access:
        return passed(f"the API server will answer {', '.join(api_access)}")
    return warned(
        "the API server will be private: from outside, `up` stops at the first Kubernetes object",
        "run `pulumi up` inside the network, or name yours in cluster.options.network.apiAccess",
    )


def names(wanted: Mapping[Kind, Iterable[str]]) -> Finding:
    """Whether every name is one that its service accepts."""
    given = [(kind, name) for kind, several in wanted.items() for name in several]
    problems = [problem for kind, name in given if (problem := kind.value.problem(name))]
    if problems:
        return failed(problems, "choose shorter or plainer names for the cluster and its pools")
    return passed(f"{len(given)} names are within the limits of {len(wanted)} kinds of resources")


def networks(given: Mapping[str, str], reserved: Mapping[str, str]) -> Finding:
    """Whether networks overlap each other, or what the environment keeps for itself (network -> whose it is)."""
    parsed = {key: ipaddress.ip_network(cidr) for key, cidr in given.items()}
    problems = [
        f"{one} ({first}) and {other} ({second}) overlap"
        for (one, first), (other, second) in combinations(parsed.items(), 2)
        if first.overlaps(second)
    ]
    problems += [
        f"{key} ({network}) lies in {cidr}: {owner}"
        for key, network in parsed.items()
        for cidr, owner in reserved.items()
        if network.overlaps(ipaddress.ip_network(cidr))
    ]
    if problems:
        return failed(problems, "choose other networks in cluster.options.network: they cannot change later")
    return passed(", ".join(f"{key} {network}" for key, network in parsed.items()) + ": none overlaps another")


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """How much of something is wanted and how much there is."""

    what: str
    wanted: float
    limit: float
    used: float | None = None  # by others; None: unknown

    @property
    def enough(self) -> bool:
        """Whether it can be had."""
        return self.wanted + (self.used or 0) <= self.limit

    def __str__(self) -> str:
        used = "" if self.used is None else f", of which {self.used:g} in use"
        return f"{self.what}: {self.wanted:g} wanted, {self.limit:g} there{used}"


def amounts(rows: Sequence[Amount], *, remedy: str, unknown: Sequence[str] = ()) -> Finding:
    """Whether there is enough of everything. What nobody could look up is a warning."""
    if short := [str(row) for row in rows if not row.enough]:
        return failed(short, remedy)
    told = "; ".join(str(row) for row in rows)
    if unknown:
        return warned("; ".join([*([told] if told else []), *unknown]), remedy)
    return passed(told or "nothing is wanted")


def offered(wanted: Mapping[str, Iterable[str]], found: Mapping[str, frozenset[str]]) -> Finding:
    """Whether machine types (-> zones where they are wanted; none named: anywhere) are sold there."""
    problems: list[str] = []
    for machine, zones in wanted.items():
        there = found.get(machine, frozenset[str]())
        if not there:
            problems.append(f"{machine} is not offered in any zone")
        elif missing := sorted(set(zones) - there):
            problems.append(f"{machine} is not offered in {', '.join(missing)}; it is in {', '.join(sorted(there))}")
    if problems:
        return failed(problems, "choose other zones or machines for these pools")
    return passed(f"{', '.join(sorted(wanted))}: offered where they are wanted")


def enabled(wanted: Iterable[str], states: Mapping[str, str], *, good: str, remedy: str) -> Finding:
    """Whether everything that has to be switched on is."""
    needed = list(wanted)
    off = [f"{name}: {states.get(name) or 'not there'}" for name in needed if states.get(name) != good]
    return failed(off, remedy) if off else passed(f"{len(needed)} switched on" if needed else "none is needed")


@dataclass(frozen=True, slots=True)
class Reservation:
    """Reserved capacity, as an environment tells of it."""

    state: str
    machine: str
    zone: str
    free: int


def reserved(
    pools: Mapping[str, Pool], look_up: Callable[[str], Reservation | None], *, good: Iterable[str]
) -> Finding:
    """Whether what reserved pools name is there, for them, and large enough."""
    problems: list[str] = []
    chosen = {name: pool for name, pool in pools.items() if pool.reservation is not None}
    for name, pool in chosen.items():
        key = f"pools.{name}: {pool.reservation}"
        found = look_up(pool.reservation or "")
        if found is None:
            problems.append(f"{key} does not exist")
            continue
        if found.state not in good:
            problems.append(f"{key} is {found.state}")
        if found.machine != pool.machine or (pool.zones and found.zone not in pool.zones):
            problems.append(f"{key} is for {found.machine} in {found.zone}")
        if found.free < pool.max:
            problems.append(f"{key} has {found.free} free; max is {pool.max}")
    if problems:
        return failed(problems, "name reservations that exist, for the same machine and zone")
    return passed(f"{len(chosen)} pools are reserved; what they name fits" if chosen else "no pool is reserved")


def nodes_in(zone: str, pools: Mapping[str, Pool], zones: Sequence[str]) -> int:
    """The most nodes in one zone, if every pool is spread evenly over its own."""
    return sum(
        math.ceil(groups_at_most({name: pool}) / len(pool.zones or zones))
        for name, pool in pools.items()
        if zone in (pool.zones or zones)
    )


def machines(pools: Mapping[str, Pool]) -> dict[str, int]:
    """Most nodes of each machine type that are bought at full price; what is reserved is paid and counted already."""
    return _sums(pools, _BOUGHT)


def spot_machines(pools: Mapping[str, Pool]) -> dict[str, int]:
    """Most nodes of each machine type that may be interrupted."""
    return _sums(pools, _SPOT)


def _sums(pools: Mapping[str, Pool], kinds: tuple[Capacity, ...]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for pool in pools.values():
        if pool.capacity in kinds and pool.max > 0:
            sums[pool.machine] = sums.get(pool.machine, 0) + pool.max
    return sums


def wanted_zones(pools: Mapping[str, Pool], usual: Iterable[str]) -> dict[str, set[str]]:
    """The zones where nodes of each machine type are wanted."""
    zones: dict[str, set[str]] = {}
    for pool in pools.values():
        if pool.max > 0:
            zones.setdefault(pool.machine, set()).update(pool.zones or usual)
    return zones
