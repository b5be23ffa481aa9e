"""Which failures a rehearsal injects, and where: chosen from the plan, so that every cloud gets its own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

CREATE_KINDS = ("denied", "quota", "partial", "throttle", "timeout", "error")
DELETE_KINDS = ("throttle", "timeout")
_LOCAL = frozenset({"kubernetes", "random", "tls", "pulumi", "proof"})  # no cloud answers for these


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One failure: the first `action` on a resource of type `token` ends so."""

    token: str
    action: str
    kind: str
    seconds: float = 0

    @property
    def what(self) -> str:
        """As a person reads it."""
        return f"{self.kind} during {self.action} of {self.token}"

    @property
    def rule(self) -> str:
        """As the stand-in cloud reads it."""
        delay = f":{self.seconds:g}" if self.seconds else ""
        return f"{self.token}/{self.action}@1={self.kind}{delay}"


@dataclass(kw_only=True, slots=True)
class Injected:
    """What became of a failure: it `failed` the run as it should, and a later run `survived` it."""

    what: str
    failed: bool = False
    survived: bool = False


def cloud_types(steps: Sequence[tuple[str, str]], operation: str) -> list[str]:
    """Types of cloud resources with this operation, in the order of the plan, each once."""
    return list(dict.fromkeys(kind for done, kind in steps if done == operation and is_cloud(kind)))


def is_cloud(kind: str) -> bool:
    """Whether a type belongs to a cloud's package."""
    return kind.partition(":")[0] not in _LOCAL


def next_target(remaining: Sequence[str], tried: Collection[str], left: int) -> str | None:
    """A type that no failure has hit yet, so far on in the plan that `left` further ones find others behind it."""
    fresh = [kind for kind in remaining if kind not in tried]
    return fresh[len(fresh) // (left + 2)] if fresh else None


def of_change(steps: Sequence[tuple[str, str]], kind: str) -> Fault | None:
    """A failure in the last cloud resource that a change touches; None where it touches none."""
    touched = [(done, token) for done, token in steps if done in {"create", "update"} and is_cloud(token)]
    if not touched:
        return None
    action, token = touched[-1]
    return Fault(token=token, action=action, kind=kind)


def of_destruction(kinds: Sequence[str]) -> Iterator[Fault]:
    """Failures early and late in a destruction; `kinds` are the types of the stack in the order of creation."""
    fresh = list(dict.fromkeys(kind for kind in kinds if is_cloud(kind)))
    places = (len(fresh) - 1, len(fresh) // 3)
    for place, kind in zip(places, DELETE_KINDS, strict=True):
        yield Fault(token=fresh[place], action="delete", kind=kind)
