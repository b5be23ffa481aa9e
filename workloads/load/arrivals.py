"""When requests are planned: seeded arrival processes, with a fixed number of requests each. Knows no server."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DAY_SECONDS = 86_400
DAY_PIECES = 288  # five minutes each


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A stretch of time with one mean rate."""

    seconds: float
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrivals:
    """A rate over time, and how uneven the gaps are: 0 is evenly spaced, 1 is Poisson, more comes in clumps.

    `burstiness` is the squared coefficient of variation of the gaps. The number of requests is the area under the
    rate, rounded: a Poisson process of which the count is known, so that samples are as large as planned.
    """

    name: str
    pieces: tuple[Piece, ...]
    burstiness: float

    @property
    def seconds(self) -> float:
        """Length of the whole process."""
        return math.fsum(piece.seconds for piece in self.pieces)

    @property
    def count(self) -> int:
        """Requests in all."""
        return round(math.fsum(piece.seconds * piece.rate for piece in self.pieces))

    @property
    def rate(self) -> float:
        """Mean rate."""
        return self.count / self.seconds

    def times(self, seed: int) -> array[float]:
        """Offsets of all requests in seconds, ascending, inside [0, seconds)."""
        return array("d", self._warped(self._even(seed)))

    def _even(self, seed: int) -> Iterator[float]:
        """Places in (0, 1), ascending: cumulated gaps, scaled to the whole."""
        if self.burstiness == 0:
            yield from ((index + 0.5) / self.count for index in range(self.count))
            return
        draw = random.Random(seed)  # noqa: S311 - a repeatable load, no secret
        shape = 1 / self.burstiness
        gaps = array("d", (draw.gammavariate(shape, 1.0) for _ in range(self.count + 1)))
        whole, reached = math.fsum(gaps), 0.0
        for gap in gaps[:-1]:
            reached += gap
            yield min(reached / whole, 1.0)

    def _warped(self, places: Iterable[float]) -> Iterator[float]:
        """Places on the cumulated rate, turned into times."""
        total = math.fsum(piece.seconds * piece.rate for piece in self.pieces)
        pieces = iter([piece for piece in self._starts() if piece[1].rate > 0])
        start, piece = next(pieces)
        before, last = 0.0, math.nextafter(self.seconds, 0)
        for place in places:
            area = place * total
            while area > before + piece.seconds * piece.rate and (following := next(pieces, None)):
                before += piece.seconds * piece.rate
                start, piece = following
            yield min(start + (area - before) / piece.rate, last)

    def _starts(self) -> Iterator[tuple[float, Piece]]:
        start = 0.0
        for piece in self.pieces:
            yield start, piece
            start += piece.seconds


def poisson(*, rate: float, seconds: float) -> Arrivals:
    """Independent users: the default."""
    return Arrivals(name="poisson", pieces=(Piece(seconds=seconds, rate=rate),), burstiness=1.0)


def constant(*, rate: float, seconds: float) -> Arrivals:
    """Evenly spaced: for comparisons that must not depend on chance."""
    return Arrivals(name="constant", pieces=(Piece(seconds=seconds, rate=rate),), burstiness=0.0)


def gamma(*, rate: float, seconds: float, burstiness: float) -> Arrivals:
    """Gamma-distributed gaps: requests that come in clumps when `burstiness` is over 1."""
    return Arrivals(name="gamma", pieces=(Piece(seconds=seconds, rate=rate),), burstiness=burstiness)


def steps(*, rates: Iterable[float], seconds: float, burstiness: float = 1.0) -> Arrivals:
    """One rate after another, `seconds` each: ramps, knees, autoscaling."""
    pieces = tuple(Piece(seconds=seconds, rate=rate) for rate in rates)
    return Arrivals(name="steps", pieces=pieces, burstiness=burstiness)


def bursts(*, requests: int, seconds: float, count: int = 3, factor: float = 10.0, length: float = 10.0) -> Arrivals:
    """`count` bursts of `factor` times the mean, `length` seconds each, evenly placed; less in between, same total."""
    mean, quiet = requests / seconds, seconds - count * length
    if quiet <= 0 or factor * mean * count * length > requests:
        raise ValueError(f"{count} bursts of {factor * mean:g}/s, {length:g} s each, do not fit {requests} requests")
    rest = Piece(seconds=quiet / (count + 1), rate=(requests - factor * mean * count * length) / quiet)
    burst = Piece(seconds=length, rate=factor * mean)
    return Arrivals(name="bursts", pieces=(rest, *(burst, rest) * count), burstiness=1.0)


def day(*, requests: int, compress: float = 1.0, peak: float = 5.0) -> Arrivals:
    """A day with one busy time, `peak` times the mean, played `compress` times as fast. Nights are nearly silent."""
    seconds = DAY_SECONDS / compress
    sharpness = _sharpness(peak)
    heights = [math.exp(sharpness * (math.cos(_angle(index)) - 1)) for index in range(DAY_PIECES)]
    scale = requests / seconds * DAY_PIECES / math.fsum(heights)
    pieces = tuple(Piece(seconds=seconds / DAY_PIECES, rate=height * scale) for height in heights)
    return Arrivals(name="day", pieces=pieces, burstiness=1.0)


def _angle(index: int) -> float:
    """Where a piece lies on the circle of the day; noon is 0."""
    return 2 * math.pi * ((index + 0.5) / DAY_PIECES - 0.5)


def _sharpness(peak: float) -> float:
    """The von Mises curve whose highest piece is `peak` times its mean, by bisection."""
    if not 1 <= peak <= DAY_PIECES / 10:
        raise ValueError(f"peak: expected 1 to {DAY_PIECES / 10:g} times the mean, found {peak:g}")
    low, high = 0.0, 4 * peak**2
    for _ in range(80):
        middle = (low + high) / 2
        heights = [math.exp(middle * (math.cos(_angle(index)) - 1)) for index in range(DAY_PIECES)]
        reached = max(heights) * DAY_PIECES / math.fsum(heights)
        low, high = (middle, high) if reached < peak else (low, middle)
    return (low + high) / 2
