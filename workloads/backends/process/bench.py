"""`Bench`: what a check of the process backend works with; starts each piece of software once, stops all at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from workloads.contract import Target
from workloads.profile import Profile

T = TypeVar("T")


@dataclass(kw_only=True)
class Bench:
    """One run's software on this machine. A piece of software is a context manager made from the bench."""

    target: Target
    profile: Profile
    folder: Path  # logs and working files of the software
    limits: Mapping[str, float]  # thresholds in force by criterion
    say: Callable[[str], None]
    seed: int = 1
    _running: dict[Callable[[Bench], AbstractContextManager[Any]], Any] = field(
        default_factory=dict[Callable[["Bench"], AbstractContextManager[Any]], Any], init=False, repr=False
    )
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def __enter__(self) -> Self:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything that was started, last first."""
        self._running.clear()
        self._stack.close()

    def use(self, software: Callable[[Bench], AbstractContextManager[T]]) -> T:
        """Start a piece of software unless it runs already. It may itself use others."""
        if software not in self._running:
            self._running[software] = self._stack.enter_context(software(self))
        return self._running[software]

    def limit(self, criterion: str) -> float:
        """The threshold in force of a criterion of the catalog."""
        return self.limits[criterion]
