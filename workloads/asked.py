"""A model as it is asked: over which protocol, what it is known to answer, and how to see that its server stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from workloads import load
from workloads.backends.process.web import Reply
from workloads.load.expect import same
from workloads.reach import Reach

Row = Sequence[float]


class Speech(Protocol):
    """One inference protocol, for one model."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    @property
    def path(self) -> str:
        """Where requests go."""
        ...

    @property
    def field(self) -> tuple[str | int, ...]:
        """Where the answers stand in what comes back."""
        ...

    def body(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A request for some rows."""
        ...

    def of(self, model: str) -> Speech:
        """The same protocol for another model."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class V1:
    """The V1 protocol."""

    model: str
    name: str = "V1"
    field: tuple[str | int, ...] = ("predictions",)

    @property
    def path(self) -> str:
        """Where requests go."""
        return f"/v1/models/{self.model}:predict"

    def body(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A request for some rows."""
        return {"instances": [list(row) for row in rows]}

    def of(self, model: str) -> V1:
        """The same protocol for another model."""
        return replace(self, model=model)


@dataclass(frozen=True, kw_only=True, slots=True)
class V2:
    """The Open Inference (V2) protocol with one tensor."""

    model: str
    tensor: str = "rows"
    name: str = "V2"
    field: tuple[str | int, ...] = ("outputs", 0, "data")

    @property
    def path(self) -> str:
        """Where requests go."""
        return f"/v2/models/{self.model}/infer"

    def body(self, rows: Sequence[Row]) -> dict[str, Any]:
        """A request for some rows."""
        data = [value for row in rows for value in row]
        tensor = {"name": self.tensor, "shape": [len(rows), len(rows[0])], "datatype": "FP32", "data": data}
        return {"inputs": [tensor]}

    def of(self, model: str) -> V2:
        """The same protocol for another model."""
        return replace(self, model=model)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Inputs, and the answers that the library itself gave when the model was made."""

    rows: tuple[tuple[float, ...], ...]
    answers: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...] = ()  # of each class, where answers tell them
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One model, whoever serves it."""

    name: str  # of what is measured, in evidence
    reach: Reach
    speech: Speech  # for load
    others: tuple[Speech, ...]  # in which it gives the same answers
    named: Speech  # in which an answer carries the id that its request came with
    known: Known
    refusals: range  # statuses that say that an input is none
    unknown: frozenset[int]  # statuses that say that there is no such model

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """Every protocol that it speaks."""
        return (self.speech, *self.others)

    def ask(self, speech: Speech, rows: Sequence[Row]) -> Reply:
        """One request, and its answer."""
        return self.reach.post(speech.path, speech.body(rows))

    def payloads(self) -> tuple[load.Payload, ...]:
        """One request for each known row, with its right answer."""
        pairs = zip(self.known.rows, self.known.answers, strict=True)
        return tuple(self._payload(self.speech, row, wanted) for row, wanted in pairs)

    def batch(self, count: int) -> tuple[load.Payload, ...]:
        """So many requests, each with an id of its own that must come back."""
        rows, answers = self.known.rows, self.known.answers
        return tuple(
            self._payload(self.named, rows[one % len(rows)], answers[one % len(rows)], f"row-{one}")
            for one in range(count)
        )

    def _payload(self, speech: Speech, row: Row, wanted: float, known: str = "") -> load.Payload:
        checks = [load.Check(path=speech.field, equals=[wanted], tolerance=self.known.tolerance)]
        body = speech.body([row])
        if known:
            body["id"] = known
            checks.append(load.Check(path=("id",), equals=known))
        return load.Payload(body=json.dumps(body).encode("utf-8"), expect=load.Expect(checks=tuple(checks)))

    def right(self, speech: Speech, reply: Reply, wanted: Sequence[float]) -> bool:
        """Whether an answer is the known one."""
        return reply.ok and same(at(reply, *speech.field), list(wanted), self.known.tolerance)


class Witness(Protocol):
    """Who sees whether the server that began is the one that ends."""

    def look(self, progress: load.Progress) -> None:
        """Look around while the load is offered."""
        ...

    def same(self) -> tuple[bool, str]:
        """Whether nothing was started again, and what was seen."""
        ...

    @property
    def memory(self) -> tuple[tuple[float, float], ...]:
        """MiB by second, where somebody tells."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Two versions behind one address. `shift` sets the share of requests that the second one gets, 0 to 1."""

    reach: Reach
    path: str
    payloads: tuple[load.Payload, ...]  # that both answer, and that count the versions in the answers
    second: str  # the version, as its answers name it
    shift: Callable[[float], None]


def at(reply: Reply, *path: str | int) -> Any:  # noqa: ANN401 - whatever the server says
    """The value at a path of an answer; None where there is none."""
    try:
        found: Any = reply.json
        for step in path:
            found = found[step]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return found
