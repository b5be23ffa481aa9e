"""`Terms`: what a measurement is held to, wherever it is made. Knows neither the cluster nor any software."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from workloads.profile import Profile


class Terms(Protocol):
    """Sizes, limits and the seed of one run."""

    @property
    def profile(self) -> Profile:
        """How long and how hard is measured."""
        ...

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...

    @property
    def say(self) -> Callable[[str], None]:
        """Tell whoever waits."""
        ...

    def limit(self, criterion: str) -> float:
        """The threshold in force of a criterion of the catalog."""
        ...
