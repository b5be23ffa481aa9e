"""Durations in a HdrHistogram: seconds in, seconds out, exact merges, 0.1 % wide buckets. The only user of `hdrh`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

MICRO = 1_000_000
HIGHEST = 3_600 * MICRO
DIGITS = 3

_hdr: Any = importlib.import_module("hdrh.histogram").HdrHistogram  # the distribution has no types


class Histogram:
    """Durations from 0 to an hour. Sum, least and greatest are kept beside the buckets, to the microsecond."""

    __slots__ = ("_buckets", "_greatest", "_least", "_record", "_sum")

    def __init__(self) -> None:
        self._buckets = _hdr(1, HIGHEST, DIGITS)
        self._record = self._buckets.record_value
        self._sum, self._least, self._greatest = 0, HIGHEST, 0

    def record(self, seconds: float) -> None:
        """Add one duration; what is below 0 or over an hour counts as 0 or an hour."""
        micros = min(max(round(seconds * MICRO), 0), HIGHEST)
        self._record(micros)
        self._sum += micros
        self._least = min(self._least, micros)
        self._greatest = max(self._greatest, micros)

    @property
    def count(self) -> int:
        """Durations recorded."""
        return self._buckets.get_total_count()

    @property
    def mean(self) -> float:
        """Arithmetic mean; 0 where there is nothing."""
        return self._sum / self.count / MICRO if self.count else 0.0

    @property
    def min(self) -> float:
        """Least duration; 0 where there is nothing."""
        return self._least / MICRO if self.count else 0.0

    @property
    def max(self) -> float:
        """Greatest duration; 0 where there is nothing."""
        return self._greatest / MICRO

    def percentile(self, percent: float) -> float:
        """The duration that `percent` of all do not exceed (upper edge of its bucket)."""
        return min(self._buckets.get_value_at_percentile(percent) / MICRO, self.max)

    def at_rank(self, rank: int) -> float:
        """The duration with `rank` - 1 shorter ones: ends of order-statistic intervals."""
        return self.percentile(100 * rank / self.count) if self.count else 0.0

    def cdf(self) -> tuple[tuple[float, float], ...]:
        """(seconds, share of durations that are not longer), one pair for each bucket in use."""
        seen, pairs = 0, list[tuple[float, float]]()
        for bucket in self._buckets.get_recorded_iterator():
            seen += bucket.count_at_value_iterated_to
            edge = self._buckets.get_highest_equivalent_value(bucket.value_iterated_to)
            pairs.append((min(edge / MICRO, self.max), seen / self.count))
        return tuple(pairs)

    def add(self, other: Histogram) -> None:
        """Take in everything that another one holds."""
        self._buckets.add(other._buckets)
        self._sum += other._sum
        self._least = min(self._least, other._least)
        self._greatest = max(self._greatest, other._greatest)

    def to_json(self) -> dict[str, Any]:
        """The standard encoding (HdrHistogram V2, compressed, base64), and the exact values beside it."""
        encoded: bytes = self._buckets.encode() if self.count else b""
        return {
            "hdr": encoded.decode("ascii"),
            "count": self.count,
            "sum_us": self._sum,
            "min_us": self._least,
            "max_us": self._greatest,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Histogram:
        """Read what `to_json` wrote; a count that does not fit its buckets is an error."""
        own = cls()
        if value["hdr"]:
            try:
                own._buckets.decode_and_add(value["hdr"].encode("ascii"))
            except Exception as error:  # the decoder, zlib and base64 each have errors of their own
                raise ValueError(f"histogram: not readable: {error!r}") from error
        own._sum, own._least, own._greatest = value["sum_us"], value["min_us"], value["max_us"]
        if own.count != value["count"]:
            raise ValueError(f"histogram: {own.count} durations in the buckets, {value['count']} expected")
        return own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_json() == other.to_json()

    __hash__ = None  # pyright: ignore[reportAssignmentType] it changes
