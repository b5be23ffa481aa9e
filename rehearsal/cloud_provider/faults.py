"""Failures on demand: which call of a run fails, and how. Knows no cloud.

KUBEFLOW_PROOF_REHEARSAL_FAULTS holds rules, separated by commas: TOKEN[/ACTION]@N[=KIND[:SECONDS]]. The Nth (or `*`:
every) ACTION (create, update or delete; create if none is named) on a resource of type TOKEN (or `*`: of any type)
fails after SECONDS; with the kind `slow` it succeeds after them. Calls are counted from the start of the plugin,
previews apart.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

FAULTS = "KUBEFLOW_PROOF_REHEARSAL_FAULTS"
PARTIAL, SLOW = "partial", "slow"
# kind -> name of the gRPC status, and message
KINDS = {
    "error": ("UNKNOWN", "operation error: InternalFailure"),
    "quota": ("RESOURCE_EXHAUSTED", "QuotaExceeded: the limit for this resource is reached"),
    "throttle": ("RESOURCE_EXHAUSTED", "Throttling: rate exceeded, retries exhausted"),
    "denied": ("PERMISSION_DENIED", "AccessDenied: not authorized"),
    "timeout": ("DEADLINE_EXCEEDED", "timeout while waiting for the resource to become active"),
    PARTIAL: ("UNKNOWN", "it was created but never became ready"),  # the engine keeps it, and tries again
    SLOW: ("OK", ""),
}
_RULE = re.compile(r"(?P<target>[^@]+)@(?P<number>\d+|\*)(?:=(?P<kind>\w+)(?::(?P<seconds>\d+(\.\d+)?))?)?")
_ACTIONS = ("create", "update", "delete")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One failure that is due."""

    kind: str
    code: str
    message: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    token: str
    action: str
    number: str
    kind: str
    seconds: float


def rules(text: str) -> Iterator[_Rule]:
    """Read the rules; what cannot be read is an error, never ignored."""
    for one in filter(None, (part.strip() for part in text.split(","))):
        found = _RULE.fullmatch(one)
        kind = (found and found["kind"]) or "error"
        if found is None or kind not in KINDS:
            raise ValueError(
                f"{FAULTS}: {one!r} is not TOKEN[/{'|'.join(_ACTIONS)}]@N[=KIND[:SECONDS]] with KIND one of "
                f"{', '.join(KINDS)}"
            )
        token, _, action = found["target"].rpartition("/")
        if action not in _ACTIONS:
            token, action = found["target"], "create"
        yield _Rule(token=token, action=action, number=found["number"], kind=kind, seconds=float(found["seconds"] or 0))


class Faults:
    """Counts the calls of one process; used by many threads at once."""

    def __init__(self, text: str | None = None) -> None:
        self._rules = tuple(rules(os.environ.get(FAULTS, "") if text is None else text))
        self._counts = Counter[tuple[str, str]]()
        self._lock = threading.Lock()

    def due(self, token: str, action: str) -> Fault | None:
        """Count a call; the failure that it must end in."""
        with self._lock:
            for counted in (token, "*"):
                self._counts[counted, action] += 1
            numbers = {counted: str(self._counts[counted, action]) for counted in (token, "*")}
        for rule in self._rules:
            if rule.action == action and rule.token in numbers and rule.number in {"*", numbers[rule.token]}:
                code, message = KINDS[rule.kind]
                return Fault(
                    kind=rule.kind,
                    code=code,
                    message=f"{action} {token}: {message} (injected by the rehearsal)",
                    seconds=rule.seconds,
                )
        return None
