"""Addresses of nodes, planned from configured ranges. Pure; the port group itself is given, never made.

Each pool has a range of its own and each node its place in it, so nothing that is added or removed moves an address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from the first to the last, both included."""

    first: ipaddress.IPv4Address
    last: ipaddress.IPv4Address

    @classmethod
    def parse(cls, text: str) -> Range:
        """A range as it is written: `10.40.0.10-10.40.0.19`, or one address. ValueError for anything else."""
        first, _, last = text.partition("-")
        found = cls(ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address((last or first).strip()))
        if found.last < found.first:
            raise ValueError(f"{text} ends before it begins")
        return found

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def take(self, count: int) -> tuple[str, ...]:
        """The first addresses of the range."""
        if count > len(self):
            raise ValueError(f"{self} has {len(self)} addresses, {count} are needed")
        return tuple(str(self.first + index) for index in range(count))

    def overlaps(self, other: Range) -> bool:
        """Whether an address is in both."""
        return self.first <= other.last and other.first <= self.last

    def inside(self, network: ipaddress.IPv4Network) -> bool:
        """Whether every address can be a node's in the network."""
        low, high = network.network_address, network.broadcast_address
        return low < self.first and self.last < high


def plan(ranges: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The addresses of each pool's nodes."""
    return {name: Range.parse(ranges[name]).take(count) for name, count in counts.items()}


def range_problems(network: str, ranges: Mapping[str, str], counts: Mapping[str, int]) -> Iterator[str]:
    """What is wrong with named ranges of one network; the name is the key path below the options."""
    whole = ipaddress.IPv4Network(network)
    parsed: dict[str, Range] = {}
    for name, text in ranges.items():
        try:
            parsed[name] = Range.parse(text)
        except ValueError:
            yield f"{name}: found '{text}'; allowed: a range such as {whole[10]}-{whole[19]}"
    for name, found in parsed.items():
        if not found.inside(whole):
            yield f"{name}: found {found}; allowed: addresses of {network}"
        if counts.get(name, 0) > len(found):
            yield f"{name}: found {len(found)} addresses; needed: {counts[name]}"
    for (one, first), (other, second) in combinations(parsed.items(), 2):
        if first.overlaps(second):
            yield f"{one} ({first}) and {other} ({second}) overlap"
